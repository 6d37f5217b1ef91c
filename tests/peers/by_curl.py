"""curl and OpenSSL against each kind of listener."""

from world import BLOB, Gateway, curl, digest, login, run, same, sums

WAYS = (
    # name, curl's words, the version of HTTP, and that of TLS
    ("h2", ["--http2"], "2", "TLSv1.3"),
    ("h1", ["--http1.1"], "1.1", "TLSv1.3"),
    ("h2-12", ["--http2", "--tls-max", "1.2"], "2", "TLSv1.2"),
    ("h1-12", ["--http1.1", "--tls-max", "1.2"], "1.1", "TLSv1.2"),
    ("h2-13", ["--http2", "--tlsv1.3"], "2", "TLSv1.3"),
    ("h2c", ["--http2-prior-knowledge"], "2", None),
    ("h1c", ["--http1.1"], "1.1", None),
    # An upgrade to h2c is none of ours, and no reason to fail (RFC 9113 dropped it).
    ("up", ["--http2"], "1.1", None),
)


def check(world):
    world.authority()
    world.certificate("app", "app.test")
    blob = world.write("blob", BLOB)
    part = world.write("part", BLOB[:500_000])
    gateway = Gateway(world, f"""
listen = [
  "127.0.0.1:0",
  {{ addr = "127.0.0.1:0", tls = true }},
]
public = "https://app.test"
[tls]
cert = "app.pem"
key = "app.key"
[upstreams]
sums = {{ to = "http://127.0.0.1:{sums()}" }}
who = {{ whoami = true }}
[routes]
"/sums/*" = {{ to = "sums", body = "30MB" }}
"/*" = {{ to = "who" }}
""")
    plain, secure = gateway.ports
    reach = [
        "--cacert", world.folder / "ca.pem",
        "--connect-to", f"app.test:443:127.0.0.1:{secure}",
        "--connect-to", f"app.test:80:127.0.0.1:{plain}",
    ]
    for name, words, version, tls in WAYS:
        words = [*reach, *words]
        url = "https://app.test" if tls else "http://app.test"
        one_way(name, words, url, version, tls, blob, part)
    hosts(reach, plain, secure)
    resumption(world, secure)
    refused_versions(world, secure)
    gateway.stop()


def one_way(name, words, url, version, tls, blob, part):
    """Register, log in, be somebody, send and take 20 MB."""
    account = '{"username":"%s","password":"correct horse battery"}' % name
    made = curl(*words, "--json", account, f"{url}/api/auth/register/")
    same(f"{name}: register", (made.status, made.version), (201, version))
    if tls:
        assert f"SSL connection using {tls} " in made.trace, made.trace
    token = login(name, url, *words)
    profile = curl(*words, f"{url}/api/auth/profile/", token=token)
    same(f"{name}: profile", (profile.status, profile.json()["username"]), (200, name))
    nobody = curl(*words, "-H", "Expect:", "--data-binary", f"@{part}", f"{url}/sums/x")
    same(f"{name}: nobody", (nobody.status, nobody.version), (401, version))
    who = curl(*words, "-H", "X-User-Name: root", f"{url}/a", token=token)
    told = who.json()["headers"]
    same(f"{name}: identity", told["x-user-name"], name)
    same(f"{name}: scheme", told["x-forwarded-proto"], "https" if tls else "http")
    for length in ([], ["-H", "Transfer-Encoding: chunked"][: 2 * (version == "1.1")]):
        sent = curl(*words, *length, "-H", "Content-Type: application/octet-stream",
                    "--data-binary", f"@{blob}", f"{url}/sums/x", token=token)
        same(f"{name}: upload", (sent.status, sent.body.decode()), (200, digest(BLOB)))
        same(f"{name}: version of the upload", sent.version, version)
    taken = curl(*words, f"{url}/sums/x", token=token)
    same(f"{name}: download", (taken.status, digest(taken.body)), (200, digest(BLOB)))
    # In HTTP/1.1 curl asks first (`Expect: 100-continue`).
    large = curl(*words, "--data-binary", f"@{blob}", f"{url}/a", token=token)
    same(f"{name}: beyond the limit", large.status, 413)


def hosts(reach, plain, secure):
    """Who asks for another host than it named by TLS, or one that is not here, gets 421."""
    elsewhere = ["--resolve", f"other.test:{secure}:127.0.0.1", "-k"]
    for words in (["--http2"], ["--http1.1"]):
        host = curl(*reach, *words, "-H", "Host: other.test", "https://app.test/")
        same("another Host than SNI", host.status, 421)
        other = curl(*elsewhere, *words, f"https://other.test:{secure}/")
        same("a host that is not here", other.status, 421)
        same("its code", other.json()["code"], "misdirected")
        name = ["--resolve", f"other.test:{secure}:127.0.0.1", "-k", "-H", "Host: app.test"]
        right = curl(*name, *words, f"https://other.test:{secure}/")
        # Nobody's name: the default certificate was shown, which is for this host and not for that.
        same("another SNI than Host", right.status, 421)
    clear = curl("--http2-prior-knowledge", f"http://127.0.0.1:{plain}/")
    same("an address in place of the host", clear.status, 421)


def resumption(world, port):
    """The second connection resumes the session of the first, in either version of TLS."""
    session = world.folder / "session"
    request = b"GET /api/auth/profile/ HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n"
    for version in ("-tls1_3", "-tls1_2"):
        told = []
        for more in (["-sess_out", session], ["-sess_in", session]):
            told.append(s_client(world, port, version, *more, given=request))
            assert "HTTP/1.1 401" in told[-1], told[-1]
            assert "Verify return code: 0 (ok)" in told[-1], told[-1]
        assert "\nNew, TLSv1" in told[0] and "\nReused, TLSv1" in told[1], told


def refused_versions(world, port):
    """Nothing older than TLS 1.2, and no protocol that nobody speaks here."""
    for words in (["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], ["-alpn", "spdy/3"]):
        told = s_client(world, port, *words, status=1)
        assert "alert" in told, told


def s_client(world, port, *words, given=b"", status=0):
    done = run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "app.test",
        "-CAfile", world.folder / "ca.pem", "-ign_eof", *words, input=given, check=False,
    )
    told = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == status, told
    return told
