//! Each problem, with the whole text of its message.

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
fn tls() {
    let dir = tempfile::tempdir().expect("a folder");
    let pair = || {
        let made = rcgen::generate_simple_self_signed(["gate.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let ((cert, key), (_, other)) = (pair(), pair());
    for (name, text) in [("cert.pem", &cert), ("key.pem", &key), ("other.pem", &other)] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let listen = "listen = { addr = '[::1]:1', tls = true }\n";
    let checked = |table: &str| {
        let refused = parse_at(dir.path(), &format!("{listen}{table}\n{ROUTE}"));
        refused.map(|_| ()).map_err(|error| error.to_string())
    };
    let tables = |keys: &str| checked(&format!("tls = {{ {keys} }}"));
    assert_eq!(tables("cert = 'cert.pem', key = 'key.pem'"), Ok(()));
    for (keys, message) in [
        ("cert = 'cert.pem'", "2:7: no `key`; name the PEM file that holds it"),
        ("key = 'key.pem'", "2:7: no `cert`; name the PEM file that holds it"),
        (
            "cert = 'key.pem', key = 'key.pem'",
            "2:16: `cert` holds no certificate in PEM form; give the whole chain, its own first",
        ),
        (
            "cert = 'cert.pem', key = 'cert.pem'",
            "2:34: `key` holds no private key in PEM form; give one without a passphrase",
        ),
        (
            "cert = 'cert.pem', key = 'other.pem'",
            "2:34: `key` does not fit `cert`; give the key that its first certificate was made for",
        ),
    ] {
        assert_eq!(tables(keys), Err(format!("p.toml:{message}")), "{keys}");
    }
    let missing = tables("cert = 'none.pem', key = 'key.pem'").unwrap_err();
    assert!(missing.starts_with("p.toml:2:16: cannot read "), "{missing}");
    assert_eq!(
        checked(""),
        Err("p.toml:1:36: TLS needs a certificate; add a table [tls] with `cert = \"cert.pem\"` \
             and `key = \"key.pem\"`"
            .to_owned())
    );
    let warned =
        parse_at(dir.path(), &format!("tls = {{ cert = 'cert.pem', key = 'key.pem' }}\n{ROUTE}"));
    let warnings: Vec<_> = warned.unwrap().warnings.iter().map(ToString::to_string).collect();
    let form = "`{ addr = \"0.0.0.0:443\", tls = true }` in `listen`";
    assert_eq!(warnings, [format!("p.toml:1:7: no listener speaks TLS; write {form}")]);
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

#[test]
fn weights_and_retries_of_upstreams() {
    says_in(
        "[upstreams]",
        &[
            (
                "a = { to = ['http://a', 'http://b'], weights = [1] }",
                "2:48: `weights` has 1 and `to` has 2; write one weight for each server",
            ),
            (
                "a = { to = 'http://a', weights = [1, 1] }",
                "2:34: `weights` has 2 and `to` has 1; write one weight for each server",
            ),
            (
                "a = { to = 'http://a', weights = [0] }",
                "2:35: `weights` must be a whole number from 1 to 1000000",
            ),
            (
                "a = { to = 'http://a', retries = 2 }",
                "2:34: `retries` must be 0 or 1; nothing is sent three times",
            ),
            (
                "a = { weights = [1], whoami = true }",
                "2:17: `weights` goes with the servers of `to`; remove it",
            ),
        ],
    );
}

#[test]
fn health_of_upstreams() {
    says_in(
        "[upstreams]",
        &[
            (
                "a = { to = 'http://a', health = 'healthz' }",
                "2:33: `health` asks for a path; write it as \"/healthz\"",
            ),
            (
                "a = { to = 'http://a', health = '/a b' }",
                "2:33: `health` asks for a path; write it as \"/healthz\"",
            ),
            (
                "a = { to = 'http://a', health = { path = 'http://a/' } }",
                "2:42: `health` asks for a path; write it as \"/healthz\"",
            ),
            (
                "a = { to = 'http://a', health = { interval = '1s' } }",
                "2:33: `health` has no path; add path = \"/healthz\"",
            ),
            (
                "a = { to = 'http://a', health = { path = 7 } }",
                "2:42: `path` must be a text in quotes",
            ),
            (
                "a = { to = 'http://a', health = true }",
                "2:33: `health` must be a table, as config.example.toml shows",
            ),
            (
                "a = { to = 'http://a', health = { path = '/', status = [200, 101] } }",
                "2:62: `status` has final status codes, such as 200 or 204",
            ),
            (
                "a = { to = 'http://a', health = { path = '/', unhealthy = 0 } }",
                "2:59: `unhealthy` must be a whole number from 1 to 1000000",
            ),
            (
                "a = { whoami = true, health = '/' }",
                "2:31: `health` goes with the servers of `to`; remove it",
            ),
            (
                "a = { to = 'http://a', queue_wait = '0s' }",
                "2:37: `queue_wait` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
            ),
        ],
    );
}

#[test]
fn upstreams() {
    says_in(
        "[upstreams]",
        &[
            (
                "a = {}",
                "2:1: upstream `a` has no address; add to = \"http://127.0.0.1:8000\", or whoami = true",
            ),
            (
                "a.whoami = false",
                "2:1: upstream `a` has no address; add to = \"http://127.0.0.1:8000\", or whoami = true",
            ),
            ("a = { to = [] }", "2:12: `to` is empty; write \"http://host:port\""),
            (
                "a.to = 'https://a/x'",
                "2:8: an upstream has no path; end `to` after the host and port",
            ),
            (
                "a.to = ['http://a', 'http://a/x']",
                "2:21: an upstream has no path; end `to` after the host and port",
            ),
            (
                "a.to = 'a:80'",
                "2:8: `to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"",
            ),
            (
                "a.to = 'unix:'",
                "2:8: `to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"",
            ),
            (
                "a.to = 'http://a:0'",
                "2:8: `to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"",
            ),
            (
                "a.to = 'http://u@a'",
                "2:8: `to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"",
            ),
            (
                "a = { to = 'http://a', whoami = true }",
                "2:12: `to` and `whoami = true` exclude each other; keep one of them",
            ),
            (
                "401.whoami = true",
                "2:1: the name of an upstream must begin with a letter and go on with letters, digits, `_` and `-`",
            ),
            ("a = 'http://a'", "2:5: `a` must be a table, as config.example.toml shows"),
            (
                "a = { to = 'http://a', in_flight = 0 }",
                "2:36: `in_flight` must be a whole number from 1 to 1000000",
            ),
            (
                "a = { to = 'http://a', websocket = true }",
                "2:24: unknown key `websocket`; remove it",
            ),
        ],
    );
}

#[test]
fn routes() {
    says_in(
        "upstreams.api.whoami = true\n[routes]",
        &[
            (
                "'/x' = {}",
                "3:1: route `/x` goes nowhere; add to = \"api\", the name of an upstream",
            ),
            ("'/x'.to = 'apu'", "3:11: there is no upstream `apu`; did you mean `api`?"),
            (
                "'/x'.to = 'chat'",
                "3:11: there is no upstream `chat`; add it to [upstreams], as in chat = { to = \"http://127.0.0.1:8000\" }",
            ),
            (
                "'get /x'.to = 'api'",
                "3:1: route `get /x`: `get` is no method; write it in capitals as in `GET,POST /path`, or leave it out for all",
            ),
            (
                "'/x' = { to = 'api', allow = 'nobody' }",
                "3:30: `allow`: `nobody` is no rule; write `anyone`, `user`, `role:x`, `user:name` or `claim:name=value`",
            ),
            (
                "'/x' = { to = 'api', allow = ['user', 'role:A'] }",
                "3:39: `allow`: `A` is no role name; write up to 64 of `a-z`, `0-9`, `_`, `.`, `:` and `-`",
            ),
            (
                "'/x' = { to = 'api', allow = ['user', 'anyone'] }",
                "3:30: `allow`: `anyone` stands alone; leave out the rest, or `anyone`",
            ),
            (
                "'/x' = { to = 'api', allow = [] }",
                "3:30: `allow`: empty rule; write \"user\" for every authenticated caller",
            ),
            (
                "'/x' = { to = 'api', credential = 'keep' }",
                "3:35: `credential` must be \"strip\" or \"forward\"",
            ),
            (
                "'/x' = { to = 'api', underscores = 'keep' }",
                "3:36: `underscores` must be \"drop\" or \"forward\"",
            ),
            (
                "'/x'.to = 'api'\n'GET /x'.to = 'api'",
                "4:1: `GET /x` and `/x` (line 3): both are for the same path and a method in common; GET includes HEAD",
            ),
            (
                "'/x/{a}'.to = 'api'\n'/{a}/x'.to = 'api'",
                "4:1: `/{a}/x` and `/x/{a}` (line 3): both match some path and neither is the more specific; make one contain the other",
            ),
        ],
    );
    warns(
        "routes.'/api/auth/x'.to = 'w'",
        "1:8: `/api/auth/x`: every path of it is the gateway's own, whose case does not matter, so it is never used; remove it",
    );
}

#[test]
fn expectations() {
    let head = "[upstreams]\nw.whoami = true\n[routes]\n'/*'.to = 'w'";
    let expect = |line: &str| refused(&format!("expect = ['{line}']\n{head}\n"));
    assert_eq!(
        expect("anyone GET /x -> w"),
        "p.toml:1:11: expected `anyone GET /x -> w`: answered 401, by the route `/*`, which allows user"
    );
    assert_eq!(
        expect("user GET /x -> 403"),
        "p.toml:1:11: expected `user GET /x -> 403`: forwarded to `w`, by the route `/*`, which allows user"
    );
    assert_eq!(
        expect("GET /x -> 403"),
        "p.toml:1:11: `expect`: write `WHO METHOD [host]/path -> OUTCOME`, as in `user GET /admin -> 403`"
    );
}

#[test]
fn auth() {
    says_in(
        "[auth]",
        &[
            ("acess = '5m'", "2:1: unknown key `acess`; did you mean `access`?"),
            (
                "register = 'invite'",
                "2:12: this version has no invitations; write \"closed\" and make accounts with `portcullis user add`",
            ),
            ("register = 'on'", "2:12: `register` must be \"open\" or \"closed\""),
            (
                "login_failure = 'drf'",
                "2:17: `login_failure` must be \"original\" or \"simplejwt\"",
            ),
            (
                "access = '0s'",
                "2:10: `access` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
            ),
            (
                "access = '15M'",
                "2:10: `access` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
            ),
            (
                "access = '1d'",
                "2:10: access = \"1day\" does not end before refresh = \"1day\"; make `access` the shorter one",
            ),
            (
                "refresh = '20m'",
                "2:11: access = \"30m\" does not end before refresh = \"20m\"; make `access` the shorter one",
            ),
            (
                "session = '1h'",
                "2:11: refresh = \"1day\" lasts longer than session = \"1h\"; make `session` as long at least",
            ),
            ("issuer = ''", "2:10: `issuer` is empty; write a value, or leave the key out"),
            ("audience = ''", "2:12: `audience` is empty; write a value, or leave the key out"),
            (
                "throttle.account = 'never'",
                "2:20: `account` must be a quota such as \"10/15m\" or \"20/h\", or \"off\"",
            ),
        ],
    );
    for prefix in [
        "", "/", "api", "/api/", "//api", "/a/../b", "/a//b", "/a%2Fb", "/a b", "/a/{x}", "/a/*",
        "/é",
    ] {
        let message =
            "`prefix` must be a plain path without a slash at its end, such as \"/api/auth\"";
        says(&format!("auth.prefix = '{prefix}'"), &format!("1:15: {message}"));
    }
    warns(
        "auth.throttle.account = 'off'",
        "1:25: `account` is off: guessing of passwords is not slowed down by it",
    );
    warns(
        "auth.throttle.address = 'off'",
        "1:25: `address` is off: guessing of passwords is not slowed down by it",
    );
}

#[test]
fn passwords() {
    says_in(
        "[auth.password]",
        &[
            ("min = 0", "2:7: `min` must be a whole number from 1 to 1000000"),
            (
                "min = 200",
                "2:7: min = 200 is above max = 128, so that no password would do; lower `min`",
            ),
            ("max = 5", "2:7: min = 8 is above max = 5, so that no password would do; lower `min`"),
            (
                "memory = '7KiB'",
                "2:10: `memory` must be from \"8KiB\" (8KiB a lane) to \"4095GiB\"",
            ),
            (
                "memory = '16KiB'\nlanes = 4",
                "2:10: `memory` must be from \"32KiB\" (8KiB a lane) to \"4095GiB\"",
            ),
            (
                "memory = '4TiB'",
                "2:10: `memory` must be from \"8KiB\" (8KiB a lane) to \"4095GiB\"",
            ),
            ("queue = -1", "2:9: `queue` must be a whole number from 0 to 1000000"),
        ],
    );
}

#[test]
fn signing() {
    says_in(
        "[auth.signing]\nalgorithm = 'HS256'",
        &[
            ("", "2:13: HS256 needs the shared secret; add secret = { env = \"SIGNING_KEY\" }"),
            (
                "key = { file = 'x' }",
                "3:7: HS256 takes no `key`; write secret = { env = \"SIGNING_KEY\" }",
            ),
            (
                "secret = { env = 'SHORT' }",
                "3:10: `secret`: the secret is shorter than 32 bytes; make one with `openssl rand -base64 48`",
            ),
            (
                "secret = { env = 'NONE' }",
                "3:10: the variable `NONE` is not set; set it, or name another",
            ),
            (
                "secret = { env = 'EMPTY' }",
                "3:10: the variable `EMPTY` is empty; put the secret in it",
            ),
            (
                "secret = { file = 'none' }",
                "3:10: cannot read /base/none (No such file or directory (os error 2)); mend or rename it",
            ),
        ],
    );
}

#[test]
fn secret_sources() {
    let form = "`secret` must be { file = \"...\" } or { env = \"...\" }";
    says_in(
        "[auth.signing]\nalgorithm = 'HS256'",
        &[
            ("secret = ''", "3:10: `secret` is empty; put the secret in it"),
            ("secret = 5", &format!("3:10: {form}")),
            ("secret = { file = 'a', env = 'b' }", &format!("3:10: {form}")),
            ("secret = { flie = 'a' }", &format!("3:10: {form}")),
            (
                "secret = { url = 'https://a' }",
                "3:10: `secret` must be { file = \"...\" } or { env = \"...\" }; secrets are not fetched",
            ),
            (
                "secret = { env = 'SIGNING_KEY' }\nprevious = [{ env = 'SHORT' }]",
                "4:13: `previous`: the secret is shorter than 32 bytes; make one with `openssl rand -base64 48`",
            ),
        ],
    );
}

#[test]
fn signing_keys() {
    says_in(
        "[auth.signing]",
        &[
            (
                "algorithm = 'none'",
                "2:13: `algorithm` must be one of ES256, EdDSA, RS256, HS256, HS384, HS512",
            ),
            (
                "algorithm = 'RS512'",
                "2:13: `algorithm` must be one of ES256, EdDSA, RS256, HS256, HS384, HS512",
            ),
            (
                "secret = { env = 'SIGNING_KEY' }",
                "2:10: ES256 takes no `secret`; write key = { file = \"signing.pem\" }, or leave both out",
            ),
            (
                "key = { env = 'SIGNING_KEY' }",
                "2:7: `key`: the key is not PEM (it should begin with `-----BEGIN PRIVATE KEY-----`)",
            ),
        ],
    );
    warns(
        "auth.signing = { algorithm = 'HS256', secret = '01234567890123456789012345678901' }",
        "1:48: `secret` stands in the file itself, for everybody who may read it; use { file = \"...\" } or { env = \"...\" }",
    );
}

#[test]
fn an_empty_secret_file_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("s"), "\n").unwrap();
    let text = "[auth.signing]\nalgorithm = 'HS256'\nsecret = { file = 's' }";
    let problem = parse_at(dir.path(), text).map(|_| ()).expect_err(text).to_string();
    let path = dir.path().join("s");
    assert_eq!(problem, format!("p.toml:3:10: {} is empty; put the secret in it", path.display()));
}

#[test]
fn identity() {
    says_in(
        "[identity]",
        &[
            (
                "'X User' = 'user_id'",
                "2:1: `X User` is no header name; write one such as `X-User-Id`",
            ),
            ("X-User = ''", "2:10: an empty claim name; write one such as \"user_id\""),
            ("X-User = ['a']", "2:10: `X-User` must be a text in quotes"),
            (
                "Host = 'a'\nX-A = 'a'\nX_A = 'a'\nTE = 'b'",
                "2:1: `host` has a meaning of its own in HTTP; choose a name such as `X-User-Id`\n\
             p.toml:4:1: `x-a` and `x_a` are one header to many servers; keep one of them\n\
             p.toml:5:1: `te` has a meaning of its own in HTTP; choose a name such as `X-User-Id`",
            ),
        ],
    );
}

#[test]
fn issuers() {
    let dir = folder_with_jwks();
    fs::write(dir.path().join("none"), "{\"keys\": []}").unwrap();
    let sound = ISSUER;
    let says = |text: &str, message: &str| {
        let refused = parse_at(dir.path(), text).map(|_| ()).expect_err(text).to_string();
        assert_eq!(refused, format!("p.toml:{message}"), "{text}");
    };
    says(
        "[[issuers]]",
        "1:1: this issuer has no `name`; add name = \"corp\"\n\
         p.toml:1:1: this issuer has no `issuer`; add issuer = \"https://id.example.com\"\n\
         p.toml:1:1: this issuer has no `audience`; add audience = \"portcullis\"",
    );
    for (from, to, message) in [
        (
            "'a'\ni",
            "'a:b'\ni",
            "2:8: `name` begins the user ids of this issuer; use letters, digits, `.`, `_` and `-` only",
        ),
        ("'a'\ni", "''\ni", "2:8: `name` is empty; write one such as name = \"corp\""),
        (
            "jwks = { file = 'j' }",
            "jwks = { file = 'j' }\nroles.X = 'Admin'",
            "6:11: \"Admin\" is no role name; use 1 to 64 of a-z, 0-9, `_`, `.`, `:` and `-`",
        ),
        (
            "jwks = { file = 'j' }",
            "jwks = { file = 'j' }\nalgorithms = []",
            "6:14: algorithms = [] would refuse every token; name one such as \"RS256\"",
        ),
        (
            "jwks = { file = 'j' }",
            "jwks = { file = 'j' }\nalgorithms = 'none'",
            "6:14: unknown signature algorithm; use names of RFC 7518 such as \"RS256\" or \"ES256\"",
        ),
        (
            "jwks = { file = 'j' }",
            "jwks = { file = 'none' }",
            "5:8: none: the JWKS has no usable signature key (EC P-256 or P-384, Ed25519, RSA, or oct of 32 bytes); put the issuer's key set (RFC 7517) there",
        ),
    ] {
        says(&sound.replace(from, to), message);
    }
}

#[test]
fn keys_of_issuers() {
    let dir = folder_with_jwks();
    for (from, to, message) in [
        (
            "{ file = 'j' }",
            "'{}'",
            "5:8: `jwks` must be { url = \"https://id.example.com/keys\" } or { file = \"jwks.json\" }",
        ),
        (
            "{ file = 'j' }",
            "{ url = 'http://id.test/keys' }",
            "5:8: http is for this machine only (127.0.0.1, [::1], localhost); use https",
        ),
        (
            "{ file = 'j' }",
            "{ url = 'id.test/keys' }",
            "5:8: not a URL to fetch from; write one such as \"https://id.example.com/keys\"",
        ),
        (
            "{ file = 'j' }",
            "{ url = 'https://a' }\nalgorithms = ['RS256', 'HS256']",
            "6:14: shared secrets are never fetched, so HS* would verify nothing; leave it out, or write jwks = { file = \"jwks.json\" }",
        ),
        (
            "issuer = 'https://a'\naudience = 'x'\njwks = { file = 'j' }",
            "issuer = 'corp'\naudience = 'x'",
            "3:10: without `jwks` the keys are found by OpenID discovery, for which `issuer` must be an https URL; add jwks = { url = \"...\" } or { file = \"jwks.json\" }",
        ),
        (
            "{ file = 'j' }",
            "{ file = 'j' }\nstale = '1h'",
            "6:9: `stale` is about keys that are fetched, and these are in a file; remove it",
        ),
        (
            "{ file = 'j' }",
            "{ url = 'https://a' }\nca = 'j'",
            "6:6: j: no usable certificate in PEM form; put the PEM certificates of the issuer's own authority there",
        ),
    ] {
        let text = ISSUER.replace(from, to);
        let refused = parse_at(dir.path(), &text).map(|_| ()).expect_err(&text).to_string();
        assert_eq!(refused, format!("p.toml:{message}"), "{text}");
    }
}

#[test]
fn issuers_among_one_another() {
    let dir = folder_with_jwks();
    let says = |text: &str, message: &str| {
        let refused = parse_at(dir.path(), text).map(|_| ()).expect_err(text).to_string();
        assert_eq!(refused, format!("p.toml:{message}"), "{text}");
    };
    let sound = ISSUER;
    says(
        &format!("{sound}{sound}"),
        "7:8: two issuers are named `a`; rename one of them\n\
         p.toml:8:10: two entries have this `issuer`; one entry judges all of its tokens, remove the other",
    );
    says(
        &format!("auth.issuer = 'https://a'\n{sound}"),
        "4:10: this is `issuer` of [auth], whose tokens our own keys judge; write the other side's `iss`",
    );
}

const ISSUER: &str =
    "[[issuers]]\nname = 'a'\nissuer = 'https://a'\naudience = 'x'\njwks = { file = 'j' }\n";

fn folder_with_jwks() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("j"), JWKS).unwrap();
    dir
}

