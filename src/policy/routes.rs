//! The table of routes: what belongs to a path, and whether everybody reads it so.

mod readings;

pub use readings::OtherReading;

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderValue, Method};

use super::conflict::{Conflict, ConflictKind, conflicts, same_place};
use super::key::{Key, Methods};
use super::pattern::Pattern;
use super::trie::Trie;
use super::{Owned, Route};
use crate::web::{CanonicalPath, Form, Scope};

/// All routes, ready for look-up.
#[derive(Debug)]
pub struct Routes {
    table: Vec<Arc<Route>>,
    places: Vec<Shared>,
    /// In the order of [`Form::ALL`].
    forms: [Table; 4],
    /// Which readings of a path can lead elsewhere.
    scope: Scope,
    shadowed: Vec<Conflict>,
}

/// The path means one thing to us and another to a sloppier server: answer 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("path that leads elsewhere when read otherwise")]
pub struct Ambiguous;

/// What is at a path.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The gateway itself.
    Own,
    /// A route.
    Route(&'a Arc<Route>),
    /// A route, but not for this method: 405 with this `Allow`.
    MethodNotAllowed(&'a HeaderValue),
    /// Nothing: 404.
    Nowhere,
}

/// The routes that share host and path; they differ in their methods.
#[derive(Debug)]
struct Shared {
    routes: Vec<Arc<Route>>,
    allow: HeaderValue,
}

/// One table for each [`Form`] that a path may be read in.
#[derive(Debug)]
struct Table {
    own: Trie,
    by_host: HashMap<String, Trie>,
    any_host: Trie,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Spot {
    Own,
    Shared(usize),
    Nowhere,
}

impl Routes {
    /// Checks the routes against one another and makes the table.
    ///
    /// # Errors
    ///
    /// Every [`Conflict`] there is, the warnings too; show them to whoever wrote the routes.
    pub fn new(routes: Vec<Route>, owned: Owned) -> Result<Self, Vec<Conflict>> {
        let own = own_patterns(owned);
        let mut conflicts = conflicts(&routes);
        let failed = !conflicts.is_empty();
        let shadowed = routes.iter().enumerate().filter_map(|(at, route)| {
            let hidden = own.iter().any(|own| own.folded().contains(&route.key.pattern.folded()));
            hidden.then_some(Conflict { first: at, second: at, kind: ConflictKind::Shadowed })
        });
        let shadowed: Vec<_> = shadowed.collect();
        if failed {
            conflicts.extend(shadowed);
            return Err(conflicts);
        }
        let numbered = routes.into_iter().enumerate();
        let routes: Vec<_> =
            numbered.map(|(number, route)| Arc::new(Route { number, ..route })).collect();
        let mut groups: Vec<Vec<Arc<Route>>> = Vec::new();
        for route in &routes {
            let same = |group: &&mut Vec<Arc<Route>>| {
                group.first().is_some_and(|first| same_place(&first.key, &route.key))
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.push(Arc::clone(route)),
                None => groups.push(vec![Arc::clone(route)]),
            }
        }
        let mut patterns = routes.iter().map(|route| &route.key.pattern).chain(&own);
        let plain = patterns.all(Pattern::is_plain);
        let scope = if plain { Scope::Different } else { Scope::All };
        let forms = Form::ALL.map(|form| Table::new(&groups, &own, form));
        let places = groups.into_iter().map(Shared::new).collect();
        Ok(Self { table: routes, places, forms, scope, shadowed })
    }

    /// The same with what was counted in `before`, of limits and of rules on trial, for routes
    /// that have one as they had it there.
    #[must_use]
    pub fn inherit(mut self, before: &Self) -> Self {
        for at in 0..self.table.len() {
            let Some(route) = self.table.get(at).cloned() else { continue };
            let Some(heir) = before.of_key(&route.key).and_then(|old| route.heir(old)) else {
                continue;
            };
            let heir = Arc::new(heir);
            let everywhere = self.places.iter_mut().flat_map(|place| &mut place.routes);
            for slot in self.table.iter_mut().chain(everywhere) {
                if Arc::ptr_eq(slot, &route) {
                    *slot = Arc::clone(&heir);
                }
            }
        }
        self
    }

    /// The route of that key.
    pub fn of_key(&self, key: &Key) -> Option<&Arc<Route>> {
        self.table.iter().find(|route| route.key == *key)
    }

    /// The routes, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.table.iter()
    }

    /// The routes that are never used because all their paths are the gateway's own.
    pub fn shadowed(&self) -> &[Conflict] {
        &self.shadowed
    }

    /// What is at that path of that host (as [`HostName::name`](crate::web::HostName::name) has
    /// it), for that method.
    ///
    /// A path with nothing odd in it is looked up once, without allocation, as long as no key
    /// has capitals or escapes.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`] if a sloppier server would find something else there: answer 400, and
    /// forward nothing.
    pub fn place<'a>(
        &'a self,
        host: &str,
        path: &CanonicalPath<'_>,
        method: &Method,
    ) -> Result<Place<'a>, Ambiguous> {
        let spot = self.spot(Form::Canonical, host, path.as_str().as_bytes());
        if !path.all_readings(self.scope, |read| self.spot(read.form, host, read.bytes) == spot) {
            return Err(Ambiguous);
        }
        Ok(self.at(spot, method))
    }

    fn at(&self, spot: Spot, method: &Method) -> Place<'_> {
        let at = match spot {
            Spot::Own => return Place::Own,
            Spot::Nowhere => return Place::Nowhere,
            Spot::Shared(at) => at,
        };
        let Some(shared) = self.places.get(at) else { return Place::Nowhere };
        let route = shared.routes.iter().find(|route| route.key.methods.include(method));
        route.map_or(Place::MethodNotAllowed(&shared.allow), Place::Route)
    }

    /// The first route of exactly this path, whatever its other readings.
    #[cfg(test)]
    pub(super) fn most_specific(&self, host: &str, path: &str) -> Option<&Route> {
        match self.spot(Form::Canonical, host, path.as_bytes()) {
            Spot::Shared(at) => self.places.get(at)?.routes.first().map(Arc::as_ref),
            Spot::Own | Spot::Nowhere => None,
        }
    }

    fn spot(&self, form: Form, host: &str, path: &[u8]) -> Spot {
        let [canonical, folded, decoded, decoded_folded] = &self.forms;
        let table = match form {
            Form::Canonical => canonical,
            Form::Folded => folded,
            Form::Decoded => decoded,
            Form::DecodedFolded => decoded_folded,
        };
        table.spot(host, path)
    }
}

