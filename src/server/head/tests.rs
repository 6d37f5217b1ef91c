mod kinds;
mod properties;

use super::{Bounds, Stop, Violation, Walker};

const BOUNDS: Bounds = Bounds { head: 4096, fields: 20 };

/// All that passes of `parts`, which come one after the other, and the last verdict.
fn walk<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Stop) {
    let mut walker = Walker::new(BOUNDS);
    let (mut passed, mut held, mut stop) = (Vec::new(), Vec::new(), Stop::More);
    for part in parts {
        held.extend_from_slice(part);
        let end = walker.walk(&held);
        passed.extend(held.drain(..end.passed));
        stop = end.stop;
        if matches!(stop, Stop::Head(_) | Stop::Body(_)) {
            break;
        }
    }
    (passed, stop)
}

/// The verdict about bytes that come in one piece.
fn verdict(bytes: impl AsRef<[u8]>) -> (Vec<u8>, Stop) {
    walk([bytes.as_ref()])
}
