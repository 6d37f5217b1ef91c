//! What a gateway does while it runs: told at the command line, and shown on the admin site.

use serde_json::Value;

use crate::harness::{Folder, Gateway};

/// One server that answers, one where nothing listens.
const POLICY: &str = "[upstreams]\necho = { whoami = true }\n\
    gone = { to = \"http://127.0.0.1:9\" }\n\
    [routes]\n\"/a\" = { to = \"echo\", allow = \"anyone\", body = \"2MB\" }\n\
    \"/b\" = { to = \"gone\", allow = \"anyone\" }\n\"/c\" = { to = \"echo\", allow = \"role:x\" }\n\
    [pages]\n[pages.admin]\n[admin]\nwatch = false\n";

fn ask(gateway: &Gateway, path: &str) -> String {
    let answer =
        gateway.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    answer.split(' ').nth(1).unwrap().to_owned()
}

fn start() -> (Folder, Gateway) {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    folder.add("ada").done();
    folder.run(&["user", "role", "add", "ada", "admin"]).done();
    let gateway = folder.serve();
    let asked = ["/a", "/a", "/b", "/c"].map(|path| ask(&gateway, path));
    assert_eq!(asked, ["200", "200", "502", "401"]);
    (folder, gateway)
}

#[test]
fn it_is_told_at_the_command_line() {
    let (folder, gateway) = start();
    let state: Value = serde_json::from_str(&folder.run(&["state", "--json"]).done()).unwrap();
    let routes = state["routes"].as_array().unwrap();
    let told: Vec<_> = routes
        .iter()
        .map(|one| {
            let counts = ["requests", "refused", "failed"].map(|name| one[name].as_u64().unwrap());
            (one["key"].as_str().unwrap(), one["allow"].as_str().unwrap(), counts)
        })
        .collect();
    let expected =
        [("/a", "anyone", [2, 0, 0]), ("/b", "anyone", [1, 0, 1]), ("/c", "role:x", [1, 1, 0])];
    assert_eq!(told, expected);
    assert_eq!(routes[0]["limits"], serde_json::json!(["body 2MB"]));
    assert!(routes[0]["p99"].as_u64() >= routes[0]["p50"].as_u64(), "{state}");
    assert_eq!(routes[0]["line"], 5);
    let span = |name: &str| -> u64 {
        let spans = state["lately"].as_array().unwrap();
        spans.iter().map(|span| span[name].as_u64().unwrap()).sum()
    };
    assert_eq!([span("requests"), span("denied"), span("failed")], [4, 1, 1]);
    let gone = &state["upstreams"][1];
    assert_eq!((&gone["name"], &gone["failures"]), (&"gone".into(), &1.into()));
    assert_eq!(gone["servers"][0]["address"], "http://127.0.0.1:9");
    assert_eq!(
        (&state["policy"]["last_was_good"], &state["load"]["requests"]),
        (&true.into(), &0.into())
    );

    folder.write("portcullis.toml", &POLICY.replace("\"gone\"", "\"gome\""));
    let refused = folder.run(&["reload"]).failed(1);
    // Nobody has it read again.
    folder.write("portcullis.toml", POLICY);
    let told = folder.run(&["state"]).done();
    let why = "portcullis.toml:6:15: there is no upstream `gome`; did you mean `gone`?";
    assert!(refused.contains(why) && told.contains("last file    refused\n"), "{told}");
    assert!(
        told.contains(why) && told.contains("lately       4 requests, 1 denied, 1 failed"),
        "{told}"
    );
    assert!(told.contains("/c to echo, role:x: 1 requests, 1 refused, 0 failed"), "{told}");
    drop(gateway);
    let none = folder.run(&["state"]).failed(1);
    assert!(none.contains("portcullis.sock"), "{none}");
}

#[test]
fn it_is_shown_on_the_admin_site() {
    let (folder, gateway) = start();
    folder.write("portcullis.toml", &POLICY.replace("\"gone\"", "\"<b>\""));
    folder.run(&["reload"]).failed(1);
    let page = gateway.page("/manage/state/", &gateway.sign_in("ada"));
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    for said in [
        "The file that was read last was refused",
        "there is no upstream `&lt;b&gt;`",
        "<code>&#x2f;c</code>",
        "role:x",
        "body 2MB",
        "http:&#x2f;&#x2f;127.0.0.1:9",
        "<svg viewBox",
        "<rect",
        &gateway.address,
        "action=\"&#x2f;manage&#x2f;explain&#x2f;\"",
    ] {
        assert!(page.contains(said), "`{said}` is not in\n{page}");
    }
    assert!(page.len() < 60 * 1024);
}

#[test]
fn many_routes_are_several_pages() {
    use std::fmt::Write as _;

    let (folder, gateway) = start();
    let mut many = String::new();
    for number in 0..60 {
        writeln!(many, "\"/many/{number}\" = {{ to = \"echo\" }}").unwrap();
    }
    folder.write("portcullis.toml", &POLICY.replacen("[pages]", &format!("{many}[pages]"), 1));
    folder.run(&["reload"]).done();
    let cookie = gateway.sign_in("ada");
    let first = gateway.page("/manage/state/", &cookie);
    assert!(first.contains("&#x2f;manage&#x2f;state&#x2f;?from=50\">"), "{first}");
    let second = gateway.page("/manage/state/?from=50", &cookie);
    let count = |page: &str| page.matches("<th scope=\"row\"><code>").count();
    assert_eq!((count(&first), count(&second)), (50, 13));
    assert!(!second.contains("?from="), "{second}");
}
