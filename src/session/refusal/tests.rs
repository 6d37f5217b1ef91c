//! What each refusal is answered with.

use serde_json::json;

use super::*;

const HEADER: Presented = Presented::Header { sliding: false };

#[test]
fn a_refused_token_is_told_why_in_every_form() {
    for error in [
        TokenError::Invalid,
        TokenError::Expired,
        TokenError::NoExpiry,
        TokenError::NoId,
        TokenError::NoType,
        TokenError::WrongType,
        TokenError::NoRefreshExpiry,
        TokenError::RefreshExpired,
    ] {
        let message = error.to_string();
        let class = |class: &str, kind: &str| json!({ "token_class": class, "token_type": kind, "message": message });
        let told = |messages: Value| {
            json!({
                "detail": "Given token not valid for any token type",
                "code": "token_not_valid",
                "messages": messages,
            })
        };
        let (access, sliding) = (class("AccessToken", "access"), class("SlidingToken", "sliding"));
        let refused = AuthError::Token(error);
        for (presented, body) in [
            (HEADER, told(json!([access]))),
            (Presented::Header { sliding: true }, told(json!([access, sliding]))),
            (Presented::Body, json!({ "detail": message, "code": "token_not_valid" })),
        ] {
            assert_eq!(refused.body(presented), body.to_string(), "compact, in this order");
            assert_eq!(refused.answer(presented).body, body);
        }
    }
    for error in [TokenError::NoUser, TokenError::UnknownUser] {
        let told = AuthError::Token(error).answer(HEADER).body;
        assert_eq!(told["detail"], error.to_string());
    }
}

#[test]
fn every_refusal_is_json() {
    for error in [
        AuthError::BrokenHeader,
        AuthError::EmptyKey,
        AuthError::SpacedKey,
        AuthError::Several,
        AuthError::UserNotFound,
        AuthError::UserInactive,
        AuthError::PasswordChanged,
        AuthError::Revoked,
        AuthError::Reused,
        AuthError::UnknownKey,
        AuthError::KeyUserInactive,
        AuthError::BadUserKey,
        AuthError::UserKeyExpired,
        AuthError::Keys(KeyError::NoRandomness),
    ] {
        for presented in [HEADER, Presented::Body] {
            let told = error.answer(presented);
            assert_eq!(told.body.to_string(), error.body(presented), "{error}");
            assert!(told.body["detail"].is_string(), "{error}");
            // What may work again in a moment says so.
            assert_eq!(told.retry_after.is_some(), told.status == 503, "{error}");
        }
    }
    assert_eq!(Answer::unavailable().body["code"], "unavailable");
}
