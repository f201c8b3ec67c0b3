//! `variable-order`: a variable refers to one that is defined after it.

use std::cell::LazyCell;
use std::collections::HashMap;

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::env::referenced_names;
use jobplate_yaml::{Child, Editable};

use crate::check::copy::to_value;
use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::subject::{Container, Subject};

/// The maximum size of a definition that a fix moves, in bytes. Each fix has a copy of it.
const MAX_MOVED_SIZE: usize = 4096;

/// The rule.
pub static RULE: Rule = Rule {
    name: "variable-order",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a variable refers to one that is defined after it",
    why: "Kubernetes expands `$(NAME)` only if `NAME` is defined earlier in the same list. Otherwise, the text `$(NAME)` \
          itself is the value, without an error.",
    remedy: "Move the variable that is referred to before the one that refers to it.",
    fix: Some(FixDescription { is_safe: false, text: "move the definition up" }),
    sources: &[
        "https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/",
        "kubernetes:pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables)",
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
        - name: DB_URL
          value: postgres://etl:$(DB_PASSWORD)@db/flows
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef:
              name: db
              key: password
",
        with: &[],
        bad: "        - name: DB_URL
          value: postgres://etl:$(DB_PASSWORD)@db/flows
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef:
              name: db
              key: password
",
        good: "        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef:
              name: db
              key: password
        - name: DB_URL
          value: postgres://etl:$(DB_PASSWORD)@db/flows
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (_, _, container) in subject.containers() {
        check_container(container, findings);
    }
}

fn check_container<'a>(container: &Container<'a>, findings: &mut Findings<'a>) {
    // The index of the first entry that defines each variable. Most containers have no reference.
    let first = LazyCell::new(|| {
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (index, entry) in container.env.iter().enumerate() {
            first.entry(&entry.text).or_insert(index);
        }
        first
    });
    for (index, entry) in container.env.iter().enumerate() {
        let Some((value, text)) = entry.literal() else { continue };
        let later = referenced_names(&text).filter_map(|name| Some((name, *first.get(name)?)));
        let Some((name, defined)) = later.filter(|(_, defined)| *defined > index).min_by_key(|(_, at)| *at) else {
            continue;
        };
        let (own, name) = (quote_key(&entry.text), quote_key(name));
        let message =
            format!("{own} refers to {name}, which is defined later, so Kubernetes does not expand the reference");
        let finding = findings.report(value, message).help(format!("move {name} before {own}"));
        let definition = &container.env[defined];
        if let Some(other) = definition.name {
            finding.related(other, "defined here");
        }
        // The definition can move up if it only refers to variables before its new place.
        let can_move = definition.node.span().len() <= MAX_MOVED_SIZE && {
            let text = definition.literal().map(|(_, text)| text).unwrap_or_default();
            referenced_names(&text).all(|name| first.get(name).is_none_or(|at| *at < index))
        };
        let env = container.node.get_first("env").and_then(|env| Editable::from_node(env, "`env`").ok());
        if let (Some(env), true) = (env, can_move)
            && let Some(copy) = to_value(definition.node)
        {
            let insert = vec![(entry.position, Child::Item(copy))];
            finding.fix(false, "move the definition up", vec![env.change_children(vec![definition.position], insert)]);
        }
    }
}
