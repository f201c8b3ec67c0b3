//! Checks that every code block is of a kind that a test runs, or is listed here with the test that checks it or the
//! reason why none does.

use std::process::Command;

use crate::pages::{read_all, top};

/// The info strings of blocks, each with the test that runs them and compares their output.
const RUN: [(&str, &str); 8] = [
    ("console", "tests/cmd"),
    ("console cluster", "tests/cluster/docs.rs"),
    ("console helm", "tests/cluster/docs.rs"),
    ("console helm3", "tests/cluster/docs.rs"),
    ("console helm4", "tests/cluster/docs.rs"),
    ("console kubectl", "tests/integrations/docs.rs"),
    ("console kustomize", "tests/integrations/docs.rs"),
    ("console release", "tests/integrations/release.rs"),
];

/// Other blocks: the page, the start of the info string, the number of such blocks, and the test that checks them or
/// the reason why none does. [`commands_in_sh_blocks_exist`] checks the flags in all `sh` blocks.
const OTHERS: [(&str, &str, usize, &str); 16] = [
    ("CONTRIBUTING.md", "", 1, "a diagram"),
    ("CONTRIBUTING.md", "sh", 1, "the test command itself, and commands of minutes"),
    ("CONTRIBUTING.md", "toml", 1, "a golden case, shortened"),
    ("README.md", "sh", 2, "the installation, and the test command itself"),
    ("docs/argocd.md", "yaml ", 2, "tests/integrations/argocd.rs"),
    ("docs/check.md", "sh", 1, "Helm renders a chart of the reader; tests/cmd/check/excludes_*.toml exclude one"),
    ("docs/check.md", "yaml", 2, "parts of manifests; tests/cmd/check/ignore_*.toml have such comments"),
    ("docs/check.md", "yaml ", 1, "tests/cmd/check/settings_*.toml"),
    ("docs/check-output.md", "sh", 1, "reviewdog comments on a pull request"),
    (
        "docs/check-output.md",
        "yaml ",
        2,
        "the uploads need GitHub and GitLab; github.rs runs the action with `mode: lint`",
    ),
    ("docs/ci.md", "yaml ", 6, "tests/integrations: github.rs, pre_commit.rs, gitlab.rs"),
    ("docs/cli.md", "text", 15, "tests/cmd: cli_page_is_the_help"),
    ("docs/convert.md", "sh", 2, "commands of Prefect that need its server"),
    ("docs/install.md", "sh", 1, "installs from source, which takes minutes"),
    ("docs/release.md", "sh", 3, "tests/integrations/release.rs builds a release and its image in its own way"),
    ("docs/spec-file.md", "yaml", 1, "the_complete_spec_file_is_accepted"),
];

#[test]
fn every_block_is_tested() {
    let mut faults = Vec::new();
    let mut counts = vec![0; OTHERS.len()];
    for page in read_all() {
        for (line, info, _) in page.blocks() {
            let is_listed = |(path, start, ..): &(&str, &str, usize, &str)| {
                *path == page.path && (*start == info || start.ends_with(' ') && info.starts_with(start))
            };
            // tests/rules.rs checks the examples of rules.
            if page.path.starts_with("docs/rules/") && matches!(info, "yaml" | "json") {
                continue;
            }
            if let Some(index) = OTHERS.iter().position(is_listed) {
                counts[index] += 1;
            } else if !is_run(&page.path) || !RUN.iter().any(|(run, _)| *run == info) {
                faults.push(format!("{}:{line}: no test for a block marked {info:?}", page.path));
            }
        }
    }
    for ((path, start, count, _), found) in OTHERS.iter().zip(counts) {
        if *count != found {
            faults.push(format!("{path}: {found} blocks marked {start:?}, expected {count}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns whether the tests of [`RUN`] read a page.
fn is_run(path: &str) -> bool {
    let is_in_docs = path.strip_prefix("docs/").is_some_and(|name| !name.contains('/'));
    is_in_docs || ["README.md", "charts/prefect-agent/README.md"].contains(&path)
}

#[test]
fn the_complete_spec_file_is_accepted() {
    let pages = read_all();
    let page = pages.iter().find(|page| page.path == "docs/spec-file.md").expect("a page about spec files");
    let blocks = page.blocks();
    let (.., spec) = blocks.iter().find(|(_, info, _)| *info == "yaml").expect("a spec file");
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    std::fs::write(directory.path().join("spec.yaml"), spec).expect("a file can be written");
    std::fs::copy(top().join("templates/job_template.yaml"), directory.path().join("job_template.yaml"))
        .expect("a file can be copied");
    let mut jobplate = Command::new(env!("CARGO_BIN_EXE_jobplate"));
    let output = jobplate.args(["render", "--spec", "spec.yaml"]).current_dir(directory.path()).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn commands_in_sh_blocks_exist() {
    let xtask = std::fs::read_to_string(top().join("xtask/src/main.rs")).expect("xtask can be read");
    let mut faults = Vec::new();
    let mut count = 0;
    for page in read_all() {
        for (line, _, content) in page.blocks().into_iter().filter(|(_, info, _)| *info == "sh") {
            // A comment or another command ends the arguments.
            let commands = content.lines().filter_map(|line| line.split('#').next());
            for command in commands.flat_map(|line| line.split(['|', '&', ';'])) {
                if command.trim().is_empty() {
                    continue;
                }
                count += 1;
                for word in unknown_words(command, &xtask) {
                    faults.push(format!("{}:{line}: {word:?} in: {command}", page.path));
                }
            }
        }
    }
    assert!(count > 10, "only {count} commands");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns the commands and flags that `jobplate` or `cargo xtask` do not have in a command line.
fn unknown_words<'c>(command: &'c str, xtask: &str) -> Vec<&'c str> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let is_flag = |word: &&&str| word.starts_with('-') && word.len() > 1;
    if let ["cargo", "xtask", name, args @ ..] = words.as_slice() {
        let is_command = xtask.contains(&format!("\n  {name} "));
        let flags = args.iter().filter(is_flag).filter(|flag| !xtask.contains(**flag));
        return flags.copied().chain((!is_command).then_some(*name)).collect();
    }
    let Some(program) = words.iter().position(|word| *word == "jobplate") else { return Vec::new() };
    let [name, args @ ..] = &words[program + 1..] else { return Vec::new() };
    if name.starts_with('-') {
        return Vec::new();
    }
    let help = Command::new(env!("CARGO_BIN_EXE_jobplate")).args([name, "--help"]).output().expect("it starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let known: Vec<&str> = help.split(|letter: char| !letter.is_alphanumeric() && letter != '-').collect();
    let flags = args.iter().filter(is_flag).filter_map(|flag| flag.split('=').next());
    flags.filter(|flag| !known.contains(flag)).chain(help.is_empty().then_some(*name)).collect()
}

#[test]
fn unknown_commands_and_flags_are_found() {
    let xtask = "\n  test [--quick]  Run\n";
    for (command, unknown) in [
        ("jobplate render a.yaml --env=A=b -q", vec![]),
        ("docker run image jobplate render --no-such", vec!["--no-such"]),
        ("jobplate rendr a.yaml", vec!["rendr"]),
        ("cargo xtask test --quick", vec![]),
        ("cargo xtask tests --slow", vec!["--slow", "tests"]),
        ("prefect worker start --pool flows", vec![]),
    ] {
        assert_eq!(unknown_words(command, xtask), unknown, "{command}");
    }
}
