//! `doctor`: each thing that it looks at, in order and out of order, with real counterparts.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;

use crate::harness::Folder;

/// What it says of a policy, and whether it exits with 1.
fn doctor(folder: &Folder, policy: &str) -> (Value, bool) {
    folder.write("portcullis.toml", policy);
    asked(folder)
}

fn asked(folder: &Folder) -> (Value, bool) {
    let ran = folder.run(&["doctor", "--json"]);
    assert!(ran.out.starts_with('{'), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let failed = ran.code == Some(1);
    assert_eq!(told.get("ok"), Some(&Value::Bool(!failed)), "{told}");
    (told, failed)
}

/// Checks that something of that kind was found.
#[track_caller]
fn found(told: &Value, area: &str, level: &str, part: &str) {
    let findings = told["findings"].as_array().unwrap();
    let fits = |finding: &&Value| {
        finding["area"] == area
            && finding["level"] == level
            && finding["found"].as_str().unwrap().contains(part)
    };
    let finding = findings.iter().find(fits);
    assert!(finding.is_some(), "no {level} of {area} with `{part}`: {told:#}");
    let finding = finding.unwrap();
    assert_eq!(finding["next"].is_string(), level != "ok", "{finding}");
}

/// Answers each request with these bytes, as long as the test runs.
fn server(at: &str, answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            drop(reader.get_mut().write_all(answer.as_bytes()));
        }
    });
    address
}

const WELL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const ILL: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const LATE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\
                    Date: Thu, 01 Jan 2015 00:00:00 GMT\r\n\r\n";

/// A policy with one upstream, and a mirror for anybody.
fn policy(upstream: &str) -> String {
    format!(
        "public = \"http://app.test\"\nexpect = [\"anyone GET /mirror -> me\"]\n\
         [upstreams]\nme = {{ whoami = true }}\napp = {{ {upstream} }}\n\
         [routes]\n\"/*\" = {{ to = \"app\" }}\n\"/mirror/*\" = {{ to = \"me\", allow = \"anyone\" }}\n"
    )
}

#[test]
fn all_is_well_where_all_is_well() {
    let folder = Folder::new();
    let address = server("127.0.0.1:0", WELL);
    folder
        .write("portcullis.toml", &policy(&format!("to = \"http://{address}\", health = \"/h\"")));
    folder.add("ann").done();
    let gateway = folder.serve();
    let (told, failed) = asked(&folder);
    assert!(!failed, "{told:#}");
    for (area, part) in [
        ("policy", "portcullis.toml is good"),
        ("policy", "it is in force in the running gateway"),
        ("gateway", "ready: portcullis"),
        ("public", "clients come to http://app.test"),
        ("trust", "nobody may say who a client is"),
        ("expect", "1 lines hold"),
        ("files", "portcullis.keys, the key file, is its owner's alone"),
        ("files", "portcullis.sock, the admin socket, is its owner's alone"),
        ("clock", "the audit record is from"),
        ("upstreams", "/h is 200"),
        ("around", "this machine alone can connect"),
        ("identity", "none reached the upstream at /mirror/doctor"),
    ] {
        found(&told, area, "ok", part);
    }
    let text = folder.run(&["doctor"]).done();
    assert!(text.starts_with("ok       policy       portcullis.toml is good\n"), "{text}");
    assert!(text.ends_with(&format!("\nproblems: 0, warnings: {}\n", told["warnings"])), "{text}");
    drop(gateway);
}

#[test]
fn what_only_a_running_gateway_shows_is_said_to_be_untried() {
    let folder = Folder::new();
    let (told, failed) = doctor(&folder, &policy("whoami = true"));
    assert!(!failed, "{told:#}");
    found(&told, "gateway", "untried", "no gateway answers");
    found(&told, "identity", "untried", "no gateway runs");
}

#[test]
fn without_a_mirror_it_says_how_to_make_one() {
    let folder = Folder::new();
    folder.write(
        "portcullis.toml",
        &policy("whoami = true")
            .replace("\"/mirror/*\"", "\"POST /mirror/*\"")
            .replace("GET /mirror", "POST /mirror"),
    );
    let _gateway = folder.serve();
    let (told, _) = asked(&folder);
    found(&told, "identity", "untried", "no route shows it");
}

