//! `[tls]`, and what listeners say of it.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

use super::*;

const LISTEN: &str = "listen = { addr = '[::1]:1', tls = true }\n";
pub(super) const GOOD: &str = "cert = 'cert.pem', key = 'key.pem'";

/// A folder with a certificate for `gate.test` and its key, another key, one of other hosts, and
/// one that has ended.
pub(super) fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let made = |cert: &str, key: &str, names: &[&str], last: i32| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let (mut params, pair) =
            (CertificateParams::new(names).unwrap(), KeyPair::generate().unwrap());
        params.not_after = date_time_ymd(last, 1, 1);
        write(cert, &params.self_signed(&pair).unwrap().pem());
        write(key, &pair.serialize_pem());
    };
    made("cert.pem", "key.pem", &["gate.test"], 4000);
    made("other.pem", "other.key", &["gate.test", "*.other.test"], 4000);
    made("old.pem", "old.key", &["old.test"], 2020);
    made("none.pem", "none.key", &[], 4000);
    dir
}

/// What is said of a whole file, without the name of the folder.
#[track_caller]
fn said(dir: &TempDir, text: &str) -> Result<Vec<String>, String> {
    let place = format!("{}/", dir.path().display());
    let shown = |text: String| text.replace(&place, "");
    parse_at(dir.path(), &format!("{text}\n{ROUTE}"))
        .map(|checked| checked.warnings.iter().map(|one| shown(one.to_string())).collect())
        .map_err(|error| shown(error.to_string()))
}

#[track_caller]
pub(super) fn refuses(dir: &TempDir, text: &str, message: &str) {
    assert_eq!(said(dir, text), Err(format!("p.toml:{message}")), "{text}");
}

#[track_caller]
pub(super) fn doubts(dir: &TempDir, text: &str, messages: &[&str]) {
    let messages: Vec<_> = messages.iter().map(|message| format!("p.toml:{message}")).collect();
    assert_eq!(said(dir, text), Ok(messages), "{text}");
}

#[test]
fn a_certificate_and_its_key() {
    let dir = folder();
    let table = |keys: &str| format!("{LISTEN}tls = {{ {keys} }}");
    doubts(&dir, &table(GOOD), &[]);
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
            "cert = 'cert.pem', key = 'other.key'",
            "2:34: `key` does not fit `cert`; give the key that its first certificate was made for",
        ),
        (
            "cert = 'no.pem', key = 'key.pem'",
            "2:16: cannot read no.pem (No such file or directory (os error 2)); mend or rename it",
        ),
    ] {
        refuses(&dir, &table(keys), message);
    }
    let form = "`cert = \"cert.pem\"` and `key = \"key.pem\"`";
    let message = format!(
        "1:36: TLS needs a certificate; add a table [tls] with {form}, or a table [tls.acme]"
    );
    refuses(&dir, LISTEN, &message);
    let form = "`{ addr = \"0.0.0.0:443\", tls = true }` in `listen`";
    let warning = format!("1:7: no listener speaks TLS; write {form}");
    doubts(&dir, &format!("tls = {{ {GOOD} }}"), &[&warning]);
}

#[test]
fn more_certificates() {
    let dir = folder();
    let table = |keys: &str| format!("{LISTEN}tls = {{ {GOOD}, certificates = [{{ {keys} }}] }}");
    refuses(&dir, &table("cert = 'other.pem'"), "2:61: no `key`; name the PEM file that holds it");
    refuses(
        &dir,
        &table("cert = 'other.pem', key = 'key.pem'"),
        "2:89: `key` does not fit `cert`; give the key that its first certificate was made for",
    );
    doubts(
        &dir,
        &table("cert = 'other.pem', key = 'other.key'"),
        &["2:7: other.pem is not shown for `gate.test`: one before it is for it, too"],
    );
    doubts(
        &dir,
        &table("cert = 'none.pem', key = 'none.key'"),
        &["2:61: none.pem names no host as a subject alternative name, so it is never shown"],
    );
    doubts(
        &dir,
        &table("cert = 'old.pem', key = 'old.key'"),
        &["2:70: old.pem: the certificate ended at 2020-01-01T00:00:00Z, and clients refuse it; \
           renew it"],
    );
}

