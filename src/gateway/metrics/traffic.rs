//! Requests, connections, and what upstreams make of requests.

use std::collections::BTreeMap;
use std::fmt;

use super::Sources;
use super::sheet::Sheet;
use crate::metrics::Spread;
use crate::policy::Would;

impl Sources {
    pub(super) fn traffic(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let sums = self.census.sums();
        let rows = || {
            sums.iter().flat_map(|(route, classes)| {
                let labels = |class| [("route", route.as_str()), ("class", class)];
                classes.iter().map(move |(class, sum)| (labels(*class), sum))
            })
        };
        sheet.counter(
            "portcullis_requests",
            "Requests that are over, by route and class of status code",
            rows().map(|(labels, sum)| (labels, sum.durations.count())),
        )?;
        sheet.durations(
            "portcullis_request_duration_seconds",
            "From the head of a request to the last byte of its answer",
            rows().map(|(labels, sum)| (labels, sum.durations)),
        )?;
        sheet.counter(
            "portcullis_request_bytes",
            "Bytes of request bodies, and what clients sent over connections that were taken over",
            rows().map(|(labels, sum)| (labels, sum.received)),
        )?;
        sheet.counter(
            "portcullis_response_bytes",
            "Bytes of response bodies, and what clients were sent over such connections",
            rows().map(|(labels, sum)| (labels, sum.sent)),
        )?;
        let refusals = self.census.refusals();
        sheet.counter(
            "portcullis_refusals",
            "Requests that were refused, by the code that the access log has",
            refusals.iter().map(|(code, count)| ([("code", *code)], *count)),
        )?;
        let plan = self.plans.current();
        let trials = plan.shared.routes.iter().filter_map(|route| {
            let shadow = route.shadow.as_ref()?;
            Some((route.key.to_string(), [shadow.would_refuse(), shadow.would_allow()]))
        });
        let trials: Vec<_> = trials.collect();
        let words = [Would::Refuse.as_str(), Would::Allow.as_str()];
        sheet.counter(
            "portcullis_rule_on_trial_differs",
            "Requests that `would_allow` of their route would have decided otherwise",
            trials.iter().flat_map(|(route, counts)| {
                let labels = |would| [("route", route.as_str()), ("would", would)];
                words.into_iter().zip(counts).map(move |(would, count)| (labels(would), *count))
            }),
        )?;
        self.load(sheet, plan.shared.in_flight)
    }

    fn load(&self, sheet: &mut Sheet<'_>, most: usize) -> fmt::Result {
        let under_way = number(self.census.under_way());
        let help = "Requests that are not over, WebSockets and streams among them";
        sheet.gauge("portcullis_requests_under_way", help, [([], under_way)])?;
        let most = number(most);
        let help = "Most of them at once";
        sheet.gauge("portcullis_requests_under_way_limit", help, [([], most)])?;
        let open = number(self.slots.open());
        sheet.gauge("portcullis_connections", "Connections of clients now", [([], open)])?;
        let most = number(self.slots.most());
        sheet.gauge("portcullis_connections_limit", "Most of them at once", [([], most)])?;
        sheet.counter(
            "portcullis_connections_accepted",
            "Connections of clients in all",
            [([], self.slots.accepted())],
        )
    }

    pub(super) fn upstreams(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let heads = self.heads();
        sheet.durations(
            "portcullis_upstream_response_duration_seconds",
            "From a request's turn at an upstream to the head of the response",
            heads.iter().map(|(name, spread)| ([("upstream", name.as_str())], *spread)),
        )?;
        let states: Vec<_> = self.plans.current().upstreams.states().collect();
        sheet.counter(
            "portcullis_upstream_failures",
            "Requests that got no response head from an upstream, by code",
            states.iter().flat_map(|state| {
                let labels = |code| [("upstream", state.name.as_str()), ("code", code)];
                state.failures.iter().map(move |(code, count)| (labels(*code), *count))
            }),
        )?;
        sheet.gauge(
            "portcullis_upstream_waiting",
            "Requests that wait for a place at an upstream",
            states.iter().map(|state| {
                ([("upstream", state.name.as_str())], number(state.waiting.try_into().unwrap_or(0)))
            }),
        )?;
        let servers = || {
            states.iter().flat_map(|state| {
                let labels = |server| [("upstream", state.name.as_str()), ("server", server)];
                state.servers.iter().map(move |server| (labels(server.address.as_str()), server))
            })
        };
        sheet.gauge(
            "portcullis_upstream_in_flight",
            "Requests that a server has now",
            servers().map(|(labels, server)| (labels, number(server.in_flight))),
        )?;
        sheet.gauge(
            "portcullis_upstream_server_up",
            "1 if a server is chosen for requests, 0 while it or its health checks fail",
            servers().map(|(labels, server)| (labels, f64::from(u8::from(server.is_up)))),
        )
    }

    /// What all workers have measured.
    fn heads(&self) -> BTreeMap<String, Spread> {
        let mut heads = BTreeMap::<String, Spread>::new();
        for front in self.census.fronts() {
            front.each_upstream(|name, spread| {
                let sum = heads.entry(name.to_owned()).or_default();
                *sum = sum.plus(&spread);
            });
        }
        heads
    }
}

/// Counts of things that exist are far from where a float is no longer exact.
pub(super) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
