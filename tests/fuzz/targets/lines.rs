//! The small languages of a policy: what is read can be written and read again.

use portcullis::rooms::policy::{Allow, Caller, Expectation, Key};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(expectation) = Expectation::parse(text) {
        let written = expectation.to_string();
        assert_eq!(Expectation::parse(&written).as_ref(), Ok(&expectation), "{written}");
    }
    if let Ok(key) = Key::parse(text) {
        let written = key.to_string();
        let again = Key::parse(&written).expect("what was read is read again");
        assert_eq!(again.to_string(), written);
        assert!(again.contains(&key) && key.contains(&again), "{written}");
    }
    drop((Allow::parse_rule(text), Caller::parse(text)));
}