#[test]
fn hosts_without_a_certificate() {
    let dir = folder();
    let text = format!(
        "{LISTEN}public = 'https://app.test'\ntls = {{ {GOOD} }}\n\
         routes.'gate.test/*' = {{ to = 'w' }}\nroutes.'api.test/x' = {{ to = 'w' }}\n\
         routes.'api.test/*' = {{ to = 'w' }}"
    );
    doubts(
        &dir,
        &text,
        &[
            "3:7: no certificate is for `api.test`, and clients will refuse it there",
            "3:7: no certificate is for `app.test`, and clients will refuse it there",
        ],
    );
}

/// An authority of clients: its certificate, and what it signs with.
pub(in crate::config::tests) fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
}

/// A list of nothing, to be followed by another one at a year's beginning.
pub(in crate::config::tests) fn list(issuer: &Issuer<'_, KeyPair>, year: i32) -> String {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(year, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().pem().unwrap()
}

#[test]
fn what_authorities_took_back() {
    let dir = folder();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let ((one, first), (other, second)) = (authority("One"), authority("Other"));
    write("one.pem", &one);
    write("both.pem", &format!("{one}{other}"));
    write("one.crl", &list(&first, 4000));
    write("old.crl", &list(&first, 2021));
    write("other.crl", &list(&second, 4000));
    write("broken.crl", "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n");
    let table = |ca: &str, keys: &str| {
        format!("{LISTEN}tls = {{ {GOOD}, client_auth = 'required', client_ca = '{ca}', {keys} }}")
    };
    doubts(&dir, &table("one.pem", "client_crl = 'one.crl'"), &[]);
    doubts(&dir, &table("both.pem", "client_crl = ['one.crl', 'other.crl']"), &[]);
    doubts(
        &dir,
        &table("both.pem", "client_crl = ['one.crl']"),
        &["2:108: no list of `CN=Other` is there, so every certificate \
           that it vouches for is refused; add its list to `client_crl`"],
    );
    doubts(
        &dir,
        &table("one.pem", "client_crl = ['old.crl']"),
        &[
            "2:108: old.crl: the revocation list ended at 2021-01-01T00:00:00Z, and whoever needs it \
           is refused; fetch a new one",
        ],
    );
    refuses(
        &dir,
        &table("one.pem", "client_crl = 'one.pem'"),
        "2:107: `client_crl` holds no revocation list in PEM form; convert it with openssl crl, or \
         name another file",
    );
    refuses(
        &dir,
        &table("one.pem", "client_crl = ['one.crl', 'broken.crl']"),
        "2:119: a revocation list of `client_crl` cannot be used (provided CRL could not be parsed: \
         ParseError); have it made again",
    );
    refuses(
        &dir,
        &table("one.pem", "client_crl = []"),
        "2:107: client_crl = [] would take nothing back; name the PEM files of the lists, or remove \
         it",
    );
    refuses(
        &dir,
        &format!("{LISTEN}tls = {{ {GOOD}, client_crl = 'one.crl' }}"),
        "2:58: `client_crl` has what authorities took back, and none is named; name their PEM file \
         as `client_ca`",
    );
}

