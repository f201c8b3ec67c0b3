//! `jobplate schema`: prints a JSON Schema.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use jobplate::diagnostic::check_json;
use jobplate::inject::spec::SpecFile;
use jobplate_diagnostic::{Error, ErrorKind, Result};

use super::definition::Command;
use crate::shared::choice::{Choice, ChoiceParser, value_candidates};
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct SchemaArgs {
    /// What the schema describes: spec for spec files, or check for the output of `check --output json`
    #[arg(
        value_name = "DOCUMENT",
        default_value = "spec",
        value_parser = ChoiceParser::<DocumentKind>::new(),
        add = ArgValueCandidates::new(value_candidates::<DocumentKind>)
    )]
    document: Choice<DocumentKind>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DocumentKind {
    Spec,
    Check,
}

impl Command for SchemaArgs {
    const NAME: &'static str = "schema";
    const ABOUT: &'static str = "Print the JSON Schema of spec files, for editors, or of findings";

    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let schema = match self.document.require("unknown schema; choose one of spec, check")? {
            DocumentKind::Spec => schemars::schema_for!(SpecFile),
            DocumentKind::Check => check_json::schema(),
        };
        let schema = serde_json::to_string_pretty(&schema)
            .map_err(|_| Error::new(ErrorKind::Internal, "cannot write the schema as JSON"))?;
        ui.print_text(&(schema + "\n"))
    }
}