#[test]
fn where_a_path_goes_and_where_from_is_said_in_full() {
    let table = "upstreams.w.whoami = true\n[routes.\"/api/*\"]\nto = \"w\"";
    says_in(
        table,
        &[
            (
                "strip = \"/app\"",
                "4:9: `strip`: not every path of `/api/*` is below `/app`; strip what all of them \
                 begin with",
            ),
            (
                "prefix = \"/\"",
                "4:10: `prefix`: `/` changes nothing; name a path such as `/api`, or leave it out",
            ),
            ("rate = []", "4:8: rate = [] limits nothing; write one such as \"600/m per user\""),
            (
                "rate = [\"600/m per user\", \"600/m\"]",
                "4:27: `rate` must be a rate by user, ip or route such as \"600/m per user\" or \
                 \"60/m per ip burst 10\"",
            ),
            (
                "from = []",
                "4:8: from = [] would let nobody in; list networks such as \"10.0.0.0/8\", or \
                 leave the key out",
            ),
            (
                "from = [\"10.0.0.0/8\", \"10.1.0.0/8\"]",
                "4:23: `10.1.0.0/8` has bits beyond its prefix; write \"10.0.0.0/8\"",
            ),
            (
                "from = \"::ffff:10.0.0.0/104\"",
                "4:8: IPv4 clients are IPv4 here; write \"10.0.0.0/8\"",
            ),
            (
                "from = \"here\"",
                "4:8: `from` must be a network or an address such as \"10.0.0.0/8\" or \
                 \"192.0.2.7\"",
            ),
        ],
    );
}

