"""The mutants that may survive, each with the reason."""


def key(mutant):
    """What a mutant is called in the list: it holds wherever its line moves to."""
    return f"{mutant['file']}: {mutant['function']}: {mutant['kind']}: {mutant['text']}"


def read(path):
    """The keys of the list. A reason is indented below its keys."""
    keys, reasoned = [], True
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            reasoned = True
            continue
        if not line.startswith("src/"):
            raise SystemExit(f"{path}:{number}: a key begins with its file, a reason with a space")
        keys.append(line)
        reasoned = False
    if not reasoned:
        raise SystemExit(f"{path}: the last key has no reason below it")
    return set(keys)
