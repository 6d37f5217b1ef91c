"""A Django project with SimpleJWT moves in: `move.py BINARY`."""

import csv
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

from gate import Gate

BINARY = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
SECRET = "a-django-secret-key-of-more-than-thirty-two-bytes"
SETTINGS = f"""
SECRET_KEY = "{SECRET}"
INSTALLED_APPS += ["rest_framework", "rest_framework.authtoken",
                   "rest_framework_simplejwt", "rest_framework_simplejwt.token_blacklist"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers." + name for name in (
    "PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "Argon2PasswordHasher",
    "BCryptSHA256PasswordHasher", "BCryptPasswordHasher", "ScryptPasswordHasher",
    "MD5PasswordHasher")]
"""
POLICY = """
listen = ["127.0.0.1:0"]
[upstreams]
whoami = { whoami = true }
[routes]
"/*" = { to = "whoami" }
"/editors" = { to = "whoami", allow = "role:editor" }
[auth]
token_scheme = true
[auth.signing]
algorithm = "HS256"
secret = { file = "secret" }
[auth.throttle]
account = "off"
address = "off"
register = "off"
[import.roles]
is_staff = "staff"
is_superuser = ["admin"]
[import.groups]
Editors = "editor"
"""


def project(folder):
    """A project as `startproject` makes it, filled; its dump and what it told."""
    def run(*args):
        env = dict(os.environ, DJANGO_SETTINGS_MODULE="shop.settings", PYTHONPATH=folder)
        subprocess.run([sys.executable, *args], cwd=folder, env=env, check=True,
                       stdout=subprocess.DEVNULL)

    subprocess.run([sys.executable, "-m", "django", "startproject", "shop", folder], check=True)
    with open(os.path.join(folder, "shop/settings.py"), "a") as file:
        file.write(SETTINGS)
    run("manage.py", "migrate", "--verbosity", "0")
    run(os.path.join(HERE, "fill.py"), "told.json")
    run("manage.py", "dumpdata", "auth", "authtoken", "token_blacklist", "-o", "dump.json",
        "--verbosity", "0")
    with open(os.path.join(folder, "told.json")) as file:
        return os.path.join(folder, "dump.json"), json.load(file)


def table(folder):
    """The table of users as a database writes it."""
    path = os.path.join(folder, "auth_user.csv")
    with sqlite3.connect(os.path.join(folder, "db.sqlite3")) as base, open(path, "w") as file:
        rows = base.execute("SELECT * FROM auth_user ORDER BY id")
        out = csv.writer(file)
        out.writerow(column[0] for column in rows.description)
        out.writerows(rows)
    return path


def gate(name, work):
    folder = os.path.join(work, name)
    os.mkdir(folder)
    with open(os.path.join(folder, "secret"), "w") as file:
        file.write(SECRET)
    return Gate(BINARY, folder, POLICY)


def same(what, got, want):
    assert got == want, f"{what}: got {got!r}, expected {want!r}"


def users(gate):
    return {user["username"]: user for user in json.loads(gate.command("user", "list", "--json"))}


def hashes(gate):
    lines = gate.command("export").splitlines()[1:]
    users = (user for user in map(json.loads, lines) if user["kind"] == "user")
    return {user["username"]: user.get("password", "") for user in users}


def logs_in(gate, name, password):
    status, body = gate.ask("POST", "/api/auth/token/", {"username": name, "password": password})
    assert status == 200 or body == {"non_field_errors": ["Invalid credentials"]}, (name, body)
    return status == 200


def check_people(gate, told):
    found = users(gate)
    same("ids", {name: user["id"] for name, user in found.items()}, told["users"])
    for name, roles in [("editor", ["editor"]), ("staff", ["staff"]),
                        ("root", ["admin", "staff"]), ("md5", [])]:
        same(f"roles of {name}", found[name]["roles"], roles)
    same("groups", found["editor"]["groups"], ["Editors", "Without a role"])
    same("by its groups alone", found["editor"]["inherited"], ["editor"])
    same("claims", found["editor"]["claims"],
         {"given_name": "Ada", "family_name": "Lovelace"})
    assert not found["shut"]["active"] and not found["unusable"]["has_password"]