#[test]
fn a_policy_that_is_not_in_force_is_noticed() {
    let folder = Folder::new();
    let plain = "[admin]\nwatch = false\n[upstreams]\nme = { whoami = true }\n[routes]\n\"/*\" = { to = \"me\" }\n";
    folder.write("portcullis.toml", plain);
    let _gateway = folder.serve();
    let open = plain.replace("{ to = \"me\" }", "{ to = \"me\", allow = \"anyone\" }");
    let (told, _) = doctor(&folder, &open);
    found(&told, "identity", "warning", "it answered 401");
    found(&told, "policy", "warning", "another policy in force than the file");
}

#[test]
fn a_broken_policy_is_the_only_thing_to_say() {
    let folder = Folder::new();
    let (told, failed) = doctor(&folder, "lissten = 7\nworkers = 0\n");
    assert!(failed);
    assert_eq!(told["findings"].as_array().unwrap().len(), 2, "{told}");
    found(&told, "policy", "problem", "portcullis.toml:1:1: unknown key `lissten`");
    assert!(folder.run(&["doctor"]).out.ends_with("\nproblems: 2, warnings: 0\n"));
}

#[test]
fn servers_that_do_not_answer_are_problems() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (well, ill, late) =
        (server("127.0.0.1:0", WELL), server("127.0.0.1:0", ILL), server("127.0.0.1:0", LATE));
    // The gateway looks at the head of an answer, and so does this.
    let half = server("127.0.0.1:0", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nno");
    for (upstream, area, level, part) in [
        (format!("to = \"http://{nobody}\""), "upstreams", "problem", "no connection ("),
        (
            "to = \"http://nowhere.invalid:1\"".into(),
            "names",
            "problem",
            "`nowhere.invalid` is not found",
        ),
        (format!("to = \"http://localhost:{}\"", well.port()), "names", "ok", "localhost is "),
        (format!("to = \"http://{well}\""), "upstreams", "ok", "connected"),
        (format!("to = \"http://{half}\", health = \"/h\""), "upstreams", "ok", "/h is 200"),
        (format!("to = \"http://{ill}\", health = \"/h\""), "upstreams", "problem", "/h is 500"),
        (
            format!("to = \"http://{ill}\", health = {{ path = \"/h\", status = [500] }}"),
            "upstreams",
            "ok",
            "/h is 500",
        ),
        (
            format!("to = \"http://{late}\", health = \"/h\""),
            "clock",
            "warning",
            "away from this one",
        ),
        (format!("to = \"https://{well}\", connect = \"300ms\""), "upstreams", "problem", "no TLS"),
        ("to = \"unix:none.sock\"".into(), "upstreams", "problem", "no connection ("),
        (
            "to = \"http://192.0.2.1\", connect = \"50ms\"".into(),
            "around",
            "problem",
            "an address of the world",
        ),
        (
            "to = \"http://10.255.255.1\", connect = \"50ms\"".into(),
            "around",
            "warning",
            "in its network",
        ),
    ] {
        let folder = Folder::new();
        let (told, failed) = doctor(&folder, &policy(&upstream));
        found(&told, area, level, part);
        let broken = level == "problem" || told["problems"] != 0;
        assert_eq!(failed, broken, "{upstream}: {told:#}");
    }
}

#[test]
fn a_server_that_listens_everywhere_is_told_apart() {
    let everywhere = server("0.0.0.0:0", WELL);
    let folder = Folder::new();
    let to = format!("to = \"http://127.0.0.1:{}\"", everywhere.port());
    let (told, failed) = doctor(&folder, &policy(&to));
    found(&told, "around", "warning", "listens at every address of this machine");
    assert!(!failed);
    let signed = format!("{}[identity]\nX-Token = \"@signed\"\n", policy(&to));
    let (told, _) = doctor(&folder, &signed);
    let around = told["findings"].as_array().unwrap().iter().find(|it| it["area"] == "around");
    assert!(
        around.unwrap()["next"].as_str().unwrap().contains("lacks the signed token"),
        "{told:#}"
    );
}

