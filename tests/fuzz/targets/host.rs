//! A host has one spelling, and nothing in it that a name cannot have.

use portcullis::rooms::web::HostName;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(host) = HostName::parse(text) else { return };
    let name = host.name();
    assert!(!name.is_empty() && !name.ends_with('.'), "{name:?}");
    assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii_graphic()));
    assert!(!name.contains(['/', '@', '?', '#', ',', '%', '\\', '"']), "{name:?}");
    assert_ne!(host.port(), Some(0));
    let written = host.to_string();
    let again = HostName::parse(&written).expect("what was read is read again");
    assert_eq!(again, host, "{written}");
    assert!(again.agrees_with(&host, 80));
}
