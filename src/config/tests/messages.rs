//! Each problem, with the whole text of its message.

mod acme;
mod admin;
mod auth;
mod forward_auth;
mod import;
mod issuers;
mod mail;
mod otlp;
mod pages;
mod routes;
mod store;
pub(super) mod tls;
mod upstreams;

use super::*;

#[track_caller]
fn refused(text: &str) -> String {
    parsed(text).map(|_| ()).expect_err(text).to_string()
}

/// Checks what is said of one line; the rest of the file is sound.
#[track_caller]
fn says(line: &str, message: &str) {
    assert_eq!(refused(&format!("{line}\n")), format!("p.toml:{message}"), "{line}");
}

/// Checks what is said of lines that follow the head of a table.
#[track_caller]
fn says_in(table: &str, cases: &[(&str, &str)]) {
    for (lines, message) in cases {
        let text = format!("{table}\n{lines}\n");
        assert_eq!(refused(&text), format!("p.toml:{message}"), "{text}");
    }
}

#[track_caller]
fn warns(text: &str, message: &str) {
    let checked = parsed(&format!("{text}\n{ROUTE}")).expect(text);
    let warnings: Vec<_> = checked.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [format!("p.toml:{message}")], "{text}");
}

#[test]
fn every_problem_is_reported_where_it_stands_and_in_order() {
    let text = "\u{feff}# ñandú\r\nlisten = [\"é\", \"here\"]; \r\n";
    assert_eq!(
        refused(text),
        "p.toml:2:23: no TOML: unexpected key or value, expected newline, `#`"
    );
    let text = "\u{feff}# ñandú\r\n\
                expect = [\"ññññ\", 5] # ü\r\n\
                [routes]\r\n\
                \"/ñ\" = { to = \"w\", timout = \"5s\" }\r\n\
                '/a/{x}' = { to = \"w\" }\r\n\
                '/{x}/a' = { to = 'x' }\r\n\
                [limits]\r\n\
                target = '9KiB'\r\n\
                head = '8KiB'\r\n\
                [upstreams]\r\n\
                w = { whoami = true }\r\n";
    assert_eq!(
        refused(text),
        "p.toml:2:11: `expect`: write `WHO METHOD [host]/path -> OUTCOME`, as in `user GET /admin -> 403`\n\
         p.toml:2:19: `expect` must be a text in quotes\n\
         p.toml:4:20: unknown key `timout`; did you mean `timeout`?\n\
         p.toml:6:19: there is no upstream `x`; add it to [upstreams], as in x = { to = \"http://127.0.0.1:8000\" }\n\
         p.toml:8:10: `target` (9216 bytes) is part of `head` (8192 bytes); make `head` the larger one"
    );
}

#[test]
fn a_listener_behind_a_load_balancer_needs_to_know_it() {
    says(
        "listen = ['[::1]:1', { addr = '10.0.0.2:80', proxy_protocol = true }]",
        "1:63: nobody could connect: with `proxy_protocol` connections are taken from peers in \
         `trust` alone; list the load balancers there",
    );
}