#[test]
fn a_socket_for_everybody_is_told_apart() {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    for (mode, level, part) in [
        (0o777, "warning", "every process of this machine can connect"),
        (0o770, "ok", "its owner and group alone"),
    ] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let (told, _) = doctor(&folder, &policy("to = \"unix:app.sock\""));
        found(&told, "around", level, part);
    }
}

/// A server that shakes hands with a certificate of its own making.
fn tls_server(folder: &Folder) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    folder.write("server.pem", &made.cert.pem());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // A client that does not trust us goes away.
            drop(rustls::Stream::new(&mut session, &mut stream).read(&mut [0; 1]));
        }
    });
    address
}

#[test]
fn a_server_with_a_certificate_of_nobody_is_a_problem() {
    let folder = Folder::new();
    let address = tls_server(&folder);
    let (told, failed) = doctor(&folder, &policy(&format!("to = \"https://{address}\"")));
    assert!(failed);
    found(&told, "upstreams", "problem", "no TLS (invalid peer certificate");
    let trusted = format!("to = \"https://{address}\", tls = {{ ca = \"server.pem\" }}");
    let (told, failed) = doctor(&folder, &policy(&trusted));
    assert!(!failed, "{told:#}");
    found(&told, "upstreams", "ok", "its certificate is good");
    let h2 = format!("{trusted}, h2 = true");
    let (told, failed) = doctor(&folder, &policy(&h2));
    assert!(failed);
    found(&told, "upstreams", "problem", "HTTP/2");
}

#[test]
fn files_that_others_can_read_or_write_are_problems() {
    let folder = Folder::new();
    folder.write("portcullis.toml", &policy("whoami = true"));
    folder.add("ann").done();
    folder.write("secret", "0123456789012345678901234567890123456789");
    let secret = "[auth.signing]\nalgorithm = \"HS256\"\nsecret = { file = \"secret\" }\n";
    let text = policy("whoami = true") + secret;
    for (name, mode, level, part) in [
        ("portcullis.keys", 0o604, "problem", "the key file, is open to everybody"),
        ("portcullis.redb", 0o640, "warning", "the store, is open to its group"),
        ("portcullis.audit", 0o644, "problem", "the audit record, is open to everybody"),
        ("secret", 0o644, "problem", "a secret, is open to everybody"),
        ("secret", 0o600, "ok", "a secret, is its owner's alone"),
        (".", 0o777, "problem", "everybody may put files of their own into"),
    ] {
        folder.write("portcullis.toml", &text);
        let path = folder.file(name);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let (told, failed) = asked(&folder);
        found(&told, "files", level, part);
        assert_eq!(failed, told["problems"] != 0);
        fs::set_permissions(
            &path,
            if mode == 0o604 { before } else { Permissions::from_mode(0o700) },
        )
        .unwrap();
    }
    fs::set_permissions(folder.file("portcullis.toml"), Permissions::from_mode(0o666)).unwrap();
    let (told, failed) = asked(&folder);
    assert!(failed);
    found(&told, "files", "problem", "can be written by others");
    let inline =
        secret.replace("{ file = \"secret\" }", "\"0123456789012345678901234567890123456789\"");
    folder.write("portcullis.toml", &(policy("whoami = true") + &inline));
    fs::set_permissions(folder.file("portcullis.toml"), Permissions::from_mode(0o644)).unwrap();
    let (told, _) = asked(&folder);
    found(&told, "files", "problem", "holds a secret, and others can read it");
    found(&told, "policy", "warning", "stands in the file itself");
}