#[test]
fn a_response_header_that_is_not_the_routes_is_refused_where_it_stands() {
    let table = "upstreams.w.whoami = true\n[routes.\"/api/*\"]\nto = \"w\"";
    says_in(
        table,
        &[
            (
                "response_headers = { X-A = \"1\", Connection = \"close\" }",
                "4:33: `response_headers`: `connection` is not for a route to set or remove; leave \
                 it out",
            ),
            (
                "cors = { origins = [\"https://App.test\"] }",
                "4:20: `cors`: browsers write `https://App.test` as \"https://app.test\"; write that",
            ),
            (
                "cors = { origins = \"*\", credentials = true }",
                "4:20: `cors`: credentials for every origin let any page act as its visitor; list \
                 the origins",
            ),
            (
                "cors = { credentials = true }",
                "4:8: `cors`: no origin is no rule; list one such as \"https://app.example.com\"",
            ),
            (
                "cors = { origins = \"*\", expose = [\"X A\"] }",
                "4:35: `expose`: `X A` is no header name; write one such as `X-Request-Id`",
            ),
            (
                "cors = { origins = \"*\" }\nresponse_headers = { Access-Control-Max-Age = \"1\" }",
                "4:8: `cors` decides `access-control-max-age`; take it out of `response_headers`",
            ),
            (
                "response_headers = { X-A = \"é\" }",
                "4:28: `response_headers`: the value of `x-a` must be visible ASCII without space \
                 around it",
            ),
            (
                "response_headers = { \"X A\" = \"1\" }",
                "4:22: `response_headers`: `X A` is no header name; write one such as \
                 `X-Frame-Options`",
            ),
        ],
    );
}

