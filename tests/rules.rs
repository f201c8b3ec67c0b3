//! Checks every rule of `check`: its examples, and its page in the docs. `JOBPLATE_RULES_UPDATE=1` writes the pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use jobplate::check::rules::RULES;
use jobplate::check::{Example, Rule, render_page};

/// Runs `check --select RULE` over an example or its correction. Returns the exit code and the output.
fn check(rule: &Rule, example: &Example, is_corrected: bool) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let to_text = |text: &str| if is_corrected { example.correct(text) } else { text.to_owned() };
    let manifest = to_text(example.manifest);
    let name = if manifest.trim_start().starts_with('{') { "manifest.json" } else { "manifest.yaml" };
    fs::write(directory.path().join(name), manifest).expect("a writable directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobplate"));
    command.current_dir(&directory).env_clear().args(["check", name, "--select", rule.name]);
    for (flag, value, text) in example.with {
        if !text.is_empty() {
            fs::write(directory.path().join(value), to_text(text)).expect("a writable directory");
        }
        command.args([flag, value]);
    }
    let output = command.output().expect("the program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn rules_are_sorted_and_named_uniquely() {
    assert!(RULES.is_sorted_by(|a, b| a.name < b.name), "sort RULES by name");
    for rule in RULES {
        let is_kebab_case = rule.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'1');
        assert!(is_kebab_case && !rule.examples.is_empty() && !rule.sources.is_empty(), "{}", rule.name);
    }
}

#[test]
fn examples_have_the_findings_of_their_rule() {
    let mut failures = String::new();
    for rule in RULES {
        for (position, example) in rule.examples.iter().enumerate() {
            let texts = std::iter::once(example.manifest).chain(example.with.iter().map(|(_, _, text)| *text));
            assert_eq!(texts.map(|text| text.matches(example.bad).count()).sum::<usize>(), 1, "{}", rule.name);
            for expected in [1, 0] {
                let (code, output) = check(rule, example, expected == 0);
                if code != Some(expected) || (expected == 1) != output.contains(&format!("[{}]", rule.name)) {
                    failures +=
                        &format!("{}, example {position}, expected {expected}: {code:?}\n{output}\n", rule.name);
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn fixes_resolve_the_findings_of_their_rule() {
    let mut failures = String::new();
    for rule in RULES {
        for example in rule.examples.iter().filter(|example| example.with.is_empty()) {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let file = directory.path().join("manifest.yaml");
            fs::write(&file, example.manifest).expect("a writable directory");
            let flag = if rule.fix.is_some_and(|fix| fix.is_safe) { "--fix" } else { "--fix=unsafe" };
            let run = || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_jobplate"));
                command.current_dir(&directory).env_clear();
                let output = command.args(["check", "manifest.yaml", flag, "--select", rule.name]).output();
                let code = output.expect("the program").status.code();
                (code, fs::read_to_string(&file).expect("the fixed manifest"))
            };
            let ((code, once), (_, twice)) = (run(), run());
            let is_changed = once != example.manifest;
            if is_changed != rule.fix.is_some() || is_changed && code != Some(0) || once != twice {
                failures += &format!("{}: {code:?}, fixed once:\n{once}\nand twice:\n{twice}\n", rule.name);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn pages_are_up_to_date() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let mut index = "# Rules\n\nThe rules of `check`. `--persona pedantic` also runs the pedantic rules.\n\n\
                     | rule | severity | persona | reports |\n|---|---|---|---|\n"
        .to_owned();
    let mut pages = Vec::new();
    for rule in RULES {
        let Rule { name, severity, persona, summary, .. } = rule;
        index += &format!("| [`{name}`]({name}.md) | {} | {} | {summary} |\n", severity.as_str(), persona.as_str());
        pages.push((format!("{name}.md"), render_page(rule)));
    }
    pages.push(("index.md".to_owned(), index));
    if std::env::var_os("JOBPLATE_RULES_UPDATE").is_some() {
        fs::create_dir_all(&directory).expect("a writable tree");
        for (name, page) in &pages {
            fs::write(directory.join(name), page).expect("a writable tree");
        }
    }
    for (name, page) in &pages {
        let actual = fs::read_to_string(directory.join(name)).unwrap_or_default();
        assert!(actual == *page, "docs/rules/{name} is stale: run JOBPLATE_RULES_UPDATE=1 cargo test --test rules");
    }
    let files = fs::read_dir(&directory).expect("docs/rules").count();
    assert_eq!(files, pages.len(), "docs/rules has pages of rules that do not exist");
}
