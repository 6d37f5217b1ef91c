"""How a client reaches the gateway: HTTP/1.1 kept alive and not, HTTP/2, WebSockets."""

import contextlib
import http.client
import socket

import h2.config
import h2.connection
import h2.events
from websockets.sync.client import connect

PATIENCE = 30


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.body = status, body
        self.fields = {name.lower(): value for name, value in fields}

    def __str__(self):
        return f"{self.status} {self.fields} {self.body[:300]!r}"


class Http1:
    """One connection, made when it is needed."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def ask(self, method, path, fields, body=None):
        """A body that is an iterator goes out in chunks."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            self.connection.request(method, path, body, fields, encode_chunked=hasattr(body, "__next__"))
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


class Http2:
    """Requests beside one another on one connection, and then its end."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.state = h2.connection.H2Connection(config)
        self.state.initiate_connection()

    def ask_all(self, requests):
        """The answers, in the order of the requests: (method, path, fields, body)."""
        unsent, streams = {}, []
        for method, path, fields, body in requests:
            stream = self.state.get_next_available_stream_id()
            head = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "127.0.0.1")]
            head += [(name.lower(), value) for name, value in fields.items()]
            self.state.send_headers(stream, head, end_stream=not body)
            streams.append(stream)
            if body:
                unsent[stream] = body
        self.heads, self.bodies, self.open = {}, dict.fromkeys(streams, b""), set(streams)
        while self.open:
            for stream in list(unsent):
                self.send_some(stream, unsent)
            self.socket.sendall(self.state.data_to_send())
            got = self.socket.recv(1 << 16)
            if not got:
                raise ConnectionError("closed with requests under way")
            for event in self.state.receive_data(got):
                self.take(event)
        self.socket.sendall(self.state.data_to_send())
        return [Answer(int(self.heads[one].pop(":status")), self.heads[one].items(), self.bodies[one])
                for one in streams]

    def send_some(self, stream, unsent):
        """As much of the body as there is room for; nobody reads the rest of one that was answered."""
        body = unsent[stream]
        while body and stream in self.open:
            room = min(self.state.local_flow_control_window(stream), self.state.max_outbound_frame_size)
            if not room:
                break
            self.state.send_data(stream, body[:room], end_stream=len(body) <= room)
            body = body[room:]
        if body and stream in self.open:
            unsent[stream] = body
        else:
            del unsent[stream]

    def take(self, event):
        match event:
            case h2.events.ResponseReceived():
                self.heads[event.stream_id] = dict(event.headers)
            case h2.events.DataReceived():
                self.bodies[event.stream_id] += event.data
                self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.open.discard(event.stream_id)
            case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                raise ConnectionError(str(event))

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def websocket(port, path, fields):
    with connect(f"ws://127.0.0.1:{port}{path}", additional_headers=fields, compression=None, proxy=None,
                 open_timeout=PATIENCE, close_timeout=PATIENCE) as peer:
        yield peer
