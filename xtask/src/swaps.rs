//! `cargo xtask swaps`: mutation testing of previews. Swaps the bodies of every two neighboring arms of a `match`, in a
//! copy of the sources that generate previews. The cases of `tests/prefect` and `tests/cmd` must detect each swap.
//! `tests/prefect/equivalent.txt` lists the exceptions: swaps that do not change any result.
//!
//! cargo-mutants cannot do this. It does not swap arms: it deletes an arm if another arm has a wildcard pattern, and
//! replaces guards by `true` and `false` (sourcefrog/cargo-mutants:book/src/mutants.md). It also builds each mutant
//! separately. Here, one program contains all swaps and reads the number of the active swap from a file.
//!
//! Swaps that do not compile are unviable. They are found from the compiler's errors and omitted. The cases record
//! which swaps they reach, so only the cases that reach a swap run for it (`tests/prefect/swaps.rs`).

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use proc_macro2::Span;
use serde_json::Value;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::run::{self, cargo_command, run_step};

/// The directories whose arms are swapped.
const SWAPPED_DIRS: [&str; 2] = ["crates/jobplate-prefect/src/prefect1/", "crates/jobplate-prefect/src/pyvalue/"];

/// The files in these directories that previews of Prefect 1 do not use. `tests/cmd/secrets.rs` compares the reading of
/// secrets with Prefect. The other files are needed only for workers.
const EXCLUDED_FILES: [&str; 5] =
    ["prefect1/secrets.rs", "pyvalue/duration.rs", "pyvalue/json.rs", "pyvalue/json_value.rs", "pyvalue/slug.rs"];

/// The function that each swapped arm calls. It is appended to the copy's `lib.rs`.
///
/// A file next to the program, with the extension `.swap`, contains the number of the active swap. If a file with the
/// extension `.trace` exists, the numbers of the swaps that a run reaches are appended to it.
const IS_ACTIVE_SOURCE: &str = r#"
#[allow(missing_docs)]
pub(crate) fn is_active(swap: usize) -> bool {
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::sync::{Mutex, OnceLock};
    static ACTIVE: OnceLock<(usize, Option<PathBuf>)> = OnceLock::new();
    static REACHED: Mutex<std::collections::BTreeSet<usize>> = Mutex::new(std::collections::BTreeSet::new());
    let (active, trace) = ACTIVE.get_or_init(|| {
        let program = std::env::current_exe().unwrap_or_default();
        let active = std::fs::read_to_string(program.with_extension("swap")).unwrap_or_default();
        let trace = program.with_extension("trace");
        (active.trim().parse().unwrap_or(0), trace.exists().then_some(trace))
    });
    if let Some(trace) = trace
        && let Ok(mut reached) = REACHED.lock()
        && reached.insert(swap)
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(trace)
    {
        drop(writeln!(file, "{swap}"));
    }
    swap == *active
}
"#;

/// The code with which tests start the program. It is replaced by [`LIMITED_START_CODE`] in the copy.
const START_CODE: &str = "Command::new(program)";

/// The code that starts the program with limits, because a swap may cause an endless loop or exhaust the memory.
const LIMITED_START_CODE: &str = r#"{
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -v 8000000; exec timeout 10 \"$0\" \"$@\""]).arg(program.as_ref());
        limited
    }"#;

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &[], &[])?;
    let dir = run::target().join("swaps");
    let copy = ProjectCopy { sources: dir.join("copy"), target: dir.join("target") };
    let files = copy.update()?;
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| is_swapped(file)) {
        sources.push(SourceFile::read(file)?);
    }
    let count = assign_numbers(&mut sources);
    eprintln!("\n==> {count} pairs of arms");
    let mut unviable = BTreeSet::new();
    loop {
        for source in &sources {
            let text = source.print_swaps(&unviable).0;
            write_if_changed(&copy.sources.join(&source.path), text.as_bytes())?;
        }
        if copy.check_compiles(&sources, &mut unviable)? {
            break;
        }
        eprintln!("    {} of them do not compile so far", unviable.len());
    }
    let list = dir.join("pairs.txt");
    let lines: String = sources.iter().map(|source| source.list_swaps(&unviable)).collect();
    fs::write(&list, &lines)?;
    let count = lines.lines().count();
    let mut tests = copy.cargo_command("test");
    tests.args(["--test", "prefect", "--", "--ignored", "--nocapture", "swapped_arms_are_noticed"]);
    run_step(&format!("the cases, with {count} swaps"), tests.env("JOBPLATE_SWAPS", list))
}

