//! What is said of `[[issuers]]`.

use super::*;

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
