"""A mail server: `server.py FOLDER PORT KIND [CERT KEY]`, KIND being starttls, implicit or clear.

It writes each letter that it takes into the folder, with what it knew of its sender, and what it
was asked into the file `log`.
"""

import asyncio
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = b"gateway", b"sesame open"


class Inbox:
    """Takes letters, but for those to addresses that say otherwise."""

    def __init__(self, folder):
        self.folder = folder
        # A server that is started again goes on where it was.
        self.count = len(list(folder.glob("*.json")))
        self.busy = set()

    def note(self, text):
        with open(self.folder / "log", "a") as log:
            log.write(text + "\n")

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.note(f"MAIL {address}")
        envelope.mail_from = address
        return "250 ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.note(f"RCPT {address}")
        if address.startswith("gone"):
            return "550 5.1.1 no such user"
        if address.startswith("busy") and address not in self.busy:
            self.busy.add(address)
            return "451 4.7.1 greylisted, come back"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        self.note("DATA")
        if envelope.rcpt_tos[0].startswith("slow"):
            await asyncio.sleep(2)
        if envelope.rcpt_tos[0].startswith("never"):
            await asyncio.sleep(3600)
        self.count += 1
        letter = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "login": session.authenticated,
            "tls": session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            "raw": envelope.content.decode("ascii"),
        }
        # Whole, or not there.
        made = self.folder / f"{self.count:03}.part"
        made.write_text(json.dumps(letter))
        made.rename(self.folder / f"{self.count:03}.json")
        return "250 taken"


def authenticator(inbox):
    def authenticate(server, session, envelope, mechanism, data):
        inbox.note(f"AUTH {mechanism}")
        return AuthResult(
            success=(data.login, data.password) == (USER, PASSWORD), handled=False
        )

    return authenticate


async def main(folder, port, kind, *pair):
    inbox = Inbox(pathlib.Path(folder))
    context = None
    if pair:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair)
    options = {"hostname": "localhost"}
    if kind != "clear":
        options |= {
            "authenticator": authenticator(inbox),
            "auth_required": True,
            "auth_require_tls": kind == "starttls",
        }
    if kind == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(inbox, **options),
        "127.0.0.1",
        int(port),
        ssl=context if kind == "implicit" else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
