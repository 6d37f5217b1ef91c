//! The switches of the mutants: this file stands in a copy of the sources, as the module `mutant`.
//!
//! `MUTANT=N` in the environment makes mutant N what the program does. `MUTANTS_REACHED=FILE` writes the numbers of
//! those that would have made a difference where the program came by, each once: only tests that come by one can
//! tell it from the real thing.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::{Add, Not, Sub};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static CHOSEN: LazyLock<usize> =
    LazyLock::new(|| env::var("MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0));
static REACHED: [AtomicBool; 16_384] = [const { AtomicBool::new(false) }; 16_384];
static RECORD: LazyLock<Option<File>> = LazyLock::new(|| {
    let file = env::var_os("MUTANTS_REACHED")?;
    Some(OpenOptions::new().append(true).create(true).open(file).expect("the record can be opened"))
});

fn reach(mutant: usize) {
    if !REACHED[mutant].load(Ordering::Relaxed) && !REACHED[mutant].swap(true, Ordering::Relaxed) {
        if let Some(mut record) = RECORD.as_ref() {
            // In one piece, as processes that a test starts write it as well.
            record.write_all(format!("{mutant}\n").as_bytes()).expect("the record can be written");
        }
    }
}

pub(crate) fn is(mutant: usize) -> bool {
    reach(mutant);
    *CHOSEN == mutant
}

/// One of two values; a mutant takes the other.
fn choose(mutant: usize, real: bool, other: bool) -> bool {
    if real != other && is(mutant) { other } else { real }
}

/// A condition, or what is always so.
pub(crate) fn always(mutant: usize, real: bool) -> bool {
    choose(mutant, real, true)
}

/// A condition, or what is never so.
pub(crate) fn never(mutant: usize, real: bool) -> bool {
    choose(mutant, real, false)
}

/// A condition, or what is always so, or, by the next number, never.
pub(crate) fn either(mutant: usize, real: bool) -> bool {
    never(mutant + 1, always(mutant, real))
}

/// A condition, or its opposite.
pub(crate) fn opposite(mutant: usize, real: bool) -> bool {
    choose(mutant, real, !real)
}

/// `!value`, or the value as it is.
pub(crate) fn not<T: Not<Output = T>>(mutant: usize, value: T) -> T {
    if is(mutant) { value } else { !value }
}

pub(crate) fn lt<A: PartialOrd<B> + ?Sized, B: ?Sized>(mutant: usize, a: &A, b: &B) -> bool {
    choose(mutant, a < b, a <= b)
}

pub(crate) fn le<A: PartialOrd<B> + ?Sized, B: ?Sized>(mutant: usize, a: &A, b: &B) -> bool {
    choose(mutant, a <= b, a < b)
}

pub(crate) fn gt<A: PartialOrd<B> + ?Sized, B: ?Sized>(mutant: usize, a: &A, b: &B) -> bool {
    choose(mutant, a > b, a >= b)
}

pub(crate) fn ge<A: PartialOrd<B> + ?Sized, B: ?Sized>(mutant: usize, a: &A, b: &B) -> bool {
    choose(mutant, a >= b, a > b)
}

pub(crate) fn add<A, B, C>(mutant: usize, a: A, b: B) -> C
where
    A: Add<B, Output = C> + Sub<B, Output = C>,
{
    if is(mutant) { a - b } else { a + b }
}

pub(crate) fn sub<A, B, C>(mutant: usize, a: A, b: B) -> C
where
    A: Add<B, Output = C> + Sub<B, Output = C>,
{
    if is(mutant) { a + b } else { a - b }
}
