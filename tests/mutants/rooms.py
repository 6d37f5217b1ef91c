"""The rooms whose mutants there are, and which of their files decide something."""

import pathlib

# In the order of their worth. What is left out after `-` prints, measures or carries bytes, and decides nothing.
ROOMS = {
    "limit": ["src/limit.rs"],
    "token": ["src/token/**/*.rs"],
    "session": ["src/session/**/*.rs"],
    "password": ["src/password/**/*.rs"],
    "policy": ["src/policy/**/*.rs"],
    "web": ["src/web/**/*.rs"],
    "proxy": [
        "src/proxy/caller.rs",
        "src/proxy/gate.rs",
        "src/proxy/inner.rs",
        "src/proxy/prepare.rs",
        "src/proxy/respond.rs",
        "src/proxy/signed.rs",
        "src/proxy/standing.rs",
        "src/proxy/throttle.rs",
        "src/proxy/ticket.rs",
        "src/proxy/upgrade.rs",
        "src/proxy/visitor.rs",
        "src/proxy/watch.rs",
        "src/proxy/watched.rs",
    ],
}


def files(root, names):
    """The files of some rooms, in their order and without their tests, relative to the repository."""
    found = [path.relative_to(root) for name in names for pattern in ROOMS[name]
             for path in sorted(root.glob(pattern))]
    return [str(path) for path in found if not is_a_test(path)]


def is_a_test(path):
    return path.name == "tests.rs" or "tests" in path.parts


def module(file):
    """The module that a file is: `token::verify`."""
    parts = list(pathlib.PurePath(file).with_suffix("").parts[1:])
    return parts[:-1] if parts[-1] == "mod" else parts
