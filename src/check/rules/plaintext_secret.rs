//! `plaintext-secret`: a manifest contains a password, token or key in plain text.

use std::collections::HashMap;

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Message, ProgramName, Severity};
use jobplate_manifest::env::KeyRef;
use jobplate_manifest::names::check_object_name;
use jobplate_manifest::workload::{is_builtin_workload, is_job};
use jobplate_prefect::variables::secret_name;
use jobplate_yaml::{Child, Edit, Editable, Value};

use crate::check::evidence::Evidence;
use crate::check::findings::{Confidence, Findings};
use crate::check::named_secrets::LiteralKind;
use crate::check::plain_secrets::{self, PlainSecret};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::secret_references::SecretReferences;
use crate::check::subject::{Embedding, EnvEntry, Subject};

/// The rule.
pub static RULE: Rule = Rule {
    name: "plaintext-secret",
    severity: Severity::Error,
    confidence: Confidence::Medium,
    security_severity: Some("8.0"),
    persona: Persona::Regular,
    summary: "a password, token or key is in plain text",
    why: "Everybody who can read the repository or the object can read the secret: with `kubectl get`, in the user \
          interface of a GitOps tool, and in backups. A secret that was committed to Git stays in its history.

The rule examines variables, arguments, HTTP headers, annotations, the data of ConfigMaps, the literals of \
          kustomizations, base job templates, and documents in strings. A value counts as a secret if it has the shape of a token, a private key or a URL with a password (confidence high), \
          or if its name says so (`DB_PASSWORD`, confidence medium). A finding is only a warning with confidence low if \
          the value may be something else: a name (`API_TOKEN: etl-token`), a password like \
          `changeme`, or an example of a token. [`possible-secret`](possible-secret.md) reports values with less evidence. A value does not count if it \
          is a placeholder, a path, a boolean, a URL without credentials, the name of a Secret, a variable of a shell, or a \
          reference that another program resolves, such as `vault:` or `ref+`. \
          Secrets and values that SOPS has encrypted are not examined.",
    remedy: "Rotate the secret, store the new one in a Secret, and refer to it with `secretKeyRef`: \
             `jobplate render FILE --secret-env NAME=SECRET/KEY`. In `args`, use `$(NAME)`.",
    fix: Some(FixDescription {
        is_safe: false,
        text: "replace the value of a variable with the reference of `--secret-env NAME=SECRET/KEY`",
    }),
    sources: &[
        "https://kubernetes.io/docs/concepts/configuration/secret/",
        "https://cwe.mitre.org/data/definitions/312.html",
        "gitleaks:config/gitleaks.toml",
    ],
    examples: &[
        Example {
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
        - name: DB_PASSWORD
          value: hunter2
",
            with: &[],
            bad: "          value: hunter2
",
            good: "          valueFrom:
            secretKeyRef: {name: etl, key: db-password}
",
        },
        Example {
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
        args: [etl, --token, hunter2]
        env:
        - name: DB_PASSWORD
          value: hunter2
        - name: DB_URL
          value: postgresql://etl:hunter2@db/flows
",
        with: &[],
        bad: "        args: [etl, --token, hunter2]
        env:
        - name: DB_PASSWORD
          value: hunter2
        - name: DB_URL
          value: postgresql://etl:hunter2@db/flows
",
        good: "        args: [etl, --token, $(TOKEN)]
        env:
        - name: TOKEN
          valueFrom:
            secretKeyRef: {name: etl, key: token}
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef: {name: etl, key: db-password}
        - name: DB_URL
          value: postgresql://etl:$(DB_PASSWORD)@db/flows
",
    }, Example {
        manifest: "apiVersion: v1
kind: ConfigMap
metadata:
  name: etl
data:
  LOG_LEVEL: info
  application.properties: |
    db.user=etl
    db.password=hunter2
",
        with: &[],
        bad: "    db.password=hunter2
",
        good: "    db.password=${DB_PASSWORD}
",
        },
    ],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    let is_embedded = subject.embedding != Embedding::None;
    let has_references = !subject.references.is_empty();
    // The secrets of an embedded document are found in the document that contains it. Only its own nodes can be fixed.
    if is_embedded && !has_references {
        return;
    }
    let entries = subject.containers().filter(|_| has_references).flat_map(|(_, _, container)| &container.env);
    let entries: HashMap<u32, &EnvEntry<'_>> =
        entries.filter_map(|entry| Some((entry.value?.index(), entry))).collect();
    for secret in plain_secrets::find(subject.document) {
        let entry = entries.get(&secret.node).filter(|_| secret.is_whole);
        let fix = entry.and_then(|entry| refer_to_secret(entry, &subject.references));
        if is_embedded && fix.is_none() {
            continue;
        }
        let (severity, confidence) = match secret.evidence {
            Evidence::Shape => (Severity::Error, Confidence::High),
            Evidence::Name => (Severity::Error, Confidence::Medium),
            Evidence::Hint => (Severity::Warning, Confidence::Low),
            // A finding of `possible-secret`, unless a reference is given for the variable.
            Evidence::Word if fix.is_none() => continue,
            Evidence::Word => (Severity::Warning, Confidence::Low),
        };
        let finding = findings.report(subject.document.node(secret.node), message(&secret));
        finding.at(secret.span.clone()).severity(severity).confidence(confidence).help(help(subject, &secret));
        if let Some((reference, edit)) = fix {
            let [key, name] = [&reference.key, &reference.name].map(|text| quote_key(text));
            finding.fix(false, format!("refer to the key {key} of the Secret {name}"), vec![edit]);
        }
    }
}

