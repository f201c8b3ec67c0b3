//! Runs the editor over real manifests of public repositories and judges every result.
//!
//! What is right is decided without the library's help: which documents have a target and what they must
//! become is worked out on the JSON that go-yaml, the reader of Kubernetes, makes of them; what may change
//! in the text is decided line by line. Only what is asked for, the `Injection`, is made with the library.
//! `tests/corpus/README.md` says which files these are and how to get them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use jobplate::inject::{Injection, RequestedVariable, VariableSource};
use jobplate_diagnostic::ErrorKind;
use jobplate_manifest::env::{EnvFrom, EnvFromKind, EnvValue, KeyRef};
use jobplate_manifest::select::{ContainerChoice, Glob, Target};
use serde_json::{Value, json};

const USAGE: &str = "usage: cargo xtask corpus --clones DIR [--repo OWNER/NAME]";

/// What the injections write.
const VARIABLE: &str = "JOBPLATE_CORPUS_TOKEN";
const SECRET: &str = "jobplate-corpus-secret";
const KEY: &str = "jobplate-corpus-key";
const SOURCE: &str = "jobplate-corpus-source";

/// Files of this size and above are left out: generated ones, which partial clones do not have.
const MAX_FILE: usize = 3 << 20;

/// At most one of so many files with targets may be refused.
const REFUSED_OF: usize = 100;

/// The kinds of Kubernetes that carry a pod, and the way to its spec.
const WORKLOADS: [(&str, &[&str]); 9] = [
    ("Pod", &["spec"]),
    ("PodTemplate", &["template", "spec"]),
    ("Job", &["spec", "template", "spec"]),
    ("CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
    ("Deployment", &["spec", "template", "spec"]),
    ("ReplicaSet", &["spec", "template", "spec"]),
    ("ReplicationController", &["spec", "template", "spec"]),
    ("StatefulSet", &["spec", "template", "spec"]),
    ("DaemonSet", &["spec", "template", "spec"]),
];

/// Runs `cargo xtask corpus`; an error if anything is wrong, or too much is refused.
pub fn run(args: impl IntoIterator<Item = String>) -> Result<()> {
    let (mut clones, mut only) = (None, None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--clones" => clones = Some(PathBuf::from(args.next().context(USAGE)?)),
            "--repo" => only = Some(args.next().context(USAGE)?),
            _ => bail!("{USAGE}"),
        }
    }
    let clones = clones.context(USAGE)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace around xtask")?;
    let list = root.join("tests/corpus/repositories.tsv");
    let list = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let mut repositories = parse_list(&list)?;
    if let Some(only) = only {
        repositories.retain(|repository| repository.name == only);
        ensure!(!repositories.is_empty(), "{only} is not in the list");
    }
    let mut reader = GoYaml::start(root)?;
    let mut totals = [Tally::default(); Ask::ALL.len()];
    let mut findings = String::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong_counts = Vec::new();
    println!(
        "{:<55} {:<8} {:>6} {:>10} {:>8} {:>6} {:>7} {:>5}",
        "repository", "asked", "files", "unreadable", "targets", "edited", "refused", "wrong"
    );
    let begin = Instant::now();
    for repository in &repositories {
        let files = read_files(&find_git_dir(&clones, &repository.name)?, repository)?;
        let mut tallies = [Tally::default(); Ask::ALL.len()];
        for file in &files {
            let originals = split(&file.text);
            let values = reader.read(&originals)?;
            for (ask, tally) in Ask::ALL.into_iter().zip(&mut tallies) {
                let Some(job) = Job::new(ask, &values) else { continue };
                let verdict = judge(&file.text, &originals, &values, &job, &mut reader)?;
                tally.add(&job, &values, &verdict);
                let (word, reason) = match verdict {
                    Verdict::Refused(refusal) => {
                        *reasons.entry(refusal.message.clone()).or_default() += 1;
                        ("refused", refusal.to_string())
                    }
                    Verdict::Wrong(reason) => ("WRONG", reason),
                    Verdict::Stopped(refusal) => {
                        *reasons.entry(format!("(go-yaml refuses a document too) {}", refusal.message)).or_default() +=
                            1;
                        continue;
                    }
                    Verdict::Edited | Verdict::Untouched => continue,
                };
                writeln!(findings, "{word} ({}) {} {}: {reason}", ask.word(), repository.name, file.path)?;
            }
        }
        for ((ask, tally), total) in Ask::ALL.into_iter().zip(&tallies).zip(&mut totals) {
            let short: String = repository.commit.chars().take(8).collect();
            print_row(&format!("{} {short}", repository.name), ask, tally);
            total.join(tally);
        }
        let found = (tallies[0].files, tallies[0].targets);
        if found != (repository.files, repository.targets) {
            let listed = (repository.files, repository.targets);
            wrong_counts
                .push(format!("{}: {found:?} files and files with targets, the list says {listed:?}", repository.name));
        }
    }
    for (ask, total) in Ask::ALL.into_iter().zip(&totals) {
        print_row("all", ask, total);
    }
    println!("\n{findings}");
    for (reason, count) in reasons {
        println!("{count:>6} refused: {reason}");
    }
    println!("{:.1} s", begin.elapsed().as_secs_f64());
    ensure!(wrong_counts.is_empty(), "these clones are not what the list was made from:\n{}", wrong_counts.join("\n"));
    for (ask, total) in Ask::ALL.into_iter().zip(&totals) {
        ensure!(total.wrong == 0, "{} files wrong ({})", total.wrong, ask.word());
        ensure!(
            total.refused * REFUSED_OF <= total.targets,
            "{} of {} files with targets refused ({})",
            total.refused,
            total.targets,
            ask.word()
        );
    }
    Ok(())
}

