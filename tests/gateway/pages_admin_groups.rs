//! The admin site: groups, what they give, and who is in them.

use portcullis::store::{GroupChange, UserChange};

use crate::pages_admin::{EVIL, ada, goes_to, page, says, send, signed_in, stage};

const GROUPS: &str = "/manage/groups/";
const STAFF: &str = "/manage/group/?name=staff";
const DELETE: &str = "/manage/group/delete/?name=staff";

#[tokio::test]
async fn a_group_is_made_filled_emptied_and_deleted() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    says(&page(&ada.go(gateway, GROUPS).await, 200), &["There are no groups."]);
    let reply = ada.post(gateway, GROUPS, &[("name", " staff ")]).await;
    goes_to(&reply, 303, "/manage/group/?name=staff&done=added");
    let mut act = async |act: &str, field: &str, value: &str| {
        let reply = send(&mut ada, gateway, STAFF, &[("do", act), (field, value)]).await;
        goes_to(&reply, 303, &format!("{STAFF}&done={act}"));
        page(&ada.go(gateway, &format!("{STAFF}&done={act}")).await, 200)
    };
    says(&act("group-role-add", "role", "viewer").await, &["The role was given.", "viewer"]);
    says(&act("group-join", "user", "alice").await, &["The user is in the group.", "?name=alice"]);
    let held = async || gateway.accounts.find("alice").await.unwrap().unwrap().roles;
    assert_eq!(held().await, ["editor", "viewer"]);
    act("group-leave", "user", "alice").await;
    assert_eq!(held().await, ["editor"]);
    act("group-join", "user", "alice").await;
    act("group-role-remove", "role", "viewer").await;
    assert_eq!(held().await, ["editor"]);
    act("group-role-add", "role", "viewer").await;
    says(&page(&ada.go(gateway, GROUPS).await, 200), &["?name=staff", "viewer"]);

    let text = page(&ada.go(gateway, DELETE).await, 200);
    says(&text, &["Delete a group?", "<dd>staff</dd>", "<dd>viewer</dd>", "<dd>alice</dd>"]);
    assert_eq!(held().await, ["editor", "viewer"], "nothing has happened yet");
    goes_to(&ada.post(gateway, DELETE, &[]).await, 303, "/manage/groups/?done=deleted");
    says(
        &page(&ada.go(gateway, "/manage/groups/?done=deleted").await, 200),
        &["The group is gone."],
    );
    assert_eq!(held().await, ["editor"]);
    for target in [STAFF, DELETE] {
        says(&page(&ada.go(gateway, target).await, 404), &["there is no group"]);
        page(&ada.post(gateway, target, &[("do", "group-role-add"), ("role", "x")]).await, 404);
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_and_whatever_is_typed_runs_nowhere() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    gateway.accounts.create_group("staff").await.unwrap().unwrap();
    gateway.accounts.create_group(EVIL).await.unwrap().unwrap();
    let mut ada = ada(&stage).await;
    says(&page(&ada.go(gateway, GROUPS).await, 200), &["&lt;script&gt;"]);
    page(&ada.go(gateway, "/manage/group/?name=%3Cscript%3E").await, 404);
    for (name, status, said) in
        [("staff", 409, "there is a group"), ("", 422, "group"), ("a\u{1}b", 422, "group")]
    {
        let text = page(&ada.post(gateway, GROUPS, &[("name", name)]).await, status);
        says(&text, &["role=\"alert\"", said]);
    }
    for (act, field, value, status, said) in [
        ("", "", "", 400, "there is no such act"),
        ("delete", "user", "alice", 400, "there is no such act"),
        ("group-delete", "", "", 400, "there is no such act"),
        ("group-role-add", "role", EVIL, 422, "is no role name"),
        ("group-join", "user", "nobody", 404, "there is no user"),
    ] {
        let reply = ada.post(gateway, STAFF, &[("do", act), (field, value)]).await;
        says(&page(&reply, status), &["role=\"alert\"", said]);
    }
    // Neither for who is no admin, nor from pages of others.
    let mut alice = signed_in(&stage, "alice").await;
    let form = [("do", "group-join"), ("user", "alice")];
    for target in [GROUPS, STAFF, DELETE] {
        page(&alice.go(gateway, target).await, 403);
        page(&alice.post(gateway, target, &form).await, 403);
        let evil = "Origin: http://evil.test\r\n";
        says(&page(&ada.post_from(gateway, target, evil, &form).await, 403), &["cross_site"]);
    }
    let group = gateway.accounts.group("staff").await.unwrap().unwrap();
    assert!(group.roles.is_empty(), "{group:?}");
    stage.finish_untouched().await;
}

#[tokio::test]
async fn nobody_shuts_themselves_out_by_a_group() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    gateway.accounts.create_group("staff").await.unwrap().unwrap();
    let role = GroupChange::AddRole("admin".to_owned());
    gateway.accounts.change_group("staff", role).await.unwrap().unwrap();
    let carol = stage.user("carol", &[]).await;
    let join = UserChange::JoinGroup("staff".to_owned());
    gateway.accounts.change(carol.id, join).await.unwrap();
    let mut carol = signed_in(&stage, "carol").await;
    for form in [
        &[("do", "group-role-remove"), ("role", "admin")][..],
        &[("do", "group-leave"), ("user", "\u{ff43}arol")],
    ] {
        says(&page(&carol.post(gateway, STAFF, form).await, 409), &["shut you out"]);
    }
    says(&page(&carol.post(gateway, DELETE, &[]).await, 409), &["shut you out"]);
    // Who has the role otherwise, too, is not shut out.
    let mut ada = ada(&stage).await;
    goes_to(&ada.post(gateway, DELETE, &[]).await, 303, "/manage/groups/?done=deleted");
    page(&carol.go(gateway, GROUPS).await, 403);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn many_groups_and_members_are_several_pages() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    gateway.accounts.create_group("staff").await.unwrap().unwrap();
    for number in 0..120 {
        let user = stage.user(&format!("member{number:03}"), &[]).await;
        let change = UserChange::JoinGroup("staff".to_owned());
        gateway.accounts.change(user.id, change).await.unwrap().unwrap();
    }
    for number in 0..120 {
        gateway.accounts.create_group(&format!("other{number}")).await.unwrap().unwrap();
    }
    let mut ada = ada(&stage).await;
    let count = |text: &str| text.matches("<a href=\"&#x2f;manage&#x2f;group&#x2f;").count();
    let first = page(&ada.go(gateway, GROUPS).await, 200);
    says(&first, &["&#x2f;manage&#x2f;groups&#x2f;?from=100\">"]);
    let second = page(&ada.go(gateway, "/manage/groups/?from=100").await, 200);
    assert_eq!((count(&first), count(&second)), (100, 21));
    let (mut target, mut seen) = (STAFF.to_owned(), Vec::new());
    loop {
        let text = page(&ada.go(gateway, &target).await, 200);
        let found = text.split("\">member").skip(1).filter_map(|rest| rest.get(..3));
        seen.push(found.map(str::to_owned).collect::<Vec<_>>());
        let Some((_, next)) = text.split_once("&amp;from=") else { break };
        target = format!("{STAFF}&from={}", next.split('"').next().unwrap());
    }
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
    let all: Vec<_> = (0..120).map(|number| format!("{number:03}")).collect();
    assert_eq!(seen.concat(), all);
    stage.finish_untouched().await;
}
