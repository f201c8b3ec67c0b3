//! `cargo xtask swaps`: whether the tests of previews would notice. In a copy of the project, two neighbouring arms
//! of a `match` take each other's place, for every pair of them in the rooms that make a preview, and the cases of
//! `tests/prefect` and `tests/cmd` must fail.
//!
//! All swaps are built into one program, which asks for each pair whether it is the one to be swapped; those that
//! make no program are left out by what the compiler says. The cases then find out themselves which of them come by
//! a pair, and only these are run (`tests/prefect/swaps.rs`).

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::run::{self, cargo, step};

/// The rooms whose arms are swapped.
const ROOMS: [&str; 2] = ["crates/jobplate-prefect/src/prefect1/", "crates/jobplate-prefect/src/pyvalue/"];

/// What is in these rooms and makes no preview of Prefect 1: how a flow finds a secret, which `tests/cmd/secrets.rs`
/// holds to Prefect, and what only previews of workers use.
const NO_PREVIEW: [&str; 4] = ["prefect1/secrets.rs", "pyvalue/duration.rs", "pyvalue/json.rs", "pyvalue/slug.rs"];

/// What every arm asks, at the end of the copy's `lib.rs`: which swap is chosen is in a file beside the program. One
/// more file beside it gets the swaps that a run comes by.
const ASKED: &str = r#"
#[allow(missing_docs)]
pub(crate) fn is_swapped(pair: usize) -> bool {
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::sync::{Mutex, OnceLock};
    static CHOSEN: OnceLock<(usize, Option<PathBuf>)> = OnceLock::new();
    static SEEN: Mutex<std::collections::BTreeSet<usize>> = Mutex::new(std::collections::BTreeSet::new());
    let (chosen, trace) = CHOSEN.get_or_init(|| {
        let program = std::env::current_exe().unwrap_or_default();
        let chosen = std::fs::read_to_string(program.with_extension("swap")).unwrap_or_default();
        let trace = program.with_extension("trace");
        (chosen.trim().parse().unwrap_or(0), trace.exists().then_some(trace))
    });
    if let Some(trace) = trace
        && let Ok(mut seen) = SEEN.lock()
        && seen.insert(pair)
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(trace)
    {
        drop(writeln!(file, "{pair}"));
    }
    pair == *chosen
}
"#;

/// A swapped program may never end, or take all memory.
const COMMAND: &str = "Command::new(program)";
const LIMITED: &str = r#"{
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -v 8000000; exec timeout 10 \"$0\" \"$@\""]).arg(program.as_ref());
        limited
    }"#;

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &[], &[])?;
    let folder = run::target().join("swaps");
    let copy = folder.join("copy");
    let files = copy_project(&copy)?;
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| is_swapped(file)) {
        sources.push(Source::read(file)?);
    }
    let pairs = number(&mut sources);
    eprintln!("\n==> {pairs} pairs of arms");
    let mut left_out = BTreeSet::new();
    loop {
        for source in &sources {
            source.write(&copy, &left_out)?;
        }
        if check(&folder, &copy, &sources, &mut left_out)? {
            break;
        }
        eprintln!("    {} of them make no program so far", left_out.len());
    }
    let list = folder.join("pairs.txt");
    let lines: String = sources.iter().map(|source| source.list(&left_out)).collect();
    fs::write(&list, &lines)?;
    let count = lines.lines().count();
    let mut cases = in_copy(&folder, &copy, "test");
    cases.args(["--test", "prefect", "--", "--ignored", "--nocapture", "swapped_arms_are_noticed"]);
    step(&format!("the cases, of {count} programs with two arms swapped"), cases.env("JOBPLATE_SWAPS", list))
}

/// Whether arms of a file are swapped.
fn is_swapped(file: &str) -> bool {
    file.ends_with(".rs")
        && ROOMS.iter().any(|room| file.starts_with(room))
        && !NO_PREVIEW.iter().any(|other| file.ends_with(other))
}

