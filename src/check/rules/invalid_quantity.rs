//! `invalid-quantity`: Kubernetes rejects a request, a limit or a size.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::quantity::{self, Quantity, QuantityValue};
use jobplate_manifest::sendable::describe_non_string;
use jobplate_manifest::workload::is_builtin_workload;
use jobplate_yaml::{Node, ScalarKind};

use crate::check::expression::has_expression;
use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::{CheckedObject, Container, Subject};

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-quantity",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "Kubernetes rejects a request, a limit or the size of a volume",
    why: "A quantity is a number with an optional suffix such as `m`, `M`, `Mi`, `G` or `Gi`, and not `MB` \
          or `GB`. A request must not exceed its limit. The API server rejects the manifest.",
    remedy: "Follow the hint of the finding.",
    fix: None,
    sources: &[
        "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/",
        "apimachinery:pkg/api/resource/quantity.go (ParseQuantity)",
        "kubernetes:pkg/apis/core/validation/validation.go (ValidateResourceRequirements)",
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
      - name: main
        image: etl:1
        resources:
          requests: {memory: 1Gi}
          limits: {memory: 2GB}
",
            with: &[],
            bad: "          limits: {memory: 2GB}
",
            good: "          limits: {memory: 2Gi}
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
      - name: main
        image: etl:1
        resources:
          requests: {memory: 4Gi}
          limits: {memory: 2Gi}
",
            with: &[],
            bad: "          requests: {memory: 4Gi}
",
            good: "          requests: {memory: 2Gi}
",
        },
    ],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    let is_checked =
        |object: &&CheckedObject<'a>| is_builtin_workload(&object.object) || object.base_job_template.is_some();
    for pod in subject.objects.iter().filter(is_checked).flat_map(|object| &object.pods) {
        pod.containers.iter().for_each(|container| check_container(container, findings));
        for volume in pod.node.get_first("volumes").into_iter().flat_map(Node::items) {
            let limit = volume.get_first("emptyDir").and_then(|source| source.get_first("sizeLimit"));
            if let Some(limit) = limit {
                parse("`sizeLimit` of a volume", limit, findings);
            }
        }
    }
}

/// A request or a limit of a container, in messages.
struct ResourceField<'f> {
    name: &'f str,
    word: &'static str,
    container: &'f Container<'f>,
}

impl Display for ResourceField<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {} of {}", quote_key(self.name), self.word, self.container.display())
    }
}

fn check_container<'a>(container: &Container<'a>, findings: &mut Findings<'a>) {
    let Some(resources) = container.node.get_first("resources") else { return };
    let mut limits: HashMap<Cow<'a, str>, (Quantity, Node<'a>)> = HashMap::new();
    for (group, word) in [("limits", "limit"), ("requests", "request")] {
        for (key, node) in resources.get_first(group).into_iter().flat_map(Node::entries) {
            let Some(name) = key.text() else { continue };
            let field = ResourceField { name: &name, word, container };
            let Some(quantity) = parse(&field, node, findings) else { continue };
            if word == "limit" {
                limits.insert(name, (quantity, node));
            } else if let Some((limit, limit_node)) = limits.get(&name)
                && let Err(error) =
                    quantity::check_limit(&field, (&quantity, &text_of(node)), (limit, &text_of(*limit_node)))
            {
                findings.report_invalid(node, error).related(*limit_node, "the limit");
            }
        }
    }
}

fn text_of(node: Node<'_>) -> Cow<'_, str> {
    node.text().unwrap_or_default()
}

/// Parses a quantity. Reports one that Kubernetes rejects, and returns `None` for it and for one that is not known.
fn parse<'a>(subject: impl Display, node: Node<'a>, findings: &mut Findings<'a>) -> Option<Quantity> {
    let text = node.text().unwrap_or_default();
    let value = match (describe_non_string(node), node.scalar_kind()) {
        // An expression of a template without quotes looks like a mapping.
        _ if node.raw().starts_with("{{") => return None,
        (None, _) if !node.is_scalar() || node.is_null() || has_expression(&text) => return None,
        (None, _) => QuantityValue::Text(&text),
        // The API server gets other spellings of numbers, such as `0x10`, as decimal numbers.
        (Some(_), ScalarKind::Number) if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte)) => {
            return None;
        }
        (Some(_), ScalarKind::Number) => QuantityValue::Number(&text),
        (Some(kind), _) => QuantityValue::Other(kind),
    };
    match quantity::check(subject, value) {
        Ok(quantity) => Some(quantity),
        Err(error) => {
            findings.report_invalid(node, error);
            None
        }
    }
}
