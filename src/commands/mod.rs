//! The command line: arguments to domain values once, one file per command, errors to exit codes.
//!
//! The only room that reads the environment and writes to standard output and standard error; nobody
//! imports it but `main`.

#[cfg(feature = "cluster")]
mod apply;
mod argocd_generate;
pub(crate) mod args;
mod completion;
mod convert;
#[cfg(feature = "cluster")]
mod diff;
mod help;
mod krm;
mod man;
mod post_render;
mod preview;
mod render;
mod schema;
mod secret;
pub(crate) mod template;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use jobplate_diagnostic::{Error, Kind, io_reason};

use crate::completion as complete;
use crate::diagnostic;
use crate::shared::outputs;
use crate::ui::github;
use crate::ui::invocation::{self, Called};

/// Runs the program with its arguments, its own name first, and gives its exit code.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    hide_panics();
    let args: Vec<OsString> = args.collect();
    if invocation::by(args.first()) == Called::PluginCompletion {
        return complete::for_kubectl(&args);
    }
    if let Some(shell) = complete::asking_shell() {
        return complete::for_shell(&shell, &args);
    }
    empty_error_file();
    let (command, color) = match args::parse(&args) {
        Ok(parsed) => parsed,
        Err(args::Exit::Clap(usage)) => {
            let _ = usage.print();
            if usage.use_stderr() {
                write_error_file(&usage.to_string(), false);
                github::tell_usage(&usage.to_string());
            }
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
        Err(args::Exit::Error(error, color)) => return fail(&error, color),
    };
    let done = match command {
        args::Command::Render(command) => render::run(*command, color),
        #[cfg(feature = "cluster")]
        args::Command::Apply(command) => apply::run(*command, color),
        #[cfg(feature = "cluster")]
        args::Command::Diff(command) => diff::run(*command, color),
        args::Command::PostRender(manifests) => post_render::run(&manifests, color),
        args::Command::Krm(args) => krm::run(*args, color),
        args::Command::ArgocdGenerate => argocd_generate::run(color),
        args::Command::Preview(args) => preview::run(*args, color),
        args::Command::Convert(args) => convert::run(&args, color),
        args::Command::Secret(args) => secret::run(*args, color),
        args::Command::Template(name) => outputs::to_stdout(|out| template::run(name.as_deref(), out)),
        args::Command::Schema => outputs::to_stdout(|out| schema::run(out)),
        args::Command::Completion(shell) => outputs::to_stdout(|out| completion::run(shell, out)),
        args::Command::Man(about) => outputs::to_stdout(|out| man::run(about.as_deref(), out)),
    };
    match done {
        Ok(code) => code,
        Err(error) => fail(&error, color),
    }
}

/// Ends the process at once, as interrupted.
#[cfg(feature = "cluster")]
pub(crate) fn end_interrupted() {
    std::process::exit(i32::from(Kind::Interrupted.exit_code()));
}

/// Reports an error where errors go, and gives its exit code.
fn fail(error: &Error, color: ColorChoice) -> ExitCode {
    if error.kind() != Kind::ClosedOutput {
        let mut text = diagnostic::error(error);
        if post_render::is_helm_plugin() {
            text.push_str(&diagnostic::note(post_render::WITHOUT_HELM));
        }
        to_stderr(&text, color);
        record_error(error, &text, false);
    }
    ExitCode::from(error.kind().exit_code())
}

/// Tells an error to those who do not read standard error. `more`: behind others of this run.
pub(crate) fn record_error(error: &Error, text: &str, more: bool) {
    write_error_file(&anstream::adapter::strip_str(&invocation::as_typed(text)).to_string(), more);
    github::tell_error(error);
}

/// Writes to standard error; that nobody reads it is no reason to stop.
pub(crate) fn to_stderr(text: &str, color: ColorChoice) {
    let text = github::harmless(&invocation::as_typed(text));
    let _ = AutoStream::new(std::io::stderr(), color).write_all(text.as_bytes());
}

/// Helm 4 shows no standard error of a post-renderer: the terminal that it was called from gets it all the same,
/// and the file that `JOBPLATE_ERROR_FILE` names.
///
/// `more`: behind the errors that are in it already.
fn write_error_file(text: &str, more: bool) {
    let open = |path: OsString| {
        // What is a device by name may be somebody's log by now: nothing there is taken away.
        let more = more || Path::new(&path).starts_with("/dev");
        std::fs::OpenOptions::new().create(true).write(true).append(more).truncate(!more).open(path)
    };
    if let Some(path) = error_file()
        && let Err(error) = open(path).and_then(|mut file| file.write_all(text.as_bytes()))
    {
        let note = format!("JOBPLATE_ERROR_FILE can't be written: {}", io_reason(&error));
        to_stderr(&diagnostic::note(&note), ColorChoice::Auto);
        to_terminal(&anstream::adapter::strip_str(&diagnostic::note(&note)).to_string());
    }
    to_terminal(text);
}

fn error_file() -> Option<OsString> {
    std::env::var_os("JOBPLATE_ERROR_FILE").filter(|path| !path.is_empty())
}

/// Empties an error file in which an error is: what is in it afterwards is of this run. Whatever else somebody
/// may have named stays as it is.
fn empty_error_file() {
    let Some(path) = error_file() else { return };
    let mut start = [0; 6];
    let is_error = !Path::new(&path).starts_with("/dev")
        && std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file())
        && std::fs::File::open(&path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *b"error:";
    if is_error {
        // That it can't be written is told when there is something to write.
        let _ = std::fs::OpenOptions::new().write(true).truncate(true).open(path);
    }
}

/// Writes to the terminal, where Helm keeps everything else to itself.
fn to_terminal(text: &str) {
    if post_render::is_helm_plugin()
        // Where there is no terminal, there is nobody to tell.
        && let Ok(mut terminal) = std::fs::OpenOptions::new().write(true).open("/dev/tty")
    {
        let _ = terminal.write_all(text.as_bytes());
    }
}

/// A panic's message may quote an input: only its place is told.
fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or(String::new(), |at| format!(" ({}:{})", at.file(), at.line()));
        let error = Error::new(Kind::Internal, format!("a bug in jobplate{place}; nothing more was written"))
            .hint("please report this place with the command, without any secrets");
        let _ = fail(&error, ColorChoice::Auto);
        std::process::exit(i32::from(Kind::Internal.exit_code()));
    }));
}
