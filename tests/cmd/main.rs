//! Tests of the command line: golden commands, examples in the documentation, and functions.
//!
//! Every file `tests/cmd/TOPIC/CASE.toml` is a golden command, and the test `TOPIC/CASE`. The examples of a page are
//! the test `docs/PAGE.md` or `README.md`. The functions listed in `functions` are tests that a golden command
//! cannot express. Accepts the arguments of Rust's own test harness: `cargo test --test cmd -- --skip preview/`.
//!
//! | variable | effect |
//! |---|---|
//! | `JOBPLATE_CMD_UPDATE=1` | updates the stdout and stderr of failing cases, `docs/cli.md` and the examples in the docs; review the changes |
//! | `JOBPLATE_CMD_UPDATE=all` | updates the stdout and stderr of all cases |
//! | `JOBPLATE_CMD_SLOWEST=N` | lists the N slowest tests at the end (default: 10) |

mod case;
#[allow(dead_code)] // tests/cluster and tests/integrations use the rest of it
mod console;
#[cfg(feature = "cluster")] // without the feature, the help lacks commands
mod docs;
mod findings;
#[cfg(target_os = "linux")]
mod in_place;
#[cfg(unix)]
mod links;
mod render;
#[cfg(unix)]
mod reports;
mod run;
mod secrets;
mod templates;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use case::GoldenCase;
use libtest_mimic::{Arguments, Failed, Trial};

/// The completed tests with their durations.
type Times = Arc<Mutex<Vec<(Duration, String)>>>;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let times = Times::default();
    let mut tests = golden_commands();
    tests.extend(pages_with_examples());
    tests.extend(functions());
    let trials = tests.into_iter().map(|(name, test)| {
        let times = Arc::clone(&times);
        Trial::test(name.clone(), move || {
            let start = Instant::now();
            let result = test();
            times.lock().expect("no test panics here").push((start.elapsed(), name));
            result
        })
    });
    let conclusion = libtest_mimic::run(&args, trials.collect());
    print_slowest(&mut times.lock().expect("no test panics here"));
    conclusion.exit_code()
}

/// The name and the body of a test.
type Test = (String, Box<dyn FnOnce() -> Result<(), Failed> + Send>);

/// Returns a test for each golden command, and a test that checks the other files.
fn golden_commands() -> Vec<Test> {
    let update = std::env::var("JOBPLATE_CMD_UPDATE").unwrap_or_default();
    let (sources, files): (Vec<_>, Vec<_>) =
        run::files_below(&case::cases_dir()).into_iter().partition(|file| has_depth_and_extension(file, 1, "rs"));
    let (cases, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| has_depth_and_extension(file, 2, "toml"));
    let mut tests: Vec<Test> = Vec::new();
    for file in cases {
        let name = file.with_extension("").to_string_lossy().replace('\\', "/");
        let update = update.clone();
        tests.push((name, Box::new(move || run_case(&case::cases_dir().join(file), &update))));
    }
    assert!(tests.len() > 500, "only {} cases in {}", tests.len(), case::cases_dir().display());
    tests.push(("no_file_is_forgotten".to_owned(), Box::new(move || check_files(&sources, &others))));
    tests
}

fn has_depth_and_extension(file: &Path, depth: usize, extension: &str) -> bool {
    file.components().count() == depth && file.extension().is_some_and(|value| value == extension)
}

/// Fails if a file is neither a case nor a module, or if a function has `#[test]`, which has no effect without Rust's
/// own harness.
fn check_files(sources: &[PathBuf], others: &[PathBuf]) -> Result<(), Failed> {
    if !others.is_empty() {
        return Err(format!("neither TOPIC/CASE.toml nor a module: {others:?}").into());
    }
    for source in sources {
        let text = std::fs::read_to_string(case::cases_dir().join(source))?;
        if text.lines().any(|line| line.trim() == "#[test]") {
            return Err(
                format!("{}: `#[test]` has no effect here: list the function in main.rs", source.display()).into()
            );
        }
    }
    Ok(())
}

