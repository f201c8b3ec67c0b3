//! Inputs of many kinds that need one another, applied by people who may not do everything; and inputs that
//! change under one's hands.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::cli::Run;
use crate::proxy::{Action, Proxy};
use crate::rows::path;
use crate::servers::{ADMIN, Servers};

const CANARY: &str = "kanarie7f3a";

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: {value}}}\n")
}

/// Whoever may not bind a Role that is not there yet, nor give rights that they do not have.
#[test]
fn roles_and_their_bindings_by_somebody_who_is_no_cluster_admin() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.namespace("bundle"), servers.client(ADMIN));
    let rbac = |resource: &str| format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
    let all = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "ci"},
        "rules": [{"apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["*"]},
                  {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"],
                   "verbs": ["get", "list", "create", "patch"]}],
    });
    admin.post(&rbac("roles"), &all).done();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "ci"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "ci"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci", "namespace": namespace}],
    });
    admin.post(&rbac("rolebindings"), &binding).done();
    let user = format!("system:serviceaccount:{namespace}:ci");
    let run = Run::new(servers.kubeconfig(ADMIN)).file("agent.yaml", include_str!("../../templates/agent.yaml"));
    let args =
        ["apply", "agent.yaml", "-n", &namespace, "--as", &user, "--backend", "server", "--api", "http://a:4200"];
    let ran = run.run(&[&args[..], &["--dry-run=server", "-o", "json"]].concat()).says(0, &[]);
    assert_eq!(ran.outcomes().iter().filter(|outcome| *outcome == "not tried").count(), 1, "{ran:?}");
    for extra in [&[][..], &["--no-preflight"]] {
        run.run(&[&args[..], extra].concat()).says(0, &[]);
        admin.delete(&format!("{}/prefect-agent", rbac("rolebindings"))).done();
        admin.delete(&format!("{}/prefect-agent", rbac("roles"))).done();
    }
    // Rights that they do not have themselves.
    let more = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: more}\nrules:\n- {apiGroups: [\"\"], resources: [nodes], verbs: [get]}\n";
    let more = more.replace("\"\"", "storage.k8s.io");
    let run = run.file("more.yaml", more);
    run.run(&["apply", "more.yaml", "-n", &namespace, "--as", &user])
        .says(3, &["role.rbac.authorization.k8s.io/more grants rights that you do not have yourself"]);
}

/// A definition that changes together with its objects, and objects in a namespace that is there.
#[test]
fn definitions_that_change_with_their_objects() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, other) = (servers.namespace("upgrade"), servers.fresh_name("new"));
    let group = format!("{}.example.com", servers.fresh_name("gizmos"));
    let definition = |fields: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gizmos.{group}}}\n\
             spec:\n  group: {group}\n  scope: Namespaced\n  names: {{plural: gizmos, kind: Gizmo}}\n  versions:\n  \
             - name: v1\n    served: true\n    storage: true\n    schema: {{openAPIV3Schema: {{type: object, \
             properties: {{spec: {{type: object, properties: {{{fields}}}}}}}}}}}\n---\n"
        )
    };
    let gizmo = |spec: &str| {
        format!(
            "apiVersion: {group}/v1\nkind: Gizmo\nmetadata: {{name: own, namespace: {namespace}}}\nspec: {{{spec}}}\n"
        )
    };
    let run = Run::new(servers.kubeconfig(ADMIN));
    let (one, two) = ("a: {type: string}", "a: {type: string}, b: {type: string}");
    run.write("all.yaml", definition(one) + &gizmo("a: x"));
    run.run(&["diff", "all.yaml"]).says(1, &[]);
    run.run(&["apply", "all.yaml"]).says(0, &[]);
    run.run(&["diff", "all.yaml"]).says(0, &[]);
    run.write("all.yaml", definition(two) + &gizmo("a: x, b: z"));
    let ran = run.run(&["apply", "all.yaml", "-o", "json"]).says(0, &[]);
    assert_eq!(ran.outcomes(), ["configured", "configured"]);

    // What is in a namespace that is there can be tried, whatever else is new.
    let made = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {other}}}\n---\n");
    let there = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n");
    run.write("all.yaml", made + &there + &config_map("a", "v"));
    let ran = run.run(&["apply", "all.yaml", "-n", &namespace, "--dry-run=server", "-o", "json"]).says(0, &[]);
    assert_eq!(ran.outcomes()[2], "created", "{ran:?}");
}

