//! `explain`: the decision without a request, and that it is the one that a request meets.

use serde_json::Value;

use crate::harness::{Folder, Gateway};

const POLICY: &str = r#"
public = "http://app.test"
[upstreams]
api = { to = ["http://127.0.0.1:9", "http://127.0.0.1:10"], timeout = "5s" }
me = { whoami = true }
[identity]
X-User-Id = "user_id"
X-User-Name = "username"
X-User-Roles = "roles"
X-Tenant = "tenant"
X-Cert = "@cert"
[routes]
"/*" = { to = "me", allow = "anyone" }
"GET,POST /api/*" = { to = "api", strip = "/api", prefix = "/v2", rate = "60/m per ip", body = "2MB" }
"/admin/*" = { to = "me", allow = ["role:admin & claim:tenant=acme", "user:root"], from = ["127.0.0.0/8"] }
"/trial" = { to = "me", allow = "user", would_allow = "role:admin" }
"other.test/hello" = { to = "me" }
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    folder
}

fn explain(folder: &Folder, args: &[&str]) -> Value {
    let said = folder.run(&[&["explain", "--json"], args].concat()).done();
    serde_json::from_str(&said).unwrap()
}

#[test]
fn the_answer_for_people_is_the_whole_of_it() {
    let said = folder().run(&["explain", "GET", "/api/a%2fb", "--as", "role:x"]).done();
    assert_eq!(
        said,
        "\
forwarded    to api: `allow` is met

request      GET /api/a%2fb at app.test
by           role:x, from an address that every route takes
path         /api/a%2Fb
also read as /api/a%2fb or /api/a/b leads to the same
route        GET,POST /api/*  (portcullis.toml:14)
from         any address
allow        user
             met:     user
limits       rate 60/1m per ip
             body 2MB
             timeout 5s of the upstream
upstream     api: http://127.0.0.1:9, http://127.0.0.1:10
asked for    /v2/a%2Fb
headers      x-user-id: (user_id)
             x-user-name: (username)
             x-user-roles: x
             x-tenant: (tenant)
"
    );
}

#[test]
fn what_is_missing_is_named_for_each_alternative() {
    let folder = folder();
    let admin = ["GET", "/admin/x", "--as", "role:admin"];
    let said = folder.run(&[&["explain"][..], &admin].concat()).done();
    for line in [
        "refused      403 forbidden: no alternative of `allow` is met",
        "             not met: role:admin & claim:tenant=acme, for lack of claim:tenant=acme",
        "             not met: user:root, for lack of user:root",
        "from         127.0.0.0/8",
    ] {
        assert!(said.lines().any(|known| known == line), "{line}:\n{said}");
    }
    let both = explain(&folder, &[&admin[..], &["--as", "claim:tenant=acme"]].concat());
    assert_eq!(both["decision"]["outcome"], "forwarded");
    assert_eq!(both["request"]["who"], "role:admin & claim:tenant=acme");
    assert_eq!(both["route"]["alternatives"][0]["met"], true);
    assert_eq!(both["route"]["alternatives"][1]["missing"][0], "user:root");
    let headers = both["upstream"]["headers"].as_array().unwrap();
    let tenant = headers.iter().find(|header| header["name"] == "x-tenant").unwrap();
    assert_eq!(tenant["value"], "acme");
    // Nobody has shown a certificate.
    assert!(headers.iter().all(|header| header["name"] != "x-cert"), "{headers:?}");
    let elsewhere = explain(&folder, &[&admin[..], &["--from", "192.0.2.1"]].concat());
    assert_eq!(elsewhere["decision"]["code"], "forbidden_address");
    assert_eq!(elsewhere["upstream"], Value::Null);
}

#[test]
fn a_path_that_others_read_otherwise_is_shown_with_where_they_go() {
    let said = folder().run(&["explain", "GET", "/Admin/x"]).done();
    assert!(said.starts_with("refused      400 ambiguous_path: "), "{said}");
    assert!(said.contains("also read as /admin/x leads to route `/admin/*`\n"), "{said}");
    let told = explain(&folder(), &["GET", "/x%2F..%2Fadmin"]);
    assert_eq!((&told["decision"]["code"], &told["path"]), (&"bad_path".into(), &Value::Null));
    assert_eq!(told["decision"]["why"], "hidden dot segment");
}

#[test]
fn a_rule_on_trial_is_asked_and_decides_nothing() {
    let folder = folder();
    let told = explain(&folder, &["GET", "/trial", "--as", "user"]);
    assert_eq!(told["decision"]["outcome"], "forwarded");
    assert_eq!(told["route"]["would_allow"]["would"], "refuse");
    let told = explain(&folder, &["GET", "/trial", "--as", "role:admin"]);
    assert_eq!(told["route"]["would_allow"]["would"], Value::Null);
    let said = folder.run(&["explain", "GET", "/trial", "--as", "user"]).done();
    assert!(said.contains("\non trial     role:admin: would refuse\n"), "{said}");
}

#[test]
fn an_endpoint_of_the_gateway_is_described() {
    let folder = folder();
    let told = explain(&folder, &["POST", "/api/auth/token/"]);
    assert_eq!(told["decision"]["outcome"], "answered");
    assert_eq!(told["endpoint"]["caller"], "anyone");
    assert_eq!(told["endpoint"]["limited"], "`account` and `address` of [auth.throttle]");
    for (method, path, status) in [
        ("GET", "/api/auth/token/", 405),
        ("POST", "/api/auth/nothing", 404),
        ("GET", "/api/auth/keys/", 404),
        ("POST", "/api/auth/password/reset/", 501),
        ("POST", "/.well-known/jwks.json", 405),
    ] {
        let told = explain(&folder, &[method, path]);
        assert_eq!(told["decision"]["status"], status, "{method} {path}: {told}");
    }
}

#[test]
fn the_file_may_be_named_and_wrong_questions_are_told_what_to_write() {
    let folder = folder();
    folder.write("other.toml", "[upstreams]\nw.whoami = true\n[routes]\n'/*'.to = 'w'\n");
    let told = explain(&folder, &["GET", "/x", "--file", "other.toml"]);
    assert_eq!((&told["file"], &told["route"]["line"]), (&"other.toml".into(), &4.into()));
    assert_eq!(told["request"]["host"], Value::Null);
    for (args, part) in [
        (["get", "/x", "--as", "user"], "`get` is no method"),
        (["GET", "/x", "--as", "admin"], "`admin` is no rule"),
        (["GET", "ftp://a/x", "--as", "user"], "`ftp` is not served here"),
        (["GET", "a_b!/x", "--as", "user"], "is no host"),
        (["GET", "/x", "--file", "none.toml"], "none.toml"),
    ] {
        let said = folder.run(&[&["explain"], &args[..]].concat()).failed(1);
        assert!(said.contains(part), "{args:?}: {said}");
    }
    for args in [&["explain", "GET"][..], &["explain", "GET", "/x", "--from", "home"]] {
        assert!(!folder.run(args).failed(2).is_empty());
    }
}

#[test]
fn the_policy_in_force_is_told_from_another() {
    let folder = folder();
    folder.write("portcullis.toml", &format!("{POLICY}[admin]\nwatch = false\n"));
    let ask = ["explain", "GET", "/x", "--running"];
    assert!(folder.run(&ask).failed(1).contains("no gateway answers"));
    assert_eq!(explain(&folder, &["GET", "/x"])["in_force"], Value::Null);
    let _gateway = folder.serve();
    assert!(folder.run(&ask).done().starts_with("forwarded "));
    assert_eq!(explain(&folder, &["GET", "/x"])["in_force"], true);
    folder.write("portcullis.toml", &format!("# other\n{POLICY}[admin]\nwatch = false\n"));
    assert!(folder.run(&ask).failed(1).contains("another policy in force"));
    let ran = folder.run(&["explain", "GET", "/x"]);
    assert!(ran.err.contains("another policy in force"), "{ran:?}");
    assert!(ran.done().starts_with("forwarded "));
    folder.run(&["reload"]).done();
    assert!(folder.run(&ask).done().starts_with("forwarded "));
}

/// The status of a real request, and the code in its body, where it has one.
fn sent(gateway: &Gateway, method: &str, host: &str, path: &str, token: Option<&str>) -> u64 {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let bearer = bearer.unwrap_or_default();
    let answer = gateway.ask(&format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{bearer}\
         Content-Length: 0\r\n\r\n"
    ));
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
}

fn log_in(gateway: &Gateway, name: &str) -> String {
    let login = format!("username={name}&password=Tr1cky-Phrase-77");
    let answer = gateway.ask(&format!(
        "POST /api/auth/token/ HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{login}",
        login.len()
    ));
    let token = answer.split_once("\"access\":\"").and_then(|(_, rest)| rest.split('"').next());
    token.unwrap().to_owned()
}

/// What it says and what happens are one: the same requests, asked about and sent.
#[test]
fn a_real_request_meets_what_was_explained() {
    let folder = folder();
    folder.run_with(&["user", "add", "ann", "--stdin"], b"Tr1cky-Phrase-77\n").done();
    folder.run(&["user", "role", "add", "ann", "admin"]).done();
    folder.run(&["user", "claim", "set", "ann", "tenant=acme"]).done();
    folder.add("bob").done();
    let gateway = folder.serve();
    let (ann, bob) = (log_in(&gateway, "ann"), log_in(&gateway, "bob"));
    let who = [
        ("anyone", None),
        ("role:admin & claim:tenant=acme & user:ann", Some(&*ann)),
        ("user:bob", Some(&*bob)),
    ];
    let mut statuses = std::collections::BTreeSet::new();
    for (method, host, path) in [
        ("GET", "app.test", "/"),
        ("GET", "app.test", "/admin/x"),
        ("GET", "app.test", "/Admin/x"),
        ("GET", "app.test", "/admin%2Fx"),
        ("GET", "app.test", "/x%2F..%2Fadmin"),
        ("GET", "app.test", "/x/../admin"),
        ("DELETE", "app.test", "/api/x"),
        ("GET", "app.test", "/trial"),
        ("TRACE", "app.test", "/trial"),
        ("GET", "app.test", "/api/auth/nothing"),
        ("PUT", "app.test", "/api/auth/token/"),
        ("GET", "other.test", "/hello"),
        ("GET", "third.test", "/x"),
    ] {
        for (who, token) in who {
            let url = format!("http://{host}{path}");
            let told = explain(&folder, &[method, &url, "--as", who, "--from", "127.0.0.1"]);
            let decision = &told["decision"];
            let expected = decision["status"].as_u64().unwrap_or(200);
            assert_eq!(
                sent(&gateway, method, host, path, token),
                expected,
                "{who} {method} {url}: {told}"
            );
            statuses.insert(expected);
        }
    }
    let all = [200, 400, 401, 403, 404, 405, 421];
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), all);
}
