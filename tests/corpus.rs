//! The targets of `tests/fuzz` over what the fuzzer has found worth keeping, and over so many inputs
//! more that are made of it: the same ones each time.
#![cfg(feature = "fuzz")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "targets are tests: they panic where something does not hold"
)]

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// The inputs that are kept for a target, one a line as a string of Rust without its quotes.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let text = fs::read_to_string(folder.join(format!("{target}.txt"))).expect("a kept corpus");
    let inputs: Vec<_> = text.lines().map(unescaped).collect();
    assert!(inputs.len() > 3, "no corpus for {target}");
    inputs
}

fn unescaped(line: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), line.as_bytes());
    loop {
        rest = match rest {
            [] => return bytes,
            [b'\\', b'x', high, low, rest @ ..] => {
                let digits = std::str::from_utf8(&[*high, *low]).map(str::to_owned);
                let digits = digits.expect("two digits");
                bytes.push(u8::from_str_radix(&digits, 16).expect("two hex digits"));
                rest
            }
            [b'\\', sign, rest @ ..] => {
                bytes.push(match sign {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

/// Numbers that look random and are the same in each run (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }
}

/// Another input, made of those that there are.
fn mutated(inputs: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = inputs[dice.below(inputs.len())].clone();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(4)).min(bytes.len());
        let other = &inputs[dice.below(inputs.len())];
        let from = dice.below(other.len() + 1);
        let to = (from + 1 + dice.below(12)).min(other.len());
        let byte = [u8::try_from(dice.below(256)).unwrap_or_default()];
        let put = if dice.below(2) == 0 { &byte[..] } else { &other[from..to] };
        bytes.splice(at..end, put.iter().copied());
    }
    bytes
}

/// Runs a target over what is kept and `more` inputs made of it.
fn replay(name: &str, more: usize) {
    let (_, run) = targets::ALL.iter().find(|(known, _)| *known == name).expect("a target");
    let inputs = kept(name);
    for input in &inputs {
        run(input);
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..more {
        let input = mutated(&inputs, &mut dice);
        let held = std::panic::catch_unwind(|| run(&input)).is_ok();
        assert!(held, "a line for tests/fuzz/corpus/{name}.txt: {}", input.escape_ascii());
    }
}

macro_rules! replayed {
    ($($name:ident $more:literal)*) => {
        $(#[test] fn $name() { replay(stringify!($name), $more); })*

        #[test]
        fn no_target_is_left_out() {
            let replayed = [$(stringify!($name)),*];
            assert_eq!(targets::ALL.map(|(name, _)| name), replayed);
        }
    };
}

replayed! {
    answer 500
    config 500
    cookie 20_000
    endpoint 500
    forwarded 20_000
    head 20_000
    host 20_000
    http1 500
    http2 500
    import 1_000
    lines 10_000
    path 2_000
    proxied 500
    record 20_000
    token 5_000
}
