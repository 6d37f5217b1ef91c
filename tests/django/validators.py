"""Our rules for passwords against Django's own validators: `validators.py BINARY`."""

import gzip
import os
import random
import string
import sys
import tempfile

import django
from django.conf import settings
from gate import Gate

VALIDATORS = ["UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword"]
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    AUTH_PASSWORD_VALIDATORS=[
        {"NAME": f"django.contrib.auth.password_validation.{name}Validator"} for name in VALIDATORS
    ],
)
django.setup()

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

POLICY = """
listen = ["127.0.0.1:0"]
[upstreams]
whoami = { whoami = true }
[routes]
"/*" = { to = "whoami" }
[auth.password]
common = true
memory = "8KiB"
passes = 1
[auth.throttle]
account = "off"
address = "off"
register = "off"
"""
CASES = 4000
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFXYZäöüßçñøДмитрийユーザー한글名前ΑΩΣς"
DIGITS = "0123456789٣٤٥०१२²³①⑨½Ⅷ一⑩𝟘𝟙"
random.seed(20260115)


def common():
    path = os.path.join(os.path.dirname(django.__file__), "contrib/auth/common-passwords.txt.gz")
    with gzip.open(path, "rt") as file:
        return [line.strip() for line in file]


COMMON = common()


def word(least, most, signs=LETTERS):
    return "".join(random.choice(signs) for _ in range(random.randint(least, most)))


def bent(text):
    """The text, changed here and there."""
    signs = list(text) or ["x"]
    for _ in range(random.randint(0, 4)):
        at = random.randrange(len(signs))
        choice = random.randrange(6)
        if choice == 0:
            signs[at] = signs[at].swapcase()
        elif choice == 1:
            signs.insert(at, random.choice(LETTERS + "0123456789!-_ "))
        elif choice == 2 and len(signs) > 1:
            del signs[at]
        elif choice == 3:
            random.shuffle(signs)
        elif choice == 4:
            signs += random.choice(["1", "123", "!", "2024", "xyzzy", "."])
        else:
            signs.reverse()
    return "".join(signs)


def case(number):
    name = f"{word(1, 12)}{random.choice(['', '.', '-', '_', '+'])}{word(0, 8)}{number}"
    local = word(1, 10, string.ascii_letters + string.digits)
    local += random.choice(["", f".{word(1, 8, string.ascii_lowercase)}", "_x", "+tag"])
    domain = word(2, 12, string.ascii_lowercase + random.choice(["", "äöü", "名前ユ"]))
    email = f"{local}@{domain}.{random.choice(['com', 'example', 'de'])}"
    email = random.choice([email, email, ""])
    parts = [name, email, *email.replace("@", ".").split("."), *name.split(".")]
    kind = random.randrange(6)
    if kind <= 1:
        password = bent(random.choice(parts))
    elif kind == 2:
        password = random.choice([str, str.upper, str.title, bent])(random.choice(COMMON))
    elif kind == 3:
        password = word(1, 12, DIGITS[:random.choice([10, 13, 19, len(DIGITS)])])
    elif kind == 4:
        password = word(1, 14)
    else:
        password = bent(random.choice(parts)) + word(0, 30)
    return name, email, password.strip() or "x"


def theirs(name, email, password):
    try:
        validate_password(password, User(username=name, email=email))
        return []
    except ValidationError as error:
        return error.messages


def main():
    told = {}
    with tempfile.TemporaryDirectory() as folder, Gate(sys.argv[1], folder, POLICY) as gate:
        connection = gate.connection()
        for number in range(CASES):
            name, email, password = case(number)
            body = {"username": name, "email": email, "password": password}
            status, answer = gate.ask("POST", "/api/auth/register/", body, connection=connection)
            assert status == 201 or set(answer) == {"password"}, (body, answer)
            ours = answer["password"] if status == 400 else []
            django_says = theirs(name, email, password)
            assert ours == django_says, f"{body}: Django says {django_says}, we say {ours}"
            for message in ours or ["it is fine"]:
                told[message] = told.get(message, 0) + 1
        connection.close()
        gate.stop()
    for message, times in sorted(told.items()):
        print(f"{times:6} {message}")
    assert len(told) == 6 and min(told.values()) > CASES // 100, "a rule was hardly tried"


main()
