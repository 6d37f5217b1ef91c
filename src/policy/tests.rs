//! The table of routes: what falls where, and what is no table.

use http::Method;

use super::*;
use crate::web::CanonicalPath;

mod expectations;
mod inherited;
mod properties;
mod shadows;

pub(crate) fn route(key: &str, allow: &str, to: &str) -> Route {
    Route {
        key: Key::parse(key).unwrap(),
        line: None,
        number: 0,
        to: to.into(),
        upstream: 0,
        allow: Allow::parse_rule(allow).unwrap(),
        shadow: None,
        from: Vec::new(),
        rewrite: None,
        rates: None,
        fresh: None,
        body: None,
        timeout: None,
        credential: CredentialPolicy::Strip,
        underscores: Underscores::Drop,
        response_headers: ResponseHeaders::default(),
        websocket: None,
        idle: Duration::from_secs(300),
        outlive: None,
        tickets: false,
        browser: false,
        cors: None,
    }
}

fn owned() -> Owned {
    Owned { prefixes: vec!["/api/auth".into()], exact: vec!["/.well-known/jwks.json".into()] }
}

pub(super) fn table(routes: &[(&str, &str, &str)]) -> Routes {
    let routes = routes.iter().map(|(key, allow, to)| route(key, allow, to)).collect();
    Routes::new(routes, owned()).unwrap()
}

fn expect(routes: &Routes, lines: &[&str]) {
    for line in lines {
        Expectation::parse(line).unwrap().check(routes).unwrap();
    }
}

fn conflicts(keys: &[&str]) -> Vec<(usize, usize, ConflictKind)> {
    let routes = keys.iter().map(|key| route(key, "user", "x")).collect();
    let conflicts = Routes::new(routes, owned()).err().unwrap_or_default();
    conflicts.into_iter().map(|it| (it.first, it.second, it.kind)).collect()
}

/// The policy that `security_cases` are written for.
fn cases() -> Routes {
    table(&[
        ("/public/*", "anyone", "pub"),
        ("/app/*", "user", "app"),
        ("/admin-area/*", "role:admin", "adm"),
    ])
}

/// The policy of the design.
fn design() -> Routes {
    table(&[
        ("/*", "anyone", "demo"),
        ("/api/*", "user", "api"),
        ("GET /api/public/*", "anyone", "api"),
        ("GET /api/orders/*", "user", "api"),
        ("POST,DELETE /api/orders/*", "role:editor", "edit"),
        ("/api/reports/{id}", "role:admin", "api"),
        ("/admin/*", "role:admin", "adm"),
        ("host.test/admin/*", "role:host", "host"),
    ])
}

