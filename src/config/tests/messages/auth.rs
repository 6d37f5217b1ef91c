//! What is said of `[auth]`, its secrets and `[identity]`.

use super::*;

#[test]
fn audit() {
    says_in(
        "[audit]",
        &[
            ("file = 'x'", "2:1: unknown key `file`; did you mean `size`?"),
            ("enabled = 'yes'", "2:11: `enabled` must be true or false"),
            ("path = ''", "2:8: an empty path; name a file, or leave the key out"),
            (
                "path = 'portcullis.redb'",
                "2:8: `path` is where the store is kept; name another file",
            ),
            (
                "path = 'portcullis.keys'",
                "2:8: `path` is where the keys are kept; name another file",
            ),
            ("size = '63KiB'", "2:8: `size` must be at least \"64KiB\""),
            (
                "size = 0",
                "2:8: `size` must be a size above zero such as \"8KiB\", \"10MB\" or a number of bytes",
            ),
            ("keep = -1", "2:8: `keep` must be a whole number from 0 to 1000000"),
        ],
    );
}

#[test]
fn callers() {
    let told = "2:11: `callers` below 1MiB is room for a thousand tokens; use at least \"1MiB\"";
    says_in("[auth]", &[("callers = '1MB'", told)]);
}

#[test]
fn auth() {
    says_in(
        "[auth]",
        &[
            ("acess = '5m'", "2:1: unknown key `acess`; did you mean `access`?"),
            ("register = 'on'", "2:12: `register` must be \"open\" or \"invite\" or \"closed\""),
            ("lookalikes = 'no'", "2:14: `lookalikes` must be \"allow\" or \"refuse\""),
            (
                "reserved = ['root', 'a b']",
                "2:21: this is no username, so that nobody could register it; leave it out",
            ),
            ("unique_email = 1", "2:16: `unique_email` must be true or false"),
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
            ("common = 1", "2:10: `common` must be true or false"),
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
        "[auth.signing]\nalgorithm = 'HS256'\nsecret = { env = 'SIGNING_KEY' }\n[identity]",
        &[(
            "X-T = '@signed'",
            "5:7: with HS256 whoever can check a token can make one; for \"@signed\" let \
             [auth.signing] algorithm be ES256, EdDSA or RS256",
        )],
    );
    says_in(
        "[identity]",
        &[
            (
                "'X User' = 'user_id'",
                "2:1: `X User` is no header name; write one such as `X-User-Id`",
            ),
            ("X-User = ''", "2:10: an empty claim name; write one such as \"user_id\""),
            (
                "X-T = '@sign'",
                "2:7: `@sign` is none; write a claim, \"@signed\", \"@cert\" or \"@cert_subject\"",
            ),
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
fn known_devices() {
    for written in ["'0d'", "'never'", "90", "true"] {
        says(
            &format!("auth.throttle.device = {written}"),
            "1:24: `device` must be a duration above zero such as \"90d\", or \"off\"",
        );
    }
}

#[test]
fn user_keys() {
    says_in(
        "[auth.keys]",
        &[
            ("prefx = 'x'", "2:1: unknown key `prefx`; did you mean `prefix`?"),
            (
                "prefix = 'PCK'",
                "2:10: `prefix` must be a small letter and 1 to 15 small letters and digits after it, such as \"pck\"",
            ),
            (
                "prefix = 'eyj'",
                "2:10: `prefix` must be something that does not begin as signed tokens do, with `ew` or `ey`",
            ),
            (
                "life = '0s'",
                "2:8: `life` must be a duration above zero such as \"90d\", or \"off\"",
            ),
            (
                "fresh = 15",
                "2:9: `fresh` must be a duration above zero such as \"90d\", or \"off\"",
            ),
            ("per_user = 0", "2:12: `per_user` must be a whole number from 1 to 1000000"),
            ("per_user = 1001", "2:12: `per_user` must be a whole number from 1 to 1000"),
        ],
    );
}

#[test]
fn a_ring_is_shared_under_a_secret_that_nobody_guesses() {
    let message =
        "2:10: `shared` is shorter than 32 bytes; make one with `openssl rand -base64 48`";
    says_in("[auth.signing]", &[("shared = 'too short'", message)]);
    let text = format!("{ROUTE}auth.signing.shared = '{}'\n", "x".repeat(32));
    let config = parsed(&text).unwrap().config;
    let shared = config.shared_keys.unwrap();
    assert!(shared.lead > config.freshness.staleness, "{:?}", shared.lead);
}