#[test]
fn a_clock_that_was_turned_back_is_a_problem() {
    let folder = Folder::new();
    let (told, _) = doctor(&folder, &policy("whoami = true"));
    found(&told, "clock", "ok", "it is 20");
    folder.write("portcullis.audit", "{\"seq\":1,\"at\":\"2999-01-01T00:00:00.000Z\"}\n");
    let (told, failed) = asked(&folder);
    assert!(failed);
    found(&told, "clock", "problem", "the last line of the audit record is from 2999-01-01");
    fs::remove_file(folder.file("portcullis.audit")).unwrap();
    folder.add("ann").done();
    let store = File::options().write(true).open(folder.file("portcullis.redb")).unwrap();
    let ahead = store.metadata().unwrap().modified().unwrap() + Duration::from_secs(7200);
    store.set_modified(ahead).unwrap();
    let (told, _) = asked(&folder);
    found(&told, "clock", "problem", "the last change of the store is from");
}

/// Writes a certificate for a name, good from and until these years.
fn certificate(folder: &Folder, name: &str, years: [i32; 2]) {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    let [from, until] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
    (params.not_before, params.not_after) = (from, until);
    let key = rcgen::KeyPair::generate().unwrap();
    folder.write("cert.pem", &params.self_signed(&key).unwrap().pem());
    folder.write("key.pem", &key.serialize_pem());
    fs::set_permissions(folder.file("key.pem"), Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn certificates_are_held_to_their_time_and_to_public() {
    let folder = Folder::new();
    let text = policy("whoami = true").replace("http://app.test", "https://app.test")
        + "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";
    let text = format!("listen = [{{ addr = \"127.0.0.1:0\", tls = true }}]\n{text}");
    for (name, years, level, part) in [
        ("app.test", [2020, 2090], "ok", "the certificate for app.test is good for"),
        ("app.test", [2020, 2090], "ok", "one is for app.test, as `public` says"),
        ("other.test", [2020, 2090], "problem", "none is for app.test, which is `public`"),
        ("app.test", [2020, 2021], "problem", "ended at 2021-01-01"),
        ("app.test", [2089, 2090], "problem", "begins at 2089-01-01"),
    ] {
        certificate(&folder, name, years);
        let (told, failed) = doctor(&folder, &text);
        found(&told, "certificates", level, part);
        assert_eq!(failed, level == "problem", "{told:#}");
    }
    found(&doctor(&folder, &text).0, "files", "ok", "key.pem, a secret, is its owner's alone");
}

#[test]
fn doubtful_settings_are_named() {
    let text = policy("whoami = true");
    let open = format!("listen = \"0.0.0.0:0\"\n{text}");
    let folder = Folder::new();
    let (told, failed) = doctor(&folder, &open);
    found(&told, "listen", "warning", "in clear from other machines at 0.0.0.0:0");
    assert!(!failed);
    let (told, _) = doctor(&folder, &open.replace("public = \"http://app.test\"\n", ""));
    found(&told, "public", "warning", "every Host is served");
    let (told, failed) = doctor(&folder, &format!("trust = [\"0.0.0.0/0\"]\n{open}"));
    found(&told, "trust", "problem", "anybody in 0.0.0.0/0");
    assert!(failed);
    let (told, failed) = doctor(&folder, &format!("trust = [\"::/0\"]\n{text}"));
    found(&told, "trust", "warning", "anybody in ::/0");
    assert!(!failed);
    let (told, _) = doctor(&folder, &format!("trust = [\"10.0.0.0/8\"]\n{open}"));
    found(&told, "listen", "ok", "for the proxies in `trust`");
    let (told, _) = doctor(&folder, &text.replace("expect", "# expect"));
    found(&told, "expect", "warning", "expects nothing of itself");
}

#[test]
fn too_few_open_files_are_named() {
    let folder = Folder::new();
    folder.write("portcullis.toml", &policy("whoami = true"));
    let mut command = Command::new("bash");
    let script = "ulimit -n 500 && exec \"$0\" doctor --json";
    command.args(["-c", script, env!("CARGO_BIN_EXE_portcullis")]).current_dir(folder.path());
    let ran = command.env_remove("PORTCULLIS_CONFIG").stdin(Stdio::null()).output().unwrap();
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    found(&told, "open files", "warning", "500 are granted here, and [limits] connections = 10000");
    let (told, _) = doctor(&folder, &(policy("whoami = true") + "[limits]\nconnections = 10\n"));
    found(&told, "open files", "ok", "enough for 10 connections");
}