/// The file is written to while its first half is tried: what is sent is what was tried.
#[test]
fn a_file_that_changes_meanwhile() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("change");
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let file = directory.path().join("all.yaml");
    let text = |name: &str| (0..9).map(|at| config_map(&format!("{name}-{at}"), "v")).collect::<Vec<_>>().join("---\n");
    std::fs::write(&file, text("old")).expect("a file can be written");
    let (changed, target, new) = (AtomicBool::new(false), PathBuf::from(&file), text("new"));
    let proxy = Proxy::start(servers, move |request| {
        if request.is_dry_run() && !changed.swap(true, Ordering::SeqCst) {
            std::fs::write(&target, &new).expect("a file can be written");
        }
        Action::Pass
    });
    let ran = Run::new(proxy.kubeconfig()).run(&["apply", &file.to_string_lossy(), "-n", &namespace]);
    let ran = ran.says(0, &[]);
    let sent = proxy.requests();
    let about = |text: &str| sent.iter().filter(|request| request.target.contains(text)).count();
    assert!(about("old-") >= 18 && about("new-") == 0, "{ran:?}");
}

/// The main use on the main kind: the literal of a Job that `kubectl apply` has made.
#[test]
fn a_literal_of_a_job_becomes_a_reference_in_a_new_one() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.namespace("job-literal"), servers.client(ADMIN));
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: etl}}\nspec:\n  suspend: true\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n      - name: flow\n        image: none\n        env:\n        \
         - {{name: TOKEN, value: {CANARY}}}\n"
    );
    let run = Run::new(servers.kubeconfig(ADMIN)).file("job.yaml", job);
    let file = run.directory().join("job.yaml");
    let made = servers.run("kubectl", &["apply", "-n", &namespace, "-f", &file.to_string_lossy()]);
    assert!(made.status.success(), "{made:?}");
    let args = ["apply", "job.yaml", "-n", &namespace, "--secret-env", "TOKEN=s/k"];
    for extra in [&[][..], &["--take-over"], &["--no-preflight"]] {
        run.run(&[&args[..], extra].concat()).says(3, &["another pod template", "--on-immutable"]);
    }
    run.run(&[&args[..], &["--on-immutable=skip", "--take-over"]].concat()).says(0, &[]);
    let ran = run.run(&[&args[..], &["--on-immutable=recreate", "--take-over"]].concat()).says(0, &[]);
    assert_eq!(ran.stdout, "job.batch/etl recreated\n");
    let live = admin.get(&path(&namespace, "jobs", "etl")).done();
    assert!(!live.to_string().contains(CANARY), "{live}");
}

/// Errors of the server have the lines of the file, not those of what is sent.
#[test]
fn places_are_those_of_the_file() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("places");
    let text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\nspec:\n  schedule: '@daily'\n  jobTemplate:\n    \
                spec:\n      template:\n        spec:\n          restartPolicy: Never\n          containers:\n          \
                - name: flow\n            image: none\n          dnsPolicies: [] # line 14\n";
    let run = Run::new(servers.kubeconfig(ADMIN)).file("cron.yaml", text);
    let args = ["apply", "cron.yaml", "-n", &namespace, "--secret-env", "A=s/k", "--secret-env", "B=s/k"];
    run.run(&args).says(3, &["cron.yaml:14:11", "`dnsPolicies`", "# line 14"]);
}