#[test]
fn the_silence_of_a_websocket() {
    let route = |keys: &str| {
        format!("upstreams.a = {{ whoami = true }}\n[routes]\n\"/x\" = {{ to = \"a\", {keys} }}\n")
    };
    let message = "`idle` is for WebSockets and gRPC calls; add websocket = true, \
         name an upstream with h2 = true, or leave it out";
    says(&route("idle = \"1m\""), &format!("3:27: {message}"));
    says(&route("websocket = false, idle = \"1m\""), &format!("3:46: {message}"));
    let form = r#"`idle` must be a duration above zero such as "30s", "15m" or "1d""#;
    says(&route("websocket = true, idle = \"0s\""), &format!("3:45: {form}"));
}

#[test]
fn tls_and_http2_of_upstreams() {
    says_in(
        "[upstreams]",
        &[
            (
                "a = { to = 'http://a', tls = { name = 'b' } }",
                "2:30: `tls` is for servers at https://; write them so in `to`, or leave it out",
            ),
            (
                "a = { to = ['https://a', 'http://b'] }",
                "2:12: `to` mixes https with others, and some requests would go in clear; \
                 write https for all, or make two upstreams",
            ),
            (
                "a = { whoami = true, h2 = true }",
                "2:27: `h2` goes with the servers of `to`; remove it",
            ),
            (
                "a = { to = 'https://a', tls = { cert = 'c' } }",
                "2:40: `cert` is of no use without its `key`; add key = \"...\"",
            ),
            (
                "a = { to = 'https://a', tls = { key = 'k' } }",
                "2:39: `key` is of no use without its `cert`; add cert = \"...\"",
            ),
            (
                "a = { to = 'https://a', tls = { name = 'a b' } }",
                "2:40: `name` must be a host name such as \"api.internal\", or an IP address",
            ),
        ],
    );
    says(
        "[upstreams]\na = { to = 'http://a', h2 = true }\n[routes]\n\
         '/x' = { to = 'a', websocket = true }\n",
        "4:32: WebSockets need an upstream that speaks HTTP/1.1; leave `websocket` out, \
         or name one without h2 = true",
    );
}

#[test]
fn tickets_are_for_get() {
    let route = |key: &str, keys: &str| {
        format!(
            "upstreams.a = {{ whoami = true }}\n[routes]\n\"{key}\" = {{ to = \"a\", {keys} }}\n"
        )
    };
    let message = "`tickets` are for GET, which this key leaves out; \
                   make it a key for GET, or leave it out";
    says(&route("POST /x", "tickets = true"), &format!("3:35: {message}"));
    let form = r#"`outlive` must be a duration such as "30s", "15m" or "1d""#;
    says(&route("/x", "outlive = 5"), &format!("3:30: {form}"));
}