fn run_case(path: &Path, update: &str) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let (output, failures) = GoldenCase::parse(&text)?.run();
    if update == "all" || update == "1" && !failures.is_empty() {
        std::fs::write(path, case::with_output(&text, &output))?;
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Returns a test for each page with examples that need only the program.
fn pages_with_examples() -> Vec<Test> {
    let fences = ["```console"];
    let pages = console::pages_with_blocks(&fences);
    assert!(pages.len() > 10, "only {} pages with examples", pages.len());
    let to_test = |page: PathBuf| -> Test {
        let name = page.to_string_lossy().replace('\\', "/");
        let check = move || {
            console::run_page(&page, &fences, Path::new("/bin"), &[])?;
            Ok(())
        };
        (name, Box::new(check))
    };
    pages.into_iter().map(to_test).collect()
}

/// Returns the tests that are functions. They fail by panicking.
///
/// The compiler warns about a function that is missing from the list, because it is never called.
fn functions() -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    macro_rules! add {
        ($($(#[$attribute:meta])* $module:ident::$function:ident,)*) => {
            $(
                $(#[$attribute])*
                tests.push((
                    concat!(stringify!($module), "::", stringify!($function)).to_owned(),
                    Box::new(|| {
                        $module::$function();
                        Ok(())
                    }),
                ));
            )*
        };
    }
    add! {
        case::refuses_incomplete_cases,
        case::shows_differences_in_line_endings,
        case::updates_stdout_and_stderr,
        console::an_ellipsis_matches_any_lines,
        console::parses_console_blocks,
        #[cfg(feature = "cluster")]
        docs::cli_page_is_the_help,
        #[cfg(feature = "cluster")]
        docs::diagnostics_page_lists_every_code,
        #[cfg(feature = "cluster")]
        docs::flags_by_topic_exist,
        #[cfg(feature = "cluster")]
        docs::limits_page_quotes_messages,
        #[cfg(feature = "cluster")]
        docs::preview_picture_is_the_output,
        findings::errors_of_inputs_are_reported,
        #[cfg(unix)]
        findings::files_are_written_when_stdout_is_closed,
        findings::fingerprints_are_stable,
        findings::gitlab_report_has_what_gitlab_requires,
        findings::json_matches_its_schema,
        findings::large_inputs_are_reported_like_small_ones,
        findings::paths_start_at_the_root_of_the_repository,
        findings::reports_may_be_empty,
        findings::sarif_has_what_github_requires,
        findings::several_outputs_are_written,
        findings::suppressed_findings_are_marked,
        #[cfg(target_os = "linux")]
        in_place::changes_all_files_or_none,
        #[cfg(target_os = "linux")]
        in_place::keeps_extended_attributes,
        #[cfg(target_os = "linux")]
        in_place::needs_few_descriptors,
        #[cfg(target_os = "linux")]
        in_place::ignores_signals_that_it_inherits_as_ignored,
        #[cfg(target_os = "linux")]
        in_place::names_a_second_name_that_a_killed_run_left,
        #[cfg(target_os = "linux")]
        in_place::refuses_hard_links,
        #[cfg(target_os = "linux")]
        in_place::removes_temporary_files_when_a_signal_ends_it,
        #[cfg(target_os = "linux")]
        in_place::survives_a_kill_at_any_time,
        #[cfg(unix)]
        links::argocd_generate_reveals_nothing_outside_of_the_repository,
        render::closed_stdout_is_not_an_error,
        render::error_file_holds_the_error,
        #[cfg(target_os = "linux")]
        render::file_names_need_not_be_utf8,
        #[cfg(unix)]
        render::in_place_keeps_links_and_modes,
        render::name_hash_depends_on_the_value_only,
        #[cfg(unix)]
        reports::a_directory_leaves_out_the_spec_file,
        #[cfg(unix)]
        reports::a_failed_run_reports_its_errors,
        #[cfg(unix)]
        reports::annotates_and_summarizes_in_github_actions,
        #[cfg(unix)]
        reports::escapes_workflow_commands_of_the_input,
        #[cfg(unix)]
        reports::follows_links_and_keeps_modes,
        #[cfg(unix)]
        reports::is_written_when_stdout_is_closed,
        #[cfg(unix)]
        reports::lists_all_edits,
        #[cfg(unix)]
        reports::refuses_to_run_if_the_report_cannot_be_written,
        secrets::flows_read_what_the_secret_holds,
        secrets::references_match_the_secret,
        #[cfg(unix)]
        secrets::refuses_values_that_are_not_utf8,
        templates::agent_mounts_the_job_template,
        templates::preview_refuses_a_large_template,
        templates::printed_templates_equal_their_files,
        templates::schema_has_all_keys_of_a_spec_file,
    }
    tests
}

/// Prints the slowest tests, unless only one test ran. Uses stderr, because programs may parse stdout.
fn print_slowest(times: &mut Vec<(Duration, String)>) {
    let is_single = times.len() < 2;
    let count = std::env::var("JOBPLATE_CMD_SLOWEST").ok().and_then(|count| count.parse().ok()).unwrap_or(10);
    times.sort_by(|left, right| right.cmp(left));
    times.truncate(count);
    if !is_single && !times.is_empty() {
        let lines = times.iter().map(|(time, name)| format!("{:8.3} s  {name}\n", time.as_secs_f64()));
        drop(write!(std::io::stderr(), "\nslowest tests:\n{}", lines.collect::<String>()));
    }
}