/// Copies what git knows of; what has not changed stays, so that it is not built again.
fn copy_project(copy: &Path) -> Result<Vec<String>> {
    let files = run::files()?;
    for file in &files {
        let bytes = fs::read(run::root().join(file)).with_context(|| file.clone())?;
        let bytes = match file.as_str() {
            "crates/jobplate-prefect/src/lib.rs" => [bytes.as_slice(), ASKED.as_bytes()].concat(),
            "tests/cmd/run.rs" => {
                let text = String::from_utf8(bytes)?;
                if text.matches(COMMAND).count() != 1 {
                    bail!("{file} has no one {COMMAND}");
                }
                text.replace(COMMAND, LIMITED).into_bytes()
            }
            _ => bytes,
        };
        if !is_swapped(file) {
            write(&copy.join(file), &bytes)?;
        }
    }
    Ok(files)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|own| own == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// One arm of a `match`.
struct Arm {
    body: Range<usize>,
    pattern: String,
    line: usize,
    /// The swaps with the arm before, and with the one behind: numbers, and whose body comes here.
    swaps: Vec<(usize, Range<usize>)>,
}

/// A file of the rooms.
struct Source {
    file: String,
    text: String,
    /// Of all its arms, each before those within it.
    arms: Vec<Arm>,
    /// Pairs of arms, by their places in `arms`.
    neighbours: Vec<(usize, usize)>,
}

impl Source {
    fn read(file: &str) -> Result<Self> {
        let text = fs::read_to_string(run::root().join(file)).with_context(|| file.to_owned())?;
        let parsed = syn::parse_file(&text).with_context(|| file.to_owned())?;
        let mut source = Source { file: file.to_owned(), text, arms: Vec::new(), neighbours: Vec::new() };
        source.visit_file(&parsed);
        Ok(source)
    }

    /// The file with its swaps.
    fn print(&self, left_out: &BTreeSet<usize>) -> (String, Vec<Piece>) {
        let mut printer = Printer { source: self, left_out, out: String::new(), pieces: Vec::new() };
        printer.print(0..self.text.len(), 0);
        (printer.out, printer.pieces)
    }

    fn write(&self, copy: &Path, left_out: &BTreeSet<usize>) -> Result<()> {
        write(&copy.join(&self.file), self.print(left_out).0.as_bytes())
    }

    /// A line for each swap: its number, and what it is.
    fn list(&self, left_out: &BTreeSet<usize>) -> String {
        let mut out = String::new();
        for (first, second) in &self.neighbours {
            let (first, second) = (&self.arms[*first], &self.arms[*second]);
            let number = first.swaps.iter().find(|(_, body)| *body == second.body).map(|(number, _)| *number);
            if let Some(number) = number.filter(|number| !left_out.contains(number)) {
                out += &format!("{number} {}:{}: {} | {}\n", self.file, first.line, first.pattern, second.pattern);
            }
        }
        out
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_expr_match(&mut self, found: &'ast syn::ExprMatch) {
        let first = self.arms.len();
        for arm in &found.arms {
            let range = |span: proc_macro2::Span| span.byte_range();
            let mut pattern = range(arm.pat.span());
            if let Some((_, guard)) = &arm.guard {
                pattern.end = range(guard.span()).end;
            }
            let pattern = self.text[pattern].split_whitespace().collect::<Vec<_>>().join(" ");
            let body = range(arm.body.span());
            self.arms.push(Arm { body, pattern, line: arm.pat.span().start().line, swaps: Vec::new() });
        }
        for place in first + 1..self.arms.len() {
            let is_same = self.text[self.arms[place - 1].body.clone()] == self.text[self.arms[place].body.clone()];
            if !is_same {
                self.neighbours.push((place - 1, place));
            }
        }
        visit::visit_expr_match(self, found);
    }
}

/// Numbers all pairs, from 1; gives how many there are.
fn number(sources: &mut [Source]) -> usize {
    let mut number = 0;
    for source in sources {
        for (first, second) in source.neighbours.clone() {
            number += 1;
            let (one, other) = (source.arms[first].body.clone(), source.arms[second].body.clone());
            source.arms[first].swaps.push((number, other));
            source.arms[second].swaps.push((number, one));
        }
    }
    number
}

/// A part of a printed file, and the swaps that an error in it speaks against.
struct Piece {
    range: Range<usize>,
    swaps: Vec<usize>,
    is_foreign: bool,
}

struct Printer<'s> {
    source: &'s Source,
    left_out: &'s BTreeSet<usize>,
    out: String,
    pieces: Vec<Piece>,
}

impl Printer<'_> {
    /// Prints a part of the file; arms within it are at `from` and behind.
    fn print(&mut self, range: Range<usize>, from: usize) {
        let mut at = range.start;
        // Outermost arms first: those within are printed with them.
        let mut arms: Vec<usize> = (from..self.source.arms.len())
            .filter(|place| {
                let body = &self.source.arms[*place].body;
                range.start <= body.start && body.end <= range.end
            })
            .collect();
        arms.sort_by_key(|place| {
            (self.source.arms[*place].body.start, std::cmp::Reverse(self.source.arms[*place].body.end))
        });
        for place in arms {
            let arm = &self.source.arms[place];
            if arm.body.start < at {
                continue;
            }
            self.out.push_str(&self.source.text[at..arm.body.start]);
            self.arm(place);
            at = arm.body.end;
        }
        self.out.push_str(&self.source.text[at..range.end]);
    }

    fn arm(&mut self, place: usize) {
        let source = self.source;
        let arm = &source.arms[place];
        let start = self.out.len();
        let swaps: Vec<_> = arm.swaps.iter().filter(|(number, _)| !self.left_out.contains(number)).collect();
        if let Some(((last, _), others)) = swaps.split_last() {
            let asked: Vec<String> = swaps.iter().map(|(number, _)| format!("!crate::is_swapped({number})")).collect();
            self.out.push_str(&format!("if {} {{ ", asked.join(" && ")));
            self.inner(place);
            for (number, body) in others.iter().copied() {
                self.out.push_str(&format!(" }} else if crate::is_swapped({number}) {{ "));
                self.foreign(*number, body);
            }
            self.out.push_str(" } else { ");
            self.foreign(*last, &swaps[swaps.len() - 1].1);
            self.out.push_str(" }");
        } else {
            self.inner(place);
        }
        let swaps = swaps.iter().map(|(number, _)| *number).collect();
        self.pieces.push(Piece { range: start..self.out.len(), swaps, is_foreign: false });
    }

    /// The arm's own body, with the arms within it.
    fn inner(&mut self, place: usize) {
        let body = self.source.arms[place].body.clone();
        self.print(body, place + 1);
    }

    fn foreign(&mut self, number: usize, body: &Range<usize>) {
        let start = self.out.len();
        self.out.push_str(&self.source.text[body.clone()]);
        self.pieces.push(Piece { range: start..self.out.len(), swaps: vec![number], is_foreign: true });
    }
}