fn print_row(name: &str, ask: Ask, tally: &Tally) {
    let Tally { files, unreadable, targets, edited, refused, wrong } = tally;
    println!(
        "{name:<55} {:<8} {files:>6} {unreadable:>10} {targets:>8} {edited:>6} {refused:>7} {wrong:>5}",
        ask.word()
    );
}

// ---- the list and the files ----

struct Repository {
    name: String,
    commit: String,
    folders: Vec<String>,
    files: usize,
    targets: usize,
}

fn parse_list(list: &str) -> Result<Vec<Repository>> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let repositories = lines.map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, commit, folders, files, targets] = fields[..] else { bail!("not five fields: {line}") };
        Ok(Repository {
            name: name.to_owned(),
            commit: commit.to_owned(),
            folders: folders.split(',').filter(|folder| *folder != ".").map(str::to_owned).collect(),
            files: files.parse().with_context(|| line.to_owned())?,
            targets: targets.parse().with_context(|| line.to_owned())?,
        })
    });
    repositories.collect()
}

/// `DIR/OWNER+NAME`, where it is a bare git directory or holds one.
fn find_git_dir(clones: &Path, name: &str) -> Result<PathBuf> {
    let top = clones.join(name.replace('/', "+"));
    let mut candidates = vec![top.clone(), top.join(".git")];
    if let Ok(inside) = std::fs::read_dir(&top) {
        for folder in inside {
            let folder = folder?.path();
            candidates.extend([folder.join(".git"), folder]);
        }
    }
    let found = candidates.into_iter().find(|folder| folder.join("HEAD").is_file() && folder.join("objects").is_dir());
    found.with_context(|| {
        format!("no git directory in {}: git clone --bare https://github.com/{name} {0}", top.display())
    })
}

struct File {
    path: String,
    text: String,
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    // What a partial clone left out stays out.
    command.arg("--git-dir").arg(folder).env("GIT_NO_LAZY_FETCH", "1");
    command
}

/// Every manifest-like file of the folders, equal ones once.
fn read_files(git_dir: &Path, repository: &Repository) -> Result<Vec<File>> {
    let mut listing = git(git_dir);
    listing.args(["ls-tree", "-r", "-z", "--full-tree", &repository.commit, "--"]).args(&repository.folders);
    let listing = listing.output().context("git")?;
    ensure!(listing.status.success(), "{}: {}", repository.name, String::from_utf8_lossy(&listing.stderr));
    let mut seen = HashSet::new();
    let mut wanted = Vec::new();
    for entry in String::from_utf8_lossy(&listing.stdout).split_terminator('\0') {
        let (about, path) = entry.split_once('\t').context("git ls-tree")?;
        let mut about = about.split(' ');
        let (mode, object) = (about.next().unwrap_or_default(), about.nth(1).unwrap_or_default().to_owned());
        let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if mode.starts_with("100") && ["yaml", "yml", "json"].contains(&extension) && seen.insert(object.clone()) {
            wanted.push((path.to_owned(), object));
        }
    }
    let mut cat = git(git_dir).args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut requests = cat.stdin.take().context("git cat-file")?;
    let mut answers = BufReader::new(cat.stdout.take().context("git cat-file")?);
    let objects: String = wanted.iter().map(|(_, object)| format!("{object}\n")).collect();
    let writer = std::thread::spawn(move || requests.write_all(objects.as_bytes()));
    let mut files = Vec::new();
    for (path, object) in wanted {
        let mut header = String::new();
        answers.read_line(&mut header)?;
        if header.trim_end().ends_with(" missing") {
            continue;
        }
        let size: usize = header
            .trim_end()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .parse()
            .with_context(|| format!("{object}: {header}"))?;
        let mut bytes = vec![0; size + 1];
        answers.read_exact(&mut bytes)?;
        bytes.pop();
        if let (true, Ok(text)) = (size < MAX_FILE, String::from_utf8(bytes)) {
            files.push(File { path, text });
        }
    }
    writer.join().map_err(|_| anyhow::anyhow!("git cat-file"))??;
    ensure!(cat.wait()?.success(), "git cat-file");
    Ok(files)
}

