//! `secret-in-env`: a variable holds a secret, which some security policies forbid.

use jobplate_diagnostic::Severity;

use crate::check::findings::{Confidence, Findings};
use crate::check::references::container_references;
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "secret-in-env",
    severity: Severity::Info,
    confidence: Confidence::Low,
    security_severity: None,
    persona: Persona::Pedantic,
    summary: "a variable holds a secret, which some security policies forbid",
    why: "CIS Kubernetes Benchmark 5.4.1 prefers Secrets in files to Secrets in variables: a variable may appear in logs and \
          crash reports, all child processes inherit it, and it does not change when the Secret does. Prefect reads its \
          settings and secrets from variables, so a reference with `secretKeyRef` is the usual choice for flows, and better \
          than plain text.

Other scanners report the same, some by default. To suppress their findings:

| scanner | suppression |
|---|---|
| checkov | the annotation `checkov.io/skip1: CKV_K8S_35=REASON` on the object, or `# checkov:skip=CKV_K8S_35:REASON` |
| KICS | the comment `# kics-scan ignore-line` above the line, or `--exclude-queries 3d658f8b-d988-41a0-a841-40043121de1e` |
| kubescape | an exception for the control `C-0207` |
| kube-linter | the annotation `ignore-check.kube-linter.io/read-secret-from-env-var: REASON` on the object |",
    remedy: "Mount the Secret as a file and read it there, or suppress the finding with the reason.",
    fix: None,
    sources: &[
        "https://www.cisecurity.org/benchmark/kubernetes",
        "https://kubernetes.io/docs/concepts/security/secrets-good-practices/",
        "checkov:checkov/kubernetes/checks/resource/k8s/Secrets.py",
        "kube-linter:pkg/builtinchecks/yamls/read-secret-from-env-var.yaml",
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
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef:
              name: db
              key: password
",
        with: &[],
        bad: "        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef:
              name: db
              key: password
",
        good: "        - name: DB_PASSWORD_FILE
          value: /run/secrets/db/password
        volumeMounts:
        - name: db
          mountPath: /run/secrets/db
          readOnly: true
      volumes:
      - name: db
        secret:
          secretName: db
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (_, _, container) in subject.containers() {
        for reference in container_references(container) {
            if reference.kind == "Secret" {
                let node = reference.name().unwrap_or(reference.node);
                let message = format!("{} gets a secret from a Secret", reference.owner);
                findings.report(node, message).help("mount the Secret as a file, if your policy requires it");
            }
        }
    }
}
