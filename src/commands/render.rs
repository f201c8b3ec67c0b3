//! `jobplate render`: plan everything, then print, replace files, or say what would change.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anstream::ColorChoice;
use jobplate_diagnostic::{Error, Kind, LineIndex, Result};
use jobplate_manifest::embedded;

use super::args::{Output, Render, Wrap};
use super::to_stderr;
use crate::diagnostic;
use crate::diagnostic::edits::Told;
use crate::render::{Joined, Pair, Rendering, Source, write_error};
use crate::shared::edit_args::Manifests;
use crate::shared::edits;
use crate::shared::no_match::{self, Matching};
use crate::shared::outputs::{Replacements, to_stdout};
use crate::shared::{agents, inputs};
use crate::ui::github;

/// Runs the command; the exit code says whether files would change (`--check`).
pub(crate) fn run(command: Render, color: ColorChoice) -> Result<ExitCode> {
    let mut rendering = plan(&command.manifests, Matching::Must, color)?;
    let wraps = matches!(command.output, Output::Wrap(_));
    let sets_nothing = command.manifests.injection.is_empty() && !wraps;
    if sets_nothing && matches!(command.output, Output::Check | Output::InPlace) {
        // Where something is to be guarded, a forgotten spec file is no success.
        return Err(
            Error::usage("nothing to set is given").hint("say what: --secret NAME=SECRET/KEY, --spec FILE, ...")
        );
    }
    if sets_nothing && !command.manifests.quiet {
        to_stderr(&diagnostic::note("nothing to set is given, so nothing changes"), color);
    }
    // Found out before files are replaced, and told once they are.
    let edits = edits::find(&mut rendering, &command.manifests)?;
    let (done, what) = match command.output {
        Output::Check => (check(&mut rendering, command.diff, color), Told::Missing),
        Output::InPlace => (replace(&mut rendering, command.diff, color), Told::Made),
        Output::Print if command.diff => (print_diff(&mut rendering, color), Told::Shown),
        Output::Print => (print_all(&mut rendering), Told::Made),
        Output::Wrap(into) => (to_stdout(|out| wrap(&mut rendering, &into, out)), Told::Made),
    };
    edits::tell(edits, what, done)
}

/// Plans and verifies all manifests of a call, and tells what is to be told about that.
pub(crate) fn plan(manifests: &Manifests, matching: Matching, color: ColorChoice) -> Result<Rendering> {
    plan_sources(inputs::open(manifests)?, manifests, matching, color)
}

/// The same for inputs that are open.
pub(crate) fn plan_sources(
    sources: Vec<Source>,
    manifests: &Manifests,
    matching: Matching,
    color: ColorChoice,
) -> Result<Rendering> {
    let injection = &manifests.injection;
    let mut rendering = Rendering::plan(sources, injection, manifests.max_document_size)?;
    let nothing = rendering.targets == 0 || rendering.complete == 0 && !injection.is_settings_only();
    if nothing {
        no_match::refuse(&mut rendering, manifests, matching)?;
    }
    let names = &injection.names;
    if rendering.targets > 1 && (names.name.is_some() || names.generate_name.is_some()) {
        let flag = if names.name.is_some() { "--name" } else { "--generate-name" };
        return Err(Error::usage(format!("{flag} gives one name, but {} objects match", rendering.targets))
            .hint("narrow it to one with --target KIND/NAME"));
    }
    if injection.only_named && !rendering.unmatched.is_empty() {
        // Helm shows no notes, and would go on without the reference.
        no_match::refuse(&mut rendering, manifests, matching)?;
    }
    if !manifests.quiet {
        let unmatched =
            rendering.unmatched.iter().map(|target| format!("nothing matches the target {}", target.display()));
        to_stderr(&unmatched.map(|note| diagnostic::note(&note)).collect::<String>(), color);
        let notes: String = rendering.notes.iter().map(diagnostic::note).collect();
        to_stderr(&notes, color);
        let notes = agents::on_what_they_replace(&mut rendering, &injection.prefect)?;
        to_stderr(&notes.iter().map(|note| diagnostic::note(note)).collect::<String>(), color);
    }
    Ok(rendering)
}