/// The documents of a stream: each begins with its `---` line.
fn split(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marks =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marks && at > 0 {
            documents.push(&text[start..at]);
            start = at;
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents
}

// ---- go-yaml ----

/// The reader of Kubernetes, as a process: `tests/oracles/goyaml` says how it talks.
struct GoYaml {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl GoYaml {
    fn start(root: &Path) -> Result<Self> {
        let folder = root.join("tests/oracles/goyaml");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let program = std::path::absolute(target.join("corpus-goyaml"))?;
        let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(&folder).status();
        ensure!(built.context("go, the compiler, is needed to judge")?.success(), "go build in {}", folder.display());
        let mut process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("goyaml")?);
        Ok(GoYaml { process, requests, answers })
    }

    /// The values of documents; none for what it refuses.
    fn read(&mut self, documents: &[&str]) -> Result<Vec<Option<Value>>> {
        let requests = self.requests.as_mut().context("goyaml has ended")?;
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || -> Result<()> {
                for document in documents {
                    requests.write_all(&u32::try_from(document.len())?.to_le_bytes())?;
                    requests.write_all(document.as_bytes())?;
                }
                Ok(requests.flush()?)
            });
            let mut values = Vec::with_capacity(documents.len());
            for _ in documents {
                let mut line = String::new();
                ensure!(self.answers.read_line(&mut line)? > 0, "goyaml ended");
                values.push(if line.starts_with('!') { None } else { Some(serde_json::from_str(&line)?) });
            }
            writer.join().map_err(|_| anyhow::anyhow!("goyaml"))??;
            Ok(values)
        })
    }
}

impl Drop for GoYaml {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.requests.take());
        self.process.wait().ok();
    }
}

// ---- what is asked for, and what must come of it ----

/// The three injections, each tried on every file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// A variable and an `envFrom` source for every container of the kinds of Kubernetes.
    Add,
    /// The first literal of the file becomes a reference, in every container.
    Replace,
    /// A variable for every container of whatever kind.
    AnyKind,
}

impl Ask {
    const ALL: [Ask; 3] = [Ask::Add, Ask::Replace, Ask::AnyKind];

    fn word(self) -> &'static str {
        match self {
            Ask::Add => "add",
            Ask::Replace => "replace",
            Ask::AnyKind => "any kind",
        }
    }
}

/// One injection for one file, and what must come of it.
struct Job {
    injection: Injection,
    /// What every document must be afterwards; none for those that go-yaml refuses.
    expected: Vec<Option<Value>>,
    outcome: Outcome,
}

/// What working out the expectation has met.
#[derive(Default)]
struct Outcome {
    /// Documents with a selected container.
    documents: usize,
    containers: usize,
    /// Why no right edit exists, if so.
    impossible: Option<&'static str>,
    /// Entries that are replaced.
    replaced: Vec<Value>,
}

impl Job {
    /// None where the file has nothing of that kind to ask for.
    fn new(ask: Ask, values: &[Option<Value>]) -> Option<Self> {
        let name = if ask == Ask::Replace { first_literal(values)? } else { VARIABLE.to_owned() };
        let mut outcome = Outcome::default();
        let expected =
            values.iter().map(|value| value.as_ref().map(|value| expect(ask, &name, value, &mut outcome))).collect();
        let kinds = if ask == Ask::AnyKind { vec!["*"] } else { WORKLOADS.map(|(kind, _)| kind).to_vec() };
        let targets = kinds.into_iter().filter_map(|kind| {
            Some(Target { kind: Glob::new(kind, true).ok()?, name: None, key: None, containers: None })
        });
        let source =
            EnvFrom { prefix: String::new(), kind: EnvFromKind::ConfigMap, name: SOURCE.to_owned(), optional: true };
        let secret = KeyRef { name: SECRET.to_owned(), key: KEY.to_owned(), optional: false };
        let injection = Injection {
            variables: vec![RequestedVariable { name, source: VariableSource::Entry(EnvValue::SecretKey(secret)) }],
            env_from: if ask == Ask::Add { vec![source] } else { Vec::new() },
            targets: targets.collect(),
            containers: ContainerChoice::All,
            init_containers: true,
            ..Injection::default()
        };
        Some(Job { injection, expected, outcome })
    }
}

/// The name of the first entry with a literal, in the order of [`pods`].
fn first_literal(values: &[Option<Value>]) -> Option<String> {
    let mut found = None;
    for value in values.iter().flatten() {
        let mut value = value.clone();
        for_containers(Ask::Replace, &mut value, &mut |container| {
            for entry in container["env"].as_array().into_iter().flatten() {
                if let (Some(name), Some(_)) = (entry["name"].as_str(), entry["value"].as_str()) {
                    found.get_or_insert_with(|| name.to_owned());
                }
            }
        });
    }
    found.filter(|name: &String| !name.is_empty())
}