/// Returns whether the arms in a file are swapped.
fn is_swapped(path: &str) -> bool {
    path.ends_with(".rs")
        && SWAPPED_DIRS.iter().any(|dir| path.starts_with(dir))
        && !EXCLUDED_FILES.iter().any(|file| path.ends_with(file))
}

/// Writes a file only if its content has changed, so that cargo does not build an unchanged file again.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a file has a parent")?)?;
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// A copy of the project that is built with swaps.
struct ProjectCopy {
    sources: PathBuf,
    target: PathBuf,
}

impl ProjectCopy {
    /// Copies the files that git lists, except the files whose arms are swapped. Returns the paths of all files.
    fn update(&self) -> Result<Vec<String>> {
        let files = run::files()?;
        for file in files.iter().filter(|file| !is_swapped(file)) {
            let bytes = fs::read(run::root().join(file)).with_context(|| file.clone())?;
            let bytes = match file.as_str() {
                "crates/jobplate-prefect/src/lib.rs" => [bytes.as_slice(), IS_ACTIVE_SOURCE.as_bytes()].concat(),
                "tests/cmd/run.rs" => {
                    let text = String::from_utf8(bytes)?;
                    if text.matches(START_CODE).count() != 1 {
                        bail!("{file} must contain {START_CODE} once");
                    }
                    text.replace(START_CODE, LIMITED_START_CODE).into_bytes()
                }
                _ => bytes,
            };
            write_if_changed(&self.sources.join(file), &bytes)?;
        }
        Ok(files)
    }

    /// Returns a cargo command that builds the copy.
    fn cargo_command(&self, command: &str) -> Command {
        let mut cargo = cargo_command(&[command, "--package", "jobplate", "--no-default-features"]);
        cargo.current_dir(&self.sources).env("CARGO_TARGET_DIR", &self.target).env("RUSTFLAGS", "--cap-lints=allow");
        cargo
    }

    /// Returns whether the copy compiles. Adds the swaps that cause errors to `unviable`.
    fn check_compiles(&self, sources: &[SourceFile], unviable: &mut BTreeSet<usize>) -> Result<bool> {
        let mut check = self.cargo_command("check");
        let output = check.args(["--lib", "--message-format=json", "--quiet"]).stdin(Stdio::null()).output()?;
        let printed: Vec<PrintedFile<'_>> = sources
            .iter()
            .map(|source| PrintedFile { path: &source.path, bodies: source.print_swaps(unviable).1 })
            .collect();
        let unviable_before = unviable.len();
        let mut unexplained = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let message = &message["message"];
            if message["level"] == "error" {
                let swaps = swaps_at_error(&message["spans"], &printed);
                if swaps.is_empty() {
                    unexplained.push(message.clone());
                }
                unviable.extend(swaps);
            }
        }
        // An error about the type of a body may point to the pattern before the body, so try the swaps of the next
        // body.
        if unviable.len() == unviable_before {
            unviable.extend(unexplained.iter().flat_map(|message| swaps_after_error(&message["spans"], &printed)));
        }
        if !output.status.success() && unviable.len() == unviable_before {
            let errors = unexplained.iter().filter_map(|message| message["rendered"].as_str());
            bail!("the copy does not compile, and no swap is the cause\n{}", errors.collect::<String>());
        }
        Ok(output.status.success())
    }
}

/// An arm of a `match`.
struct Arm {
    body: Range<usize>,
    /// The pattern with its guard, on one line.
    pattern: String,
    line: usize,
    /// The swaps with the arm before and the arm after.
    swaps: Vec<Swap>,
}

/// A swap, from the perspective of one of its two arms.
struct Swap {
    number: usize,
    /// The body of the other arm.
    body: Range<usize>,
}

