//! jobplate puts secret references and Prefect settings into Kubernetes job templates, and changes only
//! the bytes it must.
//!
//! This crate is the program. The libraries it stands on are in `crates/`: `jobplate_yaml` makes edits,
//! `jobplate_manifest` knows Kubernetes' objects, `jobplate_prefect` knows Prefect, `jobplate_cluster` talks to an API
//! server, and `jobplate_diagnostic` holds errors.
//!
//! | directory | decides |
//! |---|---|
//! | `commands/` | which commands there are, and what each of them does |
//! | `shared/` | what flags mean that several commands have; which files are read and replaced |
//! | `ui` | where output goes, and how the program was invoked |
//! | `completion/` | what completes a command line |
//! | `render/` | how inputs become output, and when they are planned again |
//! | `inject/` | which edits a document needs |
//! | `diagnostic/` | how errors, notes and diffs look, and what is masked in them |

mod commands;
mod completion;
pub mod diagnostic;
pub mod inject;
pub mod render;
mod shared;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use jobplate_diagnostic::{Error, Kind};

use crate::commands::command_line;
use crate::ui::Ui;
use crate::ui::invocation::Invocation;

/// Runs the program with its arguments, its own name first, and returns its exit code.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let invocation = Invocation::of(args.first());
    hide_panics(invocation);
    let mut ui = Ui::from_environment(invocation, command_line);
    if invocation == Invocation::KubectlCompletion {
        return completion::for_kubectl(&args, &ui);
    }
    if let Some(shell) = completion::asking_shell() {
        return completion::for_shell(&shell, &args, &ui);
    }
    ui.empty_error_file();
    commands::run(&args, &mut ui)
}

/// Hides the message of a panic, which may quote an input: only its place is reported.
fn hide_panics(invocation: Invocation) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or(String::new(), |at| format!(" ({}:{})", at.file(), at.line()));
        let error = Error::new(Kind::Internal, format!("a bug in jobplate{place}; nothing more was written"))
            .hint("please report this place with the command, without any secrets");
        let _ = Ui::from_environment(invocation, command_line).fail(&error);
        std::process::exit(i32::from(Kind::Internal.exit_code()));
    }));
}
