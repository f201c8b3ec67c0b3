//! `invalid-name`: Kubernetes rejects the name of an object or of a container.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::names;
use jobplate_manifest::sendable::{describe_non_string, non_string_hint};
use jobplate_manifest::workload::is_builtin_workload;
use jobplate_yaml::Node;
use std::collections::HashMap;

use crate::check::expression::has_expression;
use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::{CheckedObject, Pod, Subject};

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-name",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "Kubernetes rejects the name of a workload or of a container",
    why: "Names of workloads are DNS subdomains, and names of containers are DNS labels: lower-case letters, \
          digits and `-`. No two containers of a pod can have the same name. The API server rejects the \
          manifest.",
    remedy: "Follow the hint of the finding.",
    fix: None,
    sources: &[
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/",
        "kubernetes:pkg/apis/core/validation/validation.go (validateContainers)",
    ],
    examples: &[
        Example {
            manifest: "apiVersion: batch/v1
kind: Job
metadata:
  name: Load_Orders
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: ETL
        image: etl:1
",
            with: &[],
            bad: "  name: Load_Orders
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: ETL
",
            good: "  name: load-orders
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: etl
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
      - name: main
        image: proxy:1
",
            with: &[],
            bad: "        image: etl:1
      - name: main
",
            good: "        image: etl:1
      - name: proxy
",
        },
    ],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for object in &subject.objects {
        let is_workload = is_builtin_workload(&object.object);
        // The agent of Prefect 1 changes the name of a job template.
        if is_workload && !subject.is_prefect1_template(object) {
            check_object(object, findings);
        }
        if is_workload || object.base_job_template.is_some() {
            object.pods.iter().for_each(|pod| check_containers(pod, findings));
        }
    }
}

fn check_object<'a>(object: &CheckedObject<'a>, findings: &mut Findings<'a>) {
    // The API server adds letters and digits to a `generateName`.
    for (key, ending) in [("name", ""), ("generateName", "x")] {
        let Some(node) = object.object.metadata.and_then(|metadata| metadata.get_first(key)) else { continue };
        let Some(name) = node.text().filter(|name| !node.is_null() && !has_expression(name)) else { continue };
        let result = names::check_object_name(&object.object.kind, &format!("{name}{ending}"));
        if let Err(error) = result {
            findings.report_invalid(node, error);
        }
    }
}

fn check_containers<'a>(pod: &Pod<'a>, findings: &mut Findings<'a>) {
    let mut seen: HashMap<&str, Node<'a>> = HashMap::new();
    for container in &pod.containers {
        let Some(node) = container.node.get_first("name").filter(|node| !node.is_null()) else { continue };
        if let Some(kind) = describe_non_string(node) {
            let text = format!("the name of a container must be a string, not {kind}");
            findings.report(node, text).help(non_string_hint(node.is_scalar()));
        } else if node.is_scalar() && !has_expression(&container.name) {
            match (names::check_label_name("container", &container.name), seen.get(&*container.name)) {
                (Err(error), _) => {
                    findings.report_invalid(node, error);
                }
                (Ok(()), Some(first)) => {
                    let text = format!("duplicate container name {}", quote_key(&container.name));
                    findings.report(node, text).help("rename one of the two").related(*first, "first container");
                }
                (Ok(()), None) => {
                    seen.insert(&container.name, node);
                }
            }
        }
    }
}