/// A file whose arms are swapped.
struct SourceFile {
    path: String,
    text: String,
    /// All arms. An arm precedes the arms in its body.
    arms: Vec<Arm>,
    /// The pairs of neighboring arms with different bodies, as indices into `arms`.
    pairs: Vec<(usize, usize)>,
}

impl SourceFile {
    fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(run::root().join(path)).with_context(|| path.to_owned())?;
        let parsed = syn::parse_file(&text).with_context(|| path.to_owned())?;
        let mut source = SourceFile { path: path.to_owned(), text, arms: Vec::new(), pairs: Vec::new() };
        source.visit_file(&parsed);
        Ok(source)
    }

    /// Prints the file with its swaps. Returns the text and the printed bodies of the arms.
    fn print_swaps(&self, unviable: &BTreeSet<usize>) -> (String, Vec<PrintedBody>) {
        let mut printer = Printer { source: self, unviable, text: String::new(), bodies: Vec::new() };
        printer.print(0..self.text.len(), 0);
        (printer.text, printer.bodies)
    }

    /// Returns a line for each viable swap, with its number, file and line, and the patterns of its two arms.
    fn list_swaps(&self, unviable: &BTreeSet<usize>) -> String {
        let mut lines = String::new();
        for (first, second) in &self.pairs {
            let (first, second) = (&self.arms[*first], &self.arms[*second]);
            let number = first.swaps.iter().find(|swap| swap.body == second.body).map(|swap| swap.number);
            if let Some(number) = number.filter(|number| !unviable.contains(number)) {
                lines += &format!("{number} {}:{}: {} | {}\n", self.path, first.line, first.pattern, second.pattern);
            }
        }
        lines
    }
}

impl<'ast> Visit<'ast> for SourceFile {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        let first = self.arms.len();
        for arm in &expression.arms {
            let range = |span: Span| span.byte_range();
            let mut pattern = range(arm.pat.span());
            if let Some((_, guard)) = &arm.guard {
                pattern.end = range(guard.span()).end;
            }
            let pattern = self.text[pattern].split_whitespace().collect::<Vec<_>>().join(" ");
            let body = range(arm.body.span());
            self.arms.push(Arm { body, pattern, line: arm.pat.span().start().line, swaps: Vec::new() });
        }
        for index in first + 1..self.arms.len() {
            if self.text[self.arms[index - 1].body.clone()] != self.text[self.arms[index].body.clone()] {
                self.pairs.push((index - 1, index));
            }
        }
        visit::visit_expr_match(self, expression);
    }
}

/// Assigns 1-based numbers to the swaps of all files. Returns the number of swaps.
fn assign_numbers(sources: &mut [SourceFile]) -> usize {
    let mut number = 0;
    for source in sources {
        for (first, second) in source.pairs.clone() {
            number += 1;
            let (first_body, second_body) = (source.arms[first].body.clone(), source.arms[second].body.clone());
            source.arms[first].swaps.push(Swap { number, body: second_body });
            source.arms[second].swaps.push(Swap { number, body: first_body });
        }
    }
    number
}

/// A body in a printed file: the body of an arm with all its swaps, or a body that a swap inserts.
struct PrintedBody {
    range: Range<usize>,
    /// The swaps that can cause an error in the body.
    swaps: Vec<usize>,
    is_swapped_in: bool,
}

/// The bodies in a file that was printed with its swaps.
struct PrintedFile<'s> {
    path: &'s str,
    bodies: Vec<PrintedBody>,
}

/// Prints a file with its swaps: each body is replaced by an `if` that selects it or the body of a neighboring arm.
struct Printer<'s> {
    source: &'s SourceFile,
    unviable: &'s BTreeSet<usize>,
    text: String,
    bodies: Vec<PrintedBody>,
}

