//! Keys that are fetched, and kept.

use std::net::TcpListener;

use tokio::runtime::{self, Runtime};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn worker() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_fetch_that_went_down_with_its_worker_holds_nobody_up() {
    // Nobody answers there, and nobody refuses.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", silent.local_addr().unwrap());
    let location = Location::Jwks(FetchUrl::parse(&url).unwrap());
    let settings =
        RemoteSettings { timeout: Duration::from_millis(500), ..RemoteSettings::new(location) };
    let keys = RemoteKeys::new("https://id.test", settings, Arc::default());
    let first = worker();
    let begun = first.block_on(async {
        keys.tend(NOW);
        keys.state().flight().is_some()
    });
    assert!(begun);
    let waiting = {
        let keys = Arc::clone(&keys);
        std::thread::spawn(move || worker().block_on(keys.look_for(None, Some("one"), NOW)))
    };
    first.shutdown_background();
    // It began another one, which ended by itself.
    assert!(matches!(waiting.join().unwrap(), Err(KeyError::NotFetched)));
    assert!(keys.state().failing && keys.state().flight().is_none());
}
