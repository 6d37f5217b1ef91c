//! `portcullis schema`: a JSON Schema of the policy file, for editors.

use std::process::ExitCode;

use super::out::Out;
use crate::config;

pub(super) fn run(out: &mut Out) -> anyhow::Result<ExitCode> {
    let schema = config::schema();
    out.line(serde_json::to_string_pretty(&schema)?)?;
    Ok(ExitCode::SUCCESS)
}
