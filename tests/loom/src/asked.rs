//! What is asked of each.

mod gates;
mod limits;
mod revisions;
mod standings;

/// Runs it in every order.
fn always(check: impl Fn() + Send + Sync + 'static) {
    loom::model(check);
}

/// Runs it in every order in which threads are interrupted no more often than so: three threads have more
/// orders than anybody can wait for, and faults seldom need more.
fn with_interruptions(most: usize, check: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(most);
    model.check(check);
}
