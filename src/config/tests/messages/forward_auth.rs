//! `[forward_auth]`.

use super::*;

/// Checks what is said of a table in a file whose first line lets somebody ask.
#[track_caller]
fn says_of(table: &str, message: &str) {
    says(&format!("trust = ['10.0.0.7']\n[forward_auth]\n{table}"), message);
}

#[test]
fn a_path_is_plain_and_free() {
    says_of("", "2:1: [forward_auth] needs `path`, as in path = \"/forward-auth\"");
    for path in ["", "/", "check", "/check/", "/a/../b", "/%63heck", "/a*", "/{x}", "/a?b"] {
        says_of(
            &format!("path = '{path}'"),
            "3:8: `path` must be a plain path such as \"/forward-auth\", with no slash at its end",
        );
    }
    for path in ["/api/auth", "/api/auth/check", "/api"] {
        says_of(
            &format!("path = '{path}'"),
            "3:8: `path` and [auth] prefix (\"/api/auth\") overlap; choose another",
        );
    }
    let route = "[upstreams]\nw = { whoami = true }\n[routes]\n\"GET /Check/x\" = { to = 'w' }";
    says_of(
        &format!("path = '/check'\n{route}"),
        "3:8: `path` hides route `GET /Check/x`; choose another",
    );
}

#[test]
fn somebody_has_to_be_trusted_with_the_answers() {
    says(
        "[forward_auth]\npath = '/check'",
        "2:8: whoever asks here is told who a credential belongs to, so that only peers in `trust` \
         are answered, and there are none; add their addresses, as in trust = [\"10.0.0.7\"]",
    );
    says(
        "trust_headers = 'forwarded'\ntrust = ['10.0.0.7']\n[forward_auth]\npath = '/check'",
        "4:8: the proxies that ask say where a request is from in X-Forwarded-For; leave \
         `trust_headers` out, or their clients could choose",
    );
    says_of(
        "path = '/check'\n[identity]\nX-Token = '@signed'",
        "3:8: \"@signed\" in [identity] is made for the request that is forwarded, which is not ours \
         here; take one of them out",
    );
}
