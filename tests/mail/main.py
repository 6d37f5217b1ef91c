"""The gateway and a mail server that is real: `main.py BINARY`."""

import email
import email.policy
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
PASSWORD, ANOTHER = "correct horse battery", "another horse battery"
PATIENCE = 30


def until(what, question):
    """Asks until the answer is true, which is then the answer."""
    end = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < end, f"in vain for {PATIENCE} s: {what}"
        time.sleep(0.02)
    return answer


def same(what, got, wanted):
    assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def run(*command, **options):
    environment = os.environ | {"SMTP_PASSWORD": "sesame open"}
    options = {"capture_output": True, "timeout": 60, "text": True, "env": environment} | options
    return subprocess.run([str(word) for word in command], **options)


def authority(folder, name):
    """A certificate for this machine, and the authority that vouches for it."""
    folder.mkdir()
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for command in (
        ["req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", f"/CN={name}",
         "-days", "2"],
        ["req", *new, "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=localhost"],
        ["x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key",
         "-CAcreateserial", "-out", "cert.pem", "-days", "2", "-extfile", "names"],
    ):
        made = run("openssl", *command, cwd=folder)
        assert made.returncode == 0, made.stderr
    return folder


class MailServer:
    """A process that takes letters."""

    def __init__(self, folder, kind, certs, port=0):
        self.folder, self.kind, self.certs = folder, kind, certs
        folder.mkdir(exist_ok=True)
        self.read = set()
        self.start(port)

    def start(self, port):
        pair = [] if self.kind == "clear" else [self.certs / "cert.pem", self.certs / "key.pem"]
        command = [sys.executable, HERE / "server.py", self.folder, str(port), self.kind, *pair]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, "the mail server did not start"
        self.port = int(line)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def log(self):
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def letters(self):
        return sorted(self.folder.glob("*.json"))

    def letter(self):
        """The next letter, which has to come."""
        path = until("a letter", lambda: next((p for p in self.letters() if p not in self.read), None))
        self.read.add(path)
        letter = json.loads(path.read_text())
        letter["message"] = email.message_from_string(letter["raw"], policy=email.policy.default)
        return letter


def text(letter, kind="plain"):
    return letter["message"].get_body((kind,)).get_content()


def link(letter):
    found = re.search(r"https://app\.test/\S+\?uid=(\d+)&token=([\w-]{43})(?!\S)", text(letter))
    assert found, text(letter)
    return {"uid": found[1], "token": found[2]}


