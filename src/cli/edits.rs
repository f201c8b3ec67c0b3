//! What was edited, told to those who asked: `--report FILE`, and GitHub where it runs us.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::edit_args::{Manifests, STDIN};
use super::github;
use crate::error::{Error, Kind, Result, io_reason};
use crate::manifest::difference::{Item, Named, differences};
use crate::render::{Pair, Rendering};
use crate::report::edits::{Edited, Object, Told, What, Within, json};

/// The edits of a call, and the file that is to tell of them.
pub(super) struct Edits {
    all: Vec<Edited>,
    report: Option<Report>,
}

/// A report that is about to be written: a file beside the one that it will be, so that until then the last one
/// stays, or a pipe or device.
struct Report {
    name: String,
    to: Option<(tempfile::NamedTempFile, PathBuf)>,
}

/// The edits of all documents, in their order; none where nobody asks for them. Called before anything is printed
/// or replaced: that a report can't be written is no news for afterwards.
pub(super) fn find(rendering: &mut Rendering, manifests: &Manifests) -> Result<Option<Edits>> {
    if manifests.report.is_none() && !github::is_here() {
        return Ok(None);
    }
    let report = manifests.report.as_ref().map(|name| Report::begin(name, rendering, manifests)).transpose()?;
    Ok(Some(Edits { all: all(rendering)?, report }))
}

/// Tells those who asked, once it is done; a reader who went away has had what was wanted.
pub(super) fn tell(edits: Option<Edits>, what: Told, done: Result<ExitCode>) -> Result<ExitCode> {
    if done.as_ref().is_err_and(|error| error.kind() != Kind::ClosedOutput) {
        return done;
    }
    let Some(Edits { all, report }) = edits else { return done };
    report.map_or(Ok(()), |report| report.end(&json(&all)))?;
    github::tell_edits(&all, what);
    done
}

impl Report {
    fn begin(name: &str, rendering: &Rendering, manifests: &Manifests) -> Result<Self> {
        if name == STDIN {
            return Err(Error::usage("`--report` is a file; standard output is for manifests")
                .hint("/dev/stderr is a file, too"));
        }
        // Through a link to the file itself.
        let path = match std::fs::canonicalize(name) {
            Ok(path) => path,
            Err(_) if Path::new(name).is_symlink() => {
                return Err(Error::input("the report can't be written: this is a link to nothing").in_file(name));
            }
            Err(_) => return Report::beside(name, Path::new(name).to_owned(), None),
        };
        let there = path.metadata().map_err(|error| failed(name, &error))?;
        if !there.is_file() {
            return Ok(Report { name: name.to_owned(), to: None });
        }
        let files = (0..rendering.len()).filter_map(|input| rendering.path(input));
        let read = files.chain(manifests.specs.iter().map(Path::new)).filter_map(|file| file.metadata().ok());
        if read.chain(of_stdin()).any(|other| is_same(&there, &other)) {
            return Err(Error::usage("`--report` is one of the files that are read, which would be lost")
                .in_file(name)
                .hint("name another file"));
        }
        if there.permissions().readonly() {
            return Err(Error::input("the report can't be written: the file is read-only").in_file(name));
        }
        Report::beside(name, path, Some(there.permissions()))
    }

    /// Begins a file beside the one that it will be.
    fn beside(name: &str, path: PathBuf, permissions: Option<Permissions>) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let begin = || {
            let file = new_file(folder)?;
            permissions.map_or(Ok(()), |permissions| file.as_file().set_permissions(permissions))?;
            Ok(file)
        };
        let file = begin().map_err(|error| failed(name, &error))?;
        Ok(Report { name: name.to_owned(), to: Some((file, path)) })
    }

    fn end(self, text: &str) -> Result<()> {
        let write = || -> io::Result<()> {
            match self.to {
                Some((mut file, path)) => {
                    file.write_all(text.as_bytes())?;
                    file.persist(path).map(drop).map_err(|error| error.error)
                }
                None => OpenOptions::new().append(true).open(&self.name)?.write_all(text.as_bytes()),
            }
        };
        write().map_err(|error| failed(&self.name, &error))
    }
}

/// A file with the mode that every new file has.
fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".jobplate-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// The file that standard input is, if it is one.
#[cfg(unix)]
fn of_stdin() -> Option<Metadata> {
    use std::os::fd::AsFd;
    File::from(io::stdin().as_fd().try_clone_to_owned().ok()?).metadata().ok()
}

#[cfg(not(unix))]
fn of_stdin() -> Option<Metadata> {
    None
}

fn failed(name: &str, error: &io::Error) -> Error {
    Error::input(format!("the report can't be written: {}", io_reason(error))).in_file(name)
}

fn all(rendering: &mut Rendering) -> Result<Vec<Edited>> {
    let mut edits = Vec::new();
    for input in 0..rendering.len() {
        if !rendering.changes(input) {
            continue;
        }
        let mut documents = rendering.documents(Some(input));
        let mut document = 0;
        while let Some(Pair { input, line, before, after, edited, .. }) = documents.next()? {
            document += 1;
            if !edited {
                continue;
            }
            let breaks: Vec<usize> = before.match_indices('\n').map(|(at, _)| at).collect();
            edits.extend(differences(before, after).into_iter().map(|difference| Edited {
                file: input.to_owned(),
                document,
                line: line + breaks.partition_point(|&at| at < difference.at),
                object: object(difference.object),
                within: difference.text.map(|(map, key)| Within { object: object(map), key }),
                container: difference.container,
                what: match difference.item {
                    Item::Variable(name) => What::Variable(name),
                    Item::Source(name) => What::Source(name),
                    Item::Field(name) => What::Field(name),
                },
                action: difference.action.as_str(),
            }));
        }
    }
    Ok(edits)
}

fn object(Named { kind, name, namespace }: Named) -> Object {
    Object { kind, name, namespace }
}
