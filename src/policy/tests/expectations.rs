//! What `expect` lines say, and what is said when they do not hold.

use super::*;

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
        ("/cert", "cert:x & cert:y", "c"),
        ("/both", "cert:x & role:r", "b"),
    ]);
    expect(
        &routes,
        &[
            "role:analyst GET /tenant -> 403",
            "role:analyst & claim:tenant=acme GET /tenant -> t",
            "role:analyst & claim:tenant=acme & claim:tenant=b from 10.1.2.3 GET /tenant -> t",
            "claim:email=a@b.test GET /mail from ::1 -> m",
            "user:alice GET /alice -> a",
            "cert:x & cert:y GET /cert -> c",
            "cert:x GET /cert -> 403",
            "user GET /cert -> 403",
            "anyone GET /cert -> 403",
            "cert:x & role:r GET /both -> b",
            "cert:x GET /both -> 401",
            "cert:x GET /alice -> 401",
            "user:bob GET /alice -> 403",
        ],
    );
    let from = Expectation::parse("user GET /x from 10.1.2.3 -> 404").unwrap().from();
    assert_eq!(from, Some("10.1.2.3".parse().unwrap()));
}

#[test]
fn who_asks_has_the_claims_that_the_line_says() {
    let routes = table(&[
        ("/id", "claim:user_id=7", "up"),
        ("/verified", "claim:email_verified=true", "up"),
        ("/not", "claim:email_verified=false", "up"),
        ("/roles", "claim:roles=r & role:r", "up"),
        ("/session", "claim:sid=4-0000000000000005", "up"),
        ("/two", "mfa", "up"),
        ("/app", "claim:amr=otp", "up"),
    ]);
    expect(
        &routes,
        &[
            "claim:user_id=7 GET /id -> up",
            "claim:user_id=8 GET /id -> 403",
            "user GET /id -> 403",
            "claim:email_verified=true GET /verified -> up",
            "claim:email_verified=false GET /verified -> 403",
            "claim:email_verified=false GET /not -> up",
            "claim:roles=r GET /roles -> up",
            "claim:roles=s GET /roles -> 403",
            "claim:sid=4-0000000000000005 GET /session -> up",
            "claim:sid=4-0000000000000006 GET /session -> 403",
            "claim:acr=mfa GET /two -> up",
            "claim:acr=other GET /two -> 401",
            "claim:amr=otp GET /app -> up",
            "claim:amr=hwk GET /app -> 403",
        ],
    );
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
            "who asks: `admin` is no rule; write `anyone`, `user`, `role:x`, `user:name`, \
             `claim:name=value`, `cert:name` or `mfa`",
        ),
    ] {
        assert_eq!(Expectation::parse(line).unwrap_err().to_string(), message, "{line}");
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