/// Prints all inputs, joined.
pub(crate) fn print_all(rendering: &mut Rendering) -> Result<ExitCode> {
    to_stdout(|out| {
        rendering.check_joinable()?;
        let mut joined = Joined::new(out);
        for input in 0..rendering.len() {
            joined.begin().map_err(|error| write_error(&error))?;
            rendering.write(input, &mut joined)?;
        }
        joined.finish().map_err(|error| write_error(&error))
    })
}

/// Prints the one input as a text in a ConfigMap.
fn wrap(rendering: &mut Rendering, Wrap { name, namespace, key }: &Wrap, out: &mut dyn Write) -> Result<()> {
    if rendering.len() > 1 {
        return Err(Error::usage("`--wrap` takes one input").hint("wrap each one in a call of its own"));
    }
    let mut rendered = Vec::new();
    rendering.write(0, &mut rendered)?;
    let text = String::from_utf8(rendered).map_err(|_| Error::input("not UTF-8").in_file(rendering.name(0)))?;
    let map = embedded::config_map(name, namespace.as_deref(), key, &text)
        .map_err(|error| error.in_file(rendering.name(0)))?;
    out.write_all(map.as_bytes()).map_err(|error| write_error(&error))
}

/// Lists the inputs that would change, or shows how: exit code 1 if there are any.
fn check(rendering: &mut Rendering, diff: bool, color: ColorChoice) -> Result<ExitCode> {
    let changing: Vec<usize> = (0..rendering.len()).filter(|&input| rendering.changes(input)).collect();
    if diff {
        unless_closed(print_diff(rendering, color))?;
    } else {
        let list: String =
            changing.iter().map(|&input| format!("{}\n", diagnostic::name(rendering.name(input)))).collect();
        unless_closed(to_stdout(|out| out.write_all(list.as_bytes()).map_err(|error| write_error(&error))))?;
    }
    Ok(ExitCode::from(u8::from(!changing.is_empty())))
}

/// That nobody reads what is only told does not change what is done.
pub(crate) fn unless_closed(told: Result<ExitCode>) -> Result<()> {
    match told {
        Err(error) if error.kind() != Kind::ClosedOutput => Err(error),
        _ => Ok(()),
    }
}

/// Replaces the files that change, once all of them are written.
fn replace(rendering: &mut Rendering, diff: bool, color: ColorChoice) -> Result<ExitCode> {
    if diff {
        unless_closed(print_diff(rendering, color))?;
    }
    let mut replacements = Replacements::default();
    let mut replaced = Vec::new();
    for input in 0..rendering.len() {
        if rendering.changes(input) {
            let Some(path) = rendering.path(input).map(Path::to_owned) else {
                let name = rendering.name(input);
                return Err(Error::usage("is no file that could be replaced").in_file(name).hint("leave -i out"));
            };
            replacements.add(&path, |out| rendering.write(input, out))?;
            replaced.push(input);
        }
    }
    // Writing the others took its time.
    replaced.iter().try_for_each(|&input| rendering.check_unchanged(input))?;
    replacements.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what changes, values masked.
fn print_diff(rendering: &mut Rendering, color: ColorChoice) -> Result<ExitCode> {
    let choice = match color {
        ColorChoice::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        other => other,
    };
    to_stdout(|out| {
        for input in 0..rendering.len() {
            if !rendering.changes(input) {
                continue;
            }
            let name = diagnostic::name(rendering.name(input));
            let mut put = |text: &str| {
                let text = match choice {
                    ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
                    _ => text.to_owned(),
                };
                let text = github::harmless(&text);
                out.write_all(text.as_bytes()).map_err(|error| write_error(&error))
            };
            put(&format!("--- {name}\n+++ {name}\n"))?;
            // Lines that earlier documents of this input have gained.
            let mut gained = 0isize;
            let mut documents = rendering.documents(Some(input));
            while let Some(Pair { line, before, after, edited, .. }) = documents.next()? {
                if edited {
                    put(&diagnostic::unified(before, after, line, line.saturating_add_signed(gained)))?;
                    let last_line = |text: &str| LineIndex::new(text).line(text.len()) as isize;
                    gained += last_line(after) - last_line(before);
                }
            }
        }
        Ok(())
    })
}
