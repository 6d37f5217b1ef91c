//! `portcullis user factors`, with a gateway running and without.

use portcullis::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::harness::{Folder, Gateway};

#[path = "../common/otp.rs"]
mod otp;

const LOGIN: &str = r#"{"username": "alice", "password": "Tr1cky-Phrase-77"}"#;

fn post(gateway: &Gateway, path: &str, token: &str, body: &Value) -> Value {
    let body = body.to_string();
    let answer = gateway.ask(&format!(
        "POST /api/auth/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn now() -> u64 {
    SystemClock.now().as_secs()
}

/// An authenticator app of alice's: its secret.
pub(crate) fn enrol(gateway: &Gateway) -> String {
    let [access, _] = gateway.log_in("alice");
    let password = json!({ "password": "Tr1cky-Phrase-77" });
    let offered = post(gateway, "factors/totp/", &access, &password);
    let secret = offered.get("secret").and_then(Value::as_str).unwrap().to_owned();
    let code = json!({ "otp": otp::code(&secret, now()) });
    let codes = post(gateway, "factors/totp/confirm/", &access, &code);
    assert_eq!(codes.get("recovery_codes").and_then(Value::as_array).map(Vec::len), Some(10));
    secret
}

#[test]
fn an_operator_sees_factors_and_takes_them_from_who_has_lost_them() {
    let folder = Folder::new();
    folder.add("alice").done();
    let show = || folder.run(&["user", "factors", "alice"]).done();
    assert_eq!(show(), "alice has no second factor\n");
    let gateway = folder.serve();
    let secret = enrol(&gateway);
    let has = |said: &str| {
        said.starts_with("alice has an authenticator app since 20")
            && said.ends_with(", and 10 recovery codes\n")
    };
    assert!(has(&show()), "{}", show());
    let said = folder.run(&["user", "factors", "alice", "--json"]).done();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["username"], &said["recovery_codes"]), (&json!("alice"), &json!(10)));
    assert!(gateway.post("token/", LOGIN).starts_with("HTTP/1.1 401 "));
    drop(gateway);
    // The file knows it, and tells nobody the secret; neither does an export.
    assert!(has(&show()));
    folder.run(&["export", "users.jsonl"]).done();
    let lines = std::fs::read_to_string(folder.file("users.jsonl")).unwrap();
    assert!(lines.contains("\"factors\":{\"totp\":") && !lines.contains(&secret), "{lines}");
    let gateway = folder.serve();
    let said = folder.run(&["user", "factors", "alice", "--reset", "--yes"]).done();
    assert_eq!(said, "alice has no second factor\n");
    assert!(gateway.post("token/", LOGIN).starts_with("HTTP/1.1 200 "));
    drop(gateway);
    assert_eq!(folder.run(&["user", "factors", "alice", "--reset"]).done(), said);
    let record = std::fs::read_to_string(folder.file("portcullis.audit")).unwrap();
    for line in ["\"command\":\"user factors --reset\"", "\"event\":\"factor.removed\""] {
        assert!(record.contains(line), "{record}");
    }
    assert_eq!(record.matches("\"event\":\"factor.removed\"").count(), 1, "{record}");
    let said = folder.run(&["user", "factors", "nobody"]).failed(1);
    assert_eq!(said, "portcullis: there is no user `nobody`\n");
    folder.run(&["user", "factors", "alice", "--yes"]).failed(2);
}

#[test]
fn factors_move_with_their_user_and_their_keys() {
    let folder = Folder::new();
    folder.add("alice").done();
    let gateway = folder.serve();
    let secret = enrol(&gateway);
    drop(gateway);
    folder.run(&["export", "users.jsonl"]).done();
    let other = Folder::new();
    let lines = std::fs::read_to_string(folder.file("users.jsonl")).unwrap();
    other.write("users.jsonl", &lines);
    // What was sealed by keys goes where the keys go.
    std::fs::copy(folder.file("portcullis.keys"), other.file("portcullis.keys")).unwrap();
    other.run(&["import", "portcullis", "users.jsonl"]).done();
    log_in_with(&other.serve(), &secret);
}

/// A login of alice's, who has shown one code of that app.
pub(crate) fn log_in_with(gateway: &Gateway, secret: &str) {
    let asked = post(gateway, "token/", "", &serde_json::from_str(LOGIN).unwrap());
    let challenge = asked.get("challenge").and_then(Value::as_str).unwrap();
    // The one that has confirmed it was used, and is known to be wherever the user went.
    let next = otp::code(secret, now() + 30);
    let body = json!({ "challenge": challenge, "otp": next });
    let pair = post(gateway, "token/factor/", "", &body);
    assert!(pair.get("access").is_some(), "{pair}");
}
