//! Letters with links: asked for over HTTP, sent over SMTP, used once.

use std::sync::Arc;
use std::time::Duration;

use portcullis::Secret;
use portcullis::clock::Timestamp;
use portcullis::rooms::session::NewAccount;
use portcullis::store::{Claimed, UserChange};
use serde_json::{Value, json};

use crate::common::smtp::{Mail, Manner, Smtp};
use crate::common::{PASSWORD, Policy, Reply, Setup, Stage, Upstream, soon};

const NEW: &str = "another horse battery";

/// A gateway with mail, and alice, whose address is `alice@example.com`.
struct Post {
    stage: Stage,
    smtp: Smtp,
}

impl Post {
    async fn start() -> Self {
        Self::with("").await
    }

    /// With more keys of `[mail]`.
    async fn with(keys: &str) -> Self {
        let smtp = Smtp::start().await;
        let mail = smtp.policy();
        let policy = |policy: Policy| {
            policy.top("public = \"http://a.test\"\n").and(&format!("{mail}{keys}"))
        };
        Self { stage: Stage::with(policy).await, smtp }
    }

    async fn ask(&self, email: &str) -> Reply {
        self.stage.post("/api/auth/password/reset/", &json!({ "email": email })).await
    }

    async fn confirm(&self, (uid, token): &(String, String), password: &str) -> Reply {
        let body = json!({ "uid": uid, "token": token, "new_password": password });
        self.stage.post("/api/auth/password/reset/confirm/", &body).await
    }

    async fn login(&self, password: &str) -> u16 {
        let body = json!({ "username": "alice", "password": password });
        self.stage.post("/api/auth/token/", &body).await.status
    }

    async fn send_as(&self, method: &str, path: &str, token: &str, body: &Value) -> Reply {
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stage.send(request).await
    }

    async fn patch(&self, body: &Value) -> Reply {
        self.send_as("PATCH", "/api/auth/profile/", &self.stage.token, body).await
    }

    async fn verify(&self) -> Reply {
        self.send_as("POST", "/api/auth/email/verify/", &self.stage.token, &json!({})).await
    }

    async fn confirm_email(&self, (uid, token): &(String, String)) -> Reply {
        let body = json!({ "uid": uid, "token": token });
        self.stage.post("/api/auth/email/verify/confirm/", &body).await
    }

    /// Waits while the clock goes on: what failed is tried again in its own time.
    async fn later<T>(&mut self, wait: impl AsyncFnOnce(&mut Smtp) -> T) -> T {
        let Self { stage, smtp } = self;
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let awaited = wait(smtp);
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                got = &mut awaited => return got,
                _ = ticks.tick() => stage.gateway.clock().advance(Duration::from_millis(500)),
            }
        }
    }

    async fn change(&self, change: UserChange) {
        let alice = self.stage.alice.id;
        self.stage.gateway.accounts.change(alice, change).await.unwrap().unwrap();
    }

    async fn asked(&mut self) -> Mail {
        assert_eq!(self.ask("alice@example.com").await.status, 200);
        self.smtp.mail().await
    }
}

#[track_caller]
fn is(reply: &Reply, status: u16, body: &Value) {
    assert_eq!((reply.status, &reply.json()), (status, body));
}

fn bad_link() -> Value {
    json!({ "token": ["Invalid value"] })
}

