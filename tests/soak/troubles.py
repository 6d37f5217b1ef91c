"""What happens to a gateway every few seconds: other policies, servers that die, users who are shut out."""

import http.client
import itertools
import time

import wires
from people import Person
from waiting import until
from websockets.exceptions import ConnectionClosed
from world import PASSWORD, PATIENCE, Wrong, expect

# Seconds from one to the next.
APART = (1.5, 3.5)


class Troubles(Person):
    """Its users are its own, so that it knows what each may do at any moment."""

    def run(self):
        kinds = [self.reload, self.kill, self.everybody_out, self.turn_role, self.bad_reload, self.kill,
                 self.operator_ends, self.delete]
        for kind in itertools.cycle(kinds):
            if self.rest.wait(self.dice.uniform(*APART)) or self.world.over.is_set():
                break
            self.attempt(kind)
        self.wire.close()

    def done(self, *words, code=0):
        told = self.world.gateway.command(*words)
        if told.returncode != code:
            raise Wrong(f"{words}: {told.returncode}, {told.stdout}{told.stderr}")

    def policies(self):
        """Which policy answers, asked on new connections, so that every worker is."""
        seen = set()
        for _ in range(6):
            wire = wires.Http1(self.world.port)
            answer = self.good(self.ask("GET", "/any/x", self.session().access, wire=wire), True)
            seen.add(answer.fields["x-policy"])
            wire.close()
        return seen

    def reload(self):
        self.world.version += 1
        self.world.write_policy()
        self.done("reload")
        expect("the policy in force", self.policies(), {str(self.world.version)})

    def bad_reload(self):
        """One that opens what its own `expect` lines keep shut."""
        self.world.write_policy('\n[routes."/staff/x"]\nto = "app"\nallow = "anyone"\n')
        self.done("reload", code=1)
        self.world.write_policy()
        expect("the policy in force", self.policies(), {str(self.world.version)})
        self.refused("staff alone", self.ask("GET", "/staff/x", self.session().access), 403)

    def kill(self):
        server = self.dice.choice(self.world.servers)
        self.world.kill(server)
        self.rest.wait(self.dice.uniform(0.5, 2))
        server.start()
        until("both servers are up", self.world.are_up, PATIENCE)

    def everybody_out(self):
        self.shut_out(lambda: self.told(200, "logout/all", self.sessions[-1].access))

    def operator_ends(self):
        self.shut_out(lambda: self.done("session", "end", self.user, "--all"))

    def shut_out(self, how):
        """Every session of the user ends, and what is live ends with it."""
        while len(self.sessions) < 3:
            self.log_in()
        for session in self.sessions:
            if not session.has_enough():
                self.rotate(session)
        field = {"Authorization": f"Bearer {self.sessions[0].access}"}
        stream = http.client.HTTPConnection("127.0.0.1", self.world.port, timeout=PATIENCE)
        stream.request("GET", "/events/x/1000", headers=field)
        events = stream.getresponse()
        expect("an event stream", events.status, 200)
        with wires.websocket(self.world.port, "/ws/x", field) as peer:
            how()
            for session in list(self.sessions):
                self.is_over(session)
            began = time.monotonic()
            self.is_closed(peer)
            events.read()
            stream.close()
            if time.monotonic() - began > 3:
                raise Wrong(f"what was live lived on for {time.monotonic() - began:.1f} s")

    def is_closed(self, peer):
        try:
            raise Wrong(f"a WebSocket of nobody said {peer.recv(PATIENCE)!r}")
        except ConnectionClosed as closed:
            expect("the end of a WebSocket", closed.rcvd and closed.rcvd.code, 1008)

    def turn_role(self):
        session = self.session()
        for words, status in ((("add", self.user, "staff"), 200), (("remove", self.user, "staff"), 403)):
            self.done("user", "role", *words)
            self.refused(f"with a role to {words[0]}", self.ask("GET", "/staff/x", session.access), status)

    def delete(self):
        """Somebody is gone, and somebody else comes."""
        self.session()
        self.done("user", "delete", self.user, "--yes")
        self.refused("nobody any more", self.tell("token", username=self.user, password=PASSWORD), 400)
        for session in list(self.sessions):
            self.is_over(session)
        self.wire.close()
        self.begin_anew()
