"""A mail server that hangs or breaks off at any stage of the dialogue: nobody waits for it but the letter, and that
comes once it is well."""

import contextlib
import email
import email.policy
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from waiting import until
from world import MARGIN, PASSWORD, PATIENCE, WITHIN, same, stage

# Seconds that the gateway waits for an answer, and between two attempts.
TIMEOUT, RETRY = 1, 1
# The wait before another attempt grows by a quarter at most, and doubles with each.
LATEST = 3 * TIMEOUT + 3 * RETRY * 1.25 + WITHIN + MARGIN
POLICY = """
public = "https://app.test"
[upstreams]
who = {{ whoami = true }}
[routes]
"/*" = {{ to = "who" }}
[mail]
smtp = "smtp+clear://127.0.0.1:{port}"
from = "Gate <gate@app.test>"
timeout = "{timeout}s"
retry = "{retry}s"
"""
STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "letter", "QUIT")
# How it fails there: says nothing more, goes away, or says what is no answer.
HANGS, LEAVES, BABBLES = "hangs", "leaves", "babbles"
ANSWERS = {"greeting": b"220 mail.test\r\n", "EHLO": b"250 mail.test\r\n", "DATA": b"354 go on\r\n"}


class Trouble(Exception):
    pass


class MailServer(threading.Thread):
    """Takes letters, but for a fault at one stage while it has one."""

    def __init__(self, stage, fault):
        super().__init__(daemon=True)
        self.stage, self.fault = stage, fault
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.met, self.taken = threading.Event(), []
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, contextlib.suppress(OSError, Trouble):
            reader = connection.makefile("rb")
            self.answer(connection, reader, "greeting")
            while line := reader.readline():
                word = line[:4].decode().strip()
                self.answer(connection, reader, "EHLO" if word == "HELO" else word)
                if word == "DATA":
                    letter = b"".join(iter(reader.readline, b".\r\n"))
                    self.taken.append(letter)
                    self.answer(connection, reader, "letter")

    def answer(self, connection, reader, stage):
        if stage == self.stage and self.fault:
            fault = self.fault
            self.met.set()
            if fault == HANGS:
                reader.read()  # until the gateway has enough
            elif fault == BABBLES:
                while True:
                    connection.sendall(b"2" * 4096)
            raise Trouble
        connection.sendall(ANSWERS.get(stage, b"250 ok\r\n"))

    def is_well(self):
        self.fault = None


def link(letter):
    text = email.message_from_bytes(letter, policy=email.policy.default).get_body(("plain",)).get_content()
    uid, token = re.search(r"\?uid=(\d+)&token=([\w-]{43})(?!\S)", text).groups()
    return {"uid": uid, "token": token}


def one(binary, folder, stage_of, fault):
    server = MailServer(stage_of, fault)
    policy = POLICY.format(port=server.port, timeout=TIMEOUT, retry=RETRY)
    with stage(binary, policy, folder / f"{stage_of}-{fault}") as gateway:
        gateway.register("alice", email="alice@app.test")
        began = time.monotonic()
        gateway.told(200, "password/reset", email="alice@app.test")
        assert server.met.wait(PATIENCE), "nobody comes to the mail server"
        # Whoever has nothing to do with it does not wait, nor does who asks for another letter.
        gateway.log_in("alice")
        gateway.told(200, "password/reset", email="nobody@app.test")
        assert time.monotonic() - began < WITHIN + MARGIN, "somebody has waited for the mail server"
        server.is_well()
        began = time.monotonic()
        # One that nobody has thanked for comes again; every other comes once.
        wanted = 2 if stage_of == "letter" else 1
        until("the letter", lambda: len(server.taken) >= wanted, LATEST)
        took = time.monotonic() - began
        gateway.told(200, "password/reset/confirm", **link(server.taken[-1]), new_password=PASSWORD[::-1])
        # And whoever comes after it has a letter, too.
        gateway.told(200, "password/reset", email="alice@app.test")
        until("the next letter", lambda: len(server.taken) > wanted, LATEST)
        same(f"letters, where it {fault} at {stage_of}", len(server.taken), wanted + 1)
    return took


def letters(binary, folder):
    cases = [(stage_of, fault) for stage_of in STAGES for fault in (HANGS, LEAVES, BABBLES)]
    with ThreadPoolExecutor(7) as pool:
        took = list(pool.map(lambda case: one(binary, folder, *case), cases))
    print(f"letters: {len(cases)} ways to fail, each letter there within {max(took):.1f} s of the end of it")
