//! What was done lately in one's account, on its page: all of it that is one's own, and no more.

use portcullis::store::UserChange;

use super::pages_admin::{SITE, goes_to, page, says, signed_in, stage, stage_with};
use crate::common::browser::Browser;
use crate::common::{PASSWORD, Stage};

const SECTION: &str = "What was done lately";

/// What is said of each, the newest first.
async fn lately(stage: &Stage, browser: &mut Browser) -> Vec<String> {
    // What is noted without waiting is written before what is waited for.
    let marker = UserChange::SetClaim { name: "marker".to_owned(), value: "x".to_owned() };
    stage.gateway.accounts.change(stage.alice.id, marker).await.unwrap();
    let text = page(&browser.go(&stage.gateway, "/auth/").await, 200);
    says(&text, &[SECTION]);
    let (_, list) = text.split_once("<ul class=\"trail\">").unwrap();
    let (list, _) = list.split_once("</ul>").unwrap();
    let lines = list.split("<li>").skip(1).map(|line| {
        let (_, line) = line.split_once("</time> ").unwrap();
        let line = line.replace("<small>", "").replace("</small>", "").replace("</li>", "");
        line.trim().to_owned()
    });
    lines.collect()
}

#[tokio::test]
async fn one_sees_what_was_done_in_ones_own_account() {
    let stage = stage_with(|policy| policy.top("trust = [\"127.0.0.1\"]").and(SITE)).await;
    let gateway = &stage.gateway;
    let from = |name: &str, address: &str| {
        let fields = format!(
            "User-Agent: {name}/1.0\r\nX-Forwarded-For: {address}\r\nX-Forwarded-Proto: http\r\n"
        );
        Browser { fields, ..Browser::new() }
    };
    stage.user("ada", &["admin"]).await;
    stage.user("bob", &[]).await;
    let [mut ada, mut alice, mut bob, mut thief] = [
        from("<b>Ada's", "192.0.2.1"),
        from("<b>Alice's", "192.0.2.2"),
        from("<b>Bob's", "192.0.2.3"),
        from("<b>Thief's", "192.0.2.4"),
    ];
    for (browser, name) in [(&mut ada, "ada"), (&mut bob, "bob"), (&mut alice, "alice")] {
        goes_to(&browser.sign_in(gateway, name, PASSWORD).await, 303, "/auth/");
    }
    assert_eq!(thief.sign_in(gateway, "alice", "wrong").await.status, 400);
    let act = format!("/manage/user/?name=alice&id={}", stage.alice.id);
    for form in
        [[("do", "role-add"), ("role", "viewer")], [("do", "group-join"), ("group", "nowhere")]]
    {
        ada.post(gateway, &act, &form).await;
    }
    assert_eq!(
        lately(&stage, &mut alice).await,
        [
            "A role was given: viewer by an administrator",
            "A sign-in failed 192.0.2.4",
            "Signed in: &lt;b&gt;Alice&#x27;s&#x2f;1.0 192.0.2.2",
            "The account was made: editor",
        ]
    );
    let form = [("old_password", PASSWORD), ("new_password", "another horse battery")];
    let reply = alice.post(gateway, "/auth/account/password/", &form).await;
    goes_to(&reply, 303, "/auth/?done=password");
    alice.post(gateway, "/auth/account/keys/", &[("name", "backup")]).await;
    let lines = lately(&stage, &mut alice).await;
    let newest = [
        "An API key was made: backup 192.0.2.2",
        "Signed in: &lt;b&gt;Alice&#x27;s&#x2f;1.0 192.0.2.2",
        "The password was changed 192.0.2.2",
    ];
    assert_eq!(lines[..3], newest, "{lines:?}");
    // Nothing of it is anybody else's, whoever did it.
    let signed_in =
        |name: &str, address: &str| format!("Signed in: &lt;b&gt;{name}&#x27;s&#x2f;1.0 {address}");
    let made = "The account was made";
    assert_eq!(lately(&stage, &mut bob).await, [signed_in("Bob", "192.0.2.3"), made.to_owned()]);
    let ada = lately(&stage, &mut ada).await;
    assert_eq!(ada, [signed_in("Ada", "192.0.2.1"), format!("{made}: admin")]);

    alice.fields.push_str("Accept-Language: de\r\n");
    let text = page(&alice.go(gateway, "/auth/").await, 200);
    says(
        &text,
        &["Was zuletzt geschah", "Eine Anmeldung ist gescheitert", "von der Administration"],
    );
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_last_ten_are_shown_and_none_of_another_who_had_the_name() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut alice = signed_in(&stage, "alice").await;
    for number in 0..12 {
        let role = UserChange::AddRole(format!("role-{number}"));
        gateway.accounts.change(stage.alice.id, role).await.unwrap();
    }
    let lines = lately(&stage, &mut alice).await;
    assert_eq!((lines.len(), lines[0].as_str()), (10, "A role was given: role-11"));
    let first = stage.user("bob", &["first"]).await;
    gateway.accounts.delete(first.id).await.unwrap();
    stage.user("bob", &["second"]).await;
    let mut bob = signed_in(&stage, "bob").await;
    let lines = lately(&stage, &mut bob).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1], "The account was made: second");
    stage.finish_untouched().await;
}

#[tokio::test]
async fn without_a_record_there_is_no_such_section() {
    let off = "[audit]\nenabled = false\n[pages]";
    let stage = stage_with(|policy| policy.and(off)).await;
    let mut alice = signed_in(&stage, "alice").await;
    let text = page(&alice.go(&stage.gateway, "/auth/").await, 200);
    assert!(!text.contains(SECTION) && !text.contains("class=\"trail\""), "{text}");
    stage.finish_untouched().await;
}
