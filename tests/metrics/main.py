"""What a real Prometheus makes of the metrics: it scrapes a gateway that serves some requests,
and is asked every query of the dashboard and of the alert rules. `main.py PORTCULLIS`."""

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from waiting import free_port, until

LIMIT = 60
TOKEN = os.urandom(16).hex()
POLICY = """
[upstreams]
echo = {{ whoami = true }}
dead = {{ to = "http://127.0.0.1:{dead}" }}
[routes]
"/*" = {{ to = "echo", allow = "anyone" }}
"/mine/*" = {{ to = "echo" }}
"/dead/*" = {{ to = "dead", allow = "anyone" }}
[tls]
cert = "cert.pem"
key = "key.pem"
[admin]
listen = "127.0.0.1:{admin}"
token = {{ file = "admin.token" }}
"""
PROMETHEUS = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: portcullis
    authorization: {{ credentials_file: admin.token }}
    static_configs: [{{ targets: ["127.0.0.1:{admin}"] }}]
"""


def ask(port, path, method="GET", headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def query(port, expression):
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    status, text = ask(port, path)
    answer = json.loads(text)
    if status != 200 or answer["status"] != "success":
        sys.exit(f"{expression}\n{text}")
    return answer["data"]["result"]


def traffic(port):
    for _ in range(5):
        assert ask(port, "/x")[0] == 200
        assert ask(port, "/mine/x")[0] == 401
        assert ask(port, "/dead/x")[0] == 502
    body = json.dumps({"username": "nobody", "password": "x"})
    headers = {"Content-Type": "application/json"}
    assert ask(port, "/api/auth/token/", "POST", headers, body)[0] == 400


def every_query(root):
    """Those of the dashboard, with its variables in place, and those of the rules."""
    board = json.load(open(os.path.join(root, "docs/monitoring/dashboard.json")))
    for panel in board["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m")
            yield expression.replace("$job", "portcullis").replace("$instance", ".*")


def series_of(expressions):
    return {name for text in expressions for name in re.findall(r"\b(?:portcullis|process)_\w+", text)}


# What gateways alone count that share a database; tests/gateway/many_apart.rs asks one of them.
OF_SHARED_STORES = {"portcullis_store_stale", "portcullis_store_gaps_total"}


def check(gateway, prometheus, root):
    status, text = ask(gateway["admin"], "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert status == 200, text
    families = list(text_string_to_metric_families(text))
    names = {sample.name for family in families for sample in family.samples}
    assert {"portcullis_requests_total", "portcullis_build_info"} <= names, names
    print(f"{len(names)} names, read by the reference parser")

    up = lambda: [one for one in query(prometheus, 'up{job="portcullis"}') if one["value"][1] == "1"]
    until("a scrape that succeeds", up)
    served = lambda: query(prometheus, 'portcullis_requests_total{route="/*",class="2xx"} >= 5')
    until("the requests in Prometheus", served)
    assert query(prometheus, 'portcullis_requests_total{route="/dead/*",class="5xx"}')[0]["value"][1] == "5"
    assert query(prometheus, 'portcullis_events_total{event="login.failed"}')[0]["value"][1] == "1"
    days = query(prometheus, "(portcullis_certificate_expiry_timestamp_seconds - time()) / 86400")
    assert 8 < float(days[0]["value"][1]) < 10, days

    status, text = ask(prometheus, "/api/v1/rules")
    rules = [rule for group in json.loads(text)["data"]["groups"] for rule in group["rules"]]
    assert rules and all(rule["health"] != "err" for rule in rules), rules
    asked = list(every_query(root))
    for expression in asked:
        query(prometheus, expression)
    known = names | {family.name for family in families}
    unknown = series_of(asked + [rule["query"] for rule in rules]) - known - OF_SHARED_STORES
    assert not unknown, f"nobody counts {unknown}"
    firing = lambda: {one["metric"]["alertname"] for one in query(prometheus, "ALERTS")}
    until("the alert for a certificate that ends soon", lambda: "PortcullisCertificateEnds" in firing())
    print(f"{len(rules)} rules and {len(asked)} queries")


def main(binary):
    root = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        gateway = {"port": free_port(), "admin": free_port()}
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "9", "-subj", "/CN=gate.test", "-addext", "subjectAltName=DNS:gate.test",
             "-keyout", "key.pem", "-out", "cert.pem"],
            cwd=folder, check=True, stderr=subprocess.DEVNULL)
        with open(os.path.join(folder, "admin.token"), "w") as file:
            file.write(TOKEN)
        with open(os.path.join(folder, "portcullis.toml"), "w") as file:
            file.write(f'listen = ["127.0.0.1:{gateway["port"]}", {{ addr = "127.0.0.1:0", tls = true }}]\n')
            file.write(POLICY.format(dead=free_port(), admin=gateway["admin"]))
        prometheus = free_port()
        with open(os.path.join(folder, "prometheus.yml"), "w") as file:
            rules = os.path.join(root, "docs/monitoring/alerts.yml")
            file.write(PROMETHEUS.format(rules=rules, admin=gateway["admin"]))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running = [
            subprocess.Popen([binary], cwd=folder, **quiet),
            subprocess.Popen(
                ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                 f"--web.listen-address=127.0.0.1:{prometheus}"], cwd=folder, **quiet),
        ]
        try:
            until("the gateway", lambda: ask(gateway["admin"], "/readyz")[0] == 200)
            until("Prometheus", lambda: ask(prometheus, "/-/ready")[0] == 200)
            traffic(gateway["port"])
            check(gateway, prometheus, root)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(LIMIT)
    print("Prometheus reads it")


if __name__ == "__main__":
    main(sys.argv[1])
