"""A gateway in a folder of its own, and requests to it."""

import http.client
import json
import os
import re
import subprocess


class Gate:
    def __init__(self, binary, folder, policy):
        self.binary, self.folder = os.path.abspath(binary), folder
        self.process = None
        with open(os.path.join(folder, "portcullis.toml"), "w") as file:
            file.write(policy)

    def command(self, *args, status=0, text=None):
        """Standard output of a command, which has to end with that status."""
        ran = subprocess.run([self.binary, *args], cwd=self.folder, env=self.env(), text=True,
                             input=text, capture_output=True)
        assert ran.returncode == status, (args, ran.returncode, ran.stdout, ran.stderr)
        return ran.stdout

    @staticmethod
    def env():
        left_out = ("PORTCULLIS_CONFIG", "RUST_LOG")
        return {key: value for key, value in os.environ.items() if key not in left_out}

    def start(self):
        self.log = open(os.path.join(self.folder, "err"), "w+")
        self.process = subprocess.Popen([self.binary], cwd=self.folder, env=self.env(), text=True,
                                        stdout=subprocess.PIPE, stderr=self.log)
        for line in self.process.stdout:
            found = re.match(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                return
        raise AssertionError("the gateway did not say where it listens")

    def stop(self):
        if self.process:
            self.process.terminate()
            assert self.process.wait(30) == 0, "the gateway did not end well"
            self.process.stdout.close()
            self.process = None
            self.log.seek(0)
            log = self.log.read()
            self.log.close()
            assert "panicked" not in log, log

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.stop()

    def ask(self, method, path, body=None, authorization=None, connection=None):
        """Status and body of an answer, which is JSON."""
        held = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": authorization} if authorization else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        held.request(method, path, body, headers)
        answer = held.getresponse()
        text = answer.read()
        if not connection:
            held.close()
        return answer.status, json.loads(text)

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
