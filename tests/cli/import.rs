//! Users that move in and out.
#![expect(clippy::needless_pass_by_value, reason = "what `json!` makes reads better without `&`")]

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{Folder, Gateway};

/// `password123`, as `htpasswd -B` and Django write it.
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u";
const MD5: &str = "md5$1nptTLyOCvE1h1Yxt7pTSG$b9265635987de42d75673397620cd16b";
const COSTLY: &str = "pbkdf2_sha256$4000000000$salt$c6E5DyV2NV434A9aAh+kyeBsNHD3KoI8muQPhWHLAGI=";

pub(crate) fn report(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The counts of a report: stored, present, completed, differing, refused.
pub(crate) fn counts(report: &Value) -> [u64; 5] {
    ["stored", "present", "completed", "differing", "refused"]
        .map(|name| report[name].as_u64().unwrap())
}

/// What is said of one thing, with how serious it is.
pub(crate) fn said<'r>(report: &'r Value, what: &str) -> Vec<(&'r str, &'r str)> {
    let problems = report["problems"].as_array().unwrap().iter();
    let of = problems.filter(|problem| problem["what"] == what);
    of.map(|it| (it["kind"].as_str().unwrap(), it["reason"].as_str().unwrap())).collect()
}

fn row(model: &str, pk: impl Into<Value>, fields: Value) -> Value {
    json!({"model": model, "pk": pk.into(), "fields": fields})
}

fn django_user(id: u64, name: &str, password: &str, more: Value) -> Value {
    let mut fields = json!({
        "password": password, "last_login": null, "is_superuser": false, "username": name,
        "first_name": "", "last_name": "", "email": format!("u{id}@Example.com"),
        "is_staff": false, "is_active": true, "date_joined": "2024-05-01T12:00:00.123Z",
        "groups": [], "user_permissions": [],
    });
    let fields_of = fields.as_object_mut().unwrap();
    more.as_object().unwrap().iter().for_each(|(key, value)| {
        fields_of.insert(key.clone(), value.clone());
    });
    row("auth.user", id, fields)
}

/// The status of a login at a gateway.
pub(crate) fn log_in(gateway: &Gateway, name: &str, password: &str) -> u16 {
    let body = json!({"username": name, "password": password}).to_string();
    ask(gateway, "POST /api/auth/token/", "Content-Type: application/json\r\n", &body)
}

