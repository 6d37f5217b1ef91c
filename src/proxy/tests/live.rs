//! Somebody whose connection lives.

use super::*;
use crate::clock::ManualClock;
use crate::policy::tests::route;
use crate::policy::{Key, Owned, Routes};
use crate::proxy::watch::Watch;
use crate::session::tests::counting::Counting;
use crate::session::tests::{World, world};
use crate::session::{Accounts, Authenticated, SessionSettings};

/// A caller who was let in by an access token, and whatever may end that.
pub(in crate::proxy) struct Live {
    pub(in crate::proxy) accounts: Accounts,
    pub(in crate::proxy) store: Arc<Counting>,
    pub(in crate::proxy) clock: Arc<ManualClock>,
    pub(in crate::proxy) caller: Arc<Authenticated>,
    vigil: Arc<Vigil>,
    route: Arc<Route>,
}

impl Live {
    pub(in crate::proxy) async fn new() -> Self {
        let world = world(SessionSettings::default());
        let access = world.log_in(&world.user("ada").await).await.access;
        let caller = world.open(&access).await.unwrap();
        let World { sessions, accounts, store, clock, .. } = world;
        let routes = vec![route("/x", "user", "up")];
        let routes = Arc::new(Routes::new(routes, Owned::default()).unwrap());
        let route = Arc::clone(routes.of_key(&Key::parse("/x").unwrap()).unwrap());
        let in_force = InForce { sessions: Arc::new(sessions), routes };
        let in_force = Arc::new(ArcSwap::from_pointee(in_force));
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let vigil = Arc::new(Vigil::new(in_force, time));
        Self { accounts, store, clock, caller, vigil, route }
    }

    pub(in crate::proxy) fn watch(&self) -> Watch {
        self.vigil.over(Some(&self.caller), &self.route, None).unwrap()
    }
}
