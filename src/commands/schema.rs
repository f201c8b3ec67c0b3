//! `jobplate schema`: the JSON Schema of spec files.

use std::io::Write;

use jobplate_diagnostic::{Error, Kind, Result};

use crate::inject::spec::SpecFile;
use crate::render::write_error;

/// Prints it.
pub(crate) fn run(out: &mut dyn Write) -> Result<()> {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(SpecFile))
        .map_err(|_| Error::new(Kind::Internal, "the schema can't be written as JSON"))?;
    writeln!(out, "{schema}").map_err(|error| write_error(&error))
}