#[test]
fn no_trick_with_the_path_opens_a_protected_one() {
    expect(
        &cases(),
        &[
            "anyone GET /public/x -> pub",
            "anyone GET /app/x -> 401",                   // 01 plain
            "anyone GET /./app/x -> 401",                 // 04 leading dot segment
            "anyone GET /public/../app/x -> 401",         // resolved before it is matched
            "anyone GET /public/../../app/x -> 400",      // 07 beyond the root
            "anyone GET /public/.%2e/app/x -> 401",       // 10 half-encoded dots
            "anyone GET /public/%2E%2e/app/x -> 401",     //
            "anyone GET /public/..%2fapp/x -> 400",       //
            "anyone GET /public%2f..%2fapp/x -> 400",     // 13 both slashes encoded
            "anyone GET /public/..;/app/x -> 400",        //
            "anyone GET /public/..;a=b/app/x -> 400",     // 16 dot-dot with parameter
            "anyone GET /app;a=b/x -> 400",               // 19 parameter on the protected segment
            "anyone GET /;/app/x -> 400",                 //
            "anyone GET /\\app/x -> 400",                 // 22 slash-backslash
            "anyone GET /public/..\\app/x -> 400",        //
            "anyone GET /public/..%5capp/x -> 400",       //
            "anyone GET /%5capp/x -> 400",                //
            "anyone GET /app%2fx -> 400",                 // 25 slash inside
            "anyone GET /%2fapp/x -> 400",                //
            "anyone GET //app/x -> 400",                  //
            "anyone GET /public//../app/x -> 400",        // empty segment before dots
            "anyone GET /app%00/x -> 400",                // 28 NUL
            "anyone GET /public/%00/../app/x -> 400",     //
            "anyone GET /app#x -> 400",                   // 31 fragment
            "anyone GET /app%23x -> 400",                 //
            "anyone GET /app%3fx -> 400",                 // 34 question mark
            "anyone GET /public/..%3f/app -> 400",        //
            "anyone GET /api/auth/../../app/x -> 401",    // 37 out of the own prefix
            "anyone GET /api/auth/..%2f..%2fapp -> 400",  //
            "anyone GET /APP/x -> 400",                   //
            "anyone GET /%41pp/x -> 400",                 //
            "anyone GET /%61pp/x -> 401",                 //
            "anyone GET /app./x -> 400",                  //
            "anyone GET /app%20/x -> 400",                //
            "anyone GET /app%09/x -> 400",                //
            "anyone GET /app%0d%0a -> 400",               //
            "anyone GET /é -> 400",                       // 46 raw non-ASCII
            "anyone GET /public/%c0%ae%c0%ae/app -> 400", // 49 overlong dots
            "anyone GET /public/%c0%afapp -> 400",        //
            "anyone GET /public/%252e%252e/app -> 400",   // 52 double encoding
            "anyone GET /public/..%252fapp -> 400",       //
            "anyone GET /%2561pp/x -> 400",               //
            "anyone GET /public/%zz/../app -> 400",       //
            "anyone GET /apple -> 404",                   // 55 boundary
            "anyone GET /app-x -> 404",                   //
            "anyone GET /nothing -> 404",                 // 58 no route
            "user GET /admin-area/x -> 403",              // role
            "user GET /admin-area -> 403",                //
            "user GET /app/..%2fadmin-area/x -> 400",     //
            "user GET /%61dmin-area/x -> 403",            //
            "user GET /public/../admin-area/x -> 403",    //
            "role:admin GET /admin-area/x -> adm",
            "anyone CONNECT /app -> 501",
            "anyone TRACE /app -> 405",
        ],
    );
}

#[test]
fn a_path_whose_readings_agree_goes_on() {
    expect(
        &cases(),
        &[
            "anyone GET /public/a%2Fb -> pub",
            "anyone GET /public/a%5cb%3Fc%23d%25 -> pub",
            "anyone GET /public//A;x=1/B. -> pub",
            "anyone GET /public/My%20File.TXT -> pub",
            "anyone GET /public/https%253A%252F%252Fexample.com%252F -> pub",
            "user GET /app/caf%C3%A9/ -> app",
        ],
    );
}

#[test]
fn capitals_and_escapes_in_a_key_are_looked_through_as_well() {
    let routes = table(&[
        ("/*", "anyone", "demo"),
        ("/Admin/*", "role:admin", "adm"),
        ("/my%20app/*", "user", "my"),
        ("/İş/*", "user", "tr"),
        ("/a%21/*", "user", "bang"),
    ]);
    expect(
        &routes,
        &[
            "anyone GET /Admin/x -> 401",
            "anyone GET /admin/x -> 400",
            "anyone GET /ADMIN;x/x -> 400",
            "anyone GET //admin/x -> 400",
            "anyone GET /a!/x -> 400",
            "user GET /a%21/x -> bang",
            "anyone GET /other/x -> demo",
            "role:admin GET /Admin/X%20x -> adm",
            "anyone GET /my%20app/x -> 401",
            "anyone GET /my%2520app/x -> 400",
            "anyone GET /MY%20App/x -> 400",
            "user GET /my%20app/a%2Fb -> my",
            "user GET /%c4%b0%c5%9f/x -> tr",
            "anyone GET /%c4%b0%c5%9e/x -> 400",
        ],
    );
}

