//! No text makes the reader of policies panic, and what it says of one points into it.

use std::path::Path;

use portcullis::Config;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A secret may stand in a file or a variable, which this text shall not choose.
    if text.contains("file") || text.contains("env") {
        return;
    }
    let base = Path::new("/nonexistent/portcullis");
    let lines = text.lines().count() + 1;
    match Config::parse("p.toml", text, base) {
        Ok(checked) => {
            assert!(!format!("{:?}", checked.config).is_empty());
        }
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty());
            for place in told.lines().filter_map(|line| line.strip_prefix("p.toml:")) {
                let line = place.split(':').next().and_then(|line| line.parse::<usize>().ok());
                assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{told}\n{text}");
            }
        }
    }
}
