//! `portcullis store copy`: between a file and a database, while a gateway serves from the one.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::factors::{enrol, log_in_with};
use crate::harness::{Folder, Gateway, Ran};
use crate::postgres::{Cluster, PASSWORD};

const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u";

/// Whatever takes longer than this will not come.
const PATIENCE: Duration = Duration::from_secs(60);

const REST: &str = "auth.token_scheme = true\nauth.keys.per_user = 3\nauth.password.memory = \"8KiB\"\n\
                    upstreams.who.whoami = true\nroutes.\"/*\".to = \"who\"\n";

/// A cluster, and a folder with a policy for a file and one for a database.
struct Place {
    cluster: Cluster,
    folder: Folder,
    database: String,
}

impl Place {
    async fn new() -> Self {
        let (cluster, folder) = (Cluster::start(), Folder::new());
        let database = cluster.database().await;
        folder.write("portcullis.toml", REST);
        let place = Self { cluster, folder, database };
        place.policy(&place.folder, "database.toml", "");
        place
    }

    /// A policy of the database, in that folder.
    fn policy(&self, folder: &Folder, name: &str, signing: &str) {
        folder.write("url", &self.cluster.url(&self.database));
        std::fs::copy(self.cluster.authority(), folder.file("ca.pem")).unwrap();
        let store = "[store.postgres]\nurl = { file = \"url\" }\nca = \"ca.pem\"\n\
                     [admin]\nsocket = \"database.sock\"\n\
                     [audit]\npath = \"database.audit\"\n";
        folder.write(name, &format!("{REST}{store}{signing}"));
    }

    /// A policy of another file.
    fn file(&self, name: &str, store: &str) {
        let text =
            format!("{REST}[store]\npath = \"{store}\"\n[admin]\nsocket = \"{name}.sock\"\n");
        self.folder.write(name, &text);
    }

    fn copy(&self, from: &str, to: &str) -> Ran {
        let ran = self.folder.run(&["store", "copy", from, to, "--json"]);
        assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:?}");
        ran
    }

    fn copied(&self, from: &str, to: &str) -> Value {
        serde_json::from_str(&self.copy(from, to).done()).unwrap()
    }

    /// What there is, but for when it was last used: a gateway notes that later.
    fn export(&self, policy: &str) -> Vec<Value> {
        let text = self.folder.run(&["--config", policy, "export"]).done();
        let mut lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter_mut().for_each(forget_uses);
        lines
    }

    fn serve(&self, policy: &str) -> Gateway {
        serve(&self.folder, policy)
    }

    /// Many users in the file.
    fn fill(&self, users: usize) {
        let lines: Vec<_> = (0..users).map(|at| format!("user{at}:{BCRYPT}")).collect();
        self.folder.write("users", &lines.join("\n"));
        self.folder.run(&["import", "htpasswd", "users"]).done();
    }

    /// How many records the database has of a copy that is under way.
    async fn progress(&self) -> Option<i64> {
        let client = self.cluster.client(&self.database).await;
        let row = client.query_one("SELECT records FROM portcullis.copying", &[]).await;
        row.ok().map(|row| row.get(0))
    }
}

fn forget_uses(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("last_used");
            fields.values_mut().for_each(forget_uses);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_uses),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn serve(folder: &Folder, policy: &str) -> Gateway {
    Folder::start_as(folder.command(&["--config", policy, "serve", "--listen", "127.0.0.1:0"]))
}

fn stop(mut gateway: Gateway) {
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}

