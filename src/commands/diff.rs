//! `jobplate diff`: render, and show what applying would change on the server.

use std::process::ExitCode;

use anstream::ColorChoice;
use jobplate_cluster::Difference;
use jobplate_diagnostic::{Kind, Result};

use super::render::{plan, unless_closed};
use crate::diagnostic;
use crate::diagnostic::edits::Told;
use crate::render::write_error;
use crate::shared::cluster_args::Diff;
use crate::shared::documents::Rendered;
use crate::shared::edits;
use crate::shared::no_match::Matching;
use crate::shared::outputs::to_stdout;
use crate::ui::events::Terminal;

/// Runs the command: exit code 1 if there are differences.
pub(crate) fn run(command: Diff, color: ColorChoice) -> Result<ExitCode> {
    let Diff { manifests, session, force, take_over, verbose } = command;
    let mut rendering = plan(&manifests, Matching::must_if(manifests.injection.needs_target()), color)?;
    let edits = edits::find(&mut rendering, &manifests)?;
    let mut documents = Rendered::new(&mut rendering, take_over.then_some(&manifests.injection));
    let terminal = Terminal::new(color, manifests.quiet, verbose);
    let choice = match color {
        ColorChoice::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        other => other,
    };
    let (mut differs, mut failure) = (false, None);
    let told = to_stdout(|out| {
        failure = jobplate_cluster::diff(&mut documents, &session, force, take_over, &terminal, |difference| {
            let Difference { object, file, before, after, immutable } = difference;
            if before == after {
                return Ok(());
            }
            differs = true;
            if *immutable {
                terminal
                    .tell_note(&format!("{object} is a Job with another pod template: applying needs --on-immutable"));
            }
            let text = format!("--- live {object}\n+++ {file} {object}\n{}", diagnostic::unified(before, after, 1, 1));
            let text = match choice {
                ColorChoice::Never => anstream::adapter::strip_str(&text).to_string(),
                _ => text,
            };
            out.write_all(text.as_bytes()).map_err(|error| write_error(&error))
        })?;
        Ok(())
    });
    unless_closed(told)?;
    let code = ExitCode::from(failure.map_or(u8::from(differs), Kind::exit_code));
    edits::tell(edits, Told::Shown, Ok(code))
}