#[test]
fn the_most_specific_key_wins_and_its_methods_are_final() {
    expect(
        &design(),
        &[
            "anyone GET / -> demo",
            "anyone GET /x//y/ -> demo",
            "anyone GET /api/other -> 401",
            "anyone GET /api/public/x -> api",
            "anyone HEAD /api/public/x -> api",
            "anyone POST /api/public/x -> 405",
            "anyone OPTIONS /api/public/x -> 405",
            "anyone GET /api/orders -> 401",
            "user GET /api/orders -> api",
            "user PUT /api/orders/7 -> 405",
            "user POST /api/orders/7 -> 403",
            "role:editor DELETE /api/orders/7 -> edit",
            "user GET /api/reports/7 -> 403",
            "user GET /api/reports/7/ -> 403",
            "user GET /api/reports/7/x -> api",
            "user GET /api/reports -> api",
            "user GET /api/reports/ -> api",
            "user GET /admin -> 403",
            "user GET /admin/ -> 403",
            "anyone GET /administrator -> demo",
            "role:admin GET /admin/x -> adm",
            "role:admin GET host.test/admin/x -> 403",
            "role:host GET HOST.test.:8080/admin/x?y=1 -> host",
            "role:admin GET other.test/admin/x -> adm",
            "anyone GET host.test/x -> demo",
            "anyone GET /x%2F..%2Fadmin -> 400",
        ],
    );
}

#[test]
fn the_allow_header_lists_every_method_of_the_path() {
    let routes = design();
    let path = CanonicalPath::parse("/api/orders/7").unwrap();
    let place = routes.place("", &path, &Method::PUT).unwrap();
    let Place::MethodNotAllowed(allow) = place else { panic!("{place:?}") };
    assert_eq!(allow, "GET, HEAD, POST, DELETE");
}

#[test]
fn what_is_the_gateways_own_is_never_a_routes() {
    let routes = table(&[
        ("/*", "anyone", "demo"),
        ("/api/{any}/x", "anyone", "demo"),
        ("a.test/api/auth/token", "anyone", "demo"),
        ("/.well-known/jwks.json", "anyone", "demo"),
        ("/API/auth/y", "anyone", "demo"),
    ]);
    let own = |host: &str, path: &str| {
        let path = CanonicalPath::parse(path).unwrap();
        matches!(routes.place(host, &path, &Method::GET), Ok(Place::Own))
    };
    for path in
        ["/api/auth", "/api/auth/", "/api/auth/x", "/api/auth/token", "/api/auth/Token%2F;a//b"]
    {
        assert!(own("", path) && own("a.test", path), "{path}");
    }
    assert!(own("", "/.well-known/jwks.json") && own("", "/.well-known/jwks.json/"));
    for path in ["/api/authority", "/api", "/API/auth", "/api//auth", "/.well-known/x"] {
        assert!(!own("", path), "{path}");
    }
    let shadowed: Vec<_> = routes.shadowed().iter().map(|it| (it.first, it.kind)).collect();
    assert_eq!(shadowed, [2, 3, 4].map(|at| (at, ConflictKind::Shadowed)));
    expect(&routes, &["anyone GET /API/auth/x -> 400", "anyone GET /api//auth/x -> 400"]);
}

#[test]
fn keys_without_an_order_are_refused() {
    use ConflictKind::{Alike, Overlap, SameMethods, Shadowed};
    for (keys, expected) in [
        (&["/a/{x}", "/{y}/b"][..], &[(0, 1, Overlap)][..]),
        (&["/{x}/b", "/a/*"], &[(0, 1, Overlap)]),
        (&["a.test/*", "/api/*"], &[(0, 1, Overlap)]),
        (&["/a", "/a/"], &[(0, 1, SameMethods)]),
        (&["/a/{x}", "/a/{y}"], &[(0, 1, SameMethods)]),
        (&["GET /a", "HEAD /a"], &[(0, 1, SameMethods)]),
        (&["GET /a", "/a"], &[(0, 1, SameMethods)]),
        (&["/a/*", "/A/*"], &[(0, 1, Alike)]),
        (&["GET /a", "PUT /A"], &[(0, 1, Alike)]),
        (&["/caf%C3%A9", "/CAF%C3%89"], &[(0, 1, Alike)]),
        (&["/a!", "/a%21"], &[(0, 1, Alike)]),
        (&["/a", "/A", "/api/auth/x"], &[(0, 1, Alike), (2, 2, Shadowed)]),
        (&["/x", "/{y}/b", "/a", "/a/{x}"], &[(1, 3, Overlap)]),
        (&["/*", "/a/*", "/a", "/a/{x}", "/a/b", "GET /a/c", "PUT /a/c"], &[]),
        (&["a.test/a", "b.test/a", "/a", "/*", "a.test/a/*"], &[(2, 4, Overlap)]),
        (&["a.test/A", "/a"], &[]),
    ] {
        assert_eq!(conflicts(keys), expected, "{keys:?}");
    }
}
