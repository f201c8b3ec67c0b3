//! `jobplate schema`: prints the JSON Schema of spec files.

use std::process::ExitCode;

use clap::Args;
use jobplate::inject::spec::SpecFile;
use jobplate_diagnostic::{Error, ErrorKind, Result};

use super::definition::Command;
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct SchemaArgs {}

impl Command for SchemaArgs {
    const NAME: &'static str = "schema";
    const ABOUT: &'static str = "Print the JSON Schema of spec files, for editors";

    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(SpecFile))
            .map_err(|_| Error::new(ErrorKind::Internal, "cannot write the schema as JSON"))?;
        ui.print_text(&(schema + "\n"))
    }
}