fn expect(ask: Ask, name: &str, value: &Value, outcome: &mut Outcome) -> Value {
    let mut value = value.clone();
    let before = outcome.containers;
    for_containers(ask, &mut value, &mut |container| {
        outcome.containers += 1;
        if let Err(why) = expect_container(ask, name, container, outcome) {
            outcome.impossible.get_or_insert(why);
        }
    });
    outcome.documents += usize::from(outcome.containers > before);
    value
}

/// Calls for each container that an injection is for, in each pod of each object of a document.
fn for_containers(ask: Ask, document: &mut Value, call: &mut dyn FnMut(&mut Value)) {
    if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && document.get("items").is_some() {
        for item in document["items"].as_array_mut().into_iter().flatten() {
            for_object(ask, item, call);
        }
    } else {
        for_object(ask, document, call);
    }
}

fn for_object(ask: Ask, object: &mut Value, call: &mut dyn FnMut(&mut Value)) {
    if !object.is_object() {
        return;
    }
    let group =
        object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    let way = WORKLOADS.iter().find(|(kind, _)| object["kind"] == *kind).map(|(_, way)| way);
    match way {
        Some(way) if ["", "apps", "batch", "extensions"].contains(&group) => {
            let pod = way.iter().try_fold(object, |value, key| value.get_mut(key));
            if let Some(pod) = pod {
                for_pod(pod, call);
            }
        }
        None if ask != Ask::AnyKind => {}
        _ => for_shapes(object, call),
    }
}

/// The pods of an object of a foreign kind: mappings with `containers` that begin with a mapping.
fn for_shapes(value: &mut Value, call: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(map) if map.get("containers").is_some_and(|containers| containers[0].is_object()) => {
            for_pod(value, call)
        }
        Value::Object(map) => map.values_mut().for_each(|value| for_shapes(value, call)),
        Value::Array(items) => items.iter_mut().for_each(|value| for_shapes(value, call)),
        _ => {}
    }
}

fn for_pod(pod: &mut Value, call: &mut dyn FnMut(&mut Value)) {
    for list in ["containers", "initContainers"] {
        if let Some(containers) = pod.get_mut(list).and_then(Value::as_array_mut) {
            containers.iter_mut().for_each(&mut *call);
        }
    }
}

fn reference(name: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": KEY}}})
}

/// Makes of a container what it must become.
fn expect_container(ask: Ask, name: &str, container: &mut Value, outcome: &mut Outcome) -> Result<(), &'static str> {
    let container = container.as_object_mut().ok_or("a container is no mapping")?;
    if ask == Ask::Add {
        let sources = list_of(container, "envFrom")?;
        sources.push(json!({"configMapRef": {"name": SOURCE, "optional": true}}));
    }
    let entries = list_of(container, "env")?;
    // `$patch` is a directive of a kustomize patch: an entry that names no variable.
    if !entries.iter().all(|entry| entry["name"].is_string() || entry["$patch"].is_string()) {
        return Err("an entry has no name");
    }
    let mut own = entries.iter_mut().filter(|entry| entry["name"] == name);
    match (own.next(), own.next()) {
        (Some(_), Some(_)) => return Err("the variable stands there twice"),
        (Some(entry), None) => {
            let old = std::mem::replace(entry, reference(name));
            outcome.replaced.push(old);
        }
        (None, _) => {
            let user = entries.iter().position(|entry| entry["value"].as_str().is_some_and(|text| expands(text, name)));
            entries.insert(user.unwrap_or(entries.len()), reference(name));
        }
    }
    Ok(())
}

fn list_of<'a>(
    container: &'a mut serde_json::Map<String, Value>,
    key: &str,
) -> Result<&'a mut Vec<Value>, &'static str> {
    let list = container.entry(key).or_insert(Value::Null);
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().ok_or("not a list")
}

/// Whether Kubernetes puts the variable into a text: `$(NAME)` it does, `$$(NAME)` not.
fn expands(text: &str, name: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(escaped) = rest.strip_prefix('$') {
            rest = escaped;
        } else if rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(')'))
        {
            return true;
        }
    }
    false
}

// ---- judging ----

enum Verdict {
    /// No target, and not a byte changed.
    Untouched,
    /// No target and no edit, for the sake of a document that go-yaml refuses as well.
    Stopped(Refusal),
    Edited,
    Refused(Refusal),
    Wrong(String),
}

