//! `[admin]`.

use super::*;

const LONG: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_door_over_the_network_has_an_address_and_a_token() {
    says(
        "[admin]\nlisten = '127.0.0.1:1'",
        "2:10: `listen` opens the operator's door; add token = { file = \"admin.token\" }",
    );
    says(
        &format!("[admin]\ntoken = '{LONG}'"),
        "2:9: `token` is for `listen`, which is not there; add listen = \"127.0.0.1:9901\"",
    );
    for listen in ["9901", "localhost:9901", "unix:/x", ""] {
        says(
            &format!("[admin]\ntoken = '{LONG}'\nlisten = '{listen}'"),
            "3:10: `listen` must be an IP address and port, as in \"127.0.0.1:9901\"",
        );
    }
    says(
        "[admin]\nlisten = '127.0.0.1:1'\ntoken = '0123456789abcdef0123456789abcde'",
        "3:9: `token` is shorter than 32 bytes, and could be guessed; make one with `openssl \
         rand -hex 32`",
    );
    says(
        "[admin]\nlisten = '127.0.0.1:1'\ntoken = { env = 'NO_SUCH_TOKEN' }",
        "3:9: the variable `NO_SUCH_TOKEN` is not set; set it, or name another",
    );
}

#[test]
fn what_is_remembered_has_a_bound() {
    says(
        "[admin]\nrecent = 100001",
        "2:10: `recent` is more than 100000; each takes about 2 KiB of memory, at each worker: \
         older requests are in the access log",
    );
    for recent in [0, 100_000] {
        let text = format!("admin.recent = {recent}\n{ROUTE}");
        assert_eq!(parsed(&text).unwrap().config.admin.recent, recent);
    }
}

#[test]
fn a_door_that_others_can_reach_is_warned_of() {
    let text = format!("admin.listen = '0.0.0.0:1'\nadmin.token = '{LONG}'\n{ROUTE}");
    let warnings = parsed(&text).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings[0],
        "p.toml:1:16: others than this machine can reach the operator's door, and the token goes \
         there in clear; listen at 127.0.0.1, or see to it that only the monitoring network \
         reaches it"
    );
    assert!(warnings[1].contains("`token` stands in the file itself"), "{warnings:?}");
    assert_eq!(warnings.len(), 2);
    assert!(!format!("{:?}", parsed(&text).unwrap().config).contains(LONG));
}