impl Printer<'_> {
    /// Prints a range of the file. `first_arm` is the index of the first arm that can be in the range.
    fn print(&mut self, range: Range<usize>, first_arm: usize) {
        let source = self.source;
        let mut printed = range.start;
        let is_inside = |arm: &Arm| range.start <= arm.body.start && arm.body.end <= range.end;
        let mut arms: Vec<usize> =
            (first_arm..source.arms.len()).filter(|index| is_inside(&source.arms[*index])).collect();
        arms.sort_by_key(|index| (source.arms[*index].body.start, Reverse(source.arms[*index].body.end)));
        for index in arms {
            let body = &source.arms[index].body;
            // An arm inside another arm was already printed with that arm, so it is skipped.
            if body.start >= printed {
                self.text.push_str(&source.text[printed..body.start]);
                self.print_arm(index);
                printed = body.end;
            }
        }
        self.text.push_str(&source.text[printed..range.end]);
    }

    fn print_arm(&mut self, index: usize) {
        let arm = &self.source.arms[index];
        let start = self.text.len();
        let swaps: Vec<&Swap> = arm.swaps.iter().filter(|swap| !self.unviable.contains(&swap.number)).collect();
        if let Some((last, others)) = swaps.split_last() {
            let conditions: Vec<String> =
                swaps.iter().map(|swap| format!("!crate::is_active({})", swap.number)).collect();
            self.text.push_str(&format!("if {} {{ ", conditions.join(" && ")));
            self.print(arm.body.clone(), index + 1);
            for swap in others {
                self.text.push_str(&format!(" }} else if crate::is_active({}) {{ ", swap.number));
                self.print_swapped_in(swap);
            }
            self.text.push_str(" } else { ");
            self.print_swapped_in(last);
            self.text.push_str(" }");
        } else {
            self.print(arm.body.clone(), index + 1);
        }
        let swaps = swaps.iter().map(|swap| swap.number).collect();
        self.bodies.push(PrintedBody { range: start..self.text.len(), swaps, is_swapped_in: false });
    }

    fn print_swapped_in(&mut self, swap: &Swap) {
        let start = self.text.len();
        self.text.push_str(&self.source.text[swap.body.clone()]);
        let range = start..self.text.len();
        self.bodies.push(PrintedBody { range, swaps: vec![swap.number], is_swapped_in: true });
    }
}

/// Returns the swaps that may have caused an error at `spans`: the swap that inserted the body, or all swaps of the arm
/// if the error is not in an inserted body. Primary spans take precedence because they are more precise.
fn swaps_at_error(spans: &Value, printed: &[PrintedFile<'_>]) -> Vec<usize> {
    let spans: Vec<&Value> = spans.as_array().into_iter().flatten().collect();
    for (is_swapped_in, is_primary) in [(true, true), (true, false), (false, true), (false, false)] {
        for span in spans.iter().filter(|span| span["is_primary"].as_bool() == Some(is_primary)) {
            let (start, end) = (span_offset(span, "byte_start"), span_offset(span, "byte_end"));
            let innermost = bodies_of_span(span, printed)
                .filter(|body| body.is_swapped_in == is_swapped_in && !body.swaps.is_empty())
                .filter(|body| body.range.start <= start && end <= body.range.end)
                .min_by_key(|body| body.range.len());
            if let Some(body) = innermost {
                return body.swaps.clone();
            }
        }
    }
    Vec::new()
}

/// Returns the swaps of the first body after an error.
fn swaps_after_error(spans: &Value, printed: &[PrintedFile<'_>]) -> Vec<usize> {
    let Some(span) = spans.as_array().and_then(|spans| spans.iter().find(|span| span["is_primary"] == true)) else {
        return Vec::new();
    };
    let end = span_offset(span, "byte_end");
    let next = bodies_of_span(span, printed)
        .filter(|body| body.range.start >= end && !body.swaps.is_empty())
        .min_by_key(|body| body.range.start);
    next.map_or_else(Vec::new, |body| body.swaps.clone())
}

/// Returns the bodies in the file of a compiler error's span.
fn bodies_of_span<'p>(span: &Value, printed: &'p [PrintedFile<'_>]) -> impl Iterator<Item = &'p PrintedBody> {
    let path = span["file_name"].as_str().map(PathBuf::from);
    let file = printed.iter().find(|file| path.as_deref() == Some(Path::new(file.path)));
    file.into_iter().flat_map(|file| &file.bodies)
}

/// Returns the byte offset under `key` of a compiler error's span, or `usize::MAX` if the offset is missing.
fn span_offset(span: &Value, key: &str) -> usize {
    span[key].as_u64().and_then(|offset| usize::try_from(offset).ok()).unwrap_or(usize::MAX)
}
