"""nginx and HAProxy, as upstreams and in front."""

from world import BLOB, Gateway, curl, digest, run, same


def check(world):
    world.authority()
    for name, subject in (("inner", "inner.test"), ("us", "us.test"), ("stranger", "x.test")):
        world.certificate(name, subject)
    behind(world)
    before(world)


def behind(world):
    """HTTP/1.1 kept alive, HTTP/2, TLS with a certificate on either side."""
    world.write("files/blob", BLOB)
    said = "return 200 '$server_protocol $connection_requests $http_x_user_name $ssl_client_s_dn"
    said += " $ssl_alpn_protocol $http_x_forwarded_for\\n';"
    places = f"root files; location = /said {{ {said} }} client_max_body_size 50m;"
    places += "location = /sent { proxy_pass http://unix:sent.sock:/; }"
    secure = "ssl_certificate inner.pem; ssl_certificate_key inner.key;"
    secure += "ssl_client_certificate ca.pem; ssl_verify_client on;" + places
    clear, clear2, tls, tls2 = world.nginx(
        "upstreams",
        f"listen LISTEN; {places}",
        f"listen LISTEN http2; {places}",
        f"listen LISTEN ssl; {secure}",
        f"listen LISTEN ssl http2; {secure}",
    )
    proof = 'ca = "ca.pem", cert = "us.pem", key = "us.key", name = "inner.test"'
    gateway = Gateway(world, f"""
listen = ["127.0.0.1:0"]
workers = 1
[upstreams]
h1 = {{ to = "http://127.0.0.1:{clear}" }}
h2 = {{ to = "http://127.0.0.1:{clear2}", h2 = true }}
tls = {{ to = "https://127.0.0.1:{tls}", tls = {{ {proof} }} }}
tls2 = {{ to = "https://127.0.0.1:{tls2}", h2 = true, tls = {{ {proof} }} }}
nobody = {{ to = "https://127.0.0.1:{tls}", tls = {{ ca = "ca.pem", name = "inner.test" }} }}
other = {{ to = "https://127.0.0.1:{tls}", tls = {{ ca = "ca.pem", cert = "us.pem", key = "us.key", name = "outer.test" }} }}
unknown = {{ to = "https://127.0.0.1:{tls}", tls = {{ name = "inner.test" }} }}
not2 = {{ to = "http://127.0.0.1:{clear}", h2 = true }}
""" + "[routes]\n" + "".join(
        f'"/{name}/*" = {{ to = "{name}", allow = "anyone", strip = "/{name}" }}\n'
        for name in ("h1", "h2", "tls", "tls2", "nobody", "other", "unknown", "not2")
    ), name="front-of-nginx")
    url = f"http://127.0.0.1:{gateway.ports[0]}"
    for name, protocol, proven in (
        ("h1", "HTTP/1.1", False), ("h2", "HTTP/2.0", False),
        ("tls", "HTTP/1.1", True), ("tls2", "HTTP/2.0", True),
    ):
        for number in (1, 2, 3):
            reply = curl("-H", "X-User-Name: root", "-H", "X-Forwarded-For: 1.2.3.4",
                         f"{url}/{name}/said")
            same(f"{name}: status", reply.status, 200)
            # The connection is kept: each request on it has the next number.
            wanted = [protocol, str(number)] + ["CN=us.test"] * proven
            alpn = {"tls": ["http/1.1"], "tls2": ["h2"]}.get(name, [])
            same(f"{name}: said", reply.body.decode().split(), [*wanted, *alpn, "127.0.0.1"])
        taken = curl(f"{url}/{name}/blob")
        same(f"{name}: download", digest(taken.body), digest(BLOB))
        part = curl("-r", "1000000-1000999", f"{url}/{name}/blob")
        same(f"{name}: part", (part.status, part.body), (206, BLOB[1000000:1001000]))
        again = curl("-H", f"If-None-Match: {taken.fields['etag']}", f"{url}/{name}/blob")
        same(f"{name}: not modified", (again.status, again.body), (304, b""))
        same(f"{name}: HEAD", curl("-I", f"{url}/{name}/blob").fields["content-length"],
             str(len(BLOB)))
        same(f"{name}: missing", curl(f"{url}/{name}/none").status, 404)
    # nginx says 400 in HTTP to who shows no certificate; the others never get so far.
    same("without a certificate", curl(f"{url}/nobody/said").status, 400)
    for name in ("other", "unknown", "not2"):
        same(name, curl(f"{url}/{name}/said").status, 502)
    gateway.stop()


def before(world):
    """The client's address, from whoever stands in front, to `whoami` and the access log."""
    gateway = Gateway(world, """
listen = [
  "127.0.0.1:0",
  { addr = "127.0.0.1:0", proxy_protocol = true },
]
trust = ["127.0.0.1"]
[upstreams]
who = { whoami = true }
[routes]
"/*" = { to = "who", allow = "anyone" }
""", name="behind-proxies")
    plain, proxied = gateway.ports
    fields = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $host;"
    fields += "proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-Port 8443;"
    http, stream = world.nginx(
        "fronts",
        f"listen LISTEN; location / {{ proxy_pass http://127.0.0.1:{plain}; {fields}"
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }",
        stream=[f"listen LISTEN; proxy_pass 127.0.0.1:{proxied}; proxy_protocol on;"],
    )
    v2 = world.haproxy("v2", proxied, "send-proxy-v2")
    v1 = world.haproxy("v1", proxied, "send-proxy")
    clients = []
    for name, port, words in (
        ("nginx", http, []), ("nginx-stream", stream, []), ("haproxy-v1", v1, []),
        ("haproxy-v2", v2, []), ("haproxy-v2-h2", v2, ["--http2-prior-knowledge"]),
    ):
        # Another address of this machine, so that it is not that of the proxy.
        client = f"127.0.0.{len(clients) + 2}"
        reply = curl("--interface", client, "-H", "Host: app.test", "-H", "X-Real-IP: 6.6.6.6",
                     "-H", "Forwarded: for=6.6.6.6", *words, f"http://127.0.0.1:{port}/{name}")
        same(f"{name}: status", reply.status, 200)
        told = reply.json()["headers"]
        same(f"{name}: client", told["x-forwarded-for"].split(",")[0], client)
        same(f"{name}: real", told["x-real-ip"], client)
        assert "6.6.6.6" not in reply.body.decode(), reply.body
        if name == "nginx":
            same("nginx: scheme", told["x-forwarded-proto"], "https")
            same("nginx: port", told["x-forwarded-port"], "8443")
        clients.append((f"/{name}", client))
    # What a client says itself is nobody's word: it came from an address that is not in `trust`.
    reply = curl("--interface", "127.0.0.9", "-H", "X-Forwarded-For: 6.6.6.6",
                 f"http://127.0.0.1:{plain}/direct")
    same("a stranger's word", reply.json()["headers"]["x-forwarded-for"], "127.0.0.9")
    clients.append(("/direct", "127.0.0.9"))
    forged = curl("--interface", "127.0.0.10", "-H", "X-Forwarded-For: 6.6.6.6",
                  f"http://127.0.0.1:{http}/forged")
    same("a forged field", forged.json()["headers"]["x-real-ip"], "127.0.0.10")
    clients.append(("/forged", "127.0.0.10"))
    bare = run("curl", "-s", "--max-time", 5, f"http://127.0.0.1:{proxied}/bare", check=False)
    assert bare.returncode in (52, 56), bare
    lines = gateway.stop()
    told = [(line["path"], line["client"]) for line in lines if "path" in line]
    same("the access log", told, clients)