/// Why and where an edit was not made.
struct Refusal {
    place: String,
    message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

#[derive(Clone, Copy, Default)]
struct Tally {
    files: usize,
    /// Files with a document that go-yaml refuses; they are judged like the others.
    unreadable: usize,
    /// Files with a target.
    targets: usize,
    edited: usize,
    refused: usize,
    wrong: usize,
}

impl Tally {
    fn add(&mut self, job: &Job, values: &[Option<Value>], verdict: &Verdict) {
        self.files += 1;
        self.unreadable += usize::from(values.iter().any(Option::is_none));
        self.targets += usize::from(job.outcome.documents > 0);
        match verdict {
            Verdict::Untouched | Verdict::Stopped(_) => {}
            Verdict::Edited => self.edited += 1,
            Verdict::Refused(_) => self.refused += 1,
            Verdict::Wrong(_) => self.wrong += 1,
        }
    }

    fn join(&mut self, other: &Tally) {
        self.files += other.files;
        self.unreadable += other.unreadable;
        self.targets += other.targets;
        self.edited += other.edited;
        self.refused += other.refused;
        self.wrong += other.wrong;
    }
}

fn render(text: &str, injection: &Injection) -> Result<jobplate::render::RenderedStream, Verdict> {
    match catch_unwind(AssertUnwindSafe(|| jobplate::render::to_string(text, injection))) {
        Ok(Ok(rendered)) => Ok(rendered),
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Input) => {
            let place = match (error.location().map(|place| place.line_column()), error.span()) {
                (Some((line, column)), _) => format!("{line}:{column}"),
                (None, Some(span)) => format!("byte {}", span.start),
                (None, None) => "somewhere".to_owned(),
            };
            Err(Verdict::Refused(Refusal { place, message: error.message().to_owned() }))
        }
        Ok(Err(error)) => Err(Verdict::Wrong(format!("{:?} error: {error}", error.kind()))),
        Err(_) => Err(Verdict::Wrong("panic".to_owned())),
    }
}

fn judge(text: &str, originals: &[&str], values: &[Option<Value>], job: &Job, reader: &mut GoYaml) -> Result<Verdict> {
    let rendered = match render(text, &job.injection) {
        Ok(rendered) => rendered,
        // What has no target must pass, unless it is no YAML in the first place.
        Err(Verdict::Refused(refusal)) if job.outcome.documents == 0 => {
            let readable = values.iter().all(Option::is_some);
            let wrong = format!("refused without a target {refusal}");
            return Ok(if readable { Verdict::Wrong(wrong) } else { Verdict::Stopped(refusal) });
        }
        Err(verdict) => return Ok(verdict),
    };
    let wrong = |reason: String| Ok(Verdict::Wrong(reason));
    let found = (rendered.targets, rendered.containers);
    if found != (job.outcome.documents, job.outcome.containers) {
        let expected = (job.outcome.documents, job.outcome.containers);
        return wrong(format!("found {found:?} documents with targets and containers instead of {expected:?}"));
    }
    if let Some(why) = job.outcome.impossible {
        return wrong(format!("edited, though {why}"));
    }
    if job.outcome.documents == 0 {
        return if rendered.text == text {
            Ok(Verdict::Untouched)
        } else {
            wrong("changed without a target".to_owned())
        };
    }
    let edited = split(&rendered.text);
    if edited.len() != originals.len() {
        return wrong(format!("{} documents became {}", originals.len(), edited.len()));
    }
    let results = reader.read(&edited)?;
    for (number, result) in results.iter().enumerate() {
        let (before, after) = (originals[number], edited[number]);
        let document = number + 1;
        if values[number] == job.expected[number] && before != after {
            return wrong(format!("document {document} changed without a target"));
        }
        if *result != job.expected[number] {
            return wrong(format!("document {document} is not what it should be"));
        }
        if let Err(line) = judge_lines(before, after, job) {
            return wrong(format!("document {document}: {line}"));
        }
    }
    match render(&rendered.text, &job.injection) {
        Ok(again) if again.text == rendered.text => Ok(Verdict::Edited),
        Ok(_) => wrong("a second run changes more".to_owned()),
        Err(Verdict::Refused(refusal)) => wrong(format!("a second run is refused: {refusal}")),
        Err(verdict) => Ok(verdict),
    }
}

/// Whether only lines of the entry came, and only lines of a replaced entry went.
///
/// A line that holds more than the entry (flow style, `env: []`) may change into one with the entry.
fn judge_lines(before: &str, after: &str, job: &Job) -> Result<(), String> {
    if before.contains('\r') != after.contains('\r') || bare_newlines(before) != bare_newlines(after) {
        return Err("line endings changed".to_owned());
    }
    if before.ends_with('\n') != after.ends_with('\n') {
        return Err("the end of the last line changed".to_owned());
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (lines(before), lines(after));
    let (gone, mut fresh) = (surplus(&old, &new), surplus(&new, &old));
    if common(&old, &new) + gone.len() != old.len() {
        return Err("lines moved".to_owned());
    }
    let name = &job.injection.variables[0].name;
    let pieces = Pieces::new(name, job);
    for line in &gone {
        let partner = fresh.iter().position(|candidate| pieces.becomes(line, candidate));
        match partner {
            Some(partner) => {
                fresh.remove(partner);
            }
            None if pieces.may_go(line) => {}
            None => return Err(format!("lost the line `{line}`")),
        }
    }
    if let Some(line) = fresh.iter().find(|line| !pieces.may_come(line, &gone)) {
        return Err(format!("gained the line `{line}`"));
    }
    pieces.count(&fresh, &new)
}

fn bare_newlines(text: &str) -> bool {
    text.split_inclusive('\n').any(|line| line.ends_with('\n') && !line.ends_with("\r\n"))
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').map(|line| line.trim_end_matches(['\r', '\n'])).collect()
}

/// The lines of the first that the second has not, each as often as it is missing.
fn surplus<'a>(first: &[&'a str], second: &[&str]) -> Vec<&'a str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    second.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    let missing = first.iter().filter(|line| match counts.get_mut(*line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    missing.copied().collect()
}

