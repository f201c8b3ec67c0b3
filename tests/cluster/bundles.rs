//! Tests of `apply` and `diff` with objects that depend on each other, with files that change during a run, and for
//! users with restricted permissions.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::cli::Sandbox;
use crate::proxy::{Action, Proxy};
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

const CANARY: &str = "kanarie7f3a";

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: {value}}}\n")
}

/// The user may create Roles and RoleBindings. A RoleBinding must refer to an existing Role, and a Role must not
/// grant permissions that the user lacks.
#[test]
fn applies_a_role_and_its_binding_without_cluster_admin() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("bundle"), servers.client(ADMIN));
    let rbac_path = |resource: &str| format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "ci"},
        "rules": [{"apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["*"]},
                  {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"],
                   "verbs": ["get", "list", "create", "patch"]}],
    });
    admin.post(&rbac_path("roles"), &role).expect_success();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "ci"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "ci"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci", "namespace": namespace}],
    });
    admin.post(&rbac_path("rolebindings"), &binding).expect_success();
    let user = format!("system:serviceaccount:{namespace}:ci");
    let sandbox =
        Sandbox::new(servers.kubeconfig(ADMIN)).file("agent.yaml", include_str!("../../templates/agent.yaml"));
    let args =
        ["apply", "agent.yaml", "-n", &namespace, "--as", &user, "--backend", "server", "--api", "http://a:4200"];
    let output = sandbox.run(&[&args[..], &["--dry-run=server", "-o", "json"]].concat()).assert_exit(0, &[]);
    assert_eq!(output.outcomes().iter().filter(|outcome| *outcome == "not tried").count(), 1, "{output:?}");
    for extra_args in [&[][..], &["--no-preflight"]] {
        sandbox.run(&[&args[..], extra_args].concat()).assert_exit(0, &[]);
        admin.delete(&format!("{}/prefect-agent", rbac_path("rolebindings"))).expect_success();
        admin.delete(&format!("{}/prefect-agent", rbac_path("roles"))).expect_success();
    }
    // This Role grants a permission that the user does not have.
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: more}\nrules:\n- {apiGroups: [\"\"], resources: [nodes], verbs: [get]}\n";
    let role = role.replace("\"\"", "storage.k8s.io");
    let sandbox = sandbox.file("more.yaml", role);
    sandbox
        .run(&["apply", "more.yaml", "-n", &namespace, "--as", &user])
        .assert_exit(3, &["role.rbac.authorization.k8s.io/more grants permissions that you do not have"]);
}

/// The object uses a field that only the new version of the CRD has.
#[test]
fn applies_a_changed_crd_together_with_its_objects() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, other) = (servers.create_namespace("upgrade"), servers.fresh_name("new"));
    let group = format!("{}.example.com", servers.fresh_name("gizmos"));
    let definition = |fields: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gizmos.{group}}}\n\
             spec:\n  group: {group}\n  scope: Namespaced\n  names: {{plural: gizmos, kind: Gizmo}}\n  versions:\n  \
             - name: v1\n    served: true\n    storage: true\n    schema: {{openAPIV3Schema: {{type: object, \
             properties: {{spec: {{type: object, properties: {{{fields}}}}}}}}}}}\n---\n"
        )
    };
    let gizmo_with = |spec: &str| {
        format!(
            "apiVersion: {group}/v1\nkind: Gizmo\nmetadata: {{name: own, namespace: {namespace}}}\nspec: {{{spec}}}\n"
        )
    };
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN));
    let (old_fields, new_fields) = ("a: {type: string}", "a: {type: string}, b: {type: string}");
    sandbox.write("all.yaml", definition(old_fields) + &gizmo_with("a: x"));
    sandbox.run(&["diff", "all.yaml"]).assert_exit(1, &[]);
    sandbox.run(&["apply", "all.yaml"]).assert_exit(0, &[]);
    sandbox.run(&["diff", "all.yaml"]).assert_exit(0, &[]);
    sandbox.write("all.yaml", definition(new_fields) + &gizmo_with("a: x, b: z"));
    let output = sandbox.run(&["apply", "all.yaml", "-o", "json"]).assert_exit(0, &[]);
    assert_eq!(output.outcomes(), ["configured", "configured"]);

    // An object in an existing namespace can be dry-run even if the input also creates other namespaces.
    let new_namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {other}}}\n---\n");
    let existing_namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n");
    sandbox.write("all.yaml", new_namespace + &existing_namespace + &config_map("a", "v"));
    let output =
        sandbox.run(&["apply", "all.yaml", "-n", &namespace, "--dry-run=server", "-o", "json"]).assert_exit(0, &[]);
    assert_eq!(output.outcomes()[2], "created", "{output:?}");
}

