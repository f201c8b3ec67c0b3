//! Tests `kubectl jobplate` and its completion with kubectl, which finds both by their file names.

use crate::programs::{TestHome, find, run_stdout};
use crate::run;

const JOB: &str = "# ours\nkind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";

/// Objects whose names are completed. The values and keys that contain `canary` must not be completed.
const ALL: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      initContainers: [{name: wait}]
      containers:
        - name: web
          env:
            - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: canary-key}}}
            - {name: MODE, value: canary}
        - {name: --in-place}
        - {name: proxy, envFrom: [{configMapRef: {name: settings}}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: templates}
data:
  job_template.yaml: |
    kind: Job
    spec: {template: {spec: {containers: [{name: flow, env: [{name: PREFECT__CONTEXT__SECRETS__GH, value: canary}]}]}}}
---
apiVersion: v1
kind: Secret
metadata: {name: own}
stringData: {canary-key: canary}
";

const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: one, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: here, context: {cluster: one, user: me}}, {name: there, context: {cluster: one, user: me}}]
users: [{name: me, user: {token: canary}}]
";

fn create_home() -> Option<TestHome> {
    let program = run::binary();
    let links = [("kubectl-jobplate", program), ("kubectl_complete-jobplate", program), ("jobplate", program)];
    let home = TestHome::new(&[&[("kubectl", &*find("kubectl")?)], &links[..]].concat());
    home.write("job.yaml", JOB);
    home.write("all.yaml", ALL);
    home.write("notes.txt", "canary");
    // These files must be neither completed nor read: a shell would execute the name, and the pipe would block.
    home.write("z$(touch pwned).yaml", JOB);
    assert!(home.command("mkfifo").arg("pipe.yaml").status().expect("it starts").success());
    home.write(".kube/config", KUBECONFIG);
    Some(home)
}

#[test]
fn kubectl_finds_its_plugin() {
    let Some(home) = create_home() else { return };
    let printed = run_stdout(home.command("kubectl").args(["jobplate", "render", "job.yaml", "--env", "A=b"]));
    assert_eq!(printed, JOB.replace("name: flow", "name: flow, env: [{name: A, value: \"b\"}]"));
    let help = run_stdout(home.command("kubectl").args(["jobplate", "render", "--help"]));
    assert!(help.contains("Usage: kubectl jobplate render"), "{help}");
    assert!(help.contains("  kubectl jobplate render job_template.yaml \\\n"), "{help}");
    // Hints name the program as kubectl runs it.
    let output = home.command("kubectl").args(["jobplate", "job.yaml"]).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("hint: put the command first: kubectl jobplate render FILE"), "{stderr}");
    assert_eq!(output.status.code(), Some(2));
}

/// Returns the candidates that kubectl gets, without flags, and whether the shell adds no space after a candidate.
fn complete(home: &TestHome, words: &[&str]) -> (Vec<String>, bool) {
    let printed = run_stdout(home.command("kubectl").args(["__complete", "jobplate"]).args(words));
    assert!(!printed.contains("canary"), "{words:?}: {printed}");
    let mut lines: Vec<&str> = printed.lines().collect();
    let directive: u32 =
        lines.pop().and_then(|line| line.strip_prefix(':')).expect("it ends").parse().expect("a number");
    // Without `ShellCompDirectiveNoFileComp` (4), the shell lists all files, or those with the printed extensions (8).
    assert!(directive & 4 == 4 || [0, 8].contains(&directive), "{words:?}: {directive}");
    let value_of = |line: &&str| line.split('\t').next().unwrap_or_default().to_owned();
    (
        lines.iter().map(value_of).filter(|value| !value.starts_with("--") || value.contains('=')).collect(),
        directive & 2 == 2,
    )
}

#[test]
fn files_are_left_to_the_shell() {
    let Some(home) = create_home() else { return };
    for words in [&["render", ""][..], &["render", "~/a"], &["apply", "-f", "my fi"], &["render", "--spec", ""]] {
        let printed = run_stdout(home.command("kubectl").args(["__complete", "jobplate"]).args(words));
        assert_eq!(printed, "yaml\nyml\njson\n:8\n", "{words:?}");
    }
    for words in [["apply", "x", "--kubeconfig", ""], ["secret", "x", "--from-env-file", ""]] {
        let printed = run_stdout(home.command("kubectl").args(["__complete", "jobplate"]).args(words));
        assert_eq!(printed, ":0\n", "{words:?}");
    }
}

