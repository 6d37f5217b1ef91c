"""A real PostgreSQL for a script: a cluster of its own, gone with it."""

import contextlib
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from waiting import until


def program(name):
    """Debian keeps those of the server off the path."""
    found = shutil.which(name) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default=None)
    assert found, f"{name} is missing: tests/postgres.sh installs it"
    return found


@contextlib.contextmanager
def cluster(port, *settings):
    """Runs one at 127.0.0.1 and in the folder that is given back, for its administrator `postgres`."""
    # The server does not run as root.
    other = dict(user="postgres", group="postgres", extra_groups=[]) if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        if other:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        made = [program("initdb"), "--pgdata", data, "--username", "postgres", "--no-sync"]
        made += ["--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"]
        subprocess.run(made, cwd="/", check=True, capture_output=True, **other)
        run = [program("postgres"), "-D", data, "-k", folder, "-p", str(port), "-c", "fsync=off"]
        run += ["-c", "listen_addresses=127.0.0.1"]
        for setting in settings:
            run += ["-c", setting]
        log = pathlib.Path(folder, "log")
        with log.open("w") as said:
            server = subprocess.Popen(run, cwd="/", stdout=said, stderr=said, **other)
        ask = [program("pg_isready"), "-q", "-h", folder, "-p", str(port), "-U", "postgres"]
        try:
            until("a database", lambda: subprocess.run(ask).returncode == 0)
            yield folder
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text()}") from None
        finally:
            # Without waiting for clients.
            server.send_signal(signal.SIGINT)
            server.wait(60)
