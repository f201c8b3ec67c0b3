//! What was edited, told to those who asked: `--report FILE`, and GitHub where it runs us.

use std::fs::File;
use std::io::{self, Write};

use super::args::Manifests;
use super::github;
use crate::error::{Error, Result, io_reason};
use crate::manifest::difference::{Item, differences};
use crate::render::{Pair, Rendering};
use crate::report::edits::{Edited, What, json};

/// Refuses a report that would be written over one of the inputs.
pub(super) fn check(manifests: &Manifests) -> Result<()> {
    let Some(report) = &manifests.report else { return Ok(()) };
    let same = |input: &String| {
        let (own, other) = (std::fs::canonicalize(report), std::fs::canonicalize(input));
        own.is_ok() && own.ok() == other.ok()
    };
    match manifests.inputs.iter().find(|input| same(input)) {
        None => Ok(()),
        Some(_) => Err(Error::usage("`--report` is one of the inputs, which would be lost").hint("name another file")),
    }
}

/// What edits are told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// They are made.
    Made,
    /// They are only shown.
    Shown,
    /// They should have been made before.
    Missing,
}

/// The edits of a call, and the file that is to tell of them.
pub(super) struct Edits {
    all: Vec<Edited>,
    /// Opened before anything is printed: that it can't be is no news for afterwards.
    file: Option<(File, String)>,
}

/// The edits of all documents, in their order; none where nobody asks for them.
pub(super) fn find(rendering: &mut Rendering, manifests: &Manifests) -> Result<Option<Edits>> {
    if manifests.report.is_none() && !github::is_here() {
        return Ok(None);
    }
    let open = |name: &String| Ok((File::create(name).map_err(|error| failed(name, &error))?, name.clone()));
    Ok(Some(Edits { all: all(rendering)?, file: manifests.report.as_ref().map(open).transpose()? }))
}

/// Tells those who asked.
pub(super) fn tell(edits: Option<Edits>, what: Told) -> Result<()> {
    let Some(Edits { all, file }) = edits else { return Ok(()) };
    if let Some((mut file, name)) = file {
        file.write_all(json(&all).as_bytes()).map_err(|error| failed(&name, &error))?;
    }
    github::tell_edits(&all, what);
    Ok(())
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
            edits.extend(differences(before, after).into_iter().map(|difference| Edited {
                file: input.to_owned(),
                document,
                line: line + before[..difference.at].matches('\n').count(),
                kind: difference.kind,
                name: difference.name,
                text: difference.text,
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
