//! `duplicate-env`: a variable is defined twice in the `env` of a container.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::env;
use jobplate_yaml::{Editable, Node, NodeKind};

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::subject::{Container, EnvEntry, Subject};

/// The rule.
pub static RULE: Rule = Rule {
    name: "duplicate-env",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a variable is defined twice in the `env` of a container",
    why: "Kubernetes uses the last entry and ignores the others. Server-side apply rejects the manifest, and with it \
          Helm 4, Flux and `kubectl apply --server-side`.",
    remedy: "Remove all entries but one. `--fix=unsafe` keeps the last one, which Kubernetes uses.",
    fix: Some(FixDescription { is_safe: true, text: "remove an entry that is equal to a later one" }),
    sources: &[
        "https://github.com/helm/helm/issues/31529",
        "kubernetes:staging/src/k8s.io/api/core/v1/types.go (listMapKey=name)",
    ],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
        env:
        - name: LOG_LEVEL
          value: debug
        - name: LOG_LEVEL
          value: debug
",
        with: &[],
        bad: "        - name: LOG_LEVEL
          value: debug
        - name: LOG_LEVEL
          value: debug
",
        good: "        - name: LOG_LEVEL
          value: debug
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (_, _, container) in subject.containers() {
        let mut last: HashMap<&str, &EnvEntry<'a>> = HashMap::new();
        let env =
            LazyCell::new(|| container.node.get_first("env").and_then(|env| Editable::from_node(env, "`env`").ok()));
        let referenced = LazyCell::new(|| referenced_names(container));
        // The last entry counts, so the entries before it are reported.
        for entry in container.env.iter().rev() {
            let Some(name) = entry.name else { continue };
            match last.get(&*entry.text) {
                Some(used) => {
                    let is_referenced = referenced.as_ref().is_none_or(|names| names.contains(&*entry.text));
                    report(container, *env, entry, used, name, is_referenced, findings);
                }
                None => drop(last.insert(&entry.text, entry)),
            }
        }
    }
}

fn report<'a>(
    container: &Container<'a>,
    env: Option<Editable<'a>>,
    entry: &EnvEntry<'a>,
    used: &EnvEntry<'a>,
    name: Node<'a>,
    is_referenced: bool,
    findings: &mut Findings<'a>,
) {
    let text = format!("duplicate variable {} in the `env` of {}", quote_key(&entry.text), container.display());
    let finding = findings.report(name, text).help("remove all but one");
    if let Some(other) = used.name {
        finding.related(other, "Kubernetes uses this entry");
    }
    // An entry between the two may refer to the first one, and Kubernetes expands only preceding variables.
    let is_equal = entry.node.equals(used.node) && !is_referenced;
    // A comment above the removed entry would be left above the next one. A reference is not given up for plain text.
    let loses_reference = entry.node.get_first("valueFrom").is_some() && used.node.get_first("valueFrom").is_none();
    if let Some(env) = env.filter(|_| !follows_comment(entry.node) && !loses_reference) {
        let text = if is_equal { "remove the equal entry" } else { "keep only the last entry" };
        finding.fix(is_equal, text, vec![env.change_children(vec![entry.position], Vec::new())]);
    }
}

/// Returns the names of the variables that the values of a container refer to as `$(NAME)`. Returns `None` if a value is
/// not known, because it is an alias or comes from a merge key.
fn referenced_names(container: &Container<'_>) -> Option<HashSet<String>> {
    let mut names = HashSet::new();
    for entry in &container.env {
        if entry.node.entries().any(|(key, value)| key.is_merge_key() || value.kind() == NodeKind::Alias) {
            return None;
        }
        let text = entry.value.and_then(Node::text).unwrap_or_default();
        names.extend(env::referenced_names(&text).map(str::to_owned));
    }
    Some(names)
}

/// Returns whether comments on lines of their own precede an entry.
fn follows_comment(entry: Node<'_>) -> bool {
    let before = &entry.document().text[..entry.span().start];
    let lines_above = before.rsplit('\n').skip(1).map(str::trim);
    lines_above.take_while(|line| line.is_empty() || line.starts_with('#')).any(|line| line.starts_with('#'))
}
