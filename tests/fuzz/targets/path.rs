//! A path is what every server behind the gateway takes it for.

use std::path::Path;
use std::sync::LazyLock;

use http::Method;
use portcullis::Config;
use portcullis::rooms::policy::{Place, Routes};
use portcullis::rooms::web::CanonicalPath;

const POLICY: &str = r#"
[upstreams]
inner = { whoami = true }
[routes]
"/*" = { to = "inner", allow = "anyone" }
"/admin/*" = { to = "inner", allow = "role:admin" }
"/api/{id}/secret" = { to = "inner", allow = "role:admin" }
"POST /app" = { to = "inner" }
"#;

static ROUTES: LazyLock<Config> =
    LazyLock::new(|| Config::parse("policy", POLICY, Path::new("/")).expect("a policy").config);

/// Which rule stands at a path, as text; `None` where the request is refused.
fn rule(routes: &Routes, path: &str) -> Option<String> {
    let path = CanonicalPath::parse(path).ok()?;
    match routes.place("", &path, &Method::GET).ok()? {
        Place::Route(route) => Some(format!("{} {:?}", route.key, route.allow)),
        Place::Own => Some("own".to_owned()),
        Place::MethodNotAllowed(allow) => Some(format!("{allow:?}")),
        Place::Nowhere => Some("nowhere".to_owned()),
    }
}

/// How a careless server may read a path: how often it decodes it, and what else it does.
#[derive(Clone, Copy)]
struct Careless {
    decodes: u8,
    does: u8,
}

impl Careless {
    const BACKSLASH: u8 = 1;
    const MERGES: u8 = 2;
    const PARAMETERS: u8 = 4;
    const FOLDS: u8 = 8;
    const TRIMS: u8 = 16;

    fn all() -> impl Iterator<Item = Self> {
        (0..3).flat_map(|decodes| (0..32).map(move |does| Self { decodes, does }))
    }

    const fn does(self, what: u8) -> bool {
        self.does & what != 0
    }

    /// The path that such a server looks up, dot segments resolved last of all.
    fn read(self, path: &str) -> String {
        let mut bytes = path.as_bytes().to_vec();
        for _ in 0..self.decodes {
            bytes = percent_encoding::percent_decode(&bytes).collect();
        }
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if self.does(Self::BACKSLASH) {
            text = text.replace('\\', "/");
        }
        if self.does(Self::FOLDS) {
            text = text.to_ascii_lowercase();
        }
        let mut segments: Vec<&str> = Vec::new();
        for mut segment in text.split('/').skip(1) {
            if self.does(Self::PARAMETERS) {
                segment = segment.split(';').next().unwrap_or_default();
            }
            if self.does(Self::TRIMS) && !matches!(segment, "." | "..") {
                segment = segment.trim_end_matches(['.', ' ']);
            }
            match segment {
                "." => {}
                ".." => drop(segments.pop()),
                "" if self.does(Self::MERGES) => {}
                _ => segments.push(segment),
            }
        }
        format!("/{}", segments.join("/"))
    }
}

/// Whether an administrator's rule stands at that plain path.
fn is_guarded(path: &str) -> bool {
    let segments: Vec<_> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["admin", ..] => true,
        ["api", id, "secret"] | ["api", id, "secret", ""] => !id.is_empty(),
        _ => false,
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Ok(raw) = std::str::from_utf8(bytes) else { return };
    let routes = &ROUTES.routes;
    let Ok(path) = CanonicalPath::parse(raw) else { return };
    let text = path.as_str();
    let again = CanonicalPath::parse(text).expect("what is forwarded is read again");
    assert_eq!(again.as_str(), text, "canonical is canonical");
    assert!(text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert!(!text.contains(['?', '#', '\\']), "{text}");
    let Some(found) = rule(routes, raw) else { return };
    assert_eq!(rule(routes, text).as_ref(), Some(&found), "{raw:?} is forwarded as {text:?}");
    let guarded = found.contains("Role");
    for careless in Careless::all() {
        let read = careless.read(text);
        assert_eq!(
            is_guarded(&read),
            guarded,
            "{raw:?} is forwarded as {text:?} under {found}, and read as {read:?}"
        );
    }
}
