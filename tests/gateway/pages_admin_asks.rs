//! The admin site asks once before it destroys something: it names what goes, and takes a yes from
//! its own page alone.

use std::time::Duration;

use portcullis::rooms::session::NewKey;
use portcullis::store::{GroupChange, User, UserChange};

use crate::common::browser::Browser;
use crate::common::{PASSWORD, Stage};
use crate::pages_admin::{EVIL, SITE, ada, goes_to, page, question, says, stage_with};

const USER: &str = "/manage/user/?name=alice";
const ACT: &str = "/manage/user/?name=alice&id=1";
/// Of a group that is called like a script.
const GROUP: &str = "/manage/group/?name=%3Cscript%3Ealert%281%29%3C%2Fscript%3E";
const INVITATIONS: &str = "/manage/invitations/";
/// What EVIL looks like where it runs nowhere.
const ESCAPED: &str = "<dd>&lt;script&gt;alert(1)&lt;&#x2f;script&gt;</dd>";
const MOMENT: &str = "</dt><dd><time datetime=\"";

/// An act, and the page of its form.
#[derive(Clone, Copy)]
struct Act<'a> {
    target: &'a str,
    form: &'a [(&'a str, &'a str)],
    /// What the question says.
    says: &'a [&'a str],
    /// Where one is when it was done.
    done: &'a str,
}

/// Alice has a key, two sessions and the roles of two groups; and somebody is invited.
async fn stage() -> Stage {
    let invited = "[auth]\nregister = \"invite\"\n";
    let stage = stage_with(|policy| policy.and(&format!("{invited}{SITE}"))).await;
    let accounts = &stage.gateway.accounts;
    for (group, role) in [("staff", "viewer"), (EVIL, "boss")] {
        accounts.create_group(group).await.unwrap().unwrap();
        let role = GroupChange::AddRole(role.to_owned());
        accounts.change_group(group, role).await.unwrap().unwrap();
        let join = UserChange::JoinGroup(group.to_owned());
        accounts.change(stage.alice.id, join).await.unwrap();
    }
    let key = NewKey { name: EVIL.to_owned(), scopes: None, life: None };
    accounts.make_key(&stage.alice, key).await.unwrap();
    for agent in ["Tests/1.0", EVIL] {
        let mut alice = Browser::new();
        alice.fields = format!("User-Agent: {agent}\r\n");
        assert_eq!(alice.sign_in(&stage.gateway, "alice", PASSWORD).await.status, 303);
    }
    stage
}

/// All that the acts may change, with how many keys and sessions of Alice's and invitations there are.
async fn state(stage: &Stage) -> (Option<User>, [usize; 3]) {
    let (accounts, alice) = (&stage.gateway.accounts, stage.alice.id);
    let user = accounts.find("alice").await.unwrap();
    let keys = accounts.keys_of(alice).await.unwrap().len();
    let sessions = accounts.sessions(alice, 9).await.unwrap().len();
    (user, [keys, sessions, accounts.invitations(None, 9).await.unwrap().len()])
}

/// Does it in every way that counts for nothing, and then in the one that counts.
async fn is_asked_once(stage: &Stage, ada: &mut Browser, act: Act<'_>) {
    let Act { target, form, says: said, done } = act;
    let (gateway, before) = (&stage.gateway, state(stage).await);
    let text = page(&ada.post(gateway, target, form).await, 200);
    says(&text, said);
    says(&text, &["Back, and change nothing"]);
    let (action, yes) = question(&text);
    let yes: Vec<_> = yes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(action, target);
    assert!(form.iter().all(|field| yes.contains(field)), "{yes:?}");
    // A look does nothing, whatever is in its query.
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&yes).finish();
    for number in ["", "&id=99"] {
        let sign = if action.contains('?') { '&' } else { '?' };
        page(&ada.go(gateway, &format!("{action}{sign}{query}{number}")).await, 200);
    }
    // Nor does the page of somebody else, or what is no yes.
    for from in ["", "Origin: http://evil.test\r\n", "Sec-Fetch-Site: same-site\r\n"] {
        says(&page(&ada.post_from(gateway, target, from, form).await, 403), &["cross_site"]);
        says(&page(&ada.post_from(gateway, &action, from, &yes).await, 403), &["cross_site"]);
    }
    for no in ["", "0", "true"] {
        let form: Vec<_> = yes.iter().copied().chain([("sure", no)]).collect();
        page(&ada.post(gateway, &action, &form).await, 200);
    }
    assert_eq!(state(stage).await, before, "{text}");
    goes_to(&ada.post(gateway, &action, &yes).await, 303, done);
    assert_ne!(state(stage).await, before, "{done}");
}

