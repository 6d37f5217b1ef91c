//! Random numbers for ids: of the machine, fetched for many at once.

use std::cell::RefCell;

/// How many numbers are fetched at once.
const AT_ONCE: usize = 64;

thread_local! {
    static READY: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// A random number; `None` where the machine has no randomness to give, or the thread is about to
/// end.
pub(super) fn random() -> Option<u64> {
    READY.try_with(|ready| next(&mut ready.borrow_mut())).ok().flatten()
}

fn next(ready: &mut Vec<u64>) -> Option<u64> {
    if ready.is_empty() {
        let mut bytes = [0; AT_ONCE * size_of::<u64>()];
        getrandom::fill(&mut bytes).ok()?;
        let (numbers, _) = bytes.as_chunks();
        ready.extend(numbers.iter().map(|number| u64::from_ne_bytes(*number)));
    }
    ready.pop()
}
