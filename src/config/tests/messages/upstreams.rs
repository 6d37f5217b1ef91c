//! What is said of `[upstreams]`.

use super::*;

#[test]
fn weights_and_retries_of_upstreams() {
    says_in(
        "[upstreams]",
        &[
            (
                "a = { to = ['http://a', 'http://b'], weights = [1] }",
                "2:48: `weights` has 1 and `to` has 2; write one weight for each server",
            ),
            (
                "a = { to = 'http://a', weights = [1, 1] }",
                "2:34: `weights` has 2 and `to` has 1; write one weight for each server",
            ),
            (
                "a = { to = 'http://a', weights = [0] }",
                "2:35: `weights` must be a whole number from 1 to 1000000",
            ),
            (
                "a = { to = 'http://a', retries = 2 }",
                "2:34: `retries` must be 0 or 1; nothing is sent three times",
            ),
            (
                "a = { weights = [1], whoami = true }",
                "2:17: `weights` goes with the servers of `to`; remove it",
            ),
        ],
    );
}

#[test]
fn health_of_upstreams() {
    says_in(
        "[upstreams]",
        &[
            (
                "a = { to = 'http://a', health = 'healthz' }",
                "2:33: `health` asks for a path; write it as \"/healthz\"",
            ),
            (
                "a = { to = 'http://a', health = '/a b' }",
                "2:33: `health` asks for a path; write it as \"/healthz\"",
            ),
            (
                "a = { to = 'http://a', health = { path = 'http://a/' } }",
                "2:42: `health` asks for a path; write it as \"/healthz\"",
            ),
            (
                "a = { to = 'http://a', health = { interval = '1s' } }",
                "2:33: `health` has no path; add path = \"/healthz\"",
            ),
            (
                "a = { to = 'http://a', health = { path = 7 } }",
                "2:42: `path` must be a text in quotes",
            ),
            (
                "a = { to = 'http://a', health = true }",
                "2:33: `health` must be a table, as config.example.toml shows",
            ),
            (
                "a = { to = 'http://a', health = { path = '/', status = [200, 101] } }",
                "2:62: `status` has final status codes, such as 200 or 204",
            ),
            (
                "a = { to = 'http://a', health = { path = '/', unhealthy = 0 } }",
                "2:59: `unhealthy` must be a whole number from 1 to 1000000",
            ),
            (
                "a = { whoami = true, health = '/' }",
                "2:31: `health` goes with the servers of `to`; remove it",
            ),
            (
                "a = { to = 'http://a', queue_wait = '0s' }",
                "2:37: `queue_wait` must be a duration above zero such as \"30s\", \"15m\" or \"1d\"",
            ),
        ],
    );
}

#[test]
fn upstreams() {
    says_in(
        "[upstreams]",
        &[
            (
                "a = {}",
                "2:1: upstream `a` has no address; add to = \"http://127.0.0.1:8000\", or whoami = true",
            ),
            (
                "a.whoami = false",
                "2:1: upstream `a` has no address; add to = \"http://127.0.0.1:8000\", or whoami = true",
            ),
            ("a = { to = [] }", "2:12: `to` is empty; write \"http://host:port\""),
            (
                "a.to = 'https://a/x'",
                "2:8: an upstream has no path; end `to` after the host and port",
            ),
            (
                "a.to = ['http://a', 'http://a/x']",
                "2:21: an upstream has no path; end `to` after the host and port",
            ),
            (
                "a.to = 'a:80'",
                "2:8: `to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"",
            ),
            (
                "a.to = 'unix:'",
                "2:8: `to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"",
            ),
            (
                "a.to = 'http://a:0'",
                "2:8: `to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"",
            ),
            (
                "a.to = 'http://u@a'",
                "2:8: `to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"",
            ),
            (
                "a = { to = 'http://a', whoami = true }",
                "2:12: `to` and `whoami = true` exclude each other; keep one of them",
            ),
            (
                "401.whoami = true",
                "2:1: the name of an upstream must begin with a letter and go on with letters, digits, `_` and `-`",
            ),
            ("a = 'http://a'", "2:5: `a` must be a table, as config.example.toml shows"),
            (
                "a = { to = 'http://a', in_flight = 0 }",
                "2:36: `in_flight` must be a whole number from 1 to 1000000",
            ),
            (
                "a = { to = 'http://a', websocket = true }",
                "2:24: unknown key `websocket`; remove it",
            ),
        ],
    );
}

#[test]
fn tls_and_http2_of_upstreams() {
    says_in(
        "[upstreams]",
        &[
            (
                "a = { to = 'http://a', tls = { name = 'b' } }",
                "2:30: `tls` is for servers at https://; write them so in `to`, or leave it out",
            ),
            (
                "a = { to = ['https://a', 'http://b'] }",
                "2:12: `to` mixes https with others, and some requests would go in clear; \
                 write https for all, or make two upstreams",
            ),
            (
                "a = { whoami = true, h2 = true }",
                "2:27: `h2` goes with the servers of `to`; remove it",
            ),
            (
                "a = { to = 'https://a', tls = { cert = 'c' } }",
                "2:40: `cert` is of no use without its `key`; add key = \"...\"",
            ),
            (
                "a = { to = 'https://a', tls = { key = 'k' } }",
                "2:39: `key` is of no use without its `cert`; add cert = \"...\"",
            ),
            (
                "a = { to = 'https://a', tls = { name = 'a b' } }",
                "2:40: `name` must be a host name such as \"api.internal\", or an IP address",
            ),
        ],
    );
}