impl Shared {
    fn new(routes: Vec<Arc<Route>>) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for route in &routes {
            // A route for all methods has no path beside it, and is never answered with 405.
            let Methods::These(methods) = &route.key.methods else { continue };
            for method in methods {
                names.push(method.as_str());
                if *method == Method::GET && !methods.contains(&Method::HEAD) {
                    names.push("HEAD");
                }
            }
        }
        let allow = HeaderValue::from_str(&names.join(", "));
        Self { allow: allow.unwrap_or(HeaderValue::from_static("")), routes }
    }
}

impl Table {
    fn new(groups: &[Vec<Arc<Route>>], own: &[Pattern], form: Form) -> Self {
        let mut table =
            Self { own: Trie::default(), by_host: HashMap::new(), any_host: Trie::default() };
        for pattern in own {
            table.own.insert(pattern, form, 0);
        }
        for (at, group) in groups.iter().enumerate() {
            let Some(Route { key, .. }) = group.first().map(Arc::as_ref) else { continue };
            let trie = match &key.host {
                Some(host) => table.by_host.entry(host.clone()).or_default(),
                None => &mut table.any_host,
            };
            trie.insert(&key.pattern, form, at);
        }
        table
    }

    /// A key with a host is within every key without one that has a path in common with it, so
    /// it comes first.
    fn spot(&self, host: &str, path: &[u8]) -> Spot {
        if self.own.find(path).is_some() {
            return Spot::Own;
        }
        let by_host = if self.by_host.is_empty() { None } else { self.by_host.get(host) };
        by_host
            .and_then(|trie| trie.find(path))
            .or_else(|| self.any_host.find(path))
            .map_or(Spot::Nowhere, Spot::Shared)
    }
}

fn own_patterns(owned: Owned) -> Vec<Pattern> {
    let Owned { prefixes, exact } = owned;
    let mut patterns: Vec<_> = exact.iter().map(|path| Pattern::verbatim(path, false)).collect();
    let prefixes = prefixes.iter().filter(|prefix| !prefix.is_empty());
    patterns.extend(prefixes.map(|prefix| Pattern::verbatim(prefix, true)));
    patterns
}