/// The proxy overwrites the file during the first dry run. `apply` must still write the objects for which it sent dry
/// runs.
#[test]
fn sends_what_was_dry_run_if_the_file_changes() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("change");
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let file = directory.path().join("all.yaml");
    let manifest_of =
        |name: &str| (0..9).map(|index| config_map(&format!("{name}-{index}"), "v")).collect::<Vec<_>>().join("---\n");
    std::fs::write(&file, manifest_of("old")).expect("a file can be written");
    let (has_changed, path_to_change, new_text) = (AtomicBool::new(false), PathBuf::from(&file), manifest_of("new"));
    let proxy = Proxy::start(servers, move |request| {
        if request.is_dry_run() && !has_changed.swap(true, Ordering::SeqCst) {
            std::fs::write(&path_to_change, &new_text).expect("a file can be written");
        }
        Action::Forward
    });
    let output = Sandbox::new(proxy.kubeconfig()).run(&["apply", &file.to_string_lossy(), "-n", &namespace]);
    let output = output.assert_exit(0, &[]);
    let requests = proxy.requests();
    let count_requests = |text: &str| requests.iter().filter(|request| request.target.contains(text)).count();
    assert!(count_requests("old-") >= 18 && count_requests("new-") == 0, "{output:?}");
}

/// The most common case: a Job created with `kubectl apply` that holds a secret as a literal value.
#[test]
fn recreates_a_job_to_replace_a_literal() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("job-literal"), servers.client(ADMIN));
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: etl}}\nspec:\n  suspend: true\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n      - name: flow\n        image: none\n        env:\n        \
         - {{name: TOKEN, value: {CANARY}}}\n"
    );
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("job.yaml", job);
    let file = sandbox.directory().join("job.yaml");
    let created = servers.run("kubectl", &["apply", "-n", &namespace, "-f", &file.to_string_lossy()]);
    assert!(created.status.success(), "{created:?}");
    let args = ["apply", "job.yaml", "-n", &namespace, "--secret-env", "TOKEN=s/k"];
    for extra_args in [&[][..], &["--take-over"], &["--no-preflight"]] {
        sandbox
            .run(&[&args[..], extra_args].concat())
            .assert_exit(3, &["different immutable fields", "--on-immutable"]);
    }
    sandbox.run(&[&args[..], &["--on-immutable=skip", "--take-over"]].concat()).assert_exit(0, &[]);
    let output = sandbox.run(&[&args[..], &["--on-immutable=recreate", "--take-over"]].concat()).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl recreated\n");
    let live = admin.get(&api_path(&namespace, "jobs", "etl")).expect_success();
    assert!(!live.to_string().contains(CANARY), "{live}");
}

/// The server reports lines of the request body. The message must point to the line in the input file instead.
#[test]
fn server_errors_point_into_the_file() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("places");
    let text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\nspec:\n  schedule: '@daily'\n  jobTemplate:\n    \
                spec:\n      template:\n        spec:\n          restartPolicy: Never\n          containers:\n          \
                - name: flow\n            image: none\n          dnsPolicies: [] # line 14\n";
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("cron.yaml", text);
    let args = ["apply", "cron.yaml", "-n", &namespace, "--secret-env", "A=s/k", "--secret-env", "B=s/k"];
    sandbox.run(&args).assert_exit(3, &["cron.yaml:14:11", "`dnsPolicies`", "# line 14"]);
}
