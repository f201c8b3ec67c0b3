//! Reads the list of repositories, and the repositories' files from git.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Files of this size in bytes, or larger, are skipped. They are usually generated, and partial clones do not contain
/// them.
const MIN_SKIPPED_FILE_SIZE: usize = 3 << 20;

/// A repository in the list.
pub(super) struct Repository {
    pub name: String,
    pub commit: String,
    /// The directories to read. If empty, all directories are read.
    directories: Vec<String>,
    /// The expected number of files in these directories.
    pub files: usize,
    /// The expected number of files with a target.
    pub targets: usize,
}

/// Parses the list. Each line has five tab-separated fields: name, commit, directories, number of files, and number of
/// files with a target.
pub(super) fn parse_list(list: &str) -> Result<Vec<Repository>> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let repositories = lines.map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, commit, directories, files, targets] = fields[..] else { bail!("not five fields: {line}") };
        Ok(Repository {
            name: name.to_owned(),
            commit: commit.to_owned(),
            directories: directories.split(',').filter(|directory| *directory != ".").map(str::to_owned).collect(),
            files: files.parse().with_context(|| line.to_owned())?,
            targets: targets.parse().with_context(|| line.to_owned())?,
        })
    });
    repositories.collect()
}

/// Returns the git directory of a repository: `clones/OWNER+NAME`, or a git directory below it. Fails if the git
/// directory is missing.
pub(super) fn find_git_dir(clones: &Path, name: &str) -> Result<PathBuf> {
    let top = clones.join(name.replace('/', "+"));
    let mut candidates = vec![top.clone(), top.join(".git")];
    if let Ok(entries) = std::fs::read_dir(&top) {
        for entry in entries {
            let directory = entry?.path();
            candidates.extend([directory.join(".git"), directory]);
        }
    }
    let is_git_dir = |directory: &PathBuf| directory.join("HEAD").is_file() && directory.join("objects").is_dir();
    let git_dir = candidates.into_iter().find(is_git_dir);
    git_dir.with_context(|| {
        format!("no git directory in {}: git clone --bare https://github.com/{name} {0}", top.display())
    })
}

/// A file of a repository.
pub(super) struct CorpusFile {
    pub path: String,
    pub text: String,
}

fn git_command(git_dir: &Path) -> Command {
    let mut command = Command::new("git");
    // Git must not fetch files that are missing from a partial clone.
    command.arg("--git-dir").arg(git_dir).env("GIT_NO_LAZY_FETCH", "1");
    command
}

/// Reads the YAML and JSON files in the repository's directories. Reads files with equal content only once, and skips
/// files that are missing from the clone, too large, or not UTF-8.
pub(super) fn read_files(git_dir: &Path, repository: &Repository) -> Result<Vec<CorpusFile>> {
    let mut listing = git_command(git_dir);
    listing.args(["ls-tree", "-r", "-z", "--full-tree", &repository.commit, "--"]).args(&repository.directories);
    let listing = listing.output().context("git")?;
    ensure!(listing.status.success(), "{}: {}", repository.name, String::from_utf8_lossy(&listing.stderr));
    let mut seen = HashSet::new();
    let mut selected = Vec::new();
    for entry in String::from_utf8_lossy(&listing.stdout).split_terminator('\0') {
        let (attributes, path) = entry.split_once('\t').context("git ls-tree")?;
        let mut attributes = attributes.split(' ');
        let (mode, object) = (attributes.next().unwrap_or_default(), attributes.nth(1).unwrap_or_default().to_owned());
        let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if mode.starts_with("100") && ["yaml", "yml", "json"].contains(&extension) && seen.insert(object.clone()) {
            selected.push((path.to_owned(), object));
        }
    }
    let mut cat =
        git_command(git_dir).args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut requests = cat.stdin.take().context("git cat-file")?;
    let mut responses = BufReader::new(cat.stdout.take().context("git cat-file")?);
    let objects: String = selected.iter().map(|(_, object)| format!("{object}\n")).collect();
    let writer = std::thread::spawn(move || requests.write_all(objects.as_bytes()));
    let mut files = Vec::new();
    for (path, object) in selected {
        let mut header = String::new();
        responses.read_line(&mut header)?;
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
        responses.read_exact(&mut bytes)?;
        bytes.pop();
        if let (true, Ok(text)) = (size < MIN_SKIPPED_FILE_SIZE, String::from_utf8(bytes)) {
            files.push(CorpusFile { path, text });
        }
    }
    writer.join().map_err(|_| anyhow::anyhow!("git cat-file"))??;
    ensure!(cat.wait()?.success(), "git cat-file");
    Ok(files)
}
