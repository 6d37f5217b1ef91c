use std::collections::BTreeSet;

use http::Method;
use proptest::prelude::*;

use super::*;
use crate::web::CanonicalPath;

fn route(key: &str, allow: &str, to: &str) -> Route {
    Route {
        key: Key::parse(key).unwrap(),
        to: to.into(),
        upstream: 0,
        allow: Allow::parse_rule(allow).unwrap(),
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
        cors: None,
    }
}

fn owned() -> Owned {
    Owned { prefix: "/api/auth".into(), exact: vec!["/.well-known/jwks.json".into()] }
}

fn table(routes: &[(&str, &str, &str)]) -> Routes {
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

#[test]
fn a_failed_expectation_says_what_happened() {
    let routes = design();
    for (line, message) in [
        (
            "user   GET  /admin  ->  200",
            "`user GET /admin -> 200`: answered 403, by the route `/admin/*`, which allows \
             role:admin",
        ),
        (
            "user GET /api/x -> demo",
            "`user GET /api/x -> demo`: forwarded to `api`, by the route `/api/*`, which allows user",
        ),
        (
            "user PUT /api/orders/7 -> api",
            "`user PUT /api/orders/7 -> api`: answered 405, for the most specific path takes GET, \
             HEAD, POST, DELETE only",
        ),
        (
            "user GET /a%2F..%2Fb -> demo",
            "`user GET /a%2F..%2Fb -> demo`: answered 400, for: hidden dot segment",
        ),
        (
            "user GET /API -> demo",
            "`user GET /API -> demo`: answered 400, for: path that leads elsewhere when read \
             otherwise",
        ),
        (
            "user GET /api/auth/x -> 404",
            "`user GET /api/auth/x -> 404`: the path is the gateway's own, not a route's",
        ),
    ] {
        let failed = Expectation::parse(line).unwrap().check(&routes).unwrap_err();
        assert_eq!(failed.to_string(), message);
    }
    let nowhere = Expectation::parse("user GET /x -> api").unwrap().check(&cases()).unwrap_err();
    assert_eq!(nowhere.to_string(), "`user GET /x -> api`: answered 404, for no route matches");
}

#[test]
fn an_expectation_speaks_of_one_caller() {
    let routes = table(&[
        ("/tenant", "role:analyst & claim:tenant=acme", "t"),
        ("/mail", "claim:email=a@b.test", "m"),
        ("/alice", "user:alice", "a"),
    ]);
    expect(
        &routes,
        &[
            "role:analyst GET /tenant -> 403",
            "role:analyst & claim:tenant=acme GET /tenant -> t",
            "role:analyst & claim:tenant=acme & claim:tenant=b from 10.1.2.3 GET /tenant -> t",
            "claim:email=a@b.test GET /mail from ::1 -> m",
            "user:alice GET /alice -> a",
            "user:bob GET /alice -> 403",
            "claim:username=alice GET /alice -> a",
        ],
    );
    let from = Expectation::parse("user GET /x from 10.1.2.3 -> 404").unwrap().from();
    assert_eq!(from, Some("10.1.2.3".parse().unwrap()));
}

#[test]
fn a_wrong_expectation_is_told_what_to_write() {
    let shape = "write `WHO METHOD [host]/path -> OUTCOME`, as in `user GET /admin -> 403`";
    for (line, message) in [
        ("", shape),
        ("user GET /x", shape),
        ("GET /x -> 403", shape),
        ("user GET x -> 403", shape),
        ("user GET /x from -> 403", shape),
        ("user get /x -> 403", "`get` is no method; write it in capitals, as in `GET`"),
        ("user GET /x from home -> 403", "`home` is no IP address; write it as in `from 10.1.2.3`"),
        (
            "user GET a,b/x -> 403",
            "`a,b` is no host (invalid host name); write `example.com/path`, or begin with `/`",
        ),
        (
            "user GET /x -> ",
            "`` is no outcome; write a status such as 403, or the name of an upstream",
        ),
        (
            "user GET /x -> 12",
            "`12` is no outcome; write a status such as 403, or the name of an upstream",
        ),
        (
            "admin GET /x -> 403",
            "who asks: `admin` is no rule; write `anyone`, `user`, `role:x`, `user:name` or \
             `claim:name=value`",
        ),
    ] {
        assert_eq!(Expectation::parse(line).unwrap_err().to_string(), message, "{line}");
    }
}

/// Segment lists over a small alphabet, long enough to tell any two patterns below apart: `z`
/// is in none of them.
fn all_paths() -> Vec<Vec<&'static str>> {
    let mut paths = vec![vec![]];
    let mut longest = paths.clone();
    for _ in 0..4 {
        let longer =
            |path: &Vec<_>| ["a", "b", "z", ""].map(|end| [path.as_slice(), &[end]].concat());
        longest = longest.iter().flat_map(longer).collect();
        paths.extend(longest.clone());
    }
    paths
}

