//! `undefined-variable`: a value refers to a variable that the container does not define.

use std::collections::HashSet;

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::{did_you_mean, quote_key};
use jobplate_manifest::env::referenced_names;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::{Container, Subject};

/// The maximum number of names that are compared with an undefined one.
const MAX_SUGGESTIONS: usize = 100;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undefined-variable",
    severity: Severity::Warning,
    confidence: Confidence::Low,
    security_severity: None,
    persona: Persona::Pedantic,
    summary: "a value refers to a variable that the container does not define",
    why: "Kubernetes expands `$(NAME)` in the value of a variable only if the same list defines `NAME` before. It does not \
          read the variables of the image or of `envFrom`, so `PATH: $(PATH):/opt/bin` does not extend the path: the value \
          contains the text `$(PATH)`.

The rule does not examine containers with `envFrom`, names of Prefect, and names of variables that Kubernetes sets for \
          Services.",
    remedy: "Define the variable in the same list, before the value that refers to it. Write `$$(NAME)` if the text itself \
             is meant.",
    fix: None,
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
        - name: DB_HOST
          value: db
        - name: DB_URL
          value: postgres://$(DB_HOTS)/flows
        - name: PATH
          value: $(PATH):/opt/bin
",
        with: &[],
        bad: "          value: postgres://$(DB_HOTS)/flows
        - name: PATH
          value: $(PATH):/opt/bin
",
        good: "          value: postgres://$(DB_HOST)/flows
        - name: PATH
          value: /usr/local/bin:/usr/bin:/bin:/opt/bin
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (_, _, container) in subject.containers() {
        if container.node.get_first("envFrom").is_none() {
            check_container(container, findings);
        }
    }
}

fn check_container<'a>(container: &Container<'a>, findings: &mut Findings<'a>) {
    let defined: HashSet<&str> = container.env.iter().map(|entry| &*entry.text).collect();
    for entry in &container.env {
        let Some((value, text)) = entry.literal() else { continue };
        let own = &*entry.text;
        let is_undefined = |name: &&str| is_variable(name) && (*name == own || !defined.contains(name));
        let Some(name) = referenced_names(&text).find(is_undefined) else { continue };
        let (quoted, own_quoted) = (quote_key(name), quote_key(own));
        if name == own {
            let message = format!("{own_quoted} refers to itself, which Kubernetes does not expand");
            findings.report(value, message).help(format!("replace `$({name})` with its value"));
            continue;
        }
        let message = format!("{own_quoted} refers to {quoted}, which the container does not define");
        let known = container.env.iter().map(|entry| &*entry.text).filter(|name| *name != own).take(MAX_SUGGESTIONS);
        let suggestion = did_you_mean(name, known);
        let help = suggestion.unwrap_or_else(|| format!("define {quoted} before {own_quoted}"));
        findings.report(value, message).help(help);
    }
}

/// Returns whether a name looks like that of a variable that a manifest must define. Kubernetes sets variables for
/// Services, Prefect sets its own, and a name in lower case may be the command of a shell.
fn is_variable(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_of_service = name.contains("_SERVICE_") || name.contains("_PORT_") || name.ends_with("_PORT");
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(is_word)
        && !is_of_service
        && !name.starts_with("PREFECT_")
}