/// Returns the reference of a variable, and the edit that replaces the value with it. Returns `None` if no
/// reference is given, or if the variable cannot be edited.
fn refer_to_secret<'r>(entry: &EnvEntry<'_>, references: &'r SecretReferences) -> Option<(&'r KeyRef, Edit)> {
    let editable = Editable::from_node(entry.node, "the variable").ok().filter(|_| entry.value_from.is_none())?;
    let position = entry.node.entries().position(|(key, _)| key.has_text("value"))?;
    let reference = references.use_for(&entry.text)?;
    let mut key_ref = vec![("name", Value::name(&reference.name)), ("key", Value::name(&reference.key))];
    key_ref.extend(reference.optional.then_some(("optional", Value::Bool(true))));
    let value = Value::map([("secretKeyRef", Value::map(key_ref))]);
    let edit = editable.change_children(vec![position], vec![(position, Child::entry("valueFrom", value))]);
    Some((reference, edit))
}

/// Returns the message about a secret.
pub(super) fn message(secret: &PlainSecret) -> String {
    let place = match (secret.kind, secret.name.as_deref().map(quote_key)) {
        (LiteralKind::Argument, Some(flag)) => format!("the argument of {flag}"),
        (LiteralKind::Argument, None) => "the command line".to_owned(),
        (LiteralKind::Annotation, Some(name)) => format!("the annotation {name}"),
        (_, Some(name)) => format!("the value of {name}"),
        (_, None) => "a string".to_owned(),
    };
    let verb = match (secret.evidence, secret.is_whole) {
        (Evidence::Word | Evidence::Hint, true) => "may be",
        (Evidence::Word | Evidence::Hint, false) => "may contain",
        (_, true) => "looks like",
        (_, false) => "contains",
    };
    format!("{place} {verb} a secret in plain text")
}

/// Returns the flag of `render` that selects the workload with a node. A Job or CronJob needs none.
fn target_flag(subject: &Subject<'_>, node: u32) -> Option<String> {
    let at = subject.document.node(node).span().start;
    let count = subject.objects.partition_point(|object| object.object.node.span().start <= at);
    let object = &subject.objects[..count].last().filter(|object| object.object.node.span().contains(&at))?.object;
    let name = object.metadata.and_then(|metadata| metadata.get_first("name")?.text()).unwrap_or_default();
    let needs_target = is_builtin_workload(object) && !is_job(object) && check_object_name(&object.kind, &name).is_ok();
    needs_target.then(|| format!(" --target {}/{name}", object.kind.to_ascii_lowercase()))
}

/// Returns how to remove a secret from the manifest.
pub(super) fn help(subject: &Subject<'_>, secret: &PlainSecret) -> Message {
    let is_identifier = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match (secret.kind, secret.name.as_deref().filter(is_identifier)) {
        (LiteralKind::Variable, Some(name)) if secret.is_whole => {
            let target = target_flag(subject, secret.node).unwrap_or_default();
            let flag = match secret_name(name).filter(|name| !name.is_empty()) {
                Some(name) => format!("--secret {name}=SECRET/KEY"),
                None => format!("--secret-env {name}=SECRET/KEY"),
            };
            "rotate the secret, and use a Secret reference: `"
                + ProgramName
                + format!(" render FILE{target} {flag} -i`")
        }
        (LiteralKind::Variable, _) => {
            "rotate the secret, set a variable with a Secret reference before this one, and use `$(NAME)` here".into()
        }
        (LiteralKind::Argument, _) => {
            "rotate the secret, set a variable with a Secret reference, and use `$(NAME)` here".into()
        }
        (LiteralKind::Annotation, _) => "rotate the secret, and remove it from the annotation".into(),
        (LiteralKind::Setting | LiteralKind::Other, _) => "rotate the secret, and move it to a Secret".into(),
    }
}
