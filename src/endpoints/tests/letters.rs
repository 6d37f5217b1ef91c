//! Letters that are asked for: what is told, how often, and what waits in the store.

use super::*;
use crate::mail::{Links, MailSettings, Mailer, RelaySettings, Security, Templates};
use crate::store::{Claimed, Letter, LetterKind, UserChange};
use crate::web::Public;

/// Nothing is sent in these tests, so there is no server.
pub(super) fn mailer(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Arc<Mailer> {
    let public = Public { https: true, host: "a.test".to_owned(), port: None };
    let relay = RelaySettings {
        host: "localhost".to_owned(),
        port: 25,
        security: Security::Clear,
        login: None,
    };
    let settings = MailSettings {
        relay,
        from: "no-reply@a.test".parse().unwrap(),
        templates: Templates::new(&[]).unwrap(),
        timeout: MailSettings::TIMEOUT,
        retry: MailSettings::RETRY,
        give_up: MailSettings::GIVE_UP,
        limits: MailSettings::LIMITS,
        notices: true,
    };
    Arc::new(Mailer::new(Arc::clone(store), Arc::clone(clock), settings, Links::new(public)))
}

impl Room {
    fn with_mail(setup: Setup) -> Self {
        Setup { mail: true, ..setup }.open()
    }

    /// Takes all letters that wait.
    async fn letters(&self) -> Vec<Letter> {
        let mut letters = Vec::new();
        let (now, never) = (self.clock.now(), Timestamp::from_millis(u64::MAX));
        while let Claimed::Letter(letter) = self.store.claim_letter(now, never).await.unwrap() {
            self.store.remove_letter(letter.number).await.unwrap();
            letters.push(letter);
        }
        letters
    }

    async fn ask(&self, client: &str, email: &str) -> Got {
        self.post_from(client, "/password/reset/", json!({ "email": email })).await
    }
}

#[tokio::test]
async fn an_address_has_so_many_letters_whether_anybody_has_it_or_not() {
    let room = Room::with_mail(Setup { recipient: quota(2, 60), ..Setup::default() });
    room.register("ann").await;
    let mut told = Vec::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        for spelling in [email.to_owned(), email.to_uppercase(), format!(" {email} ")] {
            let got = room.ask("192.0.2.1", &spelling).await;
            told.push((got.status, got.text));
        }
    }
    let (known, unknown) = told.split_at(3);
    assert_eq!(known, unknown);
    assert_eq!(known.last().unwrap().0, 429);
    let access = room.pair("ann").await.0;
    let bearer = format!("Bearer {access}");
    let headers = [("authorization", bearer.as_str())];
    let verify = room.call("POST", "/email/verify/", &headers, "", "192.0.2.1").await;
    assert_eq!((verify.status.as_u16(), verify.header("retry-after")), (429, "1800"));
    assert_eq!(room.letters().await.len(), 2);
    room.clock.advance(Duration::from_secs(1800));
    assert_eq!(room.ask("192.0.2.1", "ann@example.com").await.status, 200);
}

#[tokio::test]
async fn a_client_asks_for_so_many_letters() {
    let room = Room::with_mail(Setup { letters: quota(2, 60), ..Setup::default() });
    room.register("ann").await;
    assert_eq!(room.post("/password/reset/", "{}").await.status, 400, "asks for none");
    for email in ["a@example.com", "b@example.com"] {
        assert_eq!(room.ask("2001:db8::1", email).await.status, 200);
    }
    let got = room.ask("2001:db8::2", "ann@example.com").await;
    got.is_detail(429, "Request was throttled. Expected available in 1800 seconds.");
    assert_eq!(room.ask("192.0.2.9", "ann@example.com").await.status, 200);
    assert_eq!(room.letters().await.len(), 1);
}

#[tokio::test]
async fn an_address_is_an_address() {
    let room = Room::with_mail(Setup::default());
    for (email, text) in [
        (json!("ann"), "Enter a valid email address."),
        (json!(5), "Enter a valid email address."),
        (json!(["ann@example.com"]), "Enter a valid email address."),
        (json!("ann@example.com\r\nBcc: b@example.com"), "Enter a valid email address."),
        (json!(""), "This field may not be blank."),
        (json!(null), "This field may not be null."),
    ] {
        let got = room.post("/password/reset/", json!({ "email": email })).await;
        got.is(400, json!({ "email": [text] }));
    }
    room.get("/password/reset/", &[]).await.is_detail(405, "Method \"GET\" not allowed.");
    room.post("/password/reset", json!({}))
        .await
        .is(400, json!({ "email": ["This field is required."] }));
    assert!(room.letters().await.is_empty());
}

#[tokio::test]
async fn what_waits_is_no_secret() {
    let room = Room::with_mail(Setup::default());
    room.register("ann").await;
    assert_eq!(room.ask("192.0.2.1", "ann@example.com").await.status, 200);
    let letters = room.letters().await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.kind, letter.to.as_str()), (LetterKind::Reset, "ann@example.com"));
    assert_eq!(letter.basis, room.stored("ann").await.basis());
}

#[tokio::test]
async fn a_new_password_is_told_to_the_address_that_is_verified() {
    let room = Room::with_mail(Setup::default());
    let (mut access, _) = room.user("ann").await;
    let words = [PASSWORD, "An0ther-Phrase-88", "A-Th1rd-Phrase-99"];
    for (verified, pair) in [false, true].into_iter().zip(words.windows(2)) {
        let email = "ann@example.com".to_owned();
        let ann = room.stored("ann").await.id;
        room.store.change_user(ann, UserChange::Email { email, verified }).await.unwrap();
        let body = json!({ "old_password": pair[0], "new_password": pair[1] });
        access = room.post_as(&access, "/password/change/", &body).await.text_of("access");
        let told: Vec<_> = room.letters().await.into_iter().map(|it| (it.kind, it.to)).collect();
        let expected = (LetterKind::PasswordChanged, "ann@example.com".to_owned());
        assert_eq!(told, if verified { vec![expected] } else { vec![] });
    }
}
