//! Puts mutants into sources: each is a small change of what the program does, behind a switch that is read
//! when it runs, so that one build holds them all.
//!
//! `portcullis-mutants FROM TO FILE...`: each file below FROM is written below TO with its mutants in it. The
//! numbers of those to leave out come as a JSON list on standard input, and what there is goes out as JSON.

mod conditions;
mod edits;
mod find;
mod names;
mod operators;
mod values;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::{env, fs, io};

use find::{Finder, Mutant};

/// What is said of a file.
#[derive(serde::Serialize)]
struct File {
    /// Below the repository.
    path: String,
    mutants: Vec<Mutant>,
    /// Where the changes stand in what was written.
    places: Vec<edits::Place>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err(
            "usage: portcullis-mutants FROM TO FILE..., with a list of numbers on standard input"
                .into(),
        );
    };
    let left_out: BTreeSet<usize> = serde_json::from_reader(io::stdin())?;
    let mut next = 1;
    let mut all = Vec::new();
    for file in arguments {
        let text = fs::read_to_string(Path::new(&from).join(&file))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("{file}: {error}"))?;
        let found = Finder::new(&text, next).find(&parsed);
        next += found.mutants.len();
        let (written, places) = found.edits.apply(&text, &left_out);
        let place = Path::new(&to).join(&file);
        // What is as it was keeps its time, and is not built again.
        if fs::read_to_string(&place).ok().as_ref() != Some(&written) {
            fs::write(&place, written)?;
        }
        all.push(File { path: file, mutants: found.mutants, places });
    }
    serde_json::to_writer(io::stdout(), &all)?;
    Ok(())
}
