//! What is said of `[otlp]`.

use super::*;

const TABLE: &str = "[otlp]\nendpoint = 'http://localhost:4318'";

#[test]
fn collectors() {
    let form = "2:12: `endpoint` must be a URL such as \"http://localhost:4318\"";
    for url in [
        "",
        "localhost:4318",
        "grpc://a.test",
        "http://u:p@a.test",
        "http://a.test/?x",
        "http://a.test#x",
    ] {
        says(&format!("[otlp]\nendpoint = '{url}'"), form);
    }
    says_in(
        "[otlp]",
        &[
            ("", "1:1: [otlp] has no `endpoint`; add endpoint = \"http://localhost:4318\""),
            ("endpiont = 'http://a.test'", "2:1: unknown key `endpiont`; did you mean `endpoint`?"),
            (
                "endpoint = 'https://a.test/v1/traces'",
                "2:12: `/v1/traces` is added to `endpoint`; leave it out",
            ),
            (
                "endpoint = 'http://a.test:4317'",
                "2:12: port 4317 is for gRPC, which is not spoken here; OTLP over HTTP is at 4318",
            ),
        ],
    );
}

#[test]
fn shares_names_and_queues() {
    let share = "3:10: `sample` must be a number from 0 to 1 such as 0.1";
    for sample in ["-0.1", "1.1", "2", "-1", "nan", "inf", "'0.1'", "\"all\"", "true"] {
        says(&format!("{TABLE}\nsample = {sample}"), share);
    }
    for sample in ["0", "1", "0.0", "1.0", "0.001", "1e-3"] {
        accepted(&format!("{ROUTE}{TABLE}\nsample = {sample}\n"));
    }
    says_in(
        TABLE,
        &[
            ("service = ''", "3:11: `service` is empty; name the gateway, or leave the key out"),
            ("queue = 0", "3:9: `queue` must be a whole number from 1 to 1000000"),
            (
                "timeout = '0s'",
                "3:11: `timeout` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
            ),
            ("user = 'yes'", "3:8: `user` must be true or false"),
            ("ca = 'ca.pem'", "3:6: `ca` is about TLS, and http:// has none; remove it"),
        ],
    );
    says(
        "[otlp]\nendpoint = 'https://a.test'\nca = 'none.pem'",
        "3:6: cannot read /base/none.pem (No such file or directory (os error 2)); mend or rename it",
    );
}

#[test]
fn headers() {
    for name in ["host", "Content-Type", "content-length", "transfer-encoding", "user-agent", "a b"]
    {
        let message = format!(
            "3:13: `{name}` is no header of a request to add here; write one such as `authorization`"
        );
        says(
            &format!("{TABLE}\nheaders = {{ \"{name}\" = {{ env = \"OTLP_AUTHORIZATION\" }} }}"),
            &message,
        );
    }
    says_in(
        TABLE,
        &[
            (
                "headers = { authorization = { env = 'NONE' } }",
                "3:29: the variable `NONE` is not set; set it, or name another",
            ),
            (
                "headers = { authorization = \"a\\nb\" }",
                "3:29: `authorization` has a line end or another control byte in it; give it without",
            ),
            (
                "headers = 'authorization'",
                "3:11: `headers` must be a table, as config.example.toml shows",
            ),
        ],
    );
}

#[test]
fn what_goes_in_clear_is_warned_of() {
    let headers = "headers = { authorization = { env = \"OTLP_AUTHORIZATION\" } }";
    let text = format!("{ROUTE}[otlp]\nendpoint = 'http://otel.test:4318'\n{headers}\n");
    let warnings = parsed(&text).expect(&text).warnings;
    let told: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let warning = "p.toml:4:12: `headers` go to the collector in clear, for everybody on the way to \
                   read; use https";
    assert_eq!(told, [warning]);
    let here = accepted(&format!("{ROUTE}{TABLE}\n{headers}\n"));
    let shown = format!("{:?}", here.traces);
    assert!(shown.contains("authorization") && shown.contains("Sensitive"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
