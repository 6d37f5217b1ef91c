//! What is true of any pattern, path and line.

use std::collections::BTreeSet;

use http::Method;
use proptest::prelude::*;

use super::*;
use crate::web::CanonicalPath;

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