fn is_let_in(gateway: &Gateway, credential: &str) {
    let answer = gateway.ask(&format!(
        "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {credential}\r\n\r\n"
    ));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// The next refresh token.
fn refresh(gateway: &Gateway, token: &str) -> String {
    let answer = gateway.post("token/refresh/", &json!({ "refresh": token }).to_string());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let pair: Value = serde_json::from_str(body).unwrap();
    pair.get("refresh").and_then(Value::as_str).unwrap().to_owned()
}

fn records(copied: &Value, of: &str) -> u64 {
    copied.pointer(&format!("/records/{of}")).and_then(Value::as_u64).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_goes_into_a_database_and_back_and_nobody_notices() {
    let place = Place::new().await;
    let folder = &place.folder;
    folder.add("alice").done();
    folder.add("bob").done();
    folder.add("gone").done();
    for args in [
        &["user", "delete", "gone"][..],
        &["group", "add", "staff"],
        &["group", "role", "add", "staff", "editor"],
        &["user", "group", "add", "bob", "staff"],
        &["invite", "add", "--uses", "3", "--role", "guest"],
    ] {
        folder.run(args).done();
    }
    let made = folder.run(&["api-key", "add", "bob", "--name", "backup"]).done();
    let key = made.split_once("\nkey: ").unwrap().1.trim_end().to_owned();
    let gateway = folder.serve();
    let secret = enrol(&gateway);
    let [access, first] = gateway.log_in("bob");
    let login = json!({ "username": "bob", "password": "Tr1cky-Phrase-77" }).to_string();
    let shown = gateway.post("api-token-auth/", &login);
    let shown: Value = serde_json::from_str(shown.split_once("\r\n\r\n").unwrap().1).unwrap();
    let token = shown["token"].as_str().unwrap();
    let before = place.export("portcullis.toml");

    let copied = place.copied("portcullis.toml", "database.toml");
    assert_eq!((records(&copied, "users"), records(&copied, "deleted_users")), (2, 1));
    assert_eq!((records(&copied, "user_keys"), records(&copied, "factors")), (1, 1));
    assert_eq!((&copied["resumed"], &copied["keys"]), (&json!(false), &json!("kept")));
    // It serves on.
    is_let_in(&gateway, &format!("Bearer {access}"));
    stop(gateway);
    assert_eq!(place.export("database.toml"), before);

    let gateway = place.serve("database.toml");
    is_let_in(&gateway, &format!("Bearer {access}"));
    is_let_in(&gateway, &format!("Bearer {key}"));
    is_let_in(&gateway, &format!("Token {token}"));
    let second = refresh(&gateway, &first);
    log_in_with(&gateway, &secret);
    let before = place.export("database.toml");
    place.file("back.toml", "back.redb");
    let copied = place.copied("database.toml", "back.toml");
    assert_eq!(records(&copied, "sessions"), 3);
    is_let_in(&gateway, &format!("Bearer {access}"));
    stop(gateway);
    assert_eq!(place.export("back.toml"), before);
    let gateway = place.serve("back.toml");
    is_let_in(&gateway, &format!("Bearer {key}"));
    is_let_in(&gateway, &format!("Token {token}"));
    refresh(&gateway, &second);
    stop(gateway);
}

/// Where the keys are shared they are not beside the store, and go along all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_go_along() {
    let place = Place::new().await;
    let shared = "[auth.signing]\nshared = \"what the ring is sealed under, elsewhere\"\n";
    let (one, other) = (Folder::new(), Folder::new());
    place.policy(&one, "shared.toml", shared);
    place.folder.add("bob").done();
    let gateway = place.folder.serve();
    let [access, first] = gateway.log_in("bob");
    stop(gateway);
    let shared = one.file("shared.toml").display().to_string();
    assert_eq!(place.copied("portcullis.toml", &shared)["keys"], "shared");
    assert!(!one.file("portcullis.keys").exists());
    let gateway = serve(&one, "shared.toml");
    is_let_in(&gateway, &format!("Bearer {access}"));
    let second = refresh(&gateway, &first);
    stop(gateway);

    other.write("portcullis.toml", REST);
    let back = other.file("portcullis.toml").display().to_string();
    // A key file of somebody else is not touched, nor is anything begun.
    other.add("eve").done();
    std::fs::remove_file(other.file("portcullis.redb")).unwrap();
    let refused = place.copy(&shared, &back).failed(1);
    assert!(refused.contains("another key file than that of the store"), "{refused}");
    assert!(!other.file("portcullis.redb").exists());
    std::fs::remove_file(other.file("portcullis.keys")).unwrap();
    assert_eq!(place.copied(&shared, &back)["keys"], "file");
    let gateway = serve(&other, "portcullis.toml");
    is_let_in(&gateway, &format!("Bearer {access}"));
    refresh(&gateway, &second);
    stop(gateway);
}

/// Begins a copy and kills it when it has come to that point.
async fn killed(place: &Place, from: &str, to: &str, until: impl AsyncFn() -> bool) {
    let mut child = place.folder.command(&["store", "copy", from, to]).spawn().unwrap();
    let begun = tokio::time::timeout(PATIENCE, async {
        while !until().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    begun.await.unwrap();
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), None, "it had ended before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_into_a_database_that_was_killed_goes_on() {
    let place = Place::new().await;
    place.fill(10_000);
    let some = async || place.progress().await.is_some_and(|records| records > 0);
    killed(&place, "portcullis.toml", "database.toml", some).await;
    let had = place.progress().await.unwrap();
    assert!(had < 10_001, "{had}");
    for args in [&["serve"][..], &["user", "list"], &["export"], &["store", "migrate"]] {
        let told = place.folder.run(&[&["--config", "database.toml"], args].concat()).failed(1);
        assert!(told.contains("a copy that was not finished: run the same"), "{told}");
    }
    let copied = place.copied("portcullis.toml", "database.toml");
    assert_eq!((&copied["resumed"], records(&copied, "users")), (&json!(true), 10_000));
    assert_eq!(place.export("database.toml"), place.export("portcullis.toml"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_what_has_changed_since_begins_anew() {
    let place = Place::new().await;
    place.fill(10_000);
    let some = async || place.progress().await.is_some_and(|records| records > 0);
    killed(&place, "portcullis.toml", "database.toml", some).await;
    place.folder.run(&["user", "delete", "user7"]).done();
    place.folder.add("ada").done();
    let ran = place.copy("portcullis.toml", "database.toml");
    assert!(ran.err.contains("has changed since the copy was broken off"), "{ran:?}");
    let copied: Value = serde_json::from_str(&ran.done()).unwrap();
    assert_eq!(records(&copied, "users"), 10_000);
    assert_eq!(place.export("database.toml"), place.export("portcullis.toml"));

    // And into a file, which is there as soon as it is marked.
    place.file("back.toml", "back.redb");
    let file = place.folder.file("back.redb");
    killed(&place, "database.toml", "back.toml", async || file.exists()).await;
    let told = place.folder.run(&["--config", "back.toml", "user", "list"]).failed(1);
    assert!(told.contains("a copy that was not finished: run the same"), "{told}");
    place.copied("database.toml", "back.toml");
    assert_eq!(place.export("back.toml"), place.export("database.toml"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_place_for_a_copy_is_refused_and_stays() {
    let place = Place::new().await;
    place.folder.add("ada").done();
    place.file("other.toml", "other.redb");
    let refused = |from: &str, to: &str, why: &str| {
        let told = place.copy(from, to).failed(1);
        assert!(told.contains(why), "{from} {to}: {told}");
    };
    refused("portcullis.toml", "other.toml", "`portcullis backup` and `restore`");
    refused("database.toml", "database.toml", "both are databases");
    refused("database.toml", "other.toml", "there is no store in it");
    refused("other.toml", "database.toml", "there is no store");
    let missing: PathBuf = place.folder.file("other.redb");
    assert!(!missing.exists());

    // A gateway that is up has a store with nobody in it, and would serve half of one.
    let gateway = place.serve("database.toml");
    refused("portcullis.toml", "database.toml", "a gateway serves from it");
    stop(gateway);
    let forget = "DELETE FROM portcullis.gateways";
    place.cluster.command(&place.database, forget).await;
    place.copied("portcullis.toml", "database.toml");
    refused("portcullis.toml", "database.toml", "there is a store with something in it");
    let exported = place.export("portcullis.toml");
    refused("database.toml", "portcullis.toml", "there is a store with something in it");
    assert_eq!(place.export("portcullis.toml"), exported);
    assert_eq!(place.export("database.toml"), exported);
}
