//! What is said of `[mail]` and of where links lead.

use super::*;

const TOP: &str = "public = \"https://a.test\"\n[mail]";
const MAIL: &str = "smtp = \"smtp+clear://localhost\"\nfrom = \"no-reply@a.test\"";

#[test]
fn servers_and_senders() {
    let forms = "3:8: `smtp` must be \"smtp://host\" (STARTTLS, port 587) or \"smtps://host\" \
                 (TLS, port 465), with a port where it is another";
    for smtp in [
        "",
        "mail.a.test",
        "smtp://",
        "http://a.test",
        "smtp://a.test:0",
        "smtp://u:p@a.test",
        "smtp://a.test/x",
        "SMTP://a.test",
        "smtp+starttls://a.test",
        "smtp://a b",
    ] {
        says(&format!("{TOP}\nsmtp = '{smtp}'\nfrom = 'a@a.test'"), forms);
    }
    let form = "4:8: `from` must be an address such as \"Example <no-reply@example.com>\"";
    for from in ["", "a", "@a.test", "A <a@a.test", "a@a.test\\r\\nBcc: b@a.test"] {
        says(&format!("{TOP}\nsmtp = 'smtp+clear://localhost'\nfrom = \"{from}\""), form);
    }
    says_in(
        TOP,
        &[
            (
                "smtp = 'smtp+clear://localhost'",
                "2:1: [mail] has no `from`; add from = \"Example <no-reply@example.com>\"",
            ),
            (
                "from = 'a@a.test'",
                "2:1: [mail] has no `smtp`; add smtp = \"smtp://mail.example.com\"",
            ),
            (
                "from = 'a@a.test'\nsmpt = 'smtp://a.test'",
                "4:1: unknown key `smpt`; did you mean `smtp`?",
            ),
            (
                "from = 'a@a.test'\nsmtp = 'smtp+clear://mail.a.test'",
                "4:8: links that open accounts would go over the network in clear; write \
                 \"smtp://\" for STARTTLS, or add danger_clear = true",
            ),
            (
                "from = 'a@a.test'\nsmtp = 'smtp+clear://[::1]'\nca = 'ca.pem'",
                "5:6: `ca` is about TLS, and smtp+clear:// has none; remove it",
            ),
            (
                "from = 'a@a.test'\nsmtp = 'smtps://mail.test'\nca = 'none.pem'",
                "5:6: cannot read /base/none.pem (No such file or directory (os error 2)); mend or rename it",
            ),
        ],
    );
    says(
        &format!("[mail]\n{MAIL}"),
        "1:1: letters have links in them, which are made from `public`; \
         add public = \"https://app.example.com\" on top of the file",
    );
}

#[test]
fn mail_in_clear_is_warned_of() {
    let text = format!(
        "public = 'https://a.test'\n{ROUTE}[mail]\nsmtp = 'smtp+clear://mail.a.test'\n\
         from = 'a@a.test'\ndanger_clear = true\n"
    );
    let warnings = parsed(&text).expect(&text).warnings;
    let told: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let warning = "p.toml:5:8: letters go to this server in clear: whoever can read them on the \
                   way can take over the accounts that they are about";
    assert_eq!(told, [warning]);
}

#[test]
fn logins_and_bounds() {
    says_in(
        &format!("{TOP}\n{MAIL}"),
        &[
            (
                "user = 'x'",
                "5:8: `user` is of no use without its password; add password = { env = \"SMTP_PASSWORD\" }",
            ),
            (
                "password = { env = 'SIGNING_KEY' }",
                "5:12: `password` is of no use without its user; add user = \"...\"",
            ),
            (
                "user = 'x'\npassword = { env = 'EMPTY' }",
                "6:12: the variable `EMPTY` is empty; put the secret in it",
            ),
            ("queue = 0", "5:9: `queue` must be a whole number from 1 to 1000000"),
            ("recipient = 0", "5:13: `recipient` must be a whole number from 1 to 1000000"),
            (
                "timeout = '0s'",
                "5:11: `timeout` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
            ),
            (
                "templates = 'none'",
                "5:13: cannot read /base/none (No such file or directory (os error 2)); mend or rename it",
            ),
        ],
    );
}

#[test]
fn pages() {
    for (key, column) in [("reset_page", 14), ("verify_page", 15)] {
        for page in [
            "",
            "x/{uid}/{token}",
            "/x/{uid}",
            "//a.test/{uid}/{token}",
            "https://a.test/{uid}/{token}",
        ] {
            let message = format!(
                "2:{column}: `{key}` must be a path with {{uid}} and {{token}} in it, such as \
                 \"/page?uid={{uid}}&token={{token}}\""
            );
            says(&format!("[auth]\n{key} = '{page}'"), &message);
        }
    }
}

#[test]
fn templates() {
    let dir = tempfile::tempdir().unwrap();
    let mail = dir.path().join("mail");
    fs::create_dir(&mail).unwrap();
    let text = format!("{TOP}\n{MAIL}\ntemplates = 'mail'\n");
    let said = || parse_at(dir.path(), &text).map(|_| ()).unwrap_err().to_string();
    fs::write(mail.join("reset.html"), "<p>\n{{ link }}\n{{ lnik }}").unwrap();
    fs::write(mail.join("verify.txt"), "{% if %}").unwrap();
    let (told, path) = (said(), mail.display());
    // One that cannot be parsed keeps all from being tried.
    assert!(
        told.starts_with(&format!("p.toml:5:13: {path}/verify.txt:1: syntax error: ")),
        "{told}"
    );
    assert!(told.ends_with("; mend the template"), "{told}");
    fs::remove_file(mail.join("verify.txt")).unwrap();
    let told = said();
    let place = format!("p.toml:5:13: {path}/reset.html:3: undefined value");
    assert!(told.starts_with(&place), "{told}");
    fs::write(mail.join("reset.html"), "<p>{{ link }}</p>").unwrap();
    fs::write(mail.join("rest.html"), "").unwrap();
    let checked = parse_at(dir.path(), &text).expect(&text);
    let told: Vec<_> = checked.warnings.iter().map(ToString::to_string).collect();
    let warning =
        format!("p.toml:5:13: {path}/rest.html is no template; did you mean `reset.html`?");
    assert!(told.contains(&warning), "{told:?}");
}
