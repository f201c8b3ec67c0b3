//! What was edited, told to those who asked: `--report FILE`, and GitHub where it runs us.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use jobplate::diagnostic::edits::{ConfigMapKeyRef, EditRecord, EditStatus, EditedItem, ObjectRef, to_json};
use jobplate::inject::template_kind;
use jobplate::render::{RenderedDocument, Rendering};
use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error};
use jobplate_manifest::difference::{ChangedItem, ObjectName, differences};

use super::edit_args::{Manifests, STDIN};
use super::outputs::Replacements;
use crate::ui::Ui;

/// The edits of a call, and what is to tell of them.
pub(crate) struct Edits {
    all: Vec<EditRecord>,
    report: Option<Report>,
}

/// A report that is about to be told.
enum Report {
    /// Written beside the file that it will be, so that until then the last one stays.
    File(Replacements),
    /// A pipe or device, by name.
    Device(String),
}

/// The edits of all documents, in their order; none where nobody asks for them. Called before anything is printed
/// or replaced: that a report can't be written is no news for afterwards.
///
/// # Errors
///
/// Fails if an edited document can't be read again, or if the report can't be written.
pub(crate) fn find(rendering: &mut Rendering, manifests: &Manifests, ui: &Ui) -> Result<Option<Edits>> {
    if manifests.report.is_none() && ui.github().is_none() {
        return Ok(None);
    }
    let all = all(rendering)?;
    let report = manifests.report.as_ref().map(|name| Report::write(name, &to_json(&all), rendering, manifests));
    Ok(Some(Edits { report: report.transpose()?, all }))
}

/// Tells those who asked, once it is done; a reader who went away has had what was wanted.
///
/// # Errors
///
/// Fails as `done` does, or if the report can't be written.
pub(crate) fn tell(edits: Option<Edits>, what: EditStatus, done: Result<ExitCode>, ui: &Ui) -> Result<ExitCode> {
    if done.as_ref().is_err_and(|error| error.kind() != ErrorKind::ClosedOutput) {
        return done;
    }
    let Some(Edits { all, report }) = edits else { return done };
    match report {
        Some(Report::File(file)) => file.commit()?,
        Some(Report::Device(name)) => {
            let device = OpenOptions::new().append(true).open(&name);
            let written = device.and_then(|mut device| device.write_all(to_json(&all).as_bytes()));
            written.map_err(|error| failed(&error).in_file(name))?;
        }
        None => {}
    }
    if let Some(workflow) = ui.github() {
        workflow.report_edits(&all, what);
    }
    done
}

impl Report {
    fn write(name: &str, text: &str, rendering: &Rendering, manifests: &Manifests) -> Result<Self> {
        if name == STDIN {
            return Err(Error::usage("`--report` is a file; standard output is for manifests")
                .hint("/dev/stderr is a file, too"));
        }
        let path = Path::new(name);
        let mut file = Replacements::default();
        let write = |out: &mut dyn Write| out.write_all(text.as_bytes()).map_err(|error| failed(&error).in_file(name));
        match path.metadata() {
            Err(_) if path.is_symlink() => {
                return Err(Error::input("the report can't be written: this is a link to nothing").in_file(name));
            }
            Err(_) => file.create(path, write)?,
            Ok(there) if !there.is_file() => return Ok(Report::Device(name.to_owned())),
            Ok(there) => {
                let files = (0..rendering.len()).filter_map(|input| rendering.input_path(input));
                let read = files.chain(manifests.specs.iter().map(Path::new)).filter_map(|file| file.metadata().ok());
                if read.chain(of_stdin()).any(|other| is_same(&there, &other)) {
                    return Err(Error::usage("`--report` is one of the files that are read, which would be lost")
                        .in_file(name)
                        .hint("name another file"));
                }
                file.add(path, write)?;
            }
        }
        Ok(Report::File(file))
    }
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

fn failed(error: &io::Error) -> Error {
    Error::input(format!("the report can't be written: {}", describe_io_error(error)))
}

fn all(rendering: &mut Rendering) -> Result<Vec<EditRecord>> {
    let mut edits = Vec::new();
    for input in 0..rendering.len() {
        if !rendering.is_changed(input) {
            continue;
        }
        let mut documents = rendering.documents(Some(input));
        let mut document = 0;
        while let Some(RenderedDocument { input, line, before, after, edited, .. }) = documents.next_document()? {
            document += 1;
            if !edited {
                continue;
            }
            let breaks: Vec<usize> = before.match_indices('\n').map(|(at, _)| at).collect();
            edits.extend(differences(before, after, &template_kind).into_iter().map(|difference| EditRecord {
                file: input.to_owned(),
                document,
                line: line + breaks.partition_point(|&at| at < difference.at),
                object: object(difference.object),
                within: difference.text.map(|(map, key)| ConfigMapKeyRef { object: object(map), key }),
                container: difference.container,
                item: match difference.item {
                    ChangedItem::Variable(name) => EditedItem::Variable(name),
                    ChangedItem::Source(name) => EditedItem::Source(name),
                    ChangedItem::Field(name) => EditedItem::Field(name),
                },
                action: difference.action.as_str(),
            }));
        }
    }
    Ok(edits)
}

fn object(ObjectName { kind, name, namespace }: ObjectName) -> ObjectRef {
    ObjectRef { kind, name, namespace }
}