/// The length of the longest common subsequence.
fn common(old: &[&str], new: &[&str]) -> usize {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    // Pure insertions, by far the most, need no table.
    let mut rest = old;
    for line in new {
        if rest.first() == Some(line) {
            rest = &rest[1..];
        }
    }
    if rest.is_empty() {
        return start + old.len() + end;
    }
    let mut row = vec![0; new.len() + 1];
    for line in old {
        let mut diagonal = 0;
        for (column, other) in new.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if line == other { diagonal + 1 } else { above.max(row[column]) };
            diagonal = above;
        }
    }
    start + row[new.len()] + end
}

/// A line without what layout and style may change: blanks, quotes, brackets, commas, the dash, a comment.
fn squeeze(line: &str) -> String {
    let line = line.find(" #").map_or(line, |comment| &line[..comment]).trim();
    let line = line.strip_prefix('-').unwrap_or(line);
    line.chars().filter(|c| !" \t\"'{}[],".contains(*c)).collect()
}

/// What stands for no value; it goes where a list comes.
const NULLS: [&str; 4] = ["null", "Null", "NULL", "~"];

/// The texts that an injection writes and takes away, squeezed.
struct Pieces {
    /// Lines that follow each other, and those that may stand before them.
    wholes: [(Vec<String>, Vec<String>); 2],
    /// All of them, alone and in one line.
    written: HashSet<String>,
    /// The whole of what is written into a single line, longest first.
    entries: Vec<String>,
    /// What replaced entries held: pairs of keys and values, keys alone, values of many lines.
    replaced: Vec<String>,
}

impl Pieces {
    fn new(name: &str, job: &Job) -> Self {
        let value = format!("valueFrom:secretKeyRef:name:{SECRET}key:{KEY}");
        let entry = format!("name:{}{value}", squeeze(name));
        let source = format!("configMapRef:name:{SOURCE}optional:true");
        let entries = vec![source, entry, value];
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let (metadata_name, secret, key) =
            (format!("name:{}", squeeze(name)), format!("name:{SECRET}"), format!("key:{KEY}"));
        let source_name = format!("name:{SOURCE}");
        let wholes = [
            (lines(&["valueFrom:", "secretKeyRef:", &secret, &key]), vec![metadata_name, "env:".to_owned()]),
            (lines(&["configMapRef:", &source_name, "optional:true"]), vec!["envFrom:".to_owned()]),
        ];
        let mut written: HashSet<String> =
            wholes.iter().flat_map(|(lines, heads)| lines.iter().chain(heads)).cloned().collect();
        written.insert(String::new());
        written.extend(entries.iter().flat_map(|entry| ["", "env:", "envFrom:"].map(|list| format!("{list}{entry}"))));
        let mut replaced = Vec::new();
        job.outcome.replaced.iter().for_each(|entry| flatten(entry, true, &mut replaced));
        Pieces { wholes, written, entries, replaced }
    }

    /// Whether a line may be new: it is one of the entry, and no blank in it is without need. What stood
    /// behind a replaced value, a comment say, may stand behind what replaced it.
    fn may_come(&self, line: &str, gone: &[&str]) -> bool {
        let behind = line.find("valueFrom:").map_or("", |at| &line[at + "valueFrom:".len()..]);
        if behind.starts_with([' ', '\t']) && gone.iter().any(|line| line.ends_with(behind)) {
            return self.may_come(&line[..line.len() - behind.len()], &[]);
        }
        let squeezed = squeeze(line);
        if !self.written.contains(&squeezed) || line.is_empty() || line.ends_with([' ', '\t']) || line.contains('#') {
            return false;
        }
        let text = line.trim_start().trim_start_matches("- ").trim_start();
        let plain = match squeezed.split_once(':') {
            Some((key, value)) if !value.is_empty() => format!("{key}: {value}"),
            _ => squeezed,
        };
        text == plain || text.contains(['"', '\'', '{', '[', ']', '}'])
    }