/// What DESIGN section 4 says of keys, word by word.
fn model_matches(pattern: &str, path: &[&str]) -> bool {
    let (pattern, open) = match pattern.strip_suffix("/*") {
        Some(rest) => (rest, true),
        None => (pattern.trim_end_matches('/'), false),
    };
    let wanted: Vec<_> = pattern.split('/').skip(1).collect();
    (wanted.len() == path.len() || open && path.len() > wanted.len())
        && wanted
            .iter()
            .zip(path)
            .all(|(wanted, found)| wanted == found || wanted.starts_with('{') && !found.is_empty())
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["/a", "/b", "/{x}"]);
    (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, open)| {
        let end = if open { "/*" } else { "" };
        let text = format!("{}{end}", segments.concat());
        if text.is_empty() { "/".to_owned() } else { text }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Containment and overlap say of the patterns what is true of the paths.
    #[test]
    fn containment_and_overlap_are_exact(first in pattern(), second in pattern()) {
        let set = |text: &str| -> BTreeSet<_> {
            all_paths().into_iter().filter(|path| model_matches(text, path)).collect()
        };
        let (ours, theirs) = (set(&first), set(&second));
        let (a, b) = (Pattern::parse(&first).unwrap(), Pattern::parse(&second).unwrap());
        prop_assert_eq!(a.contains(&b), theirs.is_subset(&ours));
        prop_assert_eq!(b.contains(&a), ours.is_subset(&theirs));
        prop_assert_eq!(a.overlaps(&b), !ours.is_disjoint(&theirs));
        prop_assert_eq!(b.overlaps(&a), a.overlaps(&b));
    }

    /// Of the keys that match, the one found is contained in all the others.
    #[test]
    fn the_most_specific_route_is_found(
        keys in prop::collection::vec((prop::sample::select(vec!["", "h.test"]), pattern()), 1..10),
        trailing: bool,
    ) {
        // As many of the keys as have an order.
        let mut routes: Vec<Route> = Vec::new();
        for (host, pattern) in keys {
            let added = route(&format!("{host}{pattern}"), "user", &format!("{host}{pattern}"));
            if Routes::new([routes.clone(), vec![added.clone()]].concat(), Owned::default()).is_ok() {
                routes.push(added);
            }
        }
        let table = Routes::new(routes.clone(), Owned::default()).unwrap();
        for path in all_paths() {
            let slash = if trailing && path.last() != Some(&"") { "/" } else { "" };
            // Of a list that ends in an empty segment the text must end in two slashes.
            let slash = if path.last() == Some(&"") { "/" } else { slash };
            let text = format!("/{}{slash}", path.join("/"));
            let text = if path.is_empty() { "/".to_owned() } else { text };
            for host in ["h.test", "other"] {
                let hits: Vec<_> = routes.iter().filter(|route| {
                    let key = &route.key;
                    key.host.as_deref().is_none_or(|wanted| wanted == host)
                        && model_matches(&key.pattern.to_string(), &path)
                }).collect();
                let best = hits.iter().find(|hit| hits.iter().all(|it| it.key.contains(&hit.key)));
                prop_assert_eq!(best.is_some(), !hits.is_empty());
                let found = table.most_specific(host, &text).map(|route| route.to.clone());
                prop_assert_eq!(found, best.map(|it| it.to.clone()), "{} {}", host, text);
            }
        }
    }

    /// Nothing that an operator writes makes the reader panic.
    #[test]
    fn any_line_is_read_or_refused(
        line in r"(\PC|anyone|user|role:a|claim:a=b|from|1::1|GET|/a|->|403| |&){0,12}",
    ) {
        if let Ok(expectation) = Expectation::parse(&line) {
            prop_assert_eq!(Expectation::parse(&expectation.to_string()), Ok(expectation.clone()));
            expectation.check(&cases()).ok();
        }
    }

    /// Whatever is let through leads to the same place however it is read.
    #[test]
    fn no_reading_leads_elsewhere(
        path in r"/(public|app|admin-area|%2[fF]|%5[cC]|%2[eE]|%25|%3[bfBF]|%20|[/;.A]|x){1,8}",
    ) {
        let routes = cases();
        let Ok(path) = CanonicalPath::parse(&path) else { return Ok(()) };
        let Ok(place) = routes.place("", &path, &Method::GET) else { return Ok(()) };
        let to = |place: Place<'_>| match place {
            Place::Route(route) => Some(route.to.clone()),
            Place::Own | Place::MethodNotAllowed(_) | Place::Nowhere => None,
        };
        let wanted = to(place);
        let mut text = path.as_str().to_owned();
        // A reader that decodes, merges, cuts and folds, on its own code.
        for _ in 0..4 {
            text = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
        }
        let text = text.split(['?', '#']).next().unwrap_or_default().replace('\\', "/");
        let segments = text.split('/').filter_map(|segment| {
            let name = segment.split(';').next().unwrap_or_default().trim_end_matches(['.', ' ']);
            (!name.is_empty()).then(|| name.to_lowercase())
        });
        let first = segments.into_iter().next().unwrap_or_default();
        let expected = match first.as_str() {
            "public" => Some("pub"),
            "app" => Some("app"),
            "admin-area" => Some("adm"),
            _ => None,
        };
        prop_assert_eq!(wanted.as_deref(), expected, "{}", path);
    }
}

#[test]
fn a_line_that_names_an_address_is_held_to_the_routes_networks() {
    let mut inside = route("/inside/*", "user", "in");
    inside.from = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let routes = Routes::new(vec![inside, route("/*", "anyone", "out")], owned()).unwrap();
    expect(
        &routes,
        &[
            "user GET /inside/x -> in",
            "anyone GET /inside/x -> 401",
            "user from 10.1.2.3 GET /inside/x -> in",
            "user from ::ffff:10.1.2.3 GET /inside/x -> in",
            "user from 2001:db8::1 GET /inside/x -> in",
            "user from 11.1.2.3 GET /inside/x -> 403",
            "anyone from 11.1.2.3 GET /inside/x -> 403",
            "anyone from 11.1.2.3 GET /x -> out",
        ],
    );
    let line = Expectation::parse("user from 11.1.2.3 GET /inside/x -> in").unwrap();
    assert_eq!(
        line.check(&routes).unwrap_err().to_string(),
        "`user from 11.1.2.3 GET /inside/x -> in`: answered 403, by the route `/inside/*`, which \
         takes other addresses"
    );
}