def check_passwords(gate, told):
    before = hashes(gate)
    for name in told["users"]:
        assert not logs_in(gate, name, "Tr1cky-Phrase-78"), name
        right = logs_in(gate, name, told["password"])
        same(f"login of {name}", right, name not in ("shut", "unusable"))
        if right:
            assert not before[name].startswith("$argon2id$"), name
            now = hashes(gate)[name]
            assert now.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), (name, now)
            assert logs_in(gate, name, told["password"]), f"{name}, rehashed"
    assert hashes(gate)["shut"] == before["shut"]


def check_tokens(gate, told):
    bearer = f"Bearer {told['access']}"
    status, seen = gate.ask("GET", "/editors", authorization=bearer)
    same("an old access token", status, 200)
    same("X-User-Id", seen["headers"]["x-user-id"], str(told["users"]["editor"]))
    same("X-User-Roles", seen["headers"]["x-user-roles"], "editor")
    refused = gate.ask("GET", "/orders", authorization=f"Bearer {told['shut_access']}")
    same("the token of a disabled user", refused[1]["code"], "user_inactive")
    ended = gate.ask("POST", "/api/auth/token/refresh/", {"refresh": told["ended"]})
    same("a blacklisted refresh token", ended,
         (401, {"detail": "Token is blacklisted", "code": "token_not_valid"}))
    status, pair = gate.ask("POST", "/api/auth/token/refresh/", {"refresh": told["refresh"]})
    same("an old refresh token", status, 200)
    status, _ = gate.ask("GET", "/editors", authorization=f"Bearer {pair['access']}")
    same("an access token for it", status, 200)
    status, seen = gate.ask("GET", "/editors", authorization=f"Token {told['key']}")
    same("an old API key", (status, seen["headers"].get("x-user-name")), (200, "editor"))
    given = gate.ask("POST", "/api/auth/api-token-auth/",
                     {"username": "editor", "password": told["password"]})
    same("the API key that is given", given, (200, {"token": told["key"]}))
    status, _ = gate.ask("GET", "/editors", authorization=f"Token {'0' * 40}")
    same("an API key of nobody", status, 401)


def running(work, dump, told):
    """Into a gateway that runs."""
    with gate("running", work) as gateway:
        dry = json.loads(gateway.command("import", "django", dump, "--dry-run", "--json"))
        same("a dry run stores", (dry["stored"], users(gateway)), (len(told["users"]), {}))
        # A group that no role is named for is made, and gives none.
        report = json.loads(gateway.command("import", "django", dump, "--json"))
        same("stored", report["stored"], len(told["users"]))
        same("refused", report["refused"], 0)
        notes = {problem["what"]: problem["reason"] for problem in report["problems"]}
        assert "gives no role" in notes["group `Without a role`"], notes
        assert "delete_user" in notes["group `Editors`"], notes
        assert "add_user" in notes["user %d `editor`" % told["users"]["editor"]], notes
        check_people(gateway, told)
        check_passwords(gateway, told)
        check_tokens(gateway, told)
        again = json.loads(gateway.command("import", "django", dump, "--json"))
        same("again", (again["stored"], again["present"], again["differing"]),
             (0, len(told["users"]), 0))
        made = gateway.ask("POST", "/api/auth/register/",
                           {"username": "newcomer", "password": "An0ther-Phrase"})
        same("a new user", made[0], 201)
        assert users(gateway)["newcomer"]["id"] > max(told["users"].values())


def at_rest(work, dump, told, table):
    """Into stores that no gateway has open."""
    by_dump, by_table = gate("dump", work), gate("table", work)
    by_dump.command("import", "django", dump)
    check_people(by_dump, told)
    with by_dump:
        check_tokens(by_dump, told)
    by_table.command("import", "django", table)
    found = users(by_table)
    same("ids", {name: user["id"] for name, user in found.items()}, told["users"])
    same("roles", found["root"]["roles"], ["admin", "staff"])
    with by_table:
        check_passwords(by_table, told)


def main():
    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, "project")
        os.mkdir(folder)
        dump, told = project(folder)
        running(work, dump, told)
        at_rest(work, dump, told, table(folder))
    print(f"a Django project with {len(told['users'])} users has moved in")


main()
