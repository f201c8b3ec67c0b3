//! Runs `check` over the examples of its rules.

use std::path::Path;
use std::process::Command;

use jobplate::check::Rule;

use crate::run;

/// Writes the first example of a rule to `a b.yaml` in a directory, and checks it with `args`. Returns the standard output.
pub(crate) fn check_example(rule: &Rule, directory: &Path, args: &[&str]) -> String {
    let example = &rule.examples[0];
    run::write_file(&directory.join("a b.yaml"), example.manifest.as_bytes());
    let mut check = Command::new(env!("CARGO_BIN_EXE_jobplate"));
    check.current_dir(directory).args(["check", "a b.yaml", "--persona", "pedantic"]).args(args);
    for (flag, value, text) in example.with {
        if !text.is_empty() {
            run::write_file(&directory.join(value), text.as_bytes());
        }
        check.args([flag, value]);
    }
    let output = check.output().expect("the program");
    assert_ne!(output.status.code(), Some(2), "{}: {}", rule.name, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
