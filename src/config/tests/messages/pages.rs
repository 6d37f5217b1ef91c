//! `[pages]`.

use super::*;

#[test]
fn a_prefix_is_plain_and_free() {
    for prefix in ["", "/", "auth", "/auth/", "/a/../b", "/a*"] {
        says(
            &format!("[pages]\nprefix = '{prefix}'"),
            "2:10: `prefix` must be a plain path such as \"/auth\", with no slash at its end",
        );
    }
    for prefix in ["/api/auth", "/api/auth/pages", "/api"] {
        says(
            &format!("[pages]\nprefix = '{prefix}'"),
            "2:10: `prefix` and [auth] prefix (\"/api/auth\") overlap; choose another",
        );
    }
    says(
        "trust = ['10.0.0.7']\n[forward_auth]\npath = '/auth/check'\n[pages]",
        "4:1: `prefix` and path (\"/auth/check\") overlap; choose another",
    );
    let route = "[upstreams]\nw = { whoami = true }\n[routes]\n\"GET /Auth/x\" = { to = 'w' }";
    says(&format!("[pages]\n{route}"), "1:1: `prefix` hides route `GET /Auth/x`; choose another");
}

#[test]
fn the_admin_site_has_a_path_of_its_own() {
    let config = accepted(&format!("{ROUTE}[pages.admin]"));
    let site = config.pages.and_then(|pages| pages.site).expect("a site");
    assert_eq!((site.path.as_str(), site.fresh), ("/manage", Duration::from_secs(15 * 60)));
    assert!(accepted(&format!("{ROUTE}[pages]")).pages.is_some_and(|pages| pages.site.is_none()));
    says(
        "[pages.admin]\npath = '/'",
        "2:8: `path` must be a plain path such as \"/manage\", with no slash at its end",
    );
    for (path, hit) in [
        ("/auth/manage", "prefix (\"/auth\")"),
        ("/auth", "prefix (\"/auth\")"),
        ("/api/auth/x", "[auth] prefix (\"/api/auth\")"),
    ] {
        says(
            &format!("[pages.admin]\npath = '{path}'"),
            &format!("2:8: `path` and {hit} overlap; choose another"),
        );
    }
    let route = "[upstreams]\nw = { whoami = true }\n[routes]\n\"/manage/*\" = { to = 'w' }";
    says(&format!("[pages.admin]\n{route}"), "1:1: `path` hides route `/manage/*`; choose another");
    says(
        "[pages.admin]\nfrom = []",
        "2:8: from = [] would let nobody in; list networks such as \"10.0.0.0/8\", or leave the key out",
    );
    says(
        "[pages.admin]\nfresh = '5s'",
        "2:9: `fresh` must be at least \"1m\": whoever signs in needs the time to come back",
    );
    says("[pages.admin]\npaht = '/x'", "2:1: unknown key `paht`; did you mean `path`?");
}

#[test]
fn a_cookie_is_for_one_origin_over_tls_or_for_this_machine() {
    says(
        "public = 'http://app.example.com'\n[pages]",
        "2:1: a session's cookie would go over the network in clear; let `public` begin with https://",
    );
    says(
        "public = 'http://localhost'\nlisten = ['0.0.0.0:80']\n[pages]",
        "3:1: a session's cookie would go over the network in clear; let `public` begin with https://",
    );
    warns(
        "trust = ['127.0.0.1']\npages = {}",
        "2:9: behind a proxy that ends TLS, browsers come from an https:// origin, and nobody could \
         sign in; add public = \"https://app.example.com\" on top of the file",
    );
    warns(
        "public = 'https://a.test'\ntrust = ['127.0.0.1']\nforward_auth.path = '/check'\npages = {}",
        "4:9: the proxies that ask at /check send cookies on to their backends: let them take out \
         `__Host-portcullis`, which holds a session; it opens nothing where they ask",
    );
    for listen in ["0.0.0.0:8080", "unix:/run/p.sock"] {
        says(
            &format!("listen = ['{listen}']\n[pages]"),
            "2:1: the cookie of a session is for one origin, which `public` tells; \
             add public = \"https://app.example.com\" on top of the file",
        );
    }
    for (public, secure) in [
        ("public = 'https://app.example.com'\nlisten = ['0.0.0.0:80']", true),
        ("public = 'http://localhost:8080'", false),
        ("public = 'http://[::1]:8080'", false),
        ("", false),
    ] {
        let config = accepted(&format!("{public}\n{ROUTE}[pages]"));
        let cookie = config.sessions.cookie.expect("a cookie");
        assert_eq!((cookie.is_secure(), config.endpoints.pages), (secure, true), "{public}");
        assert_eq!(config.pages.expect("pages").cookie, cookie);
    }
    says(
        "[auth]\ngrace = '0s'\n[pages]",
        "3:1: browsers send many requests at once, and with grace = \"0s\" two of them with one \
         cookie would end its session; leave `grace` of [auth] out",
    );
}