    /// Whether the new lines are whole entries, each line in its place: a reader that takes the last of two
    /// equal keys would not notice otherwise.
    fn count(&self, fresh: &[&str], new: &[&str]) -> Result<(), String> {
        let fresh: Vec<String> = fresh.iter().map(|line| squeeze(line)).collect();
        // A bracket may stand on a line of its own.
        let new: Vec<String> = new.iter().map(|line| squeeze(line)).filter(|line| !line.is_empty()).collect();
        let number = |of: &str| fresh.iter().filter(|line| *line == of).count();
        for (lines, heads) in &self.wholes {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let wholes = new.windows(lines.len()).filter(|window| *window == lines).count();
            // A line that others have too may have been there before.
            let is_own = |line: &str| line.contains("jobplate-corpus");
            let odd = |line: &str| number(line) > wholes || is_own(line) && number(line) < wholes;
            let odd = lines.iter().copied().chain(heads.iter().map(String::as_str)).any(odd);
            if odd {
                return Err(format!("not {wholes} whole entries of lines from `{}` on", lines[0]));
            }
        }
        Ok(())
    }

    /// Whether a line may be missing afterwards: it is one of a replaced entry.
    fn may_go(&self, line: &str) -> bool {
        let squeezed = squeeze(line);
        if NULLS.contains(&line.trim()) {
            return true;
        }
        if squeezed.is_empty() {
            // A blank line only out of a long value, a comment never.
            let is_bracket = !line.trim().is_empty() && !line.trim_start().starts_with('#');
            return self.replaced.iter().any(|piece| is_bracket || piece.is_empty());
        }
        !self.replaced.is_empty() && squeezed.starts_with("value:")
            || self.replaced.iter().any(|piece| piece.contains(&squeezed))
    }

    /// Whether one line is the other with the entry put in (and a replaced value taken out), or with the
    /// commas and brackets that the entry beside it needs.
    fn becomes(&self, old: &str, new: &str) -> bool {
        // A block scalar at the end of a text gets an indicator, so that it ends as before.
        if new
            .strip_suffix('-')
            .is_some_and(|new| new.ends_with(['|', '>']) && (new == old || old.strip_suffix('+') == Some(new)))
        {
            return true;
        }
        let start: usize =
            old.chars().zip(new.chars()).take_while(|(old, new)| old == new).map(|(c, _)| c.len_utf8()).sum();
        let (old_rest, new_rest) = (&old[start..], &new[start..]);
        let ends = old_rest.chars().rev().zip(new_rest.chars().rev()).take_while(|(old, new)| old == new);
        let end: usize = ends.map(|(c, _)| c.len_utf8()).sum();
        let (dropped, inserted) = (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);
        let only_blanks = dropped.trim().is_empty() && inserted.trim().is_empty();
        let is_style = |text: &str| !text.contains('#') && squeeze(text).is_empty();
        if !only_blanks && is_style(inserted) && (is_style(dropped) || NULLS.contains(&dropped.trim())) {
            return true;
        }
        let without = |line: &str, pieces: &mut dyn Iterator<Item = &String>| {
            let mut line = squeeze(line);
            pieces.for_each(|piece| line = line.replace(piece.as_str(), ""));
            // The lists may have been there, or not.
            line.replace("envFrom:", "").replace("env:", "")
        };
        let old = without(old, &mut self.replaced.iter().filter(|piece| piece.contains(':')));
        // A replaced entry keeps its name where it is, a new one brings its own.
        let is_new = old == without(new, &mut self.entries.iter());
        let is_replaced = || old == without(new, &mut self.entries.iter().filter(|piece| !piece.starts_with("name:")));
        self.entries.iter().any(|entry| squeeze(new).contains(entry.as_str())) && (is_new || is_replaced())
    }
}

