//! Runs `jobplate preview` on a case.

use std::path::Path;

use tempfile::TempDir;

use crate::answer::Answer;
use crate::case::Case;
use crate::json::Json;
use crate::reference::Reference;
use crate::run;

/// A temporary directory in which cases are previewed.
pub(crate) struct Preview(TempDir);

impl Preview {
    pub(crate) fn new() -> Self {
        Preview(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// Returns jobplate's answer to a case. Checks that an error names a file or a key.
    pub(crate) fn ask(&self, case: &Case) -> Answer {
        let directory = self.0.path();
        let reference = Reference::of(case.version);
        let mut args = vec!["preview", "--output", "json", "--quiet", reference.option, case.version.short()];
        if let Some(template) = &case.template {
            let name = if template.starts_with(b"{") { "template.json" } else { "template.yaml" };
            run::write_file(&directory.join(name), template);
            args.push(name);
        }
        // Without a template and a scenario, `preview` would have no input, so an empty scenario replaces a missing
        // template.
        if case.scenario.is_some() || case.template.is_none() {
            run::write_file(&directory.join("scenario.yaml"), case.scenario.as_deref().unwrap_or_default().as_bytes());
            args.extend(["--scenario", "scenario.yaml"]);
        }
        for (name, text) in &case.files {
            run::write_file(&directory.join(name), text.as_bytes());
        }
        let outcome = run::jobplate(directory, &args, b"");
        for name in case.files.keys() {
            drop(std::fs::remove_file(directory.join(name)));
        }
        let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
        let stdout = String::from_utf8_lossy(&outcome.stdout).into_owned();
        let wrong_answer = |problem: &str| Answer::Wrong(format!("{problem}\n{stdout}{stderr}"));
        let files = case.files.keys().map(String::as_str);
        let is_named =
            || ["template.", "scenario.yaml", "`"].into_iter().chain(files).any(|name| stderr.contains(name));
        match outcome.status {
            0 if stderr.lines().any(|line| line.starts_with("note: ")) => wrong_answer("prints a note despite --quiet"),
            0 => Json::parse(&stdout).map_or_else(|error| wrong_answer(&error), Answer::Job),
            2 if !stdout.is_empty() => wrong_answer("fails, and prints a part"),
            2 if !is_named() => wrong_answer("fails, and names neither file nor key"),
            2 if stderr.contains("does not support it") => Answer::Refused(stderr),
            2 => Answer::Failure(stderr),
            code => wrong_answer(&format!("ends with {code}")),
        }
    }
}

/// Resolves a path relative to the package's directory. Returns `None` if the path does not exist: some tests need
/// files that exist only on some machines.
pub(crate) fn find_beside_package(path: &str) -> Option<std::path::PathBuf> {
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).filter(|path| path.exists())
}