#[test]
fn kubectl_completes_its_plugin() {
    let Some(home) = create_home() else { return };
    for (words, expected) in [
        (&["ren"][..], &["render"][..]),
        (&["render", "all.yaml", "--target", ""], &["Deployment/web", "ConfigMap/templates:job_template.yaml"]),
        (&["render", "all.yaml", "--target=Conf"], &["ConfigMap/templates:job_template.yaml"]),
        (&["render", "all.yaml", "--target", "dep"], &["deployment/web"]),
        (&["render", "all.yaml", "--target", "deploy/w"], &["deploy/web"]),
        (&["render", "all.yaml", "--target", "cm/"], &["cm/templates:job_template.yaml"]),
        (&["apply", "all.yaml", "--on-immutable="], &["fail", "recreate", "new-name", "skip"]),
        (&["render", "all.yaml", "--secret-env=A=o"], &["A=own/"]),
        (&["render", "-R", ".", "--target", "D"], &["Deployment/web"]),
        (&["render", "all.yaml", "-c", ""], &["web", "proxy", "wait", "flow"]),
        (&["render", "all.yaml", "--target", "configmap/*:*", "-c", ""], &["flow"]),
        (&["render", "all.yaml", "--unset", ""], &["DB_PASSWORD", "MODE", "PREFECT__CONTEXT__SECRETS__GH"]),
        (&["render", "all.yaml", "--unset", "M"], &["MODE"]),
        (&["secret", "x", "--from-file", "A=job"], &["A=job.yaml"]),
        (&["render", "all.yaml", "--secret", ""], &["GH="]),
        (&["render", "all.yaml", "--secret", "GH="], &["GH=db/", "GH=own/"]),
        (&["render", "all.yaml", "--secret-env", "D"], &["DB_PASSWORD="]),
        (&["render", "all.yaml", "--secret-env", "A=o"], &["A=own/"]),
        (&["render", "all.yaml", "--secret-env", "A=own/"], &[]),
        (&["render", "all.yaml", "--config-env", "A=s"], &["A=settings/"]),
        (&["render", "all.yaml", "--field-env", "A=metadata.n"], &["A=metadata.name", "A=metadata.namespace"]),
        (&["render", "all.yaml", "--env-from", "configmap/s"], &["configmap/settings"]),
        (&["render", "all.yaml", "--env-from", "P_=secret/d"], &["P_=secret/db"]),
        (&["render", "all.yaml", "--api-key", ""], &["db/", "own/"]),
        (&["render", "all.yaml", "-n", ""], &["shop"]),
        (&["apply", "all.yaml", "--context", ""], &["here", "there"]),
        (&["diff", "all.yaml", "--cluster", ""], &["one"]),
        (&["diff", "all.yaml", "--user", ""], &["me"]),
        (&["apply", "all.yaml", "--on-immutable", "re"], &["recreate"]),
        (&["template", "a"], &["agent"]),
        (
            &["render", "pipe.yaml", "/dev/zero", "--spec", "pipe.yaml", "--kubeconfig", "pipe.yaml", "--target", ""],
            &[],
        ),
        (&["render", "--spec", "pipe.yaml", "--target", ""], &[]),
        (&["apply", "--kubeconfig", "pipe.yaml", "--context", ""], &[]),
        (&["render", "~/all.yaml", "--target", "D"], &["Deployment/web"]),
        // Completion must not fail if the command line is invalid.
        (&["render", "missing.yaml", "notes.txt", "--nonsense", "--target", "[", "-c", ""], &[]),
    ] {
        let (found, omits_space) = complete(&home, words);
        let as_expected = found.iter().map(String::as_str).collect::<Vec<_>>() == expected;
        assert!(as_expected, "{words:?}: {found:?}, expected {expected:?}");
        let is_partial = expected.iter().any(|value| value.ends_with(['=', '/']));
        assert_eq!(omits_space, is_partial, "{words:?}");
    }
}