fn ask(gateway: &Gateway, request: &str, fields: &str, body: &str) -> u16 {
    let mut client = TcpStream::connect(&gateway.address).unwrap();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    );
    client.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_password_file_is_taken_line_by_line() {
    let folder = Folder::new();
    let lines = [
        "# made by hand",
        "",
        &format!("ada:{BCRYPT}"),
        "bob:$apr1$8charsal$nsad8izm5hglx3bgYJc6e/:a comment",
        "carl:{SHA}y/2sYAj5yrQIN4TL0YdPdmGNKpc=\r",
        "dora:!",
        "des:abJnggxhB/yWI",
        "plain:hunter2",
        "no colon",
        &format!("ａｄａ:{BCRYPT}"),
        &format!(" eve:{BCRYPT}"),
        &format!("costly:{COSTLY}"),
    ];
    folder.write("users", &lines.join("\n"));
    let ran = folder.run(&["import", "htpasswd", "users", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("made a new store at "), "{ran:?}");
    let told = report(&ran.out);
    assert_eq!(counts(&told), [4, 0, 0, 0, 6]);
    for (what, reason) in [
        ("line 7 `des`", "a DES hash, which protects no password"),
        ("line 8 `plain`", "no hash in a format that is known here"),
        ("line 9", "no colon between name and hash"),
        ("line 10 `ａｄａ`", "the file has that name twice, as names are compared (NFKC)"),
        ("line 11 ` eve`", "the name begins or ends with white space, which no client can send"),
        ("line 12 `costly`", "a hash that costs too much to check"),
    ] {
        assert_eq!(said(&told, what), [("refused", reason)], "{told:#}");
    }
    // Again: nothing is new, and what was refused is refused again.
    let again = report(&folder.run(&["import", "htpasswd", "users", "--json"]).out);
    assert_eq!(counts(&again), [0, 4, 0, 0, 6]);

    let gateway = folder.serve();
    for name in ["ada", "bob", "carl"] {
        assert_eq!(log_in(&gateway, name, "password124"), 400, "{name}");
        assert_eq!(log_in(&gateway, name, "password123"), 200, "{name}");
    }
    for (name, password) in [("dora", ""), ("dora", "!"), ("plain", "hunter2")] {
        assert_eq!(log_in(&gateway, name, password), 400, "{name}");
    }
    let exported = folder.run(&["export"]).done();
    assert_eq!(exported.matches("$argon2id$v=19$m=19456,t=2,p=1$").count(), 3, "{exported}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one dump, and all that belongs to its users")]
fn a_dump_of_django_is_taken_with_what_belongs_to_its_users() {
    let folder = Folder::new();
    folder.write(
        "portcullis.toml",
        "[auth]\ntoken_scheme = true\n[upstreams]\na = { whoami = true }\n\
         [routes]\n\"/staff\" = { to = \"a\", allow = \"role:staff & role:editor\" }\n\
         [import.roles]\nis_staff = [\"staff\", \"clerk\"]\n\
         [import.groups]\nEditors = \"editor\"\n",
    );
    let key = "0123456789abcdef0123456789abcdef01234567";
    let rows = [
        django_user(
            7,
            "ada",
            MD5,
            json!({
                "is_staff": true, "groups": [3, 5], "user_permissions": [1], "last_name": "L",
            }),
        ),
        django_user(9, "root", "!unusable", json!({"is_superuser": true})),
        django_user(12, "ｂｏｂ", COSTLY, json!({"email": "no address", "groups": [4]})),
        django_user(13, "bob", MD5, json!({})),
        django_user(7, "other", MD5, json!({})),
        row("auth.user", "a-uuid", json!({"username": "uuid", "is_active": true})),
        row("auth.user", 20, json!({"username": "half", "password": MD5})),
        row("authtoken.token", key, json!({"user": 7, "created": "2024-05-01T12:00:00Z"})),
        row("authtoken.token", "f".repeat(40), json!({"user": 99})),
        row(
            "auth.group",
            3,
            json!({
                "name": "Editors", "permissions": [1, 2, ["add_x", "shop", "x"], 4, 5, 6],
            }),
        ),
        row("auth.group", 5, json!({"name": "Ｅditors", "permissions": []})),
        row("auth.group", 4, json!({"name": "Others", "permissions": []})),
        row("auth.permission", 1, json!({"name": "Can", "codename": "can"})),
        row("shop.order", 1, json!({"user": 7})),
    ];
    folder.write("dump.json", &Value::from(rows.to_vec()).to_string());
    let ran = folder.run(&["import", "django", "dump.json", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told = report(&ran.out);
    assert_eq!(counts(&told), [3, 0, 0, 0, 5], "{told:#}");
    assert_eq!(said(&told, "user 13 `bob`").len(), 1);
    assert_eq!(said(&told, "user 7 `other`"), [("refused", "the file has that id twice")]);
    assert!(said(&told, "user \"a-uuid\" `uuid`")[0].1.starts_with("no number for an id"));
    assert!(said(&told, "user 20 `half`")[0].1.contains("whether the account is active"));
    let others = ("note", "it gives no role: [import.groups] has none for it");
    assert_eq!(said(&told, "group `Others`"), [others]);
    let editors = ("note", "its permissions are not taken: can, 2, add_x, 4, 5 and 1 more");
    assert_eq!(said(&told, "group `Editors`"), [editors]);
    let twice = "the file has that name twice, as names are compared (NFKC)";
    assert_eq!(said(&told, "group `Ｅditors`"), [("refused", twice)]);
    assert_eq!(told["counts"]["groups stored"], 2, "{told:#}");
    assert_eq!(
        said(&told, "user 7 `ada`"),
        [
            ("note", "it is not in group 5, which was not taken"),
            ("note", "its own permissions are not taken: can"),
        ]
    );
    let notes: Vec<_> = said(&told, "user 12 `ｂｏｂ`");
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().all(|(kind, _)| *kind == "note"), "{notes:?}");
    assert_eq!(told["counts"]["API keys of nobody in the file"], 1);

    let users = report(&folder.run(&["user", "list", "--json"]).done());
    let ada = &users[0];
    assert_eq!((&ada["id"], &ada["username"]), (&json!(7), &json!("ada")));
    assert_eq!(ada["roles"], json!(["clerk", "editor", "staff"]));
    assert_eq!((&ada["inherited"], &ada["groups"]), (&json!(["editor"]), &json!(["Editors"])));
    assert_eq!((&users[2]["roles"], &users[2]["groups"]), (&json!([]), &json!(["Others"])));
    assert_eq!(ada["claims"], json!({"family_name": "L"}));
    assert_eq!((&ada["email"], &ada["email_verified"]), (&json!("u7@example.com"), &json!(false)));
    assert_eq!(ada["created"], "2024-05-01T12:00:00Z");
    assert_eq!((&users[1]["has_password"], &users[1]["roles"]), (&json!(false), &json!([])));
    assert_eq!((&users[2]["username"], &users[2]["email"]), (&json!("bob"), &json!("")));
    assert!(folder.add("next").done().contains("(id 13)"), "ids go on behind those that came");

    let gateway = folder.serve();
    let scheme = format!("Authorization: Token {key}\r\n");
    assert_eq!(ask(&gateway, "GET /staff", &scheme, ""), 200);
    assert_eq!(log_in(&gateway, "ada", "password123"), 200);
    // While it runs, and after a login: the hash is another, and the user is still the same.
    let again = folder.run(&["import", "django", "dump.json", "--json"]);
    assert_eq!(counts(&report(&again.out)), [0, 3, 0, 0, 5], "{again:?}");
    folder.run(&["group", "role", "add", "Others", "reader"]).done();
    folder.run(&["user", "deactivate", "ada"]).done();
    folder.run(&["user", "delete", "root"]).done();
    let again = report(&folder.run(&["import", "django", "dump.json", "--json"]).out);
    assert_eq!(counts(&again), [0, 1, 0, 2, 6], "{again:#}");
    let kept = ("differs", "it is here with another set of roles");
    assert!(said(&again, "group `Others`").contains(&kept), "{again:#}");
    let differs = ("differs", "it is here with another active");
    assert!(said(&again, "user 7 `ada`").contains(&differs), "{again:#}");
    let gone = ("refused", "the id was that of a user who was deleted here");
    assert!(said(&again, "user 9 `root`").contains(&gone), "{again:#}");
    assert_eq!(log_in(&gateway, "ada", "password123"), 400, "what was changed here stays");
}

#[test]
fn a_table_of_django_is_taken_as_databases_write_it() {
    let folder = Folder::new();
    let head = "id,password,last_login,is_superuser,username,first_name,last_name,email,is_staff,is_active,date_joined";
    let rows = [
        head.to_owned(),
        format!("5,{MD5},\\N,f,ada,\"Ada, the first\",,ada@example.com,t,t,2024-05-01 12:00:00+00"),
        format!("6,{MD5},2024-05-02 12:00:00.5,0,bob,,,,0,False,2024-05-01 12:00:00"),
        "x,!,,0,odd,,,,0,1,".to_owned(),
        "8,!,,0,odder,,,,0,maybe,".to_owned(),
    ];
    folder.write("auth_user.csv", &rows.join("\n"));
    let ran = folder.run(&["import", "django", "auth_user.csv", "--json"]);
    let told = report(&ran.out);
    assert_eq!((ran.code, counts(&told)), (Some(1), [2, 0, 0, 0, 2]), "{told:#}");
    let users = report(&folder.run(&["user", "list", "--json"]).done());
    assert_eq!((&users[0]["id"], &users[0]["active"]), (&json!(5), &json!(true)));
    assert_eq!(users[0]["claims"], json!({"given_name": "Ada, the first"}));
    assert_eq!((&users[1]["id"], &users[1]["active"]), (&json!(6), &json!(false)));
    assert_eq!(users[1]["last_login"], "2024-05-02T12:00:00Z");
}

#[test]
fn rows_of_pocketbase_are_taken_by_name_or_address() {
    let folder = Folder::new();
    let rows = json!([
        {"id": "u1abcdefghijklm", "username": "ada", "email": "ada@example.com", "verified": 1,
         "name": "Ada", "passwordHash": BCRYPT.replace("2y", "2a"),
         "created": "2024-05-01 12:00:00.123Z", "tokenKey": "x"},
        {"id": "u2abcdefghijklm", "email": "bob@example.com", "verified": false,
         "password": BCRYPT, "created": "2024-05-01 12:00:00.123Z"},
        {"id": "u3abcdefghijklm", "created": ""},
    ]);
    folder.write("users.json", &rows.to_string());
    let ran = folder.run(&["import", "pocketbase", "users.json", "--json"]);
    let told = report(&ran.out);
    assert_eq!((ran.code, counts(&told)), (Some(1), [2, 0, 0, 0, 1]), "{told:#}");
    let users = report(&folder.run(&["user", "list", "--json"]).done());
    assert_eq!(users[0]["claims"], json!({"name": "Ada", "pocketbase_id": "u1abcdefghijklm"}));
    assert_eq!(users[0]["email_verified"], true);
    assert_eq!(
        (&users[1]["username"], &users[1]["email_verified"]),
        (&json!("bob@example.com"), &json!(false))
    );
    let gateway = folder.serve();
    for name in ["ada", "bob@example.com"] {
        assert_eq!(log_in(&gateway, name, "password123"), 200);
    }
}

#[test]
fn what_cannot_be_read_is_told_without_what_stands_there() {
    let folder = Folder::new();
    folder.write("broken.json", "[{\"model\": \"auth.user\", \"pk\": 1, \"fields\": \"hunter2\"}]");
    folder.write("cut.json", "[{\"model\": \"a\", \"fields\": {\"x\": \"hunter2");
    folder.write("other.csv", "name,secret\nada,hunter2\n");
    folder.write("rows.csv", "id,username,password,is_active\n1,ada\n");
    folder.write("empty", "");
    folder.write("odd.jsonl", "{\"portcullis\":1,\"hunter2\":3}\n");
    folder.write("newer.jsonl", "{\"portcullis\":3,\"last_user\":3,\"last_session\":3}\n");
    let head = "{\"portcullis\":2,\"last_user\":3,\"last_session\":3}\n";
    let group = "{\"kind\":\"group\",\"name\":\"a\",\"roles\":[]}\n";
    let end = |records: u32| format!("{{\"kind\":\"end\",\"records\":{records}}}\n");
    let odd = "{\"kind\":\"hunter2\"}\n";
    folder.write("kind.jsonl", &format!("{head}{group}{odd}{}", end(2)));
    folder.write("cut-off.jsonl", &format!("{head}{group}"));
    folder.write("gap.jsonl", &format!("{head}{group}{}", end(2)));
    folder.write("more.jsonl", &format!("{head}{}{group}", end(0)));
    folder.write("end.jsonl", &format!("{head}{{\"kind\":\"end\",\"records\":\"hunter2\"}}\n"));
    let not = "not the JSON that was expected, at line 1 column ";
    for (args, message) in [
        (["django", "broken.json"], not),
        (["django", "cut.json"], not),
        (["django", "other.csv"], "the first line names no column `id`"),
        (["django", "rows.csv"], "not the CSV that was expected, at line 2"),
        (["pocketbase", "broken.json"], not),
        (["portcullis", "empty"], "it is empty"),
        (["portcullis", "odd.jsonl"], "this is no export of portcullis"),
        (["portcullis", "newer.jsonl"], "exported by a newer portcullis"),
        (["portcullis", "kind.jsonl"], "line 3 is of a kind that is not known here"),
        (["portcullis", "cut-off.jsonl"], "it was cut off: its last line is missing"),
        (["portcullis", "gap.jsonl"], "lines are missing: 1 of 2 are here"),
        (["portcullis", "more.jsonl"], "line 3 stands behind the end"),
        (["portcullis", "end.jsonl"], "line 2 is no end of an export"),
        (["htpasswd", "missing"], "No such file"),
        (["htpasswd", "."], "this is no file"),
    ] {
        let ran = folder.run(&["import", args[0], args[1], "--dry-run"]);
        assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
        assert!(ran.err.contains(message), "{args:?}: {ran:?}");
        assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{ran:?}");
        assert!(ran.err.contains(args[1]), "{ran:?}");
    }
    assert_eq!(folder.run(&["import", "ldap", "x"]).failed(2).matches("error").count(), 1);
    assert!(!folder.file("portcullis.redb").exists(), "a dry run makes no store");
    assert!(!folder.file("portcullis.keys").exists(), "nor keys");
}