#[test]
fn top() {
    says("listn = []", "1:1: unknown key `listn`; did you mean `listen`?");
    says(
        "listen = []",
        "1:10: listen = [] would serve nobody; write an address such as \"127.0.0.1:8080\"",
    );
    let forms = "an IP address and port, or a socket: \"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/run/portcullis.sock\"";
    for addr in ["localhost:8080", "8080", "127.0.0.1", "unix:", ""] {
        says(&format!("listen = \"{addr}\""), &format!("1:10: `listen` must be {forms}"));
    }
    says("listen = { addr = 'x' }", &format!("1:19: `listen` must be {forms}"));
    says("listen = {}", "1:10: no `addr`; add one such as \"0.0.0.0:443\"");
    says("listen = { adr = ':1' }", "1:12: unknown key `adr`; did you mean `addr`?");
    says(
        "listen = ['[::1]:1', { addr = '[::1]:1' }]",
        "1:31: [::1]:1 is listed twice; remove one of them",
    );
    says("listen = 8080", "1:10: `listen` must be a text in quotes");
    says("listen = ['[::1]:1', '[0::1]:1']", "1:22: [::1]:1 is listed twice; remove one of them");
    let form =
        "`public` must be scheme and host and nothing else, such as \"https://app.example.com\"";
    for origin in [
        "app.test",
        "ftp://a",
        "https://",
        "https://a/",
        "https://a/x",
        "https://u@a",
        "https://a:0",
        "https://a?",
        "HTTPS://a",
    ] {
        says(&format!("public = \"{origin}\""), &format!("1:10: {form}"));
    }
    says(
        "trust = ['10.0.0.0/33']",
        "1:10: `trust` must be a network or an address such as \"10.0.0.0/8\" or \"192.0.2.7\"",
    );
    says(
        "trust = '10.0.0.1/8'",
        "1:9: `10.0.0.1/8` has bits beyond its prefix; write \"10.0.0.0/8\"",
    );
    for workers in ["0", "-1", "1.5", "'2'", "1000001", "99999999999999999999"] {
        says(
            &format!("workers = {workers}"),
            "1:11: `workers` must be a whole number from 1 to 1000000",
        );
    }
    says("store = 'x'", "1:9: `store` must be a table, as config.example.toml shows");
    let message = "the file beside the store that ends in `.keys` holds the keys; \
                   let `path` end in `.redb`";
    says("store.path = 'a.keys'", &format!("1:14: {message}"));
    says("store.path = ''", "1:14: an empty path; name a file, or leave the key out");
    says("admin.socket = ''", "1:16: an empty path; name a file, or leave the key out");
    says("log.format = 'xml'", "1:14: `format` must be \"text\" or \"json\"");
    says("log.access = 'yes'", "1:14: `access` must be true or false");
    warns(
        "trust = '0.0.0.0/0'",
        "1:9: everybody may choose its own client address by `X-Forwarded-For`; list the proxies before this gateway instead",
    );
}

#[test]
fn trusted_fields() {
    let read = |keys: &str| accepted(&format!("{keys}\n{ROUTE}")).trust_headers;
    assert_eq!(read("trust = '10.0.0.1'"), TrustHeaders::XForwarded);
    assert_eq!(read("trust_headers = 'x-forwarded'"), TrustHeaders::XForwarded);
    let trusted = "trust = '10.0.0.1'\ntrust_headers = 'forwarded'";
    assert_eq!(read(trusted), TrustHeaders::Forwarded);
    let message = "`trust_headers` is for the peers in `trust`, and there are none; \
                   list the proxies before this gateway there, or leave it out";
    says("trust_headers = 'forwarded'", &format!("1:17: {message}"));
    says("trust = []\ntrust_headers = 'forwarded'", &format!("2:17: {message}"));
    says(
        "trust = '10.0.0.1'\ntrust_headers = 'both'",
        "2:17: `trust_headers` must be \"x-forwarded\" or \"forwarded\"",
    );
}

#[test]
fn syntax() {
    says("a = ", "1:5: no TOML: string values must be quoted, expected literal string");
    says("workers = 1\nworkers = 2", "2:1: no TOML: duplicate key");
    says("[log]\n[log]", "2:2: no TOML: duplicate key");
}

#[test]
fn limits() {
    says_in(
        "[limits]",
        &[
            (
                "head = '8191B'",
                "2:8: `head` below 8KiB cuts ordinary requests off; use at least \"8KiB\"",
            ),
            (
                "memory = '15MiB'",
                "2:10: `memory` below 16MiB is less than a gateway without a request has; use at least \"16MiB\", or \"off\"",
            ),
            (
                "target = '64KiB'",
                "2:10: `target` (65536 bytes) is part of `head` (65536 bytes); make `head` the larger one",
            ),
            (
                "head = '8KiB'",
                "2:8: `target` (8192 bytes) is part of `head` (8192 bytes); make `head` the larger one",
            ),
            (
                "body = '10M'",
                "2:8: `body` must be a size above zero such as \"8KiB\", \"10MB\" or a number of bytes",
            ),
            (
                "body = 0",
                "2:8: `body` must be a size above zero such as \"8KiB\", \"10MB\" or a number of bytes",
            ),
            ("headers = 0", "2:11: `headers` must be a whole number from 1 to 1000000"),
            (
                "head_timeout = '0s'",
                "2:16: `head_timeout` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
            ),
            ("drain = 30", "2:9: `drain` must be a duration such as \"30s\", \"15m\" or \"1d\""),
            (
                "body_rate = '256'",
                "2:13: `body_rate` must be a rate such as \"256B/s\", or \"off\"",
            ),
        ],
    );
}
