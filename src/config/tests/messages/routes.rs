//! What is said of `[routes]` and `expect`.

use super::*;

#[test]
fn routes() {
    says_in(
        "upstreams.api.whoami = true\n[routes]",
        &[
            (
                "'/x' = {}",
                "3:1: route `/x` goes nowhere; add to = \"api\", the name of an upstream",
            ),
            ("'/x'.to = 'apu'", "3:11: there is no upstream `apu`; did you mean `api`?"),
            (
                "'/x'.to = 'chat'",
                "3:11: there is no upstream `chat`; add it to [upstreams], as in chat = { to = \"http://127.0.0.1:8000\" }",
            ),
            (
                "'get /x'.to = 'api'",
                "3:1: route `get /x`: `get` is no method; write it in capitals as in `GET,POST /path`, or leave it out for all",
            ),
            (
                "'/x' = { to = 'api', allow = 'nobody' }",
                "3:30: `allow`: `nobody` is no rule; write `anyone`, `user`, `role:x`, `user:name`, `claim:name=value`, `cert:name` or `mfa`",
            ),
            (
                "'/x' = { to = 'api', allow = ['user', 'role:A'] }",
                "3:39: `allow`: `A` is no role name; write up to 64 of `a-z`, `0-9`, `_`, `.`, `:` and `-`",
            ),
            (
                "'/x' = { to = 'api', allow = ['user', 'anyone'] }",
                "3:30: `allow`: `anyone` stands alone; leave out the rest, or `anyone`",
            ),
            (
                "'/x' = { to = 'api', allow = [] }",
                "3:30: `allow`: empty rule; write \"user\" for every authenticated caller",
            ),
            (
                "'/x' = { to = 'api', credential = 'keep' }",
                "3:35: `credential` must be \"strip\" or \"forward\"",
            ),
            (
                "'/x' = { to = 'api', underscores = 'keep' }",
                "3:36: `underscores` must be \"drop\" or \"forward\"",
            ),
            (
                "'/x'.to = 'api'\n'GET /x'.to = 'api'",
                "4:1: `GET /x` and `/x` (line 3): both are for the same path and a method in common; GET includes HEAD",
            ),
            (
                "'/x/{a}'.to = 'api'\n'/{a}/x'.to = 'api'",
                "4:1: `/{a}/x` and `/x/{a}` (line 3): both match some path and neither is the more specific; make one contain the other",
            ),
        ],
    );
    warns(
        "routes.'/api/auth/x'.to = 'w'",
        "1:8: `/api/auth/x`: every path of it is the gateway's own, whose case does not matter, so it is never used; remove it",
    );
}

#[test]
fn rules_on_trial() {
    says_in(
        "upstreams.api.whoami = true\n[routes]",
        &[
            (
                "'/x' = { to = 'api', would_allow = 'nobody' }",
                "3:36: `would_allow`: `nobody` is no rule; write `anyone`, `user`, `role:x`, `user:name`, `claim:name=value`, `cert:name` or `mfa`",
            ),
            (
                "'/x' = { to = 'api', would_allow = ['user', 'anyone'] }",
                "3:36: `would_allow`: `anyone` stands alone; leave out the rest, or `anyone`",
            ),
            (
                "'/x' = { to = 'api', would_allow = [] }",
                "3:36: `would_allow`: empty rule; write \"user\" for every authenticated caller",
            ),
        ],
    );
    warns(
        "routes.'/x' = { to = 'w', would_allow = ['user'] }",
        "1:41: `would_allow` is what `allow` says; remove it, or try another rule",
    );
    warns(
        "routes.'/x' = { to = 'w', would_allow = 'cert:a' }",
        "1:1: route `/x`: no listener asks for certificates, so nobody meets its `cert:`; set `client_auth` in [tls] or at a listener",
    );
}

#[test]
fn expectations() {
    let head = "[upstreams]\nw.whoami = true\n[routes]\n'/*'.to = 'w'";
    let expect = |line: &str| refused(&format!("expect = ['{line}']\n{head}\n"));
    assert_eq!(
        expect("anyone GET /x -> w"),
        "p.toml:1:11: expected `anyone GET /x -> w`: answered 401, by the route `/*`, which allows user"
    );
    assert_eq!(
        expect("user GET /x -> 403"),
        "p.toml:1:11: expected `user GET /x -> 403`: forwarded to `w`, by the route `/*`, which allows user"
    );
    assert_eq!(
        expect("GET /x -> 403"),
        "p.toml:1:11: `expect`: write `WHO METHOD [host]/path -> OUTCOME`, as in `user GET /admin -> 403`"
    );
}

