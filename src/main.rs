//! jobplate puts secret references and Prefect settings into Kubernetes job templates, and changes only
//! the bytes it must.
//!
//! This is the program. The library in `lib.rs` edits manifests; the crate `jobplate_cluster` talks to API servers.
//!
//! | directory | decides |
//! |---|---|
//! | `commands/` | the list of commands and what each of them does |
//! | `shared/` | the meaning of flags that several commands have; which files are read and replaced |
//! | `ui` | where output goes, and the program's name in messages |
//! | `completion/` | the candidates of shell completion |

mod commands;
mod completion;
mod shared;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use jobplate_diagnostic::{Error, ErrorKind};

use crate::commands::command_line;
use crate::ui::Ui;
use crate::ui::invocation::Invocation;

fn main() -> ExitCode {
    // The first argument is the program's name.
    let args: Vec<OsString> = std::env::args_os().collect();
    let invocation = Invocation::from_program(args.first());
    hide_panics(invocation);
    let mut ui = Ui::from_environment(invocation, command_line);
    if invocation == Invocation::KubectlCompletion {
        return completion::complete_for_kubectl(&args, &ui);
    }
    if let Some(shell) = completion::requesting_shell() {
        return completion::complete_for_shell(&shell, &args, &ui);
    }
    ui.truncate_error_file();
    commands::run(&args, &mut ui)
}

/// Installs a panic hook that reports only the source location: the panic message may quote an input.
fn hide_panics(invocation: Invocation) {
    std::panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map_or(String::new(), |at| format!(" ({}:{})", at.file(), at.line()));
        let error = Error::new(ErrorKind::Internal, format!("a bug in jobplate{location}; nothing more was written"))
            .hint("please report this place with the command, without any secrets");
        let _ = Ui::from_environment(invocation, command_line).report_failure(&error);
        shared::temp_files::remove_all();
        std::process::exit(i32::from(ErrorKind::Internal.exit_code()));
    }));
}