class Gateway:
    """The binary under test, with `[mail]` as given."""

    def __init__(self, binary, folder, mail):
        self.binary, self.folder = binary, folder
        folder.mkdir(exist_ok=True)
        (folder / "portcullis.toml").write_text(f"""
listen = ["127.0.0.1:0"]
public = "https://app.test"
[upstreams]
whoami = {{ whoami = true }}
[routes]
"/*" = {{ to = "whoami" }}
[auth.password]
memory = "64KiB"
[auth.throttle]
recipient = "100/h"
[mail]
from = "The Shop <no-reply@app.test>"
retry = "100ms"
timeout = "5s"
{mail}
""")
        self.start()

    def start(self):
        self.log_file = open(self.folder / "err", "ab")
        self.process = subprocess.Popen(
            [self.binary], cwd=self.folder, stdout=subprocess.PIPE, stderr=self.log_file,
            text=True, env={"SMTP_PASSWORD": "sesame open"},
        )
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return
        raise AssertionError(f"the gateway did not start: {self.log()}")

    def stop(self, how=signal.SIGTERM, code=0):
        self.process.send_signal(how)
        same("the exit status", self.process.wait(PATIENCE), code)
        self.process.stdout.close()
        self.log_file.close()

    def log(self):
        return (self.folder / "err").read_text()

    def post(self, path, body, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Host": "app.test", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request("POST", f"/api/auth/{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        return answer.status, content

    def register(self, name):
        body = {"username": name, "password": PASSWORD, "email": f"{name}@example.com"}
        same("register", self.post("register/", body)[0], 201)

    def login(self, name, password=PASSWORD):
        return self.post("token/", {"username": name, "password": password})

    def ask(self, name):
        status, body = self.post("password/reset/", {"email": f"{name}@example.com"})
        same("asking", (status, body), (200, {"detail": "Password reset e-mail has been sent."}))


def part(what):
    print(f"-- {what}", flush=True)


class World:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.ours = authority(folder / "ours", "ours")
        self.theirs = authority(folder / "theirs", "theirs")
        self.ended = []

    def server(self, name, kind, certs=None):
        server = MailServer(self.folder / f"{name}.mail", kind, certs or self.ours)
        self.ended.append(server.process)
        return server

    def gateway(self, name, mail):
        gateway = Gateway(self.binary, self.folder / name, mail)
        self.ended.append(gateway.process)
        return gateway

    def secure(self, scheme, server):
        return (
            f'smtp = "{scheme}://localhost:{server.port}"\nca = "{self.ours}/ca.pem"\n'
            'user = "gateway"\npassword = { env = "SMTP_PASSWORD" }\n'
        )


def starttls(world):
    part("STARTTLS, a login, and a forgotten password")
    server = world.server("starttls", "starttls")
    gateway = world.gateway("a", world.secure("smtp", server))
    gateway.register("ann")
    gateway.ask("nobody")
    gateway.ask("ann")
    letter = server.letter()
    same("sender", letter["from"], "no-reply@app.test")
    same("recipient", letter["to"], ["ann@example.com"])
    same("TLS and login", (letter["tls"], letter["login"]), (True, True))
    message = letter["message"]
    same("From", str(message["From"]), "The Shop <no-reply@app.test>")
    same("Subject", str(message["Subject"]), "Choose a new password for app.test")
    same("automatic", str(message["Auto-Submitted"]), "auto-generated")
    assert message["Message-ID"] and message["Date"], message
    assert "Hello ann," in text(letter) and "Hello ann," in text(letter, "html")
    found = link(letter)
    assert f"uid={found['uid']}&amp;token={found['token']}" in text(letter, "html")
    same("weak", gateway.post("password/reset/confirm/", found | {"new_password": "1"})[0], 400)
    same("new", gateway.post("password/reset/confirm/", found | {"new_password": ANOTHER})[0], 200)
    again = gateway.post("password/reset/confirm/", found | {"new_password": PASSWORD})
    same("used", again, (400, {"token": ["Invalid value"]}))
    same("logins", (gateway.login("ann")[0], gateway.login("ann", ANOTHER)[0]), (400, 200))
    # Nothing was sent in clear, and to nobody who is not there.
    same("asked", server.log().count("RCPT"), 1)
    assert "mail sent" in gateway.log(), gateway.log()
    assert found["token"] not in gateway.log() and "sesame" not in gateway.log()
    gateway.stop()
    server.stop()


def implicit(world):
    part("TLS from the first byte, and an address that is verified")
    server = world.server("implicit", "implicit")
    gateway = world.gateway("b", world.secure("smtps", server))
    gateway.register("ann")
    token = gateway.login("ann")[1]["access"]
    same("asking", gateway.post("email/verify/", {}, token)[0], 200)
    letter = server.letter()
    same("TLS and login", (letter["tls"], letter["login"]), (True, True))
    same("confirm", gateway.post("email/verify/confirm/", link(letter))[0], 200)
    said = gateway.post("email/verify/", {}, token)
    same("again", said, (200, {"detail": "E-mail address is verified already."}))
    shown = run(world.binary, "user", "show", "ann", "--json", cwd=gateway.folder)
    same("verified", json.loads(shown.stdout)["email_verified"], True)
    printed = run(world.binary, "user", "reset-link", "ann", cwd=gateway.folder).stdout
    uid, token = re.fullmatch(r"https://app\.test/reset-password\?uid=(\d+)&token=(\S+)\n", printed).groups()
    body = {"uid": uid, "token": token, "new_password": ANOTHER}
    same("by the link of an operator", gateway.post("password/reset/confirm/", body)[0], 200)
    notice = server.letter()
    same("notice", str(notice["message"]["Subject"]), "Your password at app.test was changed")
    gateway.stop()
    server.stop()


def untrusted(world):
    part("nothing for a server that is somebody else, or that has no TLS")
    for name, scheme, kind, certs, said in [
        ("c1", "smtp", "clear", None, "offers no STARTTLS"),
        ("c2", "smtp", "starttls", world.theirs, "certificate"),
        ("c3", "smtps", "implicit", world.theirs, "certificate"),
    ]:
        server = world.server(name, kind, certs)
        gateway = world.gateway(name, world.secure(scheme, server))
        gateway.register("ann")
        gateway.ask("ann")
        until(f"{name}: a word of {said}", lambda: said in gateway.log())
        until("another attempt", lambda: gateway.log().count("mail not sent") > 1)
        same("asked", server.log(), "")
        gateway.stop()
        server.stop()


def wrong_password(world):
    part("a server that does not know us is asked again")
    server = world.server("d", "starttls")
    settings = world.secure("smtp", server).replace('"gateway"', '"somebody"')
    gateway = world.gateway("d", settings)
    gateway.register("ann")
    gateway.ask("ann")
    until("a second attempt", lambda: server.log().count("AUTH") > 1)
    until("a warning", lambda: "535" in gateway.log())
    assert "given up" not in gateway.log(), gateway.log()
    gateway.stop()
    server.stop()


def away(world):
    part("a server that is away, and a gateway that is killed")
    server = world.server("e", "starttls")
    settings = world.secure("smtp", server)
    port = server.port
    server.stop()
    gateway = world.gateway("e", settings)
    gateway.register("ann")
    gateway.register("bob")
    gateway.ask("ann")
    until("an attempt", lambda: "mail not sent" in gateway.log())
    server.start(port)
    world.ended.append(server.process)
    letter = server.letter()
    same("recipient", letter["to"], ["ann@example.com"])
    server.stop()
    gateway.ask("bob")
    gateway.stop(signal.SIGKILL, -signal.SIGKILL)
    server.start(port)
    world.ended.append(server.process)
    gateway.start()
    world.ended.append(gateway.process)
    # It may have been claimed by the one that was killed: then it comes when the claim is over.
    letter = None
    end = time.monotonic() + 90
    while letter is None:
        assert time.monotonic() < end, "the letter was lost with the gateway"
        fresh = [path for path in server.letters() if path not in server.read]
        letter = server.letter() if fresh else None
        time.sleep(0.1)
    same("recipient", letter["to"], ["bob@example.com"])
    body = link(letter) | {"new_password": ANOTHER}
    same("its link", gateway.post("password/reset/confirm/", body)[0], 200)
    gateway.stop()
    server.stop()


def picky(world):
    part("recipients that are refused, put off, or taken slowly")
    server = world.server("f", "starttls")
    gateway = world.gateway("f", world.secure("smtp", server))
    for name in ("gone", "busy", "slow", "ann"):
        gateway.register(name)
    gateway.ask("gone")
    gateway.ask("busy")
    gateway.ask("ann")
    got = {server.letter()["to"][0], server.letter()["to"][0]}
    same("letters", got, {"busy@example.com", "ann@example.com"})
    same("asked for the one that is gone", server.log().count("RCPT gone"), 1)
    same("given up", gateway.log().count("mail given up"), 1)
    same("asked for the busy one", server.log().count("RCPT busy"), 2)
    gateway.ask("slow")
    until("the letter under way", lambda: server.log().count("DATA") == 3)
    begun = time.monotonic()
    same("a login meanwhile", gateway.login("ann")[0], 200)
    assert time.monotonic() - begun < 1.5, "a request waited for the mail server"
    # The end of the gateway waits for the letter, which therefore is not sent again.
    gateway.stop()
    same("recipient", server.letter()["to"], ["slow@example.com"])
    gateway.start()
    world.ended.append(gateway.process)
    gateway.ask("ann")
    same("the next letter", server.letter()["to"], ["ann@example.com"])
    gateway.stop()
    server.stop()


def silent(world):
    part("a server that takes for ever")
    server = world.server("g", "starttls")
    gateway = world.gateway("g", world.secure("smtp", server))
    settings = (gateway.folder / "portcullis.toml").read_text()
    gateway.stop()
    (gateway.folder / "portcullis.toml").write_text(settings.replace('"5s"', '"1s"'))
    gateway.start()
    world.ended.append(gateway.process)
    gateway.register("never")
    gateway.ask("never")
    until("a second attempt", lambda: server.log().count("DATA") > 1)
    assert "mail server too slow" in gateway.log(), gateway.log()
    gateway.stop()
    server.stop()


def templates(world):
    part("templates of an operator")
    server = world.server("h", "clear")
    folder = world.folder / "h"
    (folder / "mail").mkdir(parents=True)
    broken = folder / "mail" / "reset.txt"
    broken.write_text("Salut {{ username }}\n{{ link }\n")
    (folder / "portcullis.toml").write_text("")
    settings = f'smtp = "smtp+clear://127.0.0.1:{server.port}"\ntemplates = "mail"\n'
    try:
        world.gateway("h", settings)
        raise RuntimeError("it started with a broken template")
    except AssertionError:
        pass
    said = run(world.binary, "check", cwd=folder)
    same("check", said.returncode, 1)
    assert re.search(r"portcullis\.toml:\d+:\d+: \S*mail/reset\.txt:2: syntax error", said.stderr + said.stdout), said
    broken.write_text("Salut {{ username }} à {{ site }}\n{{ link }}\n")
    gateway = world.gateway("h", settings)
    gateway.register("ann")
    gateway.ask("ann")
    letter = server.letter()
    assert text(letter).startswith("Salut ann à app.test"), text(letter)
    same("TLS and login", (letter["tls"], bool(letter["login"])), (False, False))
    link(letter)
    gateway.stop()
    server.stop()


def main(binary):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mail"))
    world = World(pathlib.Path(binary).resolve(), folder)
    try:
        for test in (starttls, implicit, untrusted, wrong_password, away, picky, silent, templates):
            test(world)
    except BaseException:
        for log in sorted(folder.glob("*/err")):
            print(f"--- {log}\n{log.read_text(errors='replace')[-2000:]}", flush=True)
        raise
    finally:
        for process in world.ended:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(folder)
    print("mail: all is well")


main(*sys.argv[1:])
