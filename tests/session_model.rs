//! Sessions under any schedule: logins, refresh tokens of every age, several at one instant, whatever ends a
//! session, a policy that changes, a clock that runs, a disk that fails and a machine that loses its power;
//! against a [`model`] that fits on a page.
//!
//! A schedule that fails is made as short as it gets, and kept in `proptest-regressions`.
//! `PROPTEST_CASES=100000 cargo nextest run --test session_model` plays more of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as it must be fails the test"
)]

#[path = "session_model/ask.rs"]
mod ask;
#[expect(dead_code, reason = "the tests of the store do more with it")]
#[path = "store_contract/disk.rs"]
mod disk;
#[path = "session_model/model.rs"]
mod model;
#[path = "session_model/play.rs"]
mod play;
#[path = "session_model/schedule.rs"]
mod schedule;
#[path = "session_model/world.rs"]
mod world;

use std::env;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseError};
use tokio::runtime::{Builder, Runtime};

use play::Play;

/// Each of some thirty steps.
const SCHEDULES: u32 = 200;

/// Threads for what is asked at one instant.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(3).build().unwrap());

fn config() -> ProptestConfig {
    const KEPT: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/session_model.txt");
    let config = ProptestConfig::default();
    let cases = if env::var_os("PROPTEST_CASES").is_some() { config.cases } else { SCHEDULES };
    let failure_persistence = Some(Box::new(FileFailurePersistence::Direct(KEPT)) as Box<_>);
    ProptestConfig { cases, failure_persistence, ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_schedule_goes_as_the_model_says(steps in schedule::schedules()) {
        RUNTIME.block_on(async {
            let mut play = Play::begin().await;
            for step in &steps {
                play.step(step).await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}