#[test]
fn a_route_for_browsers_needs_a_page_to_sign_in_on() {
    let route = "[upstreams]\nw = { whoami = true }\n[routes]\n'/x' = { to = 'w', browser = true }";
    says(route, "4:30: there is no page to sign in on; add [pages], or leave `browser` out");
    let config = accepted(&format!("{route}\n[pages]"));
    assert!(config.routes.iter().all(|route| route.browser));
}

#[test]
fn a_look_is_what_browsers_can_show() {
    says("[pages]\naccent = 'blue'", "2:10: `accent` must be a colour such as \"#1d5fa8\"");
    says("[pages]\naccent = '#12345g'", "2:10: `accent` must be a colour such as \"#1d5fa8\"");
    says(
        "[pages]\nlogo = 'logo.gif'",
        "2:8: `logo` must be a file that ends in .svg, .png, .webp or .jpg",
    );
    says(
        "[pages]\nlogo = 'none.svg'",
        "2:8: cannot read /base/none.svg (No such file or directory (os error 2)); mend or rename it",
    );
}

#[test]
fn words_of_an_operator_stand_for_others() {
    let en = |line: &str| format!("[pages.texts.en]\n{line}");
    says(
        &en("'Sign inn' = 'Hello'"),
        "2:1: pages say nothing like `Sign inn`; did you mean `Sign in`?",
    );
    says(
        &en("'Hello there' = 'Hello'"),
        "2:1: pages say nothing like `Hello there`; write it as pages in English have it",
    );
    says(&en("'Sign in' = ' '"), "2:13: it says nothing; replace the template to leave a text out");
    let short = "This password is too short. It must contain at least {n} characters.";
    says(
        &en(&format!("'{short}' = 'too short'")),
        "2:74: `{n}` stands for a number and `{t}` for a name: write each as often as the text has it",
    );
    says("[pages.texts.it]\n'Sign in' = 'Entra'", "1:14: unknown key `it`; remove it");
    accepted(&format!(
        "{ROUTE}{}[pages.texts.de]\n'Sign in' = 'An Bord'",
        en(&format!("'{short}' = '{{n}}!'\n"))
    ));
}

#[test]
fn letters_lead_to_the_pages() {
    let public = "public = 'https://app.example.com'\n";
    let links = accepted(&format!("{public}{ROUTE}[pages]\nprefix = '/me'")).links.unwrap();
    assert_eq!(format!("{:?}", links.reset), r#"Page("/me/reset/?uid={uid}&token={token}")"#);
    let own = "[auth]\nverify_page = '/v?uid={uid}&token={token}'\n";
    let links = accepted(&format!("{public}{ROUTE}[pages]\n{own}")).links.unwrap();
    assert_eq!(format!("{:?}", links.verify), r#"Page("/v?uid={uid}&token={token}")"#);
    assert_eq!(format!("{:?}", links.reset), r#"Page("/auth/reset/?uid={uid}&token={token}")"#);
}