/// A command of cargo in the copy.
fn in_copy(folder: &Path, copy: &Path, command: &str) -> Command {
    let mut cargo = cargo(&[command, "--package", "jobplate", "--no-default-features"]);
    cargo.current_dir(copy).env("CARGO_TARGET_DIR", folder.join("target")).env("RUSTFLAGS", "--cap-lints=allow");
    cargo
}

/// Whether the compiler takes the copy. Leaves out the swaps that its errors speak against.
fn check(folder: &Path, copy: &Path, sources: &[Source], left_out: &mut BTreeSet<usize>) -> Result<bool> {
    let mut command = in_copy(folder, copy, "check");
    let output = command.args(["--lib", "--message-format=json", "--quiet"]).stdin(Stdio::null()).output()?;
    let printed: Vec<(PathBuf, Vec<Piece>)> =
        sources.iter().map(|source| (PathBuf::from(&source.file), source.print(left_out).1)).collect();
    let before = left_out.len();
    let mut others = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let message = &message["message"];
        if message["level"] == "error" {
            let against = against(&message["spans"], &printed);
            if against.is_empty() {
                others.push(message.clone());
            }
            left_out.extend(against);
        }
    }
    // What the compiler makes of an arm may only show before it: in its pattern.
    if left_out.len() == before {
        left_out.extend(others.iter().flat_map(|message| behind(&message["spans"], &printed)));
    }
    if !output.status.success() && left_out.len() == before {
        let errors = others.iter().filter_map(|message| message["rendered"].as_str());
        bail!("the copy makes no program, and no swap is why\n{}", errors.collect::<String>());
    }
    Ok(output.status.success())
}

/// The swaps of the first arm behind an error.
fn behind(spans: &Value, printed: &[(PathBuf, Vec<Piece>)]) -> Vec<usize> {
    let Some(span) = spans.as_array().and_then(|spans| spans.iter().find(|span| span["is_primary"] == true)) else {
        return Vec::new();
    };
    let end = span["byte_end"].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
    let of_file = printed.iter().find(|(file, _)| span["file_name"].as_str().is_some_and(|own| Path::new(own) == file));
    let pieces = of_file.iter().flat_map(|(_, pieces)| pieces);
    let next = pieces
        .filter(|piece| piece.range.start >= end && !piece.swaps.is_empty())
        .min_by_key(|piece| piece.range.start);
    next.map_or_else(Vec::new, |piece| piece.swaps.clone())
}

/// The swaps that an error speaks against: those whose foreign body it points at; else those of the arm.
fn against(spans: &Value, printed: &[(PathBuf, Vec<Piece>)]) -> Vec<usize> {
    let spans: Vec<&Value> = spans.as_array().into_iter().flatten().collect();
    for (is_foreign, is_primary) in [(true, true), (true, false), (false, true), (false, false)] {
        for span in spans.iter().filter(|span| span["is_primary"].as_bool() == Some(is_primary)) {
            let at = |key: &str| span[key].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
            let (start, end) = (at("byte_start"), at("byte_end"));
            let of_file =
                printed.iter().find(|(file, _)| span["file_name"].as_str().is_some_and(|own| Path::new(own) == file));
            let pieces = of_file.iter().flat_map(|(_, pieces)| pieces);
            let holds =
                |piece: &&Piece| piece.range.start <= start && end <= piece.range.end && !piece.swaps.is_empty();
            let inner = pieces
                .filter(|piece| piece.is_foreign == is_foreign)
                .filter(holds)
                .min_by_key(|piece| piece.range.len());
            if let Some(piece) = inner {
                return piece.swaps.clone();
            }
        }
    }
    Vec::new()
}
