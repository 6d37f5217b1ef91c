//! A folder as upstream: its files to those who may, and never one outside it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::common::{Policy, Reply, Setup, Stage, Upstream};

/// Three routes to the files in `site`: for anyone, for users, and with `strip`.
const ROUTES: &str = r#"
[routes."/*"]
to = "site"
allow = "anyone"
[routes."/members/*"]
to = "site"
[routes."/below/*"]
to = "site"
allow = "anyone"
strip = "/below"
"#;

/// A gateway before a folder, `keys` among those of its upstream.
async fn stage(keys: &str, fill: impl FnOnce(&Path)) -> Stage {
    let upstream = Upstream::start().await;
    let tables = format!("[upstreams.site]\ndir = \"site\"\n{keys}\n{ROUTES}");
    let setup = Setup::new(&Policy::to(&upstream).and(&tables));
    let site = setup.folder().join("site");
    fs::create_dir_all(site.join("members")).unwrap();
    write(&site.join("index.html"), "<h1>home</h1>");
    write(&site.join("members/page.html"), "<h1>members</h1>");
    fill(&site);
    Stage::of(upstream, setup).await
}

/// A file that is older than the test.
fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    // Sun, 06 Nov 1994 08:49:37 GMT
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)).unwrap();
}

async fn head(stage: &Stage, path: &str, fields: &str) -> Reply {
    stage.send(format!("HEAD {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).await
}

fn of(reply: &Reply) -> (u16, String) {
    (reply.status, reply.text())
}

#[tokio::test]
async fn a_file_is_sent_with_all_that_a_client_has_to_know() {
    let large: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    let stage = stage("", |site| {
        write(&site.join("app.js"), "let x = 1;");
        write(&site.join("large.bin"), &large);
        write(&site.join("empty.txt"), "");
        write(&site.join("a b\u{e9}.txt"), "name");
    })
    .await;
    for (path, media, content) in [
        ("/", "text/html; charset=utf-8", &b"<h1>home</h1>"[..]),
        ("/index.html", "text/html; charset=utf-8", b"<h1>home</h1>"),
        ("/app.js?v=2", "text/javascript; charset=utf-8", b"let x = 1;"),
        ("/large.bin", "application/octet-stream", &large),
        ("/empty.txt", "text/plain; charset=utf-8", b""),
        ("/a%20b%c3%a9.txt", "text/plain; charset=utf-8", b"name"),
        ("/below/app.js", "text/javascript; charset=utf-8", b"let x = 1;"),
    ] {
        let reply = stage.get(path, "").await;
        assert_eq!((reply.status, reply.one("content-type")), (200, media), "{path}");
        assert!(reply.complete && reply.body == content, "{path}");
        assert_eq!(reply.one("content-length"), content.len().to_string());
        assert_eq!(reply.one("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(reply.one("accept-ranges"), "bytes");
        assert_eq!(reply.one("x-content-type-options"), "nosniff");
        let told = head(&stage, path, "").await;
        assert!(told.body.is_empty(), "{path}");
        for name in ["content-type", "content-length", "last-modified", "accept-ranges", "etag"] {
            assert_eq!(told.all(name), reply.all(name), "{name} of {path}");
        }
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_folder_answers_by_its_index_and_shows_no_list() {
    let stage = stage("", |site| {
        fs::create_dir_all(site.join("docs/empty")).unwrap();
        write(&site.join("docs/index.html"), "docs");
        fs::create_dir_all(site.join("odd/index.html")).unwrap();
    })
    .await;
    assert_eq!(of(&stage.get("/docs/", "").await), (200, "docs".to_owned()));
    for (path, location) in [
        ("/docs", "./docs/"),
        ("/docs?a=b&c", "./docs/?a=b&c"),
        ("/below/docs?x", "./docs/?x"),
        // The whole of it was stripped: what is relative in the index is relative to the slash.
        ("/below", "./below/"),
    ] {
        let reply = stage.get(path, "").await;
        assert_eq!((reply.status, reply.one("location")), (301, location), "{path}");
    }
    for path in
        ["/docs/empty", "/docs/empty/", "/odd", "/odd/", "/odd/index.html", "/none", "/index.html/"]
    {
        let reply = stage.get(path, "Accept: text/html\r\n").await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (404, json!("no_file")), "{path}");
    }
    stage.finish_untouched().await;
}

const SECRET: &str = "the secret beside";

/// All that could lead somebody out of a folder, or make them wait in it.
fn lay_snares(site: &Path) {
    let above = site.parent().unwrap();
    write(&above.join("secret.txt"), SECRET);
    fs::create_dir(above.join("site-2")).unwrap();
    write(&above.join("site-2/secret.txt"), SECRET);
    write(&site.join(".env"), SECRET);
    fs::create_dir_all(site.join(".git")).unwrap();
    write(&site.join(".git/config"), SECRET);
    symlink(above.join("secret.txt"), site.join("absolute.txt")).unwrap();
    symlink("../secret.txt", site.join("relative.txt")).unwrap();
    symlink("..", site.join("up")).unwrap();
    symlink("/", site.join("slash")).unwrap();
    symlink("/proc/self/cwd", site.join("magic")).unwrap();
    symlink("../site-2", site.join("beside")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(site.join("fifo.txt")).status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(site.join("socket.txt")).unwrap();
}

/// The names and links by which others were led out.
#[tokio::test]
async fn no_file_outside_the_folder_is_ever_sent() {
    let stage = stage("spa = \"index.html\"", lay_snares).await;
    for path in [
        "/../secret.txt",
        "/members/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "/.%2e/secret.txt",
        "/..;/secret.txt",
        "/..%00/secret.txt",
        "/secret.txt%00.html",
        "/....//secret.txt",
        "//etc/passwd",
        "/%2Fetc%2Fpasswd",
        "/index.html/../../secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/%ff",
        "/.env",
        "/%2Eenv",
        "/.git/config",
        "/.git/",
        "/members/../.env",
        "/absolute.txt",
        "/relative.txt",
        "/up/secret.txt",
        "/up/site/index.html",
        "/slash/etc/passwd",
        "/magic/Cargo.toml",
        "/beside/secret.txt",
        "/fifo.txt",
        "/socket.txt",
        "/below/../.env",
        "/below/%2e%2e/secret.txt",
        "/below//etc/passwd",
        "/site-2/secret.txt",
        "/../site-2/secret.txt",
    ] {
        let reply = stage.get(path, "").await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
        assert!(!reply.text().contains(SECRET), "{path}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_file_has_the_route_of_its_path() {
    let stage = stage("", |_| {}).await;
    assert_eq!(stage.get("/members/page.html", "").await.status, 401);
    // Another path to the same file, by another route: that is what `strip` says.
    assert_eq!(stage.get("/below/members/page.html", "").await.status, 200);
    for path in [
        "/%6dembers/page.html",
        "/x/../members/page.html",
        "/MEMBERS/page.html",
        "//members/page.html",
    ] {
        let reply = stage.get(path, "").await;
        assert!(matches!(reply.status, 400 | 401), "{path}: {reply:?}");
    }
    // What a known caller gets is its own.
    let reply = stage.get_as("/members/page.html", &stage.token).await;
    assert_eq!(of(&reply), (200, "<h1>members</h1>".to_owned()));
    assert_eq!((reply.one("cache-control"), reply.one("vary")), ("private", "Authorization"));
    let reply = stage.get("/index.html", "").await;
    assert_eq!((reply.all("cache-control").len(), reply.one("vary")), (0, "Authorization"));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn only_get_and_head_are_for_files() {
    let stage = stage("", |_| {}).await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        for path in ["/index.html", "/none"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
            let reply = stage.send(request).await;
            assert_eq!((reply.status, reply.one("allow")), (405, "GET, HEAD"), "{method} {path}");
        }
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_copy_that_holds_is_not_sent_again() {
    let stage = stage("", |site| write(&site.join("a.txt"), "0123456789")).await;
    let first = stage.get("/a.txt", "").await;
    let tag = first.one("etag").to_owned();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (fields, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        (format!("If-Modified-Since: {date}\r\n"), 304),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"), 200),
        ("If-Match: \"x\"\r\n".to_owned(), 412),
        (format!("If-Match: {tag}\r\n"), 200),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n".to_owned(), 412),
    ] {
        for reply in [stage.get("/a.txt", &fields).await, head(&stage, "/a.txt", &fields).await] {
            assert_eq!((reply.status, reply.one("etag")), (status, tag.as_str()), "{fields}");
            assert_eq!(reply.one("vary"), "Authorization");
            if status != 200 {
                assert!(reply.body.is_empty() && reply.all("content-type").is_empty(), "{reply:?}");
            }
        }
    }
    // Written anew, with the same time and size, it is another.
    let path = stage.gateway.folder().join("site/a.txt");
    fs::remove_file(&path).unwrap();
    write(&path, "9876543210");
    let second = stage.get("/a.txt", &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!(of(&second), (200, "9876543210".to_owned()));
    assert_eq!(second.one("last-modified"), date);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_part_of_a_file_is_sent_alone() {
    let large: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let stage = stage("", |site| write(&site.join("large.bin"), &large)).await;
    let tag = stage.get("/large.bin", "").await.one("etag").to_owned();
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=65530-65545", 65_530, 65_545),
        ("bytes=70000-", 70_000, 199_999),
        ("bytes=-10", 199_990, 199_999),
        ("bytes=199999-300000", 199_999, 199_999),
    ] {
        let reply = stage.get("/large.bin", &format!("Range: {range}\r\n")).await;
        assert_eq!(reply.status, 206, "{range}: {reply:?}");
        assert_eq!(reply.one("content-range"), format!("bytes {first}-{last}/200000"));
        assert!(reply.complete && reply.body == large[first..=last], "{range}");
        assert_eq!(reply.one("etag"), tag);
    }
    let beyond = stage.get("/large.bin", "Range: bytes=200000-\r\n").await;
    assert_eq!((beyond.status, beyond.one("content-range")), (416, "bytes */200000"));
    for fields in [
        "Range: bytes=0-0,5-9\r\n".to_owned(),
        "Range: lines=1-2\r\n".to_owned(),
        "Range: bytes=5-2\r\n".to_owned(),
        "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n".to_owned(),
        format!("Range: bytes=0-0\r\nIf-Range: W/{tag}\r\n"),
    ] {
        let reply = stage.get("/large.bin", &fields).await;
        assert_eq!((reply.status, reply.body.len()), (200, large.len()), "{fields}");
        assert!(reply.all("content-range").is_empty());
    }
    let same = stage.get("/large.bin", &format!("Range: bytes=0-1\r\nIf-Range: {tag}\r\n")).await;
    assert_eq!((same.status, same.body.len()), (206, 2));
    let told = head(&stage, "/large.bin", "Range: bytes=0-1\r\n").await;
    assert_eq!((told.status, told.one("content-length")), (200, "200000"));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_page_that_is_no_file_is_for_the_script_in_the_browser() {
    let stage = stage("spa = \"app.html\"", |site| {
        write(&site.join("app.html"), "app");
        write(&site.join("a.txt"), "file");
    })
    .await;
    let browser = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n";
    for path in ["/orders", "/orders/7", "/orders/", "/below/x?y=z"] {
        let reply = stage.get(path, browser).await;
        assert_eq!(of(&reply), (200, "app".to_owned()), "{path}");
        assert_eq!(reply.one("content-type"), "text/html; charset=utf-8");
        let tag = reply.one("etag").to_owned();
        let again = stage.get(path, &format!("{browser}If-None-Match: {tag}\r\n")).await;
        assert_eq!(again.status, 304, "{path}");
        assert_eq!(head(&stage, path, browser).await.one("content-length"), "3");
    }
    assert_eq!(of(&stage.get("/a.txt", browser).await), (200, "file".to_owned()));
    // A script or a picture that is missing is missing, and so is data.
    for (path, fields) in [
        ("/orders.js", browser),
        ("/orders/logo.png", browser),
        ("/orders", "Accept: application/json\r\n"),
        ("/orders", "Accept: */*\r\n"),
        ("/orders", ""),
        ("/.orders", browser),
        ("/orders%2Fx", browser),
    ] {
        assert_eq!(stage.get(path, fields).await.status, 404, "{path} {fields}");
    }
    // It opens no door either.
    assert_eq!(stage.get("/members/x", browser).await.status, 401);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_compressed_sibling_goes_to_those_who_take_it() {
    let fill = |site: &Path| {
        write(&site.join("app.js"), "plain");
        write(&site.join("app.js.br"), "brotli");
        write(&site.join("app.js.gz"), "gzipped");
        write(&site.join("other.js"), "other");
        symlink("../../etc/passwd", site.join("other.js.gz")).unwrap();
    };
    let on = stage("precompressed = true", fill).await;
    let mut tags = Vec::new();
    for (accepted, content, coding) in [
        ("gzip, deflate, br", "brotli", Some("br")),
        ("gzip", "gzipped", Some("gzip")),
        ("br;q=0, gzip;q=0.5", "gzipped", Some("gzip")),
        ("zstd", "plain", None),
        ("identity", "plain", None),
    ] {
        let reply = on.get("/app.js", &format!("Accept-Encoding: {accepted}\r\n")).await;
        assert_eq!(of(&reply), (200, content.to_owned()), "{accepted}");
        assert_eq!(reply.all("content-encoding"), Vec::from_iter(coding));
        assert_eq!(reply.one("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(reply.one("vary"), "Accept-Encoding, Authorization");
        tags.push(reply.one("etag").to_owned());
    }
    assert!(tags[0] != tags[1] && tags[1] == tags[2] && tags[2] != tags[3], "{tags:?}");
    let other = on.get("/other.js", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(of(&other), (200, "other".to_owned()));
    on.finish_untouched().await;
    let off = stage("", fill).await;
    let reply = off.get("/app.js", "Accept-Encoding: gzip, br\r\n").await;
    assert_eq!((of(&reply), reply.one("vary")), ((200, "plain".to_owned()), "Authorization"));
    off.finish_untouched().await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_its_place_and_no_more() {
    let stage = stage("in_flight = 1\nqueue = 0", |site| {
        write(&site.join("large.bin"), vec![7; 50_000_000]);
    })
    .await;
    let mut slow = stage.connect().await;
    slow.write("GET /large.bin HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(slow.reply_head().await.one("content-length"), "50000000");
    let refused = stage.get("/index.html", "").await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (503, json!("upstream_full")));
    drop(slow);
    while stage.get("/index.html", "").await.status == 503 {}
    assert_eq!(stage.get("/index.html", "").await.status, 200);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_file_that_shrinks_under_its_reader_never_looks_whole() {
    let stage = stage("", |site| write(&site.join("large.bin"), vec![7; 50_000_000])).await;
    let mut client = stage.connect().await;
    client.write("GET /large.bin HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(client.reply_head().await.status, 200);
    let path = stage.gateway.folder().join("site/large.bin");
    fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap();
    assert!(client.rest().await.len() < 50_000_000);
    stage.finish_untouched().await;
}

/// As a deployment does it that keeps its releases beside each other.
#[tokio::test]
async fn a_folder_that_is_a_link_may_be_turned_to_another() {
    let stage = stage("", |site| {
        fs::rename(site, site.with_file_name("release-1")).unwrap();
        fs::create_dir(site.with_file_name("release-2")).unwrap();
        write(&site.with_file_name("release-2").join("index.html"), "two");
        symlink("release-1", site).unwrap();
    })
    .await;
    assert_eq!(stage.get("/", "").await.text(), "<h1>home</h1>");
    let site = stage.gateway.folder().join("site");
    symlink("release-2", site.with_file_name("next")).unwrap();
    fs::rename(site.with_file_name("next"), &site).unwrap();
    assert_eq!(stage.get("/", "").await.text(), "two");
    fs::remove_file(&site).unwrap();
    assert_eq!(stage.get("/", "").await.status, 502);
    stage.finish_untouched().await;
}