/// What the lines of a replaced entry may hold, squeezed: pairs, keys alone, lines of long values.
fn flatten(value: &Value, is_entry: bool, into: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| !is_entry || *key != "name") {
        match value {
            Value::Object(_) => {
                let begin = into.len();
                flatten(value, false, into);
                let inside: String =
                    into[begin..].iter().filter(|piece| piece.contains(':')).map(String::as_str).collect();
                into.extend([format!("{key}:{inside}"), format!("{key}:")]);
            }
            Value::String(text) => {
                let lines: Vec<String> = text.lines().map(squeeze).collect();
                into.push(format!("{key}:{}", lines.concat()));
                into.extend(lines);
            }
            other => into.push(format!("{key}:{other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str =
        "kind: Pod\nspec:\n  containers:\n  - name: a # first\n    env: []\n    args:\n    - |\n      x";

    fn job(ask: Ask, value: Value) -> Job {
        Job::new(ask, &[Some(value)]).expect("a job")
    }

    fn pod(container: Value) -> Value {
        json!({"kind": "Pod", "spec": {"containers": [container]}})
    }

    fn lines_of(ask: Ask, container: Value, before: &str, after: &str) -> Result<(), String> {
        judge_lines(before, after, &job(ask, pod(container)))
    }

    fn entry(indent: &str) -> String {
        let lines = [
            format!("- name: {VARIABLE}"),
            "  valueFrom:".to_owned(),
            "    secretKeyRef:".to_owned(),
            format!("      name: {SECRET}"),
            format!("      key: {KEY}"),
        ];
        lines.map(|line| format!("{indent}{line}\n")).concat()
    }

    #[test]
    fn documents_begin_at_their_marker() {
        assert_eq!(split("a\n---\nb\n--- # c\n---x\n---"), ["a\n", "---\nb\n", "--- # c\n---x\n", "---"]);
        assert_eq!(split("---\na"), ["---\na"]);
    }

    #[test]
    fn dollars_are_escaped_by_dollars() {
        assert!(expands("x$(A)", "A") && expands("$$$(A)", "A"));
        assert!(!expands("$$(A)", "A") && !expands("$(AB)", "A") && !expands("$A", "A"));
    }

    #[test]
    fn every_container_gets_its_entry() {
        let value = json!({"kind": "List", "items": [
            {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {
                "containers": [{"env": null}, {"env": [{"name": "B", "value": format!("$({VARIABLE})")}]}],
                "initContainers": [{}],
            }}}}}},
            {"kind": "Rollout", "spec": {"template": {"spec": {"containers": [{}]}}}},
        ]});
        let known = job(Ask::Add, value.clone());
        assert_eq!((known.outcome.documents, known.outcome.containers), (1, 3));
        let items = &known.expected[0].as_ref().expect("a value")["items"];
        let spec = &items[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        assert_eq!(spec["containers"][0]["env"], json!([reference(VARIABLE)]));
        assert_eq!(spec["containers"][1]["env"][0]["name"], VARIABLE);
        assert_eq!(spec["initContainers"][0]["envFrom"][0]["configMapRef"]["name"], SOURCE);
        assert_eq!(items[1], value["items"][1]);
        assert_eq!(job(Ask::AnyKind, value).outcome.containers, 4);
    }

    #[test]
    fn lines_of_the_entry_may_come() {
        let container = json!({"name": "a", "env": []});
        let after = BLOCK.replace("env: []\n", &format!("env:\n{}", entry("    ")));
        assert_eq!(lines_of(Ask::AnyKind, container.clone(), BLOCK, &after), Ok(()));
        let after = after.replace("- |", "- |-");
        assert_eq!(lines_of(Ask::AnyKind, container.clone(), BLOCK, &after), Ok(()));
        let flow = "{\"name\": \"a\", \"env\": [] }";
        let written = format!(
            r#"{{"name": "{VARIABLE}", "valueFrom": {{"secretKeyRef": {{"name": "{SECRET}", "key": "{KEY}"}}}}}}"#
        );
        assert_eq!(lines_of(Ask::AnyKind, container, flow, &flow.replace("[]", &format!("[{written}]"))), Ok(()));
    }

    #[test]
    fn nothing_else_may_come_go_or_move() {
        let container = json!({"name": "a", "env": []});
        let right = BLOCK.replace("env: []\n", &format!("env:\n{}", entry("    ")));
        for (what, with) in [
            (" # first", ""),
            ("- name: a", "- name:  a"),
            ("    args:\n", "    args:\n# new\n"),
            ("    args:\n", "    args:\n    # a \"new\" one\n"),
            ("    args:\n", "\n    args:\n"),
            ("valueFrom:\n", "valueFrom: \n"),
            ("valueFrom:\n", "valueFrom:\n      valueFrom:\n"),
            ("kind: Pod\nspec:\n", "spec:\nkind: Pod\n"),
            ("kind: Pod\n", "kind: Pod\r\n"),
            ("      x", ""),
        ] {
            let broken = right.replacen(what, with, 1);
            assert!(lines_of(Ask::AnyKind, container.clone(), BLOCK, &broken).is_err(), "{what:?}");
        }
    }

    #[test]
    fn only_the_replaced_entry_goes() {
        let container = json!({"env": [{"name": "A", "value": "one\n\ntwo\n"}, {"name": "B", "value": "b"}]});
        let before = "env:\n# why\n- name: A\n  value: |\n    one\n\n    two\n- name: B\n  value: b\n";
        let value = format!("  valueFrom:\n    secretKeyRef:\n      name: {SECRET}\n      key: {KEY}\n");
        let after = format!("env:\n# why\n- name: A\n{value}- name: B\n  value: b\n");
        assert_eq!(lines_of(Ask::Replace, container.clone(), before, &after), Ok(()));
        for what in ["# why\n", "- name: B\n"] {
            assert!(lines_of(Ask::Replace, container.clone(), before, &after.replace(what, "")).is_err(), "{what:?}");
        }
    }
}
