//! The admin site: claims of a user, groups to choose from, and forms that were refused.

use portcullis::store::UserChange;

use crate::pages_admin::{EVIL, ada, goes_to, page, question, says, send, stage};

const USER: &str = "/manage/user/?name=alice";
const ACT: &str = "/manage/user/?name=alice&id=1";

#[tokio::test]
async fn claims_are_set_and_taken() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    let claims = async || {
        let claims = gateway.accounts.find("alice").await.unwrap().unwrap().claims;
        claims.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    for (claim, value, kept) in [
        ("tenant", "acme", &["tenant=acme"][..]),
        (" https://a.test/level ", " 7 of 9 ", &["https://a.test/level=7 of 9", "tenant=acme"]),
        ("tenant", EVIL, &["https://a.test/level=7 of 9", &format!("tenant={EVIL}")]),
    ] {
        let form = [("do", "claim-set"), ("claim", claim), ("value", value)];
        let done = format!("{USER}&done=claim-set");
        goes_to(&ada.post(gateway, ACT, &form).await, 303, &done);
        says(&page(&ada.go(gateway, &done).await, 200), &["The claim was set."]);
        assert_eq!(claims().await, kept);
    }
    let text = page(&ada.go(gateway, USER).await, 200);
    says(&text, &["<code>tenant</code> &lt;script&gt;", "7 of 9", "claim=tenant"]);

    let form = [("do", "claim-remove"), ("claim", "tenant")];
    let text = page(&ada.post(gateway, ACT, &form).await, 200);
    says(&text, &["Take a claim from a user?", "<dd>alice</dd>", "<dd>tenant</dd>"]);
    says(&text, &["<dd>&lt;script&gt;alert(1)&lt;&#x2f;script&gt;</dd>"]);
    assert_eq!((question(&text).0.as_str(), claims().await.len()), (ACT, 2), "asked, not done");
    let reply = send(&mut ada, gateway, ACT, &form).await;
    goes_to(&reply, 303, &format!("{USER}&done=claim-remove"));
    let text = page(&ada.go(gateway, &format!("{USER}&done=claim-remove")).await, 200);
    says(&text, &["The claim was taken.", "claim.removed"]);
    assert_eq!(claims().await, ["https://a.test/level=7 of 9"]);
    says(&page(&ada.post(gateway, ACT, &form).await, 404), &["the user has no such claim"]);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_form_that_was_refused_is_there_to_be_mended() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    for number in 0..101 {
        gateway.accounts.create_group(&format!("group{number}")).await.unwrap().unwrap();
    }
    let mut ada = ada(&stage).await;
    let before = gateway.accounts.find("alice").await.unwrap();
    let odd = "x".repeat(1025);
    for (form, status, said, kept) in [
        (
            &[("do", "claim-set"), ("claim", "no claim"), ("value", "acme & co")][..],
            422,
            "is no claim name",
            &["value=\"no claim\"", "value=\"acme &amp; co\""][..],
        ),
        (
            &[("do", "claim-set"), ("claim", "roles"), ("value", "admin")],
            422,
            "is a fact of the account",
            &["value=\"roles\"", "value=\"admin\""],
        ),
        (
            &[("do", "claim-set"), ("claim", "tenant"), ("value", " ")],
            422,
            "a claim needs a value",
            &["value=\"tenant\""],
        ),
        (
            &[("do", "claim-set"), ("claim", "tenant"), ("value", &odd)],
            422,
            "must be at most 1024 bytes",
            &[&odd],
        ),
        (
            &[("do", "claim-set"), ("claim", EVIL), ("value", EVIL)],
            422,
            "is no claim name",
            &["value=\"&lt;script&gt;alert(1)&lt;&#x2f;script&gt;\""],
        ),
        (&[("do", "role-add"), ("role", "Boss")], 422, "is no role name", &["value=\"Boss\""]),
        (&[("do", "group-join"), ("group", "none")], 404, "there is no group", &["value=\"none\""]),
        (
            &[("do", "email"), ("email", "no address"), ("verified", "1")],
            422,
            "Enter a valid email address.",
            &["value=\"no address\"", "value=\"1\" checked"],
        ),
    ] {
        let text = page(&ada.post(gateway, ACT, form).await, status);
        says(&text, &["role=\"alert\"", said]);
        says(&text, kept);
    }
    let form = [("do", "set-password"), ("password", "letmein")];
    let text = page(&ada.post(gateway, ACT, &form).await, 422);
    assert!(!text.contains("letmein"), "a password is typed once more");
    assert_eq!(gateway.accounts.find("alice").await.unwrap(), before);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn of_many_groups_the_name_is_typed() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    let mut add = 0..;
    let mut groups = async |up_to: usize| {
        for number in add.by_ref().take(up_to) {
            gateway.accounts.create_group(&format!("group{number}")).await.unwrap().unwrap();
        }
        page(&ada.go(gateway, USER).await, 200)
    };
    let text = groups(0).await;
    assert!(!text.contains("group-join"), "{text}");
    let text = groups(100).await;
    says(&text, &["<select id=\"group\""]);
    assert_eq!(text.matches("<option>").count(), 100);
    let text = groups(1).await;
    says(&text, &["<input id=\"group\" name=\"group\" type=\"text\""]);
    assert!(!text.contains("<option>"), "{text}");
    let form = [("do", "group-join"), ("group", " group100 ")];
    goes_to(&ada.post(gateway, ACT, &form).await, 303, &format!("{USER}&done=group-join"));
    // One less is left.
    says(&page(&ada.go(gateway, USER).await, 200), &["<select id=\"group\"", "group100"]);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_record_is_read_by_number_whatever_became_of_the_name() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    let role = |role: &str| UserChange::AddRole(role.to_owned());
    gateway.accounts.change(stage.alice.id, role("first")).await.unwrap();
    gateway.accounts.delete(stage.alice.id).await.unwrap();
    let second = stage.user("alice", &[]).await;
    gateway.accounts.change(second.id, role("second")).await.unwrap();
    let mut lines = async |name: &str| {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        page(&ada.go(gateway, &format!("/manage/audit/?name={name}")).await, 200)
    };
    let text = lines("user:1").await;
    says(&text, &["role=first", "user.deleted", ">user:1</a>", "?name=user%3A1\">alice</a>"]);
    assert!(!text.contains("role=second"), "{text}");
    let text = lines(&format!("user:{}", second.id)).await;
    assert!(text.contains("role=second") && !text.contains("role=first"), "{text}");
    says(&lines("alice").await, &["role=first", "role=second"]);
    for name in ["user:9", "user:", "user:01", "user:x", "user"] {
        says(&lines(name).await, &["There are no such lines."]);
    }
    // And what somebody did.
    ada.post(gateway, "/manage/groups/", &[("name", "staff")]).await;
    let text = page(&ada.go(gateway, "/manage/audit/?name=user%3A2").await, 200);
    says(&text, &["command=group add", "?name=user%3A2\">user:2</a>"]);
    stage.finish_untouched().await;
}
