//! Schedules: steps that make sense whatever came before, so that one may be left out of a failing one.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

/// A step. Numbers stand for whatever there is by then: the number of a user, or of a token that was
/// ever issued, counted from the newest one of all, or of a family of tokens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Ask(Ask),
    /// At one instant, in tasks of their own.
    Together(Vec<Ask>),
    /// With a disk that fails after so many writes; then the machine goes down.
    OnBadDisk(Ask, usize, Down),
    Crash(Down),
    /// A refresh token that we never made.
    Forge(usize),
    /// A policy that says otherwise.
    Reload {
        rotation: bool,
        grace: Duration,
    },
    Wait(Duration),
    Sweep,
}

/// How the machine goes down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Down {
    Killed,
    WithoutPower,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    LogIn(usize),
    Refresh(usize),
    Verify(usize),
    Blacklist(usize),
    LogOutBy(usize),
    EndSession(usize),
    LogOutEverywhere(usize),
    SetPassword(usize),
    ChangePassword(usize),
    Activate(usize, bool),
    Delete(usize),
}

pub(crate) fn schedules() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..60)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => ask().prop_map(Step::Ask),
        6 => vec(at_once(), 2..5).prop_map(Step::Together),
        2 => (ask(), 0..40_usize, down()).prop_map(|(ask, good, down)| Step::OnBadDisk(ask, good, down)),
        1 => down().prop_map(Step::Crash),
        1 => token().prop_map(Step::Forge),
        2 => (prop::bool::weighted(0.8), prop::bool::weighted(0.8)).prop_map(|(rotation, graceful)| {
            Step::Reload { rotation, grace: Duration::from_secs(if graceful { 10 } else { 0 }) }
        }),
        9 => wait().prop_map(Step::Wait),
        1 => Just(Step::Sweep),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let any = 0..8_usize;
    prop_oneof![
        8 => user().prop_map(Ask::LogIn),
        24 => token().prop_map(Ask::Refresh),
        3 => token().prop_map(Ask::Verify),
        1 => token().prop_map(Ask::Blacklist),
        1 => token().prop_map(Ask::LogOutBy),
        1 => any.prop_map(Ask::EndSession),
        1 => user().prop_map(Ask::LogOutEverywhere),
        1 => user().prop_map(Ask::SetPassword),
        1 => user().prop_map(Ask::ChangePassword),
        2 => (user(), prop::bool::weighted(0.7)).prop_map(|(user, active)| Ask::Activate(user, active)),
        // Whoever is deleted does nothing more in this schedule.
        1 => prop::bool::weighted(0.3).prop_map(|is_first| Ask::Delete(usize::from(!is_first))),
    ]
}

/// What may meet a refresh in the middle: changes that are one commit.
fn at_once() -> impl Strategy<Value = Ask> {
    prop_oneof![
        16 => (0..4_usize).prop_map(Ask::Refresh),
        1 => (0..4_usize).prop_map(Ask::EndSession),
        1 => user().prop_map(Ask::LogOutEverywhere),
        1 => user().prop_map(Ask::SetPassword),
        1 => (user(), any::<bool>()).prop_map(|(user, active)| Ask::Activate(user, active)),
    ]
}

/// The newest tokens of all come up most.
fn token() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..3_usize, 2 => 0..40_usize]
}

fn user() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0), 1 => Just(1)]
}

fn down() -> impl Strategy<Value = Down> {
    prop_oneof![Just(Down::Killed), Just(Down::WithoutPower)]
}

fn wait() -> impl Strategy<Value = Duration> {
    let moments = [1, 500, 999, 1_000, 5_000, 9_999, 10_000, 39_000, 60_000, 89_999, 240_000];
    prop::sample::select(moments.map(Duration::from_millis).to_vec())
}
