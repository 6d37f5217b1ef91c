//! The admin site: users who are made by operators, and invitations.

use crate::common::browser::Browser;
use crate::pages_admin::{
    EVIL, SITE, ada, goes_to, page, says, send, signed_in, stage, stage_with,
};

const ADD: &str = "/manage/user/add/";
const INVITATIONS: &str = "/manage/invitations/";

#[tokio::test]
async fn a_user_is_made_and_can_sign_in() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    says(
        &page(&ada.go(gateway, "/manage/").await, 200),
        &["&#x2f;manage&#x2f;user&#x2f;add&#x2f;"],
    );
    page(&ada.go(gateway, ADD).await, 200);
    let password = "another horse battery";
    let form = [
        ("name", " bob "),
        ("email", "bob@example.com"),
        ("roles", "viewer, editor"),
        ("password", password),
    ];
    goes_to(&ada.post(gateway, ADD, &form).await, 303, "/manage/user/?name=bob&done=added");
    let text = page(&ada.go(gateway, "/manage/user/?name=bob&done=added").await, 200);
    says(&text, &["The user is there.", "bob@example.com"]);
    let bob = gateway.accounts.find("bob").await.unwrap().unwrap();
    assert_eq!(bob.roles, ["editor", "viewer"]);
    assert_eq!(Browser::new().sign_in(gateway, "bob", password).await.status, 303);
    // Without a password nobody signs in, with none either.
    ada.post(gateway, ADD, &[("name", "eve")]).await;
    assert!(gateway.accounts.find("eve").await.unwrap().unwrap().password.is_none());

    for (name, email, roles, password, status, said) in [
        ("bob", "", "", "", 409, "bob"),
        ("", "", "", "", 422, "name"),
        (EVIL, "", "", "", 422, "&lt;script&gt;"),
        ("new", EVIL, "", "", 422, "Enter a valid email address."),
        ("new", "", "Big Boss", "", 422, "is no role name"),
        ("new", "", "", "123", 422, "too short"),
    ] {
        let form = [("name", name), ("email", email), ("roles", roles), ("password", password)];
        let text = page(&ada.post(gateway, ADD, &form).await, status);
        says(&text, &["role=\"alert\"", said]);
        assert!(!text.contains("\"123\""), "{text}");
    }
    assert!(gateway.accounts.find("new").await.unwrap().is_none());
    let mut alice = signed_in(&stage, "alice").await;
    page(&alice.post(gateway, ADD, &[("name", "mallory")]).await, 403);
    assert!(gateway.accounts.find("mallory").await.unwrap().is_none());
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_invitation_is_made_used_listed_and_taken_back() {
    let invited = "[auth]\nregister = \"invite\"\n";
    let stage = stage_with(|policy| policy.and(&format!("{invited}{SITE}"))).await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    says(&page(&ada.go(gateway, INVITATIONS).await, 200), &["There are no invitations."]);
    let mut invite = async |uses: &str, days: &str, roles: &str, status| {
        let form =
            [("do", "invite"), ("uses", uses), ("days", days), ("roles", roles), ("email", "")];
        page(&ada.post(gateway, INVITATIONS, &form).await, status)
    };
    let text = invite("2", "7", "viewer", 200).await;
    says(&text, &["It is shown this once", "viewer"]);
    let made =
        text.split("class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    says(&text, &[&format!("<a href=\"&#x2f;auth&#x2f;register&#x2f;?invite={made}\">")]);
    for (uses, days) in
        [("0", "7"), ("1", "0"), ("1", "99999999"), ("x", "7"), ("1", "-1"), ("", "")]
    {
        says(&invite(uses, days, "", 422).await, &["role=\"alert\"", "whole numbers"]);
    }
    says(&invite("1", "1", "Big Boss", 422).await, &["is no role name"]);
    let text = page(&ada.go(gateway, INVITATIONS).await, 200);
    assert!(!text.contains(&made) && text.contains("name=\"id\" value=\"1\""), "{text}");

    let password = "another horse battery";
    let form =
        [("username", "bob"), ("email", "b@x.test"), ("password", password), ("invite", &made)];
    let reply = Browser::new().post(gateway, "/auth/register/", &form).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(gateway.accounts.find("bob").await.unwrap().unwrap().roles, ["viewer"]);
    for (act, id, status) in [("revoke", "7", 404), ("revoke", "x", 400), ("", "1", 400)] {
        page(&ada.post(gateway, INVITATIONS, &[("do", act), ("id", id)]).await, status);
    }
    let reply = send(&mut ada, gateway, INVITATIONS, &[("do", "revoke"), ("id", "1")]).await;
    goes_to(&reply, 303, "/manage/invitations/?done=revoked");
    let form =
        [("username", "eve"), ("email", "e@x.test"), ("password", password), ("invite", &made)];
    assert_eq!(Browser::new().post(gateway, "/auth/register/", &form).await.status, 400);
    stage.finish_untouched().await;
}
