//! `check`: problems, warnings, the table.

use serde_json::Value;

use crate::harness::Folder;

const GOOD: &str = r#"
expect = ["anyone GET /open/x -> a", "user GET /orders/7 -> 405"]
[upstreams]
a = { whoami = true }
[routes]
"/*" = { to = "a" }
"/open/*" = { to = "a", allow = "anyone", body = "2MB" }
"POST /orders/{id}" = { to = "a", allow = ["role:x & claim:t=y", "user:bob"], timeout = "5m" }
"#;

#[test]
fn a_good_file_shows_what_it_lets_through() {
    let folder = Folder::new();
    folder.write("good.toml", GOOD);
    let ran = folder.run(&["check", "good.toml"]);
    assert_eq!(ran.err, "");
    assert_eq!(
        ran.done(),
        "\
ROUTE              UPSTREAM  ALLOW                         LIMITS
/open/*            a         anyone                        body 2MB
POST /orders/{id}  a         role:x & claim:t=y, user:bob  timeout 5m
/*                 a         user                          -

open to anyone: /open/*
holds: anyone GET /open/x -> a
holds: user GET /orders/7 -> 405
good.toml: good
"
    );
}

#[test]
fn what_a_route_changes_and_asks_for_is_in_the_table() {
    let folder = Folder::new();
    let text = "[upstreams]\na.whoami = true\n[routes.\"/api/*\"]\nto = \"a\"\nstrip = \"/api\"\n\
                prefix = \"/v2\"\nfrom = [\"10.0.0.0/8\", \"192.0.2.7\"]\n\
                rate = \"60/m per ip burst 5\"\ncors.origins = [\"https://a.test\", \"https://b.test\"]\n";
    folder.write("good.toml", text);
    let said = folder.run(&["check", "good.toml"]).done();
    let row = said.lines().nth(1).unwrap();
    assert_eq!(
        row,
        "/api/*  a (strip /api, prefix /v2)  user from 10.0.0.0/8, 192.0.2.7/32  rate 60/1m per ip burst 5, cors https://a.test https://b.test"
    );
    let said: Value =
        serde_json::from_str(&folder.run(&["check", "good.toml", "--json"]).done()).unwrap();
    let route = &said["routes"][0];
    assert_eq!((&route["strip"], &route["prefix"]), (&"/api".into(), &"/v2".into()));
    assert_eq!(route["from"][1], "192.0.2.7/32");
    assert_eq!(route["rate"][0], "60/1m per ip burst 5");
    assert_eq!(route["cors"][1], "https://b.test");
}

#[test]
fn machines_get_the_same() {
    let folder = Folder::new();
    folder.write("good.toml", GOOD);
    let said: Value =
        serde_json::from_str(&folder.run(&["check", "good.toml", "--json"]).done()).unwrap();
    assert_eq!(said["ok"], true);
    assert_eq!(said["routes"][0]["open"], true);
    assert_eq!(said["routes"][0]["body"], 2_000_000);
    assert_eq!(said["expect"][1]["holds"], true);
    folder.write("bad.toml", "listen = 7\n");
    let ran = folder.run(&["check", "bad.toml", "--json"]);
    assert_eq!(ran.code, Some(1));
    let said: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&said["ok"], &said["problems"][0]["line"]), (&false.into(), &1.into()));
}

#[test]
fn every_problem_of_a_bad_file_is_named_at_its_place() {
    let folder = Folder::new();
    let text = GOOD.replace("user GET /orders/7 -> 405", "user GET /orders/7 -> 200");
    folder
        .write("bad.toml", &format!("lissten = \"x\"\n{text}\n\"GET /open\" = {{ to = \"b\" }}\n"));
    let said = folder.run(&["check", "bad.toml"]).failed(1);
    assert!(said.starts_with("bad.toml:1:1: "), "{said}");
    assert!(said.contains("`listen`"), "{said}");
    assert!(said.lines().count() >= 2, "{said}");
    assert!(said.lines().all(|line| line.starts_with("bad.toml:")), "{said}");
}

#[test]
fn an_expectation_that_fails_is_a_problem() {
    let folder = Folder::new();
    folder.write("bad.toml", &GOOD.replace("/orders/7 -> 405", "/orders/7 -> a"));
    let said = folder.run(&["check", "bad.toml"]).failed(1);
    assert!(said.starts_with("bad.toml:2:") && said.contains("answered 405"), "{said}");
}

#[test]
fn a_filter_that_the_log_cannot_read_is_a_problem() {
    let folder = Folder::new();
    folder.write("bad.toml", "[log]\nfilter = \"info,=\"\n");
    let said = folder.run(&["check", "bad.toml"]).failed(1);
    assert!(said.starts_with("bad.toml:2:10: "), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = Folder::new();
    assert!(folder.run(&["check", "none.toml"]).failed(1).starts_with("none.toml: "));
    assert!(folder.run(&["--config", "none.toml", "check"]).failed(1).starts_with("none.toml: "));
}

#[test]
fn the_defaults_are_good() {
    let folder = Folder::new();
    assert!(folder.run(&["check"]).done().ends_with("built-in defaults: good\n"));
}
