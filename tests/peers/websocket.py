"""The `websockets` package on both sides of the gateway."""

import asyncio
import contextlib
import os
import signal

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from world import Gateway, PATIENCE, curl, login, same

LARGE = 5 * 1024 * 1024


class Server:
    """Echoes; says who somebody is; closes as it is told."""

    def __init__(self):
        self.ends = asyncio.Queue()

    async def handle(self, peer):
        try:
            async for message in peer:
                if message == "who":
                    headers = peer.request.headers
                    await peer.send(f"{headers.get_all('x-user-name')} {peer.request.path}")
                elif isinstance(message, str) and message.startswith("close "):
                    await peer.close(int(message[6:]), "as you like")
                elif message == "ping":
                    await (await peer.ping(b"from the server"))
                    await peer.send("ponged")
                else:
                    await peer.send(message)
        except ConnectionClosed:
            pass
        finally:
            await self.ends.put(peer.close_code)


def check(world):
    asyncio.run(conversation(world))


async def conversation(world):
    server = Server()
    async with serve(server.handle, "127.0.0.1", 0, max_size=2 * LARGE) as listener:
        port = listener.sockets[0].getsockname()[1]
        gateway = await asyncio.to_thread(Gateway, world, f"""
listen = ["127.0.0.1:0"]
[upstreams]
chat = {{ to = "http://127.0.0.1:{port}" }}
[routes]
"/ws/*" = {{ to = "chat", websocket = true }}
"/plain/*" = {{ to = "chat" }}
[limits]
drain = "1s"
""")
        for name in ("alice", "bob"):
            gateway.add(name)
        url = f"127.0.0.1:{gateway.ports[0]}"
        tokens = {
            name: await asyncio.to_thread(login, name, f"http://{url}")
            for name in ("alice", "bob")
        }
        for compression in (None, "deflate"):
            await talk(server, f"ws://{url}", tokens["alice"], compression)
        await refused(f"ws://{url}", tokens["alice"])
        await by_ticket(server, url, tokens["alice"])
        await shut_out(server, gateway, f"ws://{url}", tokens)
        await drain(server, gateway, f"ws://{url}", tokens["bob"])
        # A second signal would end it at once: what the first one began is waited for.
        await asyncio.to_thread(gateway.process.wait, 10)
        gateway.stop()


def reach(url, token=None, **options):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return connect(url, additional_headers=headers | {"X-User-Name": "root"}, proxy=None,
                   max_size=2 * LARGE, **options)


async def talk(server, url, token, compression):
    """Messages of all kinds, whole and in pieces, both ways."""
    async with reach(f"{url}/ws/room?a=1", token, compression=compression) as peer:
        extensions = [one.name for one in peer.protocol.extensions]
        same("extensions", extensions, ["permessage-deflate"] if compression else [])
        await peer.send("who")
        same("who", await peer.recv(), "['alice'] /ws/room?a=1")
        large = os.urandom(LARGE)
        for message in ("", "text \u00e9", b"", b"\0\xff", "x" * LARGE, large):
            await peer.send(message)
            same("an echo", await peer.recv() == message, True)
        pieces = [large[at : at + 1000] for at in range(0, 100_000, 1000)]
        await peer.send(pieces)
        same("fragments", await peer.recv() == b"".join(pieces), True)
        await asyncio.wait_for(await peer.ping(b"from the client"), PATIENCE)
        await peer.send("ping")
        same("the server's ping", await peer.recv(), "ponged")
        for number in range(1000):
            await peer.send(str(number))
        for number in range(1000):
            same("the order", await peer.recv(), str(number))
        await peer.close(4001, "enough")
    same("the client's close at the server", await server.ends.get(), 4001)
    for code in (1000, 1011, 4999):
        async with reach(f"{url}/ws/room", token, compression=compression) as peer:
            await peer.send(f"close {code}")
            with contextlib.suppress(ConnectionClosed):
                await peer.recv()
            same("the server's close", (peer.close_code, peer.close_reason), (code, "as you like"))
        same("at the server", await server.ends.get(), code)


async def refused(url, token):
    """Whoever may not, gets a status and no WebSocket."""
    for path, credential, status in (("/ws/a", None, 401), ("/ws/a", "x.y.z", 401),
                                     ("/none", token, 404)):
        try:
            async with reach(url + path, credential):
                raise AssertionError(f"{path} was opened")
        except InvalidStatus as error:
            same(path, error.response.status_code, status)
    # No upgrade on this route: an ordinary request, which the server answers with 426.
    try:
        async with reach(f"{url}/plain/a", token):
            raise AssertionError("an upgrade on a route without `websocket`")
    except (InvalidStatus, websockets.exceptions.InvalidHandshake):
        pass


async def by_ticket(server, url, token):
    """As a page does it: a ticket, once, and nobody behind sees it."""
    asked = await asyncio.to_thread(
        curl, "--json", '{"path":"/ws/room"}', f"http://{url}/api/auth/ticket/", token=token
    )
    same("ticket/", asked.status, 201)
    ticket = asked.json()["ticket"]
    async with reach(f"ws://{url}/ws/room?a=1&ticket={ticket}") as peer:
        await peer.send("who")
        same("who, by ticket", await peer.recv(), "['alice'] /ws/room?a=1")
    await server.ends.get()
    try:
        async with reach(f"ws://{url}/ws/room?ticket={ticket}"):
            raise AssertionError("a ticket was good twice")
    except InvalidStatus as error:
        same("a spent ticket", error.response.status_code, 401)


async def shut_out(server, gateway, url, tokens):
    """Both ends of the one who is shut out are closed with 1008, and of nobody else."""
    async with reach(f"{url}/ws/a", tokens["alice"]) as alice, reach(f"{url}/ws/b", tokens["bob"]) as bob:
        for peer in (alice, bob):
            await peer.send("here")
            await peer.recv()
        await asyncio.to_thread(gateway.user, "deactivate", "alice")
        await asyncio.wait_for(alice.wait_closed(), PATIENCE)
        same("shut out", alice.close_code, 1008)
        same("at the server", await asyncio.wait_for(server.ends.get(), PATIENCE), 1008)
        await bob.send("still here")
        same("the other one", await bob.recv(), "still here")
    await server.ends.get()


async def drain(server, gateway, url, token):
    """SIGTERM: an open WebSocket is told to go, at the end of the drain at the latest."""
    async with reach(f"{url}/ws/a", token) as peer:
        await peer.send("here")
        await peer.recv()
        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(peer.wait_closed(), PATIENCE)
        same("the drain", peer.close_code, 1001)
    same("at the server", await asyncio.wait_for(server.ends.get(), PATIENCE), 1001)