#[test]
fn where_a_path_goes_and_where_from_is_said_in_full() {
    let table = "upstreams.w.whoami = true\n[routes.\"/api/*\"]\nto = \"w\"";
    says_in(
        table,
        &[
            (
                "strip = \"/app\"",
                "4:9: `strip`: not every path of `/api/*` is below `/app`; strip what all of them \
                 begin with",
            ),
            (
                "prefix = \"/\"",
                "4:10: `prefix`: `/` changes nothing; name a path such as `/api`, or leave it out",
            ),
            ("rate = []", "4:8: rate = [] limits nothing; write one such as \"600/m per user\""),
            (
                "rate = [\"600/m per user\", \"600/m\"]",
                "4:27: `rate` must be a rate by user, ip or route such as \"600/m per user\" or \
                 \"60/m per ip burst 10\"",
            ),
            (
                "from = []",
                "4:8: from = [] would let nobody in; list networks such as \"10.0.0.0/8\", or \
                 leave the key out",
            ),
            (
                "from = [\"10.0.0.0/8\", \"10.1.0.0/8\"]",
                "4:23: `10.1.0.0/8` has bits beyond its prefix; write \"10.0.0.0/8\"",
            ),
            (
                "from = \"::ffff:10.0.0.0/104\"",
                "4:8: IPv4 clients are IPv4 here; write \"10.0.0.0/8\"",
            ),
            (
                "from = \"here\"",
                "4:8: `from` must be a network or an address such as \"10.0.0.0/8\" or \
                 \"192.0.2.7\"",
            ),
        ],
    );
}

#[test]
fn a_response_header_that_is_not_the_routes_is_refused_where_it_stands() {
    let table = "upstreams.w.whoami = true\n[routes.\"/api/*\"]\nto = \"w\"";
    says_in(
        table,
        &[
            (
                "response_headers = { X-A = \"1\", Connection = \"close\" }",
                "4:33: `response_headers`: `connection` is not for a route to set or remove; leave \
                 it out",
            ),
            (
                "cors = { origins = [\"https://App.test\"] }",
                "4:20: `cors`: browsers write `https://App.test` as \"https://app.test\"; write that",
            ),
            (
                "cors = { origins = \"*\", credentials = true }",
                "4:20: `cors`: credentials for every origin let any page act as its visitor; list \
                 the origins",
            ),
            (
                "cors = { credentials = true }",
                "4:8: `cors`: no origin is no rule; list one such as \"https://app.example.com\"",
            ),
            (
                "cors = { origins = \"*\", expose = [\"X A\"] }",
                "4:35: `expose`: `X A` is no header name; write one such as `X-Request-Id`",
            ),
            (
                "cors = { origins = \"*\" }\nresponse_headers = { Access-Control-Max-Age = \"1\" }",
                "4:8: `cors` decides `access-control-max-age`; take it out of `response_headers`",
            ),
            (
                "response_headers = { X-A = \"é\" }",
                "4:28: `response_headers`: the value of `x-a` must be visible ASCII without space \
                 around it",
            ),
            (
                "response_headers = { \"X A\" = \"1\" }",
                "4:22: `response_headers`: `X A` is no header name; write one such as \
                 `X-Frame-Options`",
            ),
        ],
    );
}

#[test]
fn silence_is_of_servers_and_lasts_a_while() {
    let route = |upstream: &str, keys: &str| {
        format!("upstreams.a = {{ {upstream} }}\n[routes]\n\"/x\" = {{ to = \"a\", {keys} }}\n")
    };
    let message = "`idle` is for the silence of servers, and `a` is built in; \
         leave it out, or name an upstream with `to`";
    says(&route("whoami = true", "idle = \"1m\""), &format!("3:27: {message}"));
    let form = r#"`idle` must be a duration above zero such as "30s", "15m" or "1d""#;
    for idle in ["\"0s\"", "\"off\"", "5"] {
        let server = "to = \"http://127.0.0.1:1\"";
        says(&route(server, &format!("idle = {idle}")), &format!("3:27: {form}"));
    }
}

#[test]
fn tickets_are_for_get() {
    let route = |key: &str, keys: &str| {
        format!(
            "upstreams.a = {{ whoami = true }}\n[routes]\n\"{key}\" = {{ to = \"a\", {keys} }}\n"
        )
    };
    let message = "`tickets` are for GET, which this key leaves out; \
                   make it a key for GET, or leave it out";
    says(&route("POST /x", "tickets = true"), &format!("3:35: {message}"));
    let form = r#"`outlive` must be a duration such as "30s", "15m" or "1d""#;
    says(&route("/x", "outlive = 5"), &format!("3:30: {form}"));
}

#[test]
fn a_recent_login() {
    says_in(
        "upstreams.api.whoami = true\n[routes]",
        &[
            (
                "'/x' = { to = 'api', allow = 'anyone', fresh = '15m' }",
                "3:48: `fresh` asks for a login, and allow = \"anyone\" for nobody's; leave one of them out",
            ),
            (
                "'/x' = { to = 'api', fresh = '15m', tickets = true }",
                "3:30: `fresh` is shown by a token alone; leave `tickets` out, or `fresh`",
            ),
            (
                "'/x' = { to = 'api', fresh = '0s' }",
                "3:30: `fresh` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
            ),
        ],
    );
}