#[test]
fn certificates_of_clients() {
    let dir = folder();
    let table = |keys: &str| format!("{LISTEN}tls = {{ {GOOD}, {keys} }}");
    doubts(&dir, &table("client_ca = 'other.pem', client_auth = 'required'"), &[]);
    refuses(
        &dir,
        &table("client_auth = 'always'"),
        "2:59: `client_auth` must be \"off\" or \"optional\" or \"required\"",
    );
    let whose = "whose word does a client's certificate need? name the PEM file of that \
                 authority as `client_ca` in [tls]";
    refuses(&dir, &table("client_auth = 'optional'"), &format!("2:59: {whose}"));
    refuses(
        &dir,
        &table("client_ca = 'key.pem'"),
        "2:57: `client_ca` holds no usable certificate in PEM form",
    );
    let listen = "listen = { addr = '[::1]:1', tls = true, client_auth = 'required' }\n";
    refuses(&dir, &format!("{listen}tls = {{ {GOOD} }}"), &format!("1:56: {whose}"));
    refuses(
        &dir,
        "listen = { addr = '[::1]:1', client_auth = 'required' }",
        "1:44: certificates are shown over TLS; add tls = true, or remove `client_auth`",
    );
    doubts(
        &dir,
        &format!("{LISTEN}tls = {{ {GOOD} }}\nroutes.'/x' = {{ to = 'w', allow = 'cert:x' }}"),
        &["1:1: route `/x`: no listener asks for certificates, so nobody meets its `cert:`; \
           set `client_auth` in [tls] or at a listener"],
    );
}

#[test]
fn how_tls_is_spoken() {
    let dir = folder();
    let table = |keys: &str| format!("{LISTEN}tls = {{ {GOOD}, {keys} }}");
    doubts(&dir, &table("min = '1.3', strict_sni = true, poll = '1m', hsts = '0s'"), &[]);
    let preload = "with `preload` browsers want max_age = \"365d\" at least and \
                   include_subdomains = true; set both, or leave it out";
    for (keys, message) in [
        ("min = '1.1'", "2:51: `min` must be \"1.2\" or \"1.3\""),
        (
            "poll = '0s'",
            "2:52: `poll` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
        ),
        ("hsts = 'yes'", "2:52: `hsts` must be a duration such as \"30s\", \"15m\" or \"1d\""),
        ("hsts = {}", "2:52: no `max_age`; add one such as \"365d\""),
        ("hsts = { max_age = '365d', preload = true }", &format!("2:52: {preload}")),
        (
            "hsts = { max_age = '364d', include_subdomains = true, preload = true }",
            &format!("2:52: {preload}"),
        ),
    ] {
        refuses(&dir, &table(keys), message);
    }
    let value = |hsts: &str| {
        let text = format!("{}\n{ROUTE}", table(&format!("hsts = {hsts}")));
        let tls = parse_at(dir.path(), &text).unwrap().config.tls.unwrap();
        tls.hsts.unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(value("'365d'"), "max-age=31536000");
    let all = "{ max_age = '365d', include_subdomains = true, preload = true }";
    assert_eq!(value(all), "max-age=31536000; includeSubDomains; preload");
}

#[test]
fn listeners_that_redirect() {
    let dir = folder();
    let redirect = "{ addr = '[::1]:2', redirect = true }";
    let secure = "{ addr = '[::1]:1', tls = true }";
    let listen = |entries: &str, rest: &str| format!("listen = [{entries}]\n{rest}");
    let tls = format!("tls = {{ {GOOD} }}");
    let both = format!("{redirect}, {secure}");
    doubts(&dir, &listen(redirect, "public = 'https://gate.test'"), &[]);
    doubts(&dir, &listen(&both, &format!("{tls}\nroutes.'gate.test/' = {{ to = 'w' }}")), &[]);
    refuses(
        &dir,
        &listen("{ addr = '[::1]:2', tls = true, redirect = true }", &tls),
        "1:54: a listener with TLS has nowhere better to send its clients; remove `redirect`, or \
         `tls`",
    );
    refuses(
        &dir,
        &listen(&both, &tls),
        "1:42: `redirect` sends clients to the hosts that are ours, and none is named; set \
         `public`, or name hosts in [routes]",
    );
    refuses(
        &dir,
        &listen(redirect, "public = 'http://gate.test'"),
        "1:42: `redirect` sends clients to https://, and `public` is http://; change one of them",
    );
    refuses(
        &dir,
        &listen(redirect, "routes.'gate.test/' = { to = 'w' }"),
        "1:42: `redirect` has nowhere to send clients; add a listener with tls = true, or set \
         `public` to an https:// name",
    );
}
