"""The same folder, served by nginx and by `dir`."""

import os

from world import Gateway, curl, same

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 2011 08:49:37 GMT"
EARLIER = "Sat, 05 Nov 1994 08:49:37 GMT"

# Path and curl's words: what is asked of both.
SAME = (
    ("/", []),
    ("/index.html", []),
    ("/app.js", []),
    ("/style.css", []),
    ("/picture.png", []),
    ("/vector.svg", []),
    ("/data.json", []),
    ("/empty.txt", []),
    ("/app.js?v=3", []),
    ("/sub/", []),
    ("/sub/index.html", []),
    ("/%61pp.js", []),
    ("/a%20b%c3%a9.txt", []),
    ("/a%2520b.txt", []),
    ("/100%25.txt", []),
    ("/plus+plus.txt", []),
    ("/sub/../app.js", ["--path-as-is"]),
    ("/./app.js", ["--path-as-is"]),
    ("/sub/%2e%2e/app.js", ["--path-as-is"]),
    ("/app.js", ["-I"]),
    ("/none", []),
    ("/none", ["-I"]),
    ("/none/", []),
    ("/app.js/", []),
    ("/App.js", []),
    ("/app.js", ["-r", "0-3"]),
    ("/app.js", ["-r", "4-"]),
    ("/app.js", ["-r", "-3"]),
    ("/app.js", ["-r", "0-99999"]),
    ("/app.js", ["-r", "99999-"]),
    ("/app.js", ["-H", "Range: lines=1-2"]),
    ("/large.bin", ["-r", "100000-200000"]),
    ("/large.bin", []),
    ("/app.js", ["-H", f"If-Modified-Since: {DATE}"]),
    ("/app.js", ["-H", f"If-Modified-Since: {EARLIER}"]),
    ("/app.js", ["-H", "If-Modified-Since: yesterday"]),
    ("/app.js", ["-H", f"If-Unmodified-Since: {DATE}"]),
    ("/app.js", ["-H", f"If-Unmodified-Since: {EARLIER}"]),
    ("/app.js", ["-H", 'If-None-Match: "other"']),
    ("/app.js", ["-H", "If-None-Match: *"]),
    ("/app.js", ["-H", 'If-Match: "other"']),
    ("/app.js", ["-H", "If-Match: *"]),
    ("/app.js", ["-r", "0-3", "-H", f"If-Range: {DATE}"]),
    ("/app.js", ["-r", "0-3", "-H", f"If-Range: {EARLIER}"]),
    ("/app.js", ["-r", "0-3", "-H", 'If-Range: "other"']),
    ("/inside.js", []),
    ("/app.js", ["-X", "POST", "-d", ""]),
    ("/app.js", ["-X", "DELETE"]),
)
# What we chose: path, words, nginx's status, ours, and why.
CHOSEN = (
    ("/.secret", [], 200, 404, "names that begin with a dot are not served"),
    ("/sub/.git/config", [], 200, 404, "nor what lies below them"),
    ("/outside.txt", [], 200, 404, "a link leads out of the folder"),
    ("/out/secret.txt", [], 200, 404, "a linked folder does, too"),
    ("/bare/", [], 403, 404, "a folder without an index is no file, and nobody is told that it is there"),
    ("/bare", [], 301, 404, "nor by a redirect"),
    ("/app.js", ["-r", "0-1,4-5"], 206, 200, "several ranges are answered by the whole"),
    ("/app.js", ["-H", f"If-Modified-Since: {LATER}"], 200, 304, "RFC 9110 section 13.1.3; nginx compares for equality"),
    ("/sub%2fpage.html", [], 200, 404, "an encoded slash is none"),
    ("/app.js%00", [], 400, 400, "NUL is in no path"),
    ("/..%2fpeers", ["--path-as-is"], 400, 400, "nor a way out"),
    ("/../x", ["--path-as-is"], 400, 400, "not even to the folder itself"),
    ("/sub//page.html", [], 200, 404, "an empty segment is a segment"),
    ("/app.js.", [], 404, 404, "a dot behind the name is part of it"),
    ("/app.js%20", [], 404, 404, "and so is a space"),
    ("/app.js;x", [], 404, 404, "and a parameter"),
)


def check(world):
    fill(world)
    types = "types { text/html html; text/javascript js; text/css css; image/png png;"
    types += "image/svg+xml svg; application/json json; text/plain txt; }"
    [nginx] = world.nginx(
        "static",
        f"listen LISTEN; root site; {types} default_type application/octet-stream; charset utf-8;"
        "charset_types text/javascript text/css text/plain; absolute_redirect off;",
    )
    gateway = Gateway(world, """
listen = ["127.0.0.1:0"]
[upstreams]
site = { dir = "site" }
[routes]
"/*" = { to = "site", allow = "anyone" }
""")
    [ours] = gateway.ports
    wrong = []
    for path, words in SAME:
        seen = [look(port, path, words) for port in (nginx, ours)]
        if seen[0] != seen[1]:
            wrong.append(f"{path} {words}: nginx {seen[0]}, we {seen[1]}")
    for path, words, theirs, chosen, why in CHOSEN:
        got = [curl(*words, f"http://127.0.0.1:{port}{path}").status for port in (nginx, ours)]
        if got != [theirs, chosen]:
            wrong.append(f"{path} {words}: {got}, not {[theirs, chosen]} ({why})")
    slash(nginx, ours)
    assert not wrong, "\n".join(wrong)
    gateway.stop()


def look(port, path, words):
    """What must be the same: status, and of a good answer what it says and how."""
    reply = curl(*words, f"http://127.0.0.1:{port}{path}")
    names = ("content-type", "content-length", "content-range", "last-modified", "accept-ranges")
    if reply.status not in (200, 206):
        names = ("content-range",) if reply.status == 416 else ()
    elif reply.status == 206:
        # That there are ranges, nginx says only with the whole.
        names = names[:-1]
    fields = {name: reply.fields.get(name) for name in names}
    body = reply.body if reply.status in (200, 206, 304) else None
    return reply.status, fields, body if body is None or len(body) < 99 else hash(body)


def slash(nginx, ours):
    """A folder without its slash: both redirect to the same place, in words of their own."""
    for query in ("", "?a=1"):
        ends = []
        for port in (nginx, ours):
            url = f"http://127.0.0.1:{port}/sub{query}"
            same("a folder", curl(url).status, 301)
            moved = curl("-L", url)
            where = curl("-L", "-o", "/dev/null", url, "-w", "%{http_code} %{http_version}")
            ends.append((moved.status, moved.body, where.status))
        same("the redirect's end", ends[1], ends[0])


def fill(world):
    site = world.folder / "site"
    files = {
        "index.html": "<h1>home</h1>", "app.js": "let x = 12;", "style.css": "a {}",
        "picture.png": b"\x89PNG\r\n", "vector.svg": "<svg/>", "data.json": "{}", "empty.txt": "",
        "large.bin": os.urandom(400_000), "sub/index.html": "<h1>sub</h1>",
        "sub/page.html": "page", "sub/.git/config": "secret", ".secret": "secret",
        "a b\u00e9.txt": "name", "a%20b.txt": "escaped", "100%.txt": "percent",
        "plus+plus.txt": "plus", "bare/x.txt": "x",
    }
    for name, content in files.items():
        path = world.write(f"site/{name}", content)
        os.utime(path, (784_111_777, 784_111_777))
    world.write("outside/secret.txt", "secret")
    os.symlink("app.js", site / "inside.js")
    os.symlink("../outside/secret.txt", site / "outside.txt")
    os.symlink("../outside", site / "out")