/// Also after a reload, and for letters that waited meanwhile.
#[tokio::test]
async fn links_lead_where_the_policy_says_when_they_are_sent() {
    let mut post = Post::start().await;
    post.asked().await;
    let page = "[auth]\nreset_page = \"/elsewhere#{uid}/{token}\"\nreset = \"2h\"\n";
    let policy = Policy::to(&post.stage.upstream).top("public = \"http://a.test:8080\"\n");
    post.stage.gateway.reload(&policy.and(&post.smtp.policy()).and(page));
    let text = post.asked().await.text();
    assert!(text.contains("http://a.test:8080/elsewhere#"), "{text}");
    assert!(text.contains("within 2 hours"), "{text}");
    post.stage.finish_untouched().await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_link_once() {
    let mut post = Post::start().await;
    let (access, refresh) = post.stage.log_in("alice").await;
    let told = json!({ "detail": "Password reset e-mail has been sent." });
    is(&post.ask("Alice@Example.COM").await, 200, &told);
    let mail = post.smtp.mail().await;
    assert_eq!(mail.to, ["alice@example.com"]);
    assert_eq!(mail.field("To"), "alice@example.com");
    assert_eq!(mail.field("From"), "Shop <no-reply@app.test>");
    assert_eq!(mail.field("Subject"), "Choose a new password for a.test");
    assert_eq!(mail.field("Auto-Submitted"), "auto-generated");
    assert!(mail.field("Message-ID").ends_with("@app.test>"));
    assert!(mail.field("Content-Type").starts_with("multipart/alternative"));
    let text = mail.text();
    assert!(text.contains("Hello alice,") && text.contains("within 1 hour"), "{text}");
    assert!(text.contains("http://a.test/reset-password?uid="), "{text}");
    let link = mail.link();
    assert_eq!(link.0, post.stage.alice.id.to_string());
    assert_eq!(link.1.len(), 43, "256 bits");

    let weak = post.confirm(&link, "alice12").await;
    let texts = json!({ "new_password": [
        "The password is too similar to the username.",
        "This password is too short. It must contain at least 8 characters.",
    ]});
    is(&weak, 400, &texts);
    let done = json!({ "detail": "Password has been reset with the new password." });
    is(&post.confirm(&link, NEW).await, 200, &done);
    assert_eq!(post.stage.get_as("/app/x", &access).await.status, 401);
    let refreshed =
        post.stage.post("/api/auth/token/refresh/", &json!({ "refresh": refresh })).await;
    assert_eq!(refreshed.status, 401);
    assert_eq!((post.login(PASSWORD).await, post.login(NEW).await), (400, 200));
    is(&post.confirm(&link, "yet another horse").await, 400, &bad_link());
    assert_eq!(post.login(NEW).await, 200);
    assert!(post.smtp.is_empty(), "no notice to an address that nobody verified");
    post.stage.finish().await;
}

#[tokio::test]
async fn nobody_learns_whose_an_address_is() {
    let mut post = Post::start().await;
    let off = post.stage.user("off", &[]).await;
    post.stage.gateway.accounts.change(off.id, UserChange::Active(false)).await.unwrap();
    let bare = NewAccount {
        username: "bare".to_owned(),
        email: "bare@example.com".to_owned(),
        password: None,
        roles: Vec::new(),
    };
    post.stage.gateway.accounts.create(bare).await.unwrap();
    let mut told = Vec::new();
    for email in ["nobody@example.com", "off@example.com", "bare@example.com", "alice@example.com"]
    {
        let mut reply = post.ask(email).await;
        reply.headers.retain(|(name, _)| name != "date" && name != "x-request-id");
        told.push((reply.status, reply.headers, reply.body));
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:#?}");
    assert_eq!(post.smtp.mail().await.to, ["alice@example.com"]);
    // Letters are sent in order: nothing was sent to the others.
    assert!(post.smtp.is_empty());
    post.stage.finish_untouched().await;
}

#[tokio::test]
async fn each_account_of_an_address_has_a_letter_of_its_own() {
    let mut post = Post::start().await;
    let other = NewAccount {
        username: "alice2".to_owned(),
        email: "ALICE@example.com".to_owned(),
        password: Some(Secret::from(PASSWORD.to_owned())),
        roles: Vec::new(),
    };
    post.stage.gateway.accounts.create(other).await.unwrap();
    let first = post.asked().await;
    let second = post.smtp.mail().await;
    assert_eq!(second.to, ["ALICE@example.com"]);
    assert!(first.text().contains("Hello alice,") && second.text().contains("Hello alice2,"));
    let (alice, alice2) = (first.link(), second.link());
    is(&post.confirm(&(alice2.0, alice.1.clone()), NEW).await, 400, &bad_link());
    assert_eq!(post.confirm(&alice, NEW).await.status, 200);
    post.stage.finish().await;
}

#[tokio::test]
async fn a_link_that_is_not_good_says_nothing_else() {
    let mut post = Post::start().await;
    let good = post.asked().await.link();
    let (uid, token) = good.clone();
    for (uid, token) in [
        (uid.as_str(), "x"),
        (uid.as_str(), &token[..42]),
        ("0", &token),
        ("99", &token),
        ("01", &token),
        ("-1", &token),
        ("alice", &token),
        ("99999999999999999999999", &token),
    ] {
        // A weak password, too: whoever has no link is told nothing of the rules of a user.
        let reply = post.confirm(&(uid.to_owned(), token.to_owned()), "1").await;
        is(&reply, 400, &bad_link());
    }
    let reply = post.stage.post("/api/auth/password/reset/confirm/", &json!({})).await;
    let required = json!(["This field is required."]);
    let all = json!({ "uid": required, "token": required, "new_password": required });
    is(&reply, 400, &all);
    is(&post.confirm_email(&good).await, 400, &bad_link());
    assert_eq!(post.confirm(&good, NEW).await.status, 200, "none of these used it up");
    post.stage.finish().await;
}

#[tokio::test]
async fn a_link_ends_with_its_hour_and_with_the_account_as_it_was() {
    let mut post = Post::start().await;
    let late = post.asked().await.link();
    post.stage.gateway.clock().advance(Duration::from_secs(3599));
    assert_eq!(post.confirm(&late, "1").await.json()["token"], Value::Null, "still good");
    post.stage.gateway.clock().advance(Duration::from_secs(1));
    is(&post.confirm(&late, NEW).await, 400, &bad_link());

    let old = post.asked().await.link();
    let set =
        post.stage.gateway.accounts.set_password(post.stage.alice.id, Secret::from(NEW.to_owned()));
    assert!(set.await.unwrap());
    is(&post.confirm(&old, "yet another horse").await, 400, &bad_link());

    let moved = post.asked().await.link();
    let email = "elsewhere@example.com".to_owned();
    post.change(UserChange::Email { email, verified: false }).await;
    is(&post.confirm(&moved, "yet another horse").await, 400, &bad_link());
    assert_eq!(post.login(NEW).await, 200);

    assert_eq!(post.ask("elsewhere@example.com").await.status, 200);
    let off = post.smtp.mail().await.link();
    post.change(UserChange::Active(false)).await;
    is(&post.confirm(&off, "yet another horse").await, 400, &bad_link());
    post.stage.finish().await;
}

#[tokio::test]
async fn an_address_is_verified_by_the_letter_that_it_got() {
    let mut post = Post::start().await;
    let seen = async |post: &Post| {
        post.stage.get_as("/app/x", &post.stage.token).await;
        post.stage.upstream.seen().last().unwrap().one("x-user-email-verified").to_owned()
    };
    assert_eq!(seen(&post).await, "false");
    let anonymous = post.stage.post("/api/auth/email/verify/", &json!({})).await;
    assert_eq!(anonymous.status, 401);
    is(&post.verify().await, 200, &json!({ "detail": "Verification e-mail sent." }));
    let mail = post.smtp.mail().await;
    assert_eq!(mail.to, ["alice@example.com"]);
    assert!(mail.text().contains("http://a.test/verify-email?uid="));
    let link = mail.link();
    let reset = post.confirm(&link, NEW).await;
    is(&reset, 400, &bad_link());
    is(&post.confirm_email(&link).await, 200, &json!({ "detail": "E-mail address is verified." }));
    assert_eq!(seen(&post).await, "true", "from the next request on");
    is(&post.confirm_email(&link).await, 400, &bad_link());
    is(&post.verify().await, 200, &json!({ "detail": "E-mail address is verified already." }));

    let email = |email: &str| UserChange::Email { email: email.to_owned(), verified: false };
    post.change(email("second@example.com")).await;
    assert_eq!(seen(&post).await, "false");
    assert_eq!(post.verify().await.status, 200);
    let second = post.smtp.mail().await.link();
    post.change(email("third@example.com")).await;
    is(&post.confirm_email(&second).await, 400, &bad_link());
    post.change(email("")).await;
    let none = json!({ "email": ["There is no address to verify."] });
    is(&post.verify().await, 400, &none);
    assert!(post.smtp.is_empty());
    post.stage.finish().await;
}

#[tokio::test]
async fn a_new_address_takes_the_password_and_its_own_letter() {
    let mut post = Post::start().await;
    let user = async |post: &Post| {
        let reply = post.stage.get_as("/api/auth/profile/", &post.stage.token).await;
        assert_eq!(reply.status, 200);
        reply.json()
    };
    let old = json!({ "username": "alice", "email": "alice@example.com" });
    let required = json!({ "password": ["This field is required."] });
    let wrong = json!({ "password": [
        "Your password was entered incorrectly. Please enter it again."
    ]});
    let blank = json!({ "email": ["This field may not be blank."] });
    let shape = json!({ "email": ["Enter a valid email address."] });
    for (body, status, told) in [
        (json!({ "email": "new@example.com" }), 400, &required),
        (json!({ "email": "new@example.com", "password": "" }), 400, &required),
        (json!({ "email": "new@example.com", "password": NEW }), 400, &wrong),
        (json!({ "email": "", "password": PASSWORD }), 400, &blank),
        (json!({ "email": "new", "password": PASSWORD }), 400, &shape),
        (json!({ "email": "alice@example.com" }), 200, &old),
        (json!({}), 200, &old),
        (
            json!({
                "username": "root", "id": 1, "roles": ["admin"], "is_staff": true,
                "email_verified": true, "password": NEW,
            }),
            200,
            &old,
        ),
    ] {
        is(&post.patch(&body).await, status, told);
        assert_eq!(user(&post).await, old, "{body}");
    }
    let body = json!({ "email": "New@Example.com", "password": PASSWORD });
    let told = json!({
        "username": "alice",
        "email": "alice@example.com",
        "detail": "The new address takes effect when it is confirmed by the mail to it.",
    });
    is(&post.patch(&body).await, 200, &told);
    let letter = post.smtp.mail().await;
    assert_eq!(letter.to, ["New@example.com"]);
    assert_eq!(user(&post).await, old, "until it is confirmed");
    assert_eq!(post.confirm_email(&letter.link()).await.status, 200);
    let new = json!({ "username": "alice", "email": "New@example.com" });
    assert_eq!(user(&post).await, new);
    let notice = post.smtp.mail().await;
    assert_eq!(notice.to, ["alice@example.com"]);
    assert!(!notice.text().contains("New@example.com"), "the old address is told no new one");
    let said = post.verify().await.json();
    assert_eq!(said["detail"], "E-mail address is verified already.");

    // Whoever lost the password to a thief, and has it back, has the address as well.
    let body = json!({ "email": "thief@example.com", "password": PASSWORD });
    assert_eq!(post.patch(&body).await.status, 200);
    let thiefs = post.smtp.mail().await.link();
    assert_eq!(post.ask("new@example.com").await.status, 200);
    let reset = post.smtp.mail().await.link();
    assert_eq!(post.confirm(&reset, NEW).await.status, 200);
    is(&post.confirm_email(&thiefs).await, 400, &bad_link());
    post.stage.finish_untouched().await;
}

#[tokio::test]
async fn a_changed_password_is_told_to_a_verified_address() {
    let mut post = Post::start().await;
    let email = "alice@example.com".to_owned();
    post.change(UserChange::Email { email, verified: true }).await;
    let link = post.asked().await.link();
    assert_eq!(post.confirm(&link, NEW).await.status, 200);
    let notice = post.smtp.mail().await;
    assert_eq!(notice.to, ["alice@example.com"]);
    assert_eq!(notice.field("Subject"), "Your password at a.test was changed");
    assert!(!notice.text().contains(NEW) && !notice.text().contains("token"));
    post.stage.finish().await;

    let mut post = Post::with("notices = false\n").await;
    let email = "alice@example.com".to_owned();
    post.change(UserChange::Email { email, verified: true }).await;
    let link = post.asked().await.link();
    assert_eq!(post.confirm(&link, NEW).await.status, 200);
    assert!(post.asked().await.text().contains("asked for a new password"), "and no notice");
    post.stage.finish().await;
}

/// A name is what its owner chose: `register/` allows few signs, an import may bring others.
#[tokio::test]
async fn nothing_in_a_name_is_a_header_or_markup() {
    let folder = "templates = \"mail\"\n";
    let smtp = Smtp::start().await;
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).top("public = \"http://a.test\"\n");
    let setup = Setup::new(&policy.and(&format!("{}{folder}", smtp.policy())));
    std::fs::create_dir(setup.folder().join("mail")).unwrap();
    let setup = setup.file("mail/reset.subject.txt", "For {{ username }}\n");
    let mut post = Post { stage: Stage::of(upstream, setup).await, smtp };
    let evil = NewAccount {
        username: "<i>x</i>\r\nBcc: all@example.com\r\n\r\nboo".to_owned(),
        email: "evil@example.com".to_owned(),
        password: Some(Secret::from(PASSWORD.to_owned())),
        roles: Vec::new(),
    };
    post.stage.gateway.accounts.create(evil).await.unwrap();
    assert_eq!(post.ask("evil@example.com").await.status, 200);
    let mail = post.smtp.mail().await;
    assert_eq!(mail.to, ["evil@example.com"]);
    let head = mail.raw.split("\r\n\r\n").next().unwrap();
    assert!(!head.contains("\r\nBcc"), "{head}");
    assert_eq!(mail.field("Subject"), "For <i>x</i> Bcc: all@example.com boo");
    let text = mail.text();
    let (_, html) = text.split_once("<!DOCTYPE html>").unwrap();
    assert!(!html.contains("<i>") && html.contains("&lt;i&gt;"), "{html}");
    post.stage.finish().await;
}

#[tokio::test]
async fn a_letter_waits_for_a_server_that_is_away() {
    let mut post = Post::start().await;
    post.smtp.set(Manner::Down);
    assert_eq!(post.ask("alice@example.com").await.status, 200);
    post.smtp.attempt().await;
    post.smtp.set(Manner::Later);
    post.later(Smtp::attempt).await;
    post.smtp.set(Manner::Takes);
    let link = post.later(Smtp::mail).await.link();
    assert_eq!(post.confirm(&link, NEW).await.status, 200);
    post.stage.finish().await;
}

#[tokio::test]
async fn a_letter_is_kept_by_the_store_and_not_by_the_process() {
    let mut post = Post::start().await;
    post.smtp.set(Manner::Down);
    assert_eq!(post.ask("alice@example.com").await.status, 200);
    post.smtp.attempt().await;
    let Stage { gateway, upstream, alice, token } = post.stage;
    post.smtp.set(Manner::Takes);
    let gateway = gateway.restart().await;
    post.stage = Stage { gateway, upstream, alice, token };
    let link = post.later(Smtp::mail).await.link();
    assert_eq!(post.confirm(&link, NEW).await.status, 200);
    post.stage.finish().await;
}

#[tokio::test]
async fn a_letter_that_is_refused_or_too_old_is_given_up() {
    let mut post = Post::with("give_up = \"1h\"\n").await;
    post.smtp.set(Manner::Refuses);
    assert_eq!(post.ask("alice@example.com").await.status, 200);
    post.smtp.attempt().await;
    post.smtp.set(Manner::Later);
    assert_eq!(post.verify().await.status, 200);
    post.later(Smtp::attempt).await;
    post.stage.gateway.clock().advance(Duration::from_secs(3600));
    let store = Arc::clone(post.stage.gateway.store());
    let never = Timestamp::default();
    let empty = async |_: &mut Smtp| {
        while store.claim_letter(never, never).await.unwrap() != Claimed::Nothing {
            tokio::task::yield_now().await;
        }
    };
    post.later(async |smtp| soon("an empty queue", empty(smtp)).await).await;
    post.smtp.set(Manner::Takes);
    let email = "second@example.com".to_owned();
    post.change(UserChange::Email { email, verified: false }).await;
    assert_eq!(post.ask("second@example.com").await.status, 200);
    assert_eq!(post.later(Smtp::mail).await.to, ["second@example.com"]);
    assert!(post.smtp.is_empty());
    post.stage.finish().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_holds_nobody_up() {
    let mut post = Post::with("").await;
    post.smtp.set(Manner::Silent);
    assert_eq!(post.ask("alice@example.com").await.status, 200);
    post.smtp.attempt().await;
    // The letter is under way, and nobody waits for it.
    assert_eq!(post.ask("alice@example.com").await.status, 200);
    assert_eq!(post.login(PASSWORD).await, 200);
    post.smtp.set(Manner::Takes);
    assert_eq!(post.later(Smtp::mail).await.to, ["alice@example.com"]);
    post.stage.finish().await;
}

#[tokio::test]
async fn a_full_queue_answers_as_ever() {
    let mut post = Post::with("queue = 2\nrecipient = 1\n").await;
    post.stage.user("bob", &[]).await;
    post.stage.user("eve", &[]).await;
    post.smtp.set(Manner::Down);
    let first = post.ask("alice@example.com").await;
    post.smtp.attempt().await;
    for email in ["alice@example.com", "bob@example.com", "eve@example.com"] {
        let reply = post.ask(email).await;
        assert_eq!((reply.status, &reply.body), (first.status, &first.body), "{email}");
    }
    assert_eq!(post.verify().await.status, 200);
    post.smtp.set(Manner::Takes);
    let mut to = [post.later(Smtp::mail).await.to, post.later(Smtp::mail).await.to].concat();
    to.sort();
    assert_eq!(to, ["alice@example.com", "bob@example.com"]);
    assert!(post.smtp.is_empty());
    post.stage.finish().await;
}

#[tokio::test]
async fn without_mail_the_endpoints_say_so() {
    let stage = Stage::start().await;
    let none = json!({ "detail": "This server sends no mail.", "code": "mail_not_configured" });
    let reset = stage.post("/api/auth/password/reset/", &json!({ "email": "a@b.test" })).await;
    is(&reset, 501, &none);
    let body = json!({ "uid": "1", "token": "x" });
    is(&stage.post("/api/auth/email/verify/confirm/", &body).await, 501, &none);
    assert_eq!(stage.post("/api/auth/email/verify/", &json!({})).await.status, 401);
    let verify = format!(
        "POST /api/auth/email/verify/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 0\r\n\r\n",
        stage.token
    );
    is(&stage.send(&verify).await, 501, &none);
    let patch = verify.replace("POST /api/auth/email/verify/", "PATCH /api/auth/profile/");
    is(&stage.send(patch).await, 501, &none);
    // A link may have been made by an operator.
    let body = json!({ "uid": "1", "token": "x", "new_password": NEW });
    is(&stage.post("/api/auth/password/reset/confirm/", &body).await, 400, &bad_link());
    stage.finish_untouched().await;
}
