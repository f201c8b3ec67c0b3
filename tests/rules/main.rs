//! Checks every rule of `check`: its examples, and its page in the docs. `JOBPLATE_RULES_UPDATE=1` writes the pages.
//!
//! | file | checks |
//! |---|---|
//! | `workspace` | nothing: it runs `check` over an example |
//! | `codes` | that each code of a preview is the name of a rule |
//! | `fixes` | that fixes resolve the findings, and that reports have the same fixes |
//! | `wrapped` | that examples have the same findings inside other files, and that each format has their places |

mod codes;
mod fixes;
mod workspace;
mod wrapped;

use std::fs;
use std::path::Path;

use jobplate::check::rules::RULES;
use jobplate::check::{Rule, render_page};

use self::workspace::Workspace;

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
                let correct = |text: &str| if expected == 0 { example.correct(text) } else { text.to_owned() };
                let (code, output) = Workspace::new(example, correct).check(&["--select", rule.name]);
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
fn pages_are_up_to_date() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let mut index = "# Rules of check\n\n[`jobplate check`](../check.md) runs the regular rules. \
                     `--persona pedantic` also runs the pedantic ones, whose findings are often intended.\n\n\
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
