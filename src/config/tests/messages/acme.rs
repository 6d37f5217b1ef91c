//! `[tls.acme]`.

use super::tls::{GOOD, doubts, folder, refuses};
use super::*;

#[test]
fn a_certificate_that_is_ordered() {
    const LISTEN: &str = "listen = [{ addr = '[::1]:1', tls = true }, { addr = '[::1]:80', redirect = true }]\n\
         public = 'https://gate.test'\n";
    let dir = folder();
    let table = |keys: &str| format!("{LISTEN}tls.acme = {{ {keys} }}");
    let good = "domains = ['gate.test'], terms_accepted = true";
    doubts(&dir, &table(good), &[]);
    // Beside files, and for hosts that no file is for.
    let hosts = format!("{LISTEN}routes.'b.test/' = {{ to = 'w' }}\ntls = {{ {GOOD}, acme = {{ ");
    doubts(&dir, &format!("{hosts}domains = ['B.test.'], terms_accepted = true }} }}"), &[]);
    refuses(
        &dir,
        &format!("{LISTEN}tls = {{ cert = 'cert.pem', acme = {{ {good} }} }}"),
        "3:7: no `key`; name the PEM file that holds it",
    );
    let form = "`domains` must be host names such as \"app.example.com\", without a port, and in \
                ASCII (xn--)";
    let terms = "the authority issues certificates to those who accept its terms; read them, and \
                 write terms_accepted = true";
    let directory = "`directory` must be an https:// URL such as \
                     \"https://acme-v02.api.letsencrypt.org/directory\"";
    let email = "`email` must be one address such as \"ops@example.com\"";
    for (keys, message) in [
        ("domains = ['gate.test']", format!("3:12: {terms}")),
        ("domains = ['gate.test'], terms_accepted = false", format!("3:12: {terms}")),
        (
            "terms_accepted = true",
            "3:12: no `domains`; name the hosts, as in domains = [\"app.example.com\"]".to_owned(),
        ),
        (
            "terms_accepted = true, domains = []",
            "3:47: domains = [] would be for nobody; name the hosts".to_owned(),
        ),
        (
            "terms_accepted = true, domains = ['*.gate.test']",
            "3:48: a wildcard needs a proof by DNS (DNS-01), which is not given; name each host, or \
             the files of a certificate as `cert` and `key` in [tls]"
                .to_owned(),
        ),
        (
            "terms_accepted = true, domains = ['gate.test', 'GATE.test']",
            "3:61: `gate.test` is listed twice; remove one of them".to_owned(),
        ),
        ("terms_accepted = true, domains = '192.0.2.7'", format!("3:47: {form}")),
        ("terms_accepted = true, domains = 'gate.test:443'", format!("3:47: {form}")),
        ("terms_accepted = true, domains = 'gäte.test'", format!("3:47: {form}")),
        ("terms_accepted = true, domains = 'a_b.test'", format!("3:47: {form}")),
        (&format!("{good}, email = 'ops'"), format!("3:70: {email}")),
        (&format!("{good}, email = 'a@b.test,c@d.test'"), format!("3:70: {email}")),
        (&format!("{good}, directory = 'http://ca.test/'"), format!("3:74: {directory}")),
        (&format!("{good}, directory = 'ca.test'"), format!("3:74: {directory}")),
        (
            &format!("{good}, ca = 'no.pem'"),
            "3:67: cannot read no.pem (No such file or directory (os error 2)); mend or rename it"
                .to_owned(),
        ),
    ] {
        refuses(&dir, &table(keys), &message);
    }
}

#[test]
fn an_authority_asks_in_clear() {
    let dir = folder();
    let table = |listen: &str| {
        let acme = "tls.acme = { domains = 'gate.test', terms_accepted = true }";
        format!("listen = [{{ addr = '[::1]:443', tls = true }}{listen}]\n{acme}")
    };
    refuses(
        &dir,
        &table(""),
        "2:12: the authority asks for a proof by plain HTTP, and no listener is in clear; add \
         { addr = \"0.0.0.0:80\", redirect = true } to `listen`, or write \
         challenge = \"tls-alpn-01\"",
    );
    doubts(
        &dir,
        &table(", '[::1]:8080'"),
        &["2:12: the authority asks for a proof at port 80, and no listener in clear has it; \
           something before this gateway has to lead there"],
    );
    doubts(&dir, &table(", '[::1]:8080', '[::1]:80'"), &[]);
    doubts(&dir, &table(", 'unix:x.sock'"), &[]);
}

#[test]
fn an_authority_asks_in_a_handshake() {
    let dir = folder();
    let table = |listen: &str, challenge: &str| {
        let keys = "domains = 'gate.test', terms_accepted = true";
        format!(
            "listen = [{listen}]\ntls = {{ {GOOD}, acme = {{ challenge = {challenge}, {keys} }} }}"
        )
    };
    let tls = |addr: &str| format!("{{ addr = '{addr}', tls = true }}");
    doubts(&dir, &table(&tls("[::1]:443"), "'tls-alpn-01'"), &[]);
    doubts(&dir, &table(&tls("unix:x.sock"), "'tls-alpn-01'"), &[]);
    doubts(
        &dir,
        &table(&tls("[::1]:8443"), "'tls-alpn-01'"),
        &["2:66: the authority asks for a proof at port 443, and no listener with TLS has it; \
           something before this gateway has to lead there, without ending TLS"],
    );
    refuses(
        &dir,
        &table("'[::1]:80'", "'tls-alpn-01'"),
        "2:66: the authority asks for a proof in a TLS handshake, and no listener speaks TLS; add \
         { addr = \"0.0.0.0:443\", tls = true } to `listen`",
    );
    refuses(
        &dir,
        &table(&tls("[::1]:443"), "'http-01'"),
        "2:66: the authority asks for a proof by plain HTTP, and no listener is in clear; add \
         { addr = \"0.0.0.0:80\", redirect = true } to `listen`, or write \
         challenge = \"tls-alpn-01\"",
    );
    refuses(
        &dir,
        &table(&format!("{}, '[::1]:80'", tls("[::1]:443")), "'dns-01'"),
        "2:66: `challenge` must be \"http-01\" or \"tls-alpn-01\"",
    );
}

#[test]
fn a_kept_certificate_that_is_broken_is_no_reason_to_stop() {
    let dir = folder();
    let text = "listen = [{ addr = '[::1]:1', tls = true }, '[::1]:80']\n\
                tls.acme = { domains = 'gate.test', directory = 'https://ca.test/x', \
                terms_accepted = true }";
    let kept = dir.path().join("portcullis.acme/ca.test-x");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("certificate.pem"), "a letter to my aunt").unwrap();
    doubts(
        &dir,
        text,
        &["2:1: portcullis.acme/ca.test-x/certificate.pem: no usable certificate in PEM form; \
           another certificate will be ordered"],
    );
}