#[tokio::test]
async fn what_goes_from_a_user_is_named_and_asked_about_once() {
    let stage = stage().await;
    let accounts = &stage.gateway.accounts;
    let mut ada = ada(&stage).await;
    let newest = accounts.sessions(stage.alice.id, 1).await.unwrap()[0].id.to_string();
    let began = format!("<dt>Signed in{MOMENT}");
    let made = format!("<dt>Created{MOMENT}");
    let alice = "<dd>alice</dd>";
    for (form, said) in [
        (
            &[("do", "role-remove"), ("role", "editor")][..],
            &["Take a role from a user?", alice, "<dd>editor</dd>"][..],
        ),
        (
            &[("do", "group-leave"), ("group", "staff")],
            &["Take a user out of a group?", alice, "<dd>staff</dd>", "<dd>viewer</dd>"],
        ),
        (&[("do", "api-key-revoke"), ("id", "1")], &["Revoke an API key?", alice, ESCAPED, &made]),
        (
            &[("do", "session-end"), ("session", &newest)],
            &["End a session?", alice, ESCAPED, "<dd>127.0.0.1</dd>", &began],
        ),
        (&[("do", "session-end-all")], &["End all sessions of a user?", alice, "<dd>1</dd>"]),
        (&[("do", "deactivate")], &["Shut a user out?", alice, "<dd>0</dd>"]),
    ] {
        let done = format!("{USER}&done={}", form[0].1);
        let act = Act { target: ACT, form, says: said, done: &done };
        is_asked_once(&stage, &mut ada, act).await;
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn what_goes_from_a_group_and_an_invitation_too() {
    let stage = stage().await;
    let mut ada = ada(&stage).await;
    for (form, said) in [
        (
            [("do", "group-role-remove"), ("role", "boss")],
            &["Take a role from a group?", ESCAPED, "<dd>boss</dd>", "<dd>alice</dd>"][..],
        ),
        (
            [("do", "group-leave"), ("user", "alice")],
            &["Take a user out of a group?", ESCAPED, "<dd>alice</dd>", "<dd>none</dd>"],
        ),
    ] {
        let done = format!("{GROUP}&done={}", form[0].1);
        let act = Act { target: GROUP, form: &form, says: said, done: &done };
        is_asked_once(&stage, &mut ada, act).await;
    }
    let invite = [("do", "invite"), ("uses", "3"), ("days", "7"), ("email", "x@example.com")];
    page(&ada.post(&stage.gateway, INVITATIONS, &invite).await, 200);
    let good = format!("<dt>Good until{MOMENT}");
    let act = Act {
        target: INVITATIONS,
        form: &[("do", "revoke"), ("id", "1")],
        says: &[
            "Revoke an invitation?",
            "<dd>1</dd>",
            "<dd>x@example.com</dd>",
            "<dd>3</dd>",
            &good,
        ],
        done: "/manage/invitations/?done=revoked",
    };
    is_asked_once(&stage, &mut ada, act).await;
    stage.finish_untouched().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_asked_about() {
    let stage = stage().await;
    let (gateway, before) = (&stage.gateway, state(&stage).await);
    let mut ada = ada(&stage).await;
    let hers = gateway.accounts.find("ada").await.unwrap().unwrap().id;
    let hers = gateway.accounts.sessions(hers, 1).await.unwrap()[0].id.to_string();
    for (target, act, field, value, status) in [
        (ACT, "session-end", "session", EVIL, 404),
        (ACT, "session-end", "session", hers.as_str(), 404),
        (ACT, "api-key-revoke", "id", "7", 404),
        (ACT, "api-key-revoke", "id", EVIL, 400),
        (ACT, "group-leave", "group", "none", 404),
        ("/manage/user/?name=alice&id=7", "deactivate", "", "", 409),
        ("/manage/user/?name=nobody&id=1", "deactivate", "", "", 404),
        ("/manage/group/?name=none", "group-role-remove", "role", "x", 404),
        (GROUP, "group-leave", "user", "nobody", 404),
        // An act of another page is none of this one.
        (GROUP, "deactivate", "user", "alice", 400),
        (ACT, "revoke", "id", "1", 400),
        (INVITATIONS, "revoke", "id", "9", 404),
        (INVITATIONS, "revoke", "id", "0", 404),
        (INVITATIONS, "revoke", "id", EVIL, 400),
    ] {
        let text = page(&ada.post(gateway, target, &[("do", act), (field, value)]).await, status);
        assert!(!text.contains("name=\"sure\""), "{text}");
    }
    assert_eq!(state(&stage).await, before);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_yes_of_a_login_that_is_too_long_ago_is_none() {
    let stage = stage().await;
    let (gateway, before) = (&stage.gateway, state(&stage).await);
    let mut ada = ada(&stage).await;
    let text = page(&ada.post(gateway, ACT, &[("do", "deactivate")]).await, 200);
    says(&text, &["<dd>2</dd>", "name=\"sure\" value=\"1\""]);
    gateway.clock().advance(Duration::from_secs(901));
    let back = "/auth/sign-in/?next=%2Fmanage%2Fuser%2F%3Fname%3Dalice%26id%3D1&anew=1";
    for form in [&[("do", "deactivate")][..], &[("do", "deactivate"), ("sure", "1")]] {
        goes_to(&ada.post(gateway, ACT, form).await, 302, back);
    }
    assert_eq!(state(&stage).await, before);
    stage.finish_untouched().await;
}
