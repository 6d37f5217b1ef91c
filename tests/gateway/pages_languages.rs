//! What pages show of what others say, in the language of whoever reads it.

use super::pages_admin::{ada, page, says, stage};

#[tokio::test]
async fn operators_are_refused_in_their_language() {
    let stage = stage().await;
    let mut ada = ada(&stage).await;
    let user = format!("/manage/user/?name=alice&id={}", stage.alice.id);
    for (language, unknown, white, role, group, gone) in [
        (
            "de",
            "es gibt keinen Benutzer `no 7 body`",
            "das Passwort beginnt oder endet mit Leerraum",
            "`a b` ist kein Name einer Rolle; schreiben Sie bis zu 64 von",
            "es gibt keine Gruppe `x`",
            "hier läuft kein Gateway",
        ),
        (
            "fr",
            "il n’y a pas d’utilisateur `no 7 body`",
            "le mot de passe commence ou finit par un espace",
            "`a b` n’est pas un nom de rôle ; écrivez jusqu’à 64 signes parmi",
            "il n’y a pas de groupe `x`",
            "aucune passerelle ne tourne ici",
        ),
    ] {
        ada.fields = format!("Accept-Language: {language}\r\n");
        let reply = ada.go(&stage.gateway, "/manage/user/?name=no%207%20body").await;
        says(&page(&reply, 404), &[unknown]);
        let form = [("do", "set-password"), ("password", "x ")];
        let reply = ada.post(&stage.gateway, &user, &form).await;
        says(&page(&reply, 422), &[white]);
        let form = [("do", "role-add"), ("role", "a b")];
        says(&page(&ada.post(&stage.gateway, &user, &form).await, 422), &[role]);
        let reply = ada.go(&stage.gateway, "/manage/group/?name=x").await;
        says(&page(&reply, 404), &[group]);
        let reply = ada.go(&stage.gateway, "/manage/explain/?url=/x").await;
        says(&page(&reply, 503), &[gone]);
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_endpoints_are_described_in_the_readers_language() {
    let stage = stage().await;
    let mut ada = ada(&stage).await;
    for (language, texts) in [
        ("en", ["Exchanges a name and a password for tokens.", "Old password"]),
        ("de", ["Tauscht Name und Passwort gegen Tokens.", "Altes Passwort"]),
        ("fr", ["Échange un nom et un mot de passe contre des jetons.", "Ancien mot de passe"]),
    ] {
        ada.fields = format!("Accept-Language: {language}\r\n");
        says(&page(&ada.go(&stage.gateway, "/auth/api/").await, 200), &texts);
    }
    stage.finish_untouched().await;
}
