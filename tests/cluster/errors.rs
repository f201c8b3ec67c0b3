//! Tests of rejections and failures. Each asserts a clear message, a hint and the exit code, and that the output
//! contains no internals of a library.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::kubelet::wait_for;
use crate::manifests::{config_map, cron_job, job};
use crate::proxy::{Action, Proxy, Request};
use crate::quota::create_quota;
use crate::rows::api_path;
use crate::servers::{ADMIN, NOBODY, Servers, kubeconfig};

const CONFIG_MAP: &str = config_map!("a", "{k: v}");
const JOB: &str = job!("{name: etl}", "suspend: true", "{name: flow, image: none}");
const GENERATED: &str = job!("{generateName: run-}", "suspend: true", "{name: flow, image: none}");
const CRON_JOB: &str = cron_job!("{name: nightly}", "{name: DB_PASSWORD, value: plain}");

/// Words from error messages of kube and its dependencies, which do not help a user.
const INTERNALS: &[&str] =
    &["ApiError", "HyperError", "ServiceError", "hyper", "kube::", "Status {", "rustls", "Os {", "panicked", "serde"];

impl RunOutput {
    /// Asserts the exit code, the parts of the message and a hint, and that the output contains none of `INTERNALS`.
    #[track_caller]
    fn assert_fails(self, status: i32, parts: &[&str]) -> Self {
        let output = self.assert_exit(status, parts);
        assert!(output.stderr.contains("error: ") && output.stderr.contains("hint: "), "{}", output.stderr);
        for part in INTERNALS {
            assert!(!output.stderr.contains(part) && !output.stdout.contains(part), "{part}: {output:?}");
        }
        output
    }
}

fn apply(sandbox: &Sandbox, namespace: &str, more_args: &[&str]) -> RunOutput {
    sandbox.run(&[&["apply", "input.yaml", "-n", namespace], more_args].concat())
}

fn server_url(servers: &Servers) -> String {
    format!("https://127.0.0.1:{}", servers.endpoint().port)
}

/// Creates a run with `config` as the content of its kubeconfig, which is in a subdirectory of the input's directory.
fn run_with_kubeconfig(config: &str) -> Sandbox {
    let sandbox = Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP).file("conf/config", config);
    let path = sandbox.directory().join("conf/config");
    sandbox.env("KUBECONFIG", path)
}

#[test]
fn reports_rejected_credentials() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("unknown");
    let sandbox = run_with_kubeconfig(&kubeconfig(&server_url(servers), Some(&servers.authority()), "unknown-token"));
    for args in [&["apply", "input.yaml", "-n", &namespace][..], &["diff", "input.yaml", "-n", &namespace]] {
        sandbox.run(args).assert_fails(3, &["rejected the credentials (401 Unauthorized)", "log in again"]);
    }
}

/// Returns the RBAC rule that a hint suggests. Panics if no hint suggests a rule.
#[track_caller]
fn suggested_rule(output: &RunOutput) -> String {
    let rules = output.stderr.lines().filter_map(|line| line.split_once("with this rule: "));
    let rule = rules.map(|(_, rule)| rule.trim().to_owned()).next();
    rule.unwrap_or_else(|| panic!("there is no rule in:\n{}", output.stderr))
}

/// The live object or an empty string, the input, the command, its flags, and the expected parts of the message.
type HintCase<'c> = (&'c str, &'c str, &'c str, &'c [&'c str], &'c [&'c str]);

#[test]
fn suggested_rules_grant_enough() {
    let Some(servers) = Servers::shared() else { return };
    let admin = servers.client(ADMIN);
    let changed_job = JOB.replace("image: none", "image: other");
    #[rustfmt::skip]
    let cases: &[HintCase<'_>] = &[
        ("", CONFIG_MAP, "apply", &[], &["configmaps in namespace", "apiGroups: [\"\"]"]),
        ("", JOB, "apply", &[], &["jobs.batch in namespace", "apiGroups: [\"batch\"]"]),
        ("", JOB, "apply", &["--no-preflight"], &["jobs.batch in namespace"]),
        ("", GENERATED, "apply", &[], &["user nobody is not allowed to create jobs.batch in namespace", "verbs: [create]"]),
        ("", JOB, "apply", &["--dry-run=server"], &["jobs.batch"]),
        ("", JOB, "diff", &[], &["jobs.batch"]),
        (JOB, CONFIG_MAP, "apply", &["--force-conflicts"], &["configmaps"]),
        (JOB, &changed_job, "apply", &["--on-immutable=recreate", "--recreate-running"], &["jobs.batch"]),
        (CRON_JOB, CRON_JOB, "apply", &["--take-over", "--secret-env", "DB_PASSWORD=s/k"], &["cronjobs.batch"]),
    ];
    for (live, input, command, flags, expected) in cases {
        let namespace = servers.create_namespace("rbac");
        if !live.is_empty() {
            let before = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", live);
            let manager = if flags.contains(&"--take-over") { "other" } else { "jobplate" };
            apply(&before, &namespace, &["--field-manager", manager]).assert_exit(0, &[]);
        }
        let sandbox = Sandbox::new(servers.kubeconfig(NOBODY)).file("input.yaml", input);
        let args = [&[*command, "input.yaml", "-n", &namespace], *flags].concat();
        let base = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "suggested"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "suggested"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": NOBODY}],
        });
        admin.post(&format!("{base}/rolebindings"), &binding).expect_success();
        let first = sandbox.run(&args).assert_fails(3, expected);
        let name = match *input {
            CONFIG_MAP => "configmap/a",
            CRON_JOB => "cronjob.batch/",
            _ => "job.batch/",
        };
        let denied = format!("in namespace {namespace}: {name}");
        assert!(first.stderr.contains(&denied), "{denied}: {}", first.stderr);
        let mut rules = vec![suggested_rule(&first)];
        // Each attempt may suggest another rule, but never a rule that the user already has.
        let done = loop {
            let role = format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: suggested}}\nrules: [{}]\n",
                rules.join(", ")
            );
            admin.patch(&format!("{base}/roles/suggested?fieldManager=t&force=true"), "apply", role).expect_success();
            // The authorizer sees a new Role after a short delay, so the command is repeated.
            let next = wait_for(&format!("more than {rules:?} to allow"), || {
                let output = sandbox.run(&args);
                (output.status != 3 || !rules.contains(&suggested_rule(&output))).then_some(output)
            });
            if next.status != 3 {
                break next;
            }
            rules.push(suggested_rule(&next.assert_fails(3, &["user nobody is not allowed to"])));
            assert!(rules.len() < 4, "{rules:?}");
        };
        assert!(done.status == 0 || *command == "diff" && done.status == 1, "{flags:?}: {done:?}");
    }
}

#[test]
fn suggests_a_cluster_role_for_cluster_scoped_objects() {
    let Some(servers) = Servers::shared() else { return };
    let admin = servers.client(ADMIN);
    let (user, role) = (servers.fresh_name("somebody"), servers.fresh_name("suggested"));
    let namespace = servers.fresh_name("made");
    let text = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", text);
    let args = ["apply", "input.yaml", "--as", &user];
    let output = sandbox.run(&args).assert_fails(3, &["a ClusterRole", &format!("namespaces: namespace/{namespace}")]);
    let base = "/apis/rbac.authorization.k8s.io/v1";
    let object = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {role}}}\nrules: [{}]\n",
        suggested_rule(&output)
    );
    admin.patch(&format!("{base}/clusterroles/{role}?fieldManager=t"), "apply", object).expect_success();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    admin.post(&format!("{base}/clusterrolebindings"), &binding).expect_success();
    wait_for("the rule to allow it", || (sandbox.run(&args).status == 0).then_some(()));
}

#[test]
fn reports_missing_impersonation_permissions() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("as");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", CONFIG_MAP);
    apply(&sandbox, &namespace, &["--as", "nobody"]).assert_fails(3, &["user nobody is not allowed to"]);
    let output = apply(&sandbox, &namespace, &["--as", "nobody", "--as-group", "system:masters"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "configmap/a created\n");
    apply(&sandbox, &namespace, &["--as-group", "system:masters"]).assert_fails(2, &["`--as-group` needs `--as`"]);
    // The message is about impersonation, not about the ConfigMap.
    let sandbox = Sandbox::new(servers.kubeconfig(NOBODY)).file("input.yaml", CONFIG_MAP);
    let output = apply(&sandbox, &namespace, &["--as", "admin"]).assert_fails(3, &["impersonate"]);
    assert!(!output.stderr.contains("not allowed to patch configmaps"), "{}", output.stderr);
}

#[test]
fn reports_unknown_kinds_and_namespaces() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("missing");
    let run_with_kind = |api_version: &str, kind: &str| {
        Sandbox::new(servers.kubeconfig(ADMIN))
            .file("input.yaml", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"))
    };
    for (api_version, kind) in [("example.io/v1", "Flow"), ("batch/v2", "Job"), ("apps/v1", "Flow"), ("v1", "Flow")] {
        let sandbox = run_with_kind(api_version, kind);
        for command in ["apply", "diff"] {
            let message = format!("the API server has no kind {kind} in {api_version}");
            let output = sandbox.run(&[command, "input.yaml", "-n", &namespace]);
            output.assert_fails(3, &[&message, "input.yaml:1:1", "kubectl api-resources", "CustomResourceDefinition"]);
        }
    }
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", CONFIG_MAP);
    apply(&sandbox, "nowhere", &[])
        .assert_fails(3, &["namespace nowhere not found", "kubectl create namespace nowhere"]);
    let sandbox = sandbox.file("input.yaml", GENERATED);
    apply(&sandbox, "nowhere", &[]).assert_fails(3, &["namespace nowhere not found"]);
}

#[test]
fn reports_a_terminating_namespace() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("going"), servers.client(ADMIN));
    let blocker =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "h", "finalizers": ["x.io/held"]}});
    admin.post(&api_path(&namespace, "configmaps", ""), &blocker).expect_success();
    admin.delete(&format!("/api/v1/namespaces/{namespace}")).expect_success();
    for (input, more_args) in [(CONFIG_MAP, &[][..]), (CONFIG_MAP, &["--no-preflight"]), (GENERATED, &[])] {
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", input);
        apply(&sandbox, &namespace, more_args).assert_fails(3, &["is being deleted", "wait until it is deleted"]);
    }
    let patch = json!({"metadata": {"finalizers": null}}).to_string();
    admin.patch(&api_path(&namespace, "configmaps", "h"), "merge", patch).expect_success();
}

/// Splits the lines of a table into cells.
fn table_cells(text: &str) -> Vec<Vec<String>> {
    let split_cells = |line: &str| {
        line.trim().split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
    };
    text.lines().map(split_cells).collect()
}

#[test]
fn prints_conflicts_as_a_table() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("conflict");
    let input = format!("{CRON_JOB}---\n{CONFIG_MAP}");
    let before = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", &input);
    apply(&before, &namespace, &["--field-manager", "other"]).assert_exit(0, &[]);
    let changed = input.replace("'0 0 1 1 *'", "'5 5 * * *'").replace("suspend: true", "suspend: false");
    let changed = changed.replace("value: plain", "value: hush").replace("k: v", "k: hush");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", changed);
    let output = apply(&sandbox, &namespace, &[]).assert_fails(3, &["--force-conflicts", "--take-over"]);
    let table = table_cells(&output.stderr);
    let entry = ".spec.jobTemplate.spec.template.spec.containers[name=\"flow\"].env[name=\"DB_PASSWORD\"].value";
    for row in [
        ["FIELD", "MANAGER", "LIVE", "OURS"],
        [".spec.schedule", "other", "0 0 1 1 *", "5 5 * * *"],
        [".spec.suspend", "other", "true", "false"],
        [entry, "other", "***", "***"],
        [".data.k", "other", "***", "***"],
    ] {
        assert!(table.iter().any(|cells| cells == &row), "{row:?} is not in\n{}", output.stderr);
    }
    assert!(!output.stderr.contains("hush") && !output.stderr.contains("plain"), "{}", output.stderr);
    assert!(output.stderr.contains("nothing was applied"), "{}", output.stderr);
    let output = apply(&sandbox, &namespace, &["--force-conflicts"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "cronjob.batch/nightly configured\nconfigmap/a configured\n");
}

#[test]
fn reports_objects_that_are_too_large() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("large");
    let start = Instant::now();
    // These objects exceed the API server's request limit, the limit for a ConfigMap, or etcd's limit. Each limit has
    // its own error.
    let config_map_of_size = |size| CONFIG_MAP.replace("k: v", &format!("k: {}", "x".repeat(size)));
    let job_of_size = |size| JOB.replace("image: none", &format!("image: none, args: [{}]", "x".repeat(size)));
    for input in
        [config_map_of_size(4_000_000), job_of_size(2_600_000), job_of_size(1_700_000), config_map_of_size(1_200_000)]
    {
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", input);
        let output = apply(&sandbox, &namespace, &[]).assert_fails(3, &["too l"]);
        assert!(output.stderr.len() < 5_000, "{}", output.stderr.len());
    }
    // An object that is too large must not be retried.
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

#[test]
fn points_at_invalid_fields() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("invalid");
    let job_with = |from: &str, to: &str| {
        assert!(JOB.contains(from));
        JOB.replace(from, to)
    };
    let cron_job_with = |from: &str, to: &str| {
        assert!(CRON_JOB.contains(from));
        CRON_JOB.replace(from, to)
    };
    #[rustfmt::skip]
    let cases = [
        (job_with("restartPolicy: Never", "restartPolicy: Always"), "input.yaml:8:", "restartPolicy"),
        (job_with("suspend: true", "suspend: true\n  backoffLimit: -1"), "input.yaml:6:", "spec.backoffLimit"),
        (job_with("image: none", "image: none, imagePullPolicy: Sometimes"), "input.yaml:10:", "imagePullPolicy"),
        (job_with("image: none", "image: none, ports: [{containerPort: 70000}]"), "input.yaml:10:", "containerPort"),
        (job_with("{name: flow,", "{name: UP,"), "input.yaml:10:", "containers[0].name"),
        (job_with("{name: etl}", "{name: etl, labels: {a: 'b c'}}"), "input.yaml:3:", "labels"),
        (job_with("{name: etl}", "{name: ETL}"), "input.yaml:3:", "name"),
        (cron_job_with("'0 0 1 1 *'", "'at noon'"), "input.yaml:5:", "spec.schedule"),
        (cron_job_with("suspend: true", "concurrencyPolicy: Sometimes"), "input.yaml:6:", "spec.concurrencyPolicy"),
        (cron_job_with("value: plain", "valueFrom: {fieldRef: {fieldPath: spec.nothing}}"), "input.yaml:16:", "fieldPath"),
        // The server responds with 500, not 422, to a field that pods do not have.
        (job_with("restartPolicy: Never", "restartPolicy: Never\n      parallelism: 1"), "input.yaml:9:", "`parallelism`"),
    ];
    let mut failures = String::new();
    for (text, location, message) in cases {
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", &text);
        let output = apply(&sandbox, &namespace, &[]);
        let stderr = &output.stderr;
        let is_expected = [2, 3].contains(&output.status)
            && stderr.contains(location)
            && stderr.contains(message)
            && !INTERNALS.iter().any(|part| stderr.contains(part));
        if !is_expected {
            failures += &format!("\nexpected {location} {message}, got {}:\n{stderr}", output.status);
        }
    }
    assert!(failures.is_empty(), "{failures}");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN));
    let sandbox =
        sandbox.file("input.yaml", format!("{CONFIG_MAP}---\n{}", CRON_JOB.replace("'0 0 1 1 *'", "'at noon'")));
    apply(&sandbox, &namespace, &[]).assert_fails(3, &["input.yaml:10:", "spec.schedule"]);
}

#[test]
fn reports_unreachable_servers() {
    let Some(servers) = Servers::shared() else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let closed_port = listener.local_addr().expect("it has an address").port();
    drop(listener);
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let other_authority = directory.path().join("other.crt");
    let certificate =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be created");
    std::fs::write(&other_authority, certificate.cert.pem()).expect("a file can be written");
    let no_certificate = directory.path().join("no.crt");
    std::fs::write(&no_certificate, "none").expect("a file can be written");
    let authority = servers.authority();
    let config_for = |server: &str, authority: &Path| kubeconfig(server, Some(authority), ADMIN);
    let other_name = config_for(&server_url(servers), &authority)
        .replace("cluster: {", "cluster: {tls-server-name: other.example, ");
    let plain_http = kubeconfig(&server_url(servers).replace("https", "http"), None, ADMIN);
    #[rustfmt::skip]
    let cases = [
        (config_for(&format!("https://127.0.0.1:{closed_port}"), &authority), &["127.0.0.1:", "refused", "that the API server is running"][..]),
        (config_for("https://nowhere.invalid:6443", &authority), &["nowhere.invalid:6443", "its host name has no address"]),
        (config_for(&server_url(servers), &other_authority), &["cannot trust", "certificate authority", "certificate-authority"]),
        (other_name, &["cannot trust", "for another name", "tls-server-name"]),
        (config_for(&server_url(servers), &no_certificate), &["certificate"]),
        (config_for(&server_url(servers), &directory.path().join("missing.crt")), &["certificate authority", "missing.crt"]),
        // The server responds to a plain HTTP request with a message that asks for HTTPS.
        (plain_http, &["https"]),
    ];
    let mut failures = String::new();
    for (config, expected) in cases {
        let sandbox = run_with_kubeconfig(&config);
        for args in [&["apply", "input.yaml", "-n", "x"][..], &["diff", "input.yaml", "-n", "x"]] {
            let start = Instant::now();
            let output = sandbox.run(args);
            let is_expected = output.status == 3
                && expected.iter().all(|part| output.stderr.contains(part))
                && output.stderr.contains("hint: ")
                && !INTERNALS.iter().any(|part| output.stderr.contains(part))
                && start.elapsed() < Duration::from_secs(20);
            if !is_expected {
                failures += &format!(
                    "\n{args:?} expected {expected:?}, got {} after {:?}:\n{}",
                    output.status,
                    start.elapsed(),
                    output.stderr
                );
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Creates a run whose kubeconfig names a credential plugin. The plugin is a script in the kubeconfig's directory.
fn run_with_plugin(servers: &Servers, command: &str, script: &str) -> Sandbox {
    let exec = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: '{command}', \
         interactiveMode: Never, provideClusterInfo: false, args: [hush], env: [{{name: WHO, value: admin}}]}}"
    );
    let config = kubeconfig(&server_url(servers), Some(&servers.authority()), "TOKEN").replace("token: TOKEN", &exec);
    let sandbox = run_with_kubeconfig(&config).file("conf/plugin.sh", format!("#!/bin/sh\n{script}\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(sandbox.directory().join("conf/plugin.sh"), mode).expect("a mode can be set");
    }
    sandbox
}

fn print_credential(status: &str) -> String {
    format!(
        "printf '%s' '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\
         \"kind\":\"ExecCredential\",\"status\":{status}}}'"
    )
}

#[test]
fn runs_credential_plugins() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("plugin");
    let valid = print_credential("{\"token\":\"'$WHO'\"}");
    let expired = print_credential("{\"token\":\"'$WHO'\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}");
    #[rustfmt::skip]
    let cases = [
        // The plugin's script, its path, the exit code, and parts of the message.
        (valid.clone(), "/bin/sh plugin", 3, &["credential plugin", "install the command"][..]),
        (valid, "./plugin.sh", 0, &[]),
        (expired, "./plugin.sh", 0, &[]),
        ("echo hush; echo log in first >&2; exit 1".to_owned(), "./plugin.sh", 3, &["credential plugin", "failed (exit code 1)", "yourself"]),
        ("echo '{\"hush\": '".to_owned(), "./plugin.sh", 3, &["plugin returned no credentials", "yourself"]),
        ("echo hush".to_owned(), "./plugin.sh", 3, &["plugin returned no credentials"]),
        ("true".to_owned(), "./plugin.sh", 3, &["plugin returned no credentials"]),
        (print_credential("{}"), "./plugin.sh", 3, &["credentials"]),
        (print_credential("{\"token\":\"hush\"}"), "./plugin.sh", 3, &["rejected the credentials (401 Unauthorized)"]),
        ("true".to_owned(), "./none.sh", 3, &["cannot start the credential plugin", "install the command"]),
    ];
    let mut failures = String::new();
    for (script, command, status, expected) in cases {
        let sandbox = run_with_plugin(servers, command, &script);
        let output = apply(&sandbox, &namespace, &[]);
        let is_expected = output.status == status
            && expected.iter().all(|part| output.stderr.contains(part))
            && !output.stderr.contains("hush")
            && !INTERNALS.iter().any(|part| output.stderr.contains(part));
        if !is_expected {
            failures +=
                &format!("\n{command}: {script}\nexpected {expected:?}, got {}:\n{}", output.status, output.stderr);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Relative paths in a kubeconfig are relative to its directory.
#[test]
fn resolves_paths_relative_to_the_kubeconfig() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("beside");
    let config = kubeconfig(&server_url(servers), Some(Path::new("own.crt")), "TOKEN");
    let sandbox = run_with_kubeconfig(&config.replace("token: TOKEN", "tokenFile: own.token"));
    std::fs::copy(servers.authority(), sandbox.directory().join("conf/own.crt")).expect("a file can be copied");
    apply(&sandbox, &namespace, &[]).assert_fails(3, &["own.token"]);
    sandbox.write("conf/own.token", format!("{ADMIN}\n"));
    apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
}

#[test]
fn merges_several_kubeconfigs() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("merged");
    let complete = kubeconfig(&server_url(servers), Some(&servers.authority()), ADMIN);
    let (first, second) = complete.split_once("contexts:").expect("it has contexts");
    let (head, clusters) = first.split_once("current-context: test\n").expect("it has a current context");
    let one = format!("{head}current-context: test\ncontexts:{second}");
    let other =
        format!("{head}current-context: other\n{clusters}users:\n- {{name: test, user: {{token: unknown-token}}}}\n");
    let sandbox = Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP).file("one", &one).file("other", other);
    let join_paths = |names: &[&str]| {
        let paths = names.iter().map(|name| sandbox.directory().join(name));
        std::env::join_paths(paths).expect("they can be joined")
    };
    // The first file takes precedence. Missing files are ignored.
    let lists = [
        (join_paths(&["one", "other"]), 0),
        (join_paths(&["missing", "one", "other"]), 0),
        (join_paths(&["other", "one"]), 3),
    ];
    let (missing, with_broken) = (join_paths(&["missing"]), join_paths(&["one", "broken"]));
    let mut sandbox = sandbox;
    for (list, status) in lists {
        sandbox = sandbox.env("KUBECONFIG", list);
        let output = apply(&sandbox, &namespace, &[]);
        assert_eq!(output.status, status, "{output:?}");
    }
    sandbox = sandbox
        .env("KUBECONFIG", missing)
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "1");
    apply(&sandbox, &namespace, &[]).assert_exit(3, &["KUBECONFIG"]);
    sandbox = sandbox.file("broken", "apiVersion: v1\nkind: [Config\n").env("KUBECONFIG", with_broken);
    apply(&sandbox, &namespace, &[]).assert_fails(3, &["broken", "is not a kubeconfig"]);
}

#[test]
fn uses_only_the_named_kubeconfig() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("named");
    #[rustfmt::skip]
    let cases = [
        ("apiVersion: v1\nkind: Config\nusers: hush\n", &["is not a kubeconfig"][..]),
        ("{{ hush", &["is not a kubeconfig"]),
        ("", &["kubeconfig"]),
        ("apiVersion: v1\nkind: Config\n", &["current context"]),
        ("apiVersion: v1\nkind: Config\ncurrent-context: gone\n", &["no context gone", "it has no contexts"]),
    ];
    // Neither the kubeconfig in `KUBECONFIG` nor the service account of a pod is used instead.
    for (text, expected) in cases {
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", CONFIG_MAP).file("named", text);
        let sandbox = sandbox.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("KUBERNETES_SERVICE_PORT", "1");
        let output = apply(&sandbox, &namespace, &["--kubeconfig", "named"]).assert_exit(3, expected);
        assert!(!output.stderr.contains("hush"), "{}", output.stderr);
        let sandbox = sandbox.env("KUBECONFIG", "named");
        apply(&sandbox, &namespace, &[]).assert_exit(3, expected);
    }
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", CONFIG_MAP);
    apply(&sandbox, &namespace, &["--kubeconfig", "missing"]).assert_exit(3, &["missing", "cannot be read"]);
    apply(&Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP), &namespace, &[])
        .assert_fails(3, &["no cluster is configured", "--kubeconfig"]);
    let sandbox =
        Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP).env("KUBERNETES_SERVICE_HOST", "127.0.0.1");
    apply(&sandbox, &namespace, &[]).assert_fails(3, &["KUBERNETES_SERVICE_PORT is not set"]);
    apply(&sandbox.env("KUBERNETES_SERVICE_PORT", "1"), &namespace, &[]).assert_fails(3, &["service account"]);
}

#[test]
fn selects_contexts_clusters_and_users_by_name() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("context");
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: away\n\
         clusters:\n- {{name: here, cluster: {{server: \"{}\", certificate-authority: {:?}}}}}\n\
         - {{name: away, cluster: {{server: \"https://127.0.0.1:1\"}}}}\n\
         contexts:\n- {{name: away, context: {{cluster: away, user: one}}}}\n\
         - {{name: home, context: {{cluster: here, user: one, namespace: {namespace}}}}}\n\
         users:\n- {{name: one, user: {{token: {ADMIN}}}}}\n- {{name: two, user: {{token: {NOBODY}}}}}\n",
        server_url(servers),
        servers.authority().display().to_string()
    );
    let sandbox = run_with_kubeconfig(&config);
    #[rustfmt::skip]
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["--context", "home"], 0, &["configmap/a created"]),
        (&["--cluster", "here", "-n", &namespace], 0, &["configmap/a unchanged"]),
        (&["--context", "home", "--user", "two"], 3, &["user nobody is not allowed to", &namespace]),
        (&["--context", "hom"], 3, &["no context hom", "its contexts: away, home"]),
        (&["--cluster", "her"], 3, &["no cluster her", "its clusters: here, away"]),
        (&["--user", "on"], 3, &["no user on", "its users: one, two"]),
    ];
    for (flags, status, expected) in cases {
        let output = sandbox.run(&[&["apply", "input.yaml"], *flags].concat()).assert_exit(*status, &[]);
        let text = output.stdout + &output.stderr;
        assert!(expected.iter().all(|part| text.contains(part)), "{flags:?}: {text}");
    }
    // Without a current context, `--cluster` and `--user` are enough.
    let sandbox = run_with_kubeconfig(&config.replace("current-context: away\n", ""));
    let output = sandbox
        .run(&["apply", "input.yaml", "--cluster", "here", "--user", "one", "-n", &namespace])
        .assert_exit(0, &[]);
    assert_eq!(output.stdout, "configmap/a unchanged\n");
    sandbox.run(&["apply", "input.yaml"]).assert_fails(3, &["no current context", "its contexts: away, home"]);
}

/// Starts an HTTP proxy that tunnels connections, or rejects them if `refuses_all` is true. Returns its port and the
/// number of `CONNECT` requests.
fn start_connect_proxy(refuses_all: bool) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            thread::spawn(move || tunnel(client, refuses_all, &count));
        }
    });
    (port, connections)
}

fn tunnel(mut client: TcpStream, refuses_all: bool, connections: &AtomicUsize) -> Option<()> {
    let mut lines = BufReader::new(client.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let target = first.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    while !lines.next()?.ok()?.is_empty() {}
    connections.fetch_add(1, Ordering::SeqCst);
    if refuses_all {
        client.write_all(b"HTTP/1.1 407 hush\r\ncontent-length: 0\r\n\r\n").ok()?;
        return None;
    }
    let server = TcpStream::connect(target).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from, mut to) = (server.try_clone().ok()?, client.try_clone().ok()?);
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    let mut server = server;
    std::io::copy(&mut client, &mut server).ok().map(drop)
}

#[test]
fn uses_the_proxy_of_the_kubeconfig() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("proxy-url");
    let run_through = |port: u16| {
        let config = kubeconfig(&server_url(servers), Some(&servers.authority()), ADMIN);
        run_with_kubeconfig(
            &config.replace("cluster: {", &format!("cluster: {{proxy-url: \"http://127.0.0.1:{port}\", ")),
        )
    };
    let (port, connections) = start_connect_proxy(false);
    assert_eq!(apply(&run_through(port), &namespace, &[]).assert_exit(0, &[]).stdout, "configmap/a created\n");
    assert!(connections.load(Ordering::SeqCst) > 0);
    let (port, connections) = start_connect_proxy(true);
    let output = apply(&run_through(port), &namespace, &[]).assert_fails(3, &["cannot connect to"]);
    assert!(connections.load(Ordering::SeqCst) > 0 && !output.stderr.contains("hush"), "{}", output.stderr);
}

#[test]
fn reports_an_exceeded_quota() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("quota"), servers.client(ADMIN));
    create_quota(&admin, &namespace, &json!({"count/cronjobs.batch": "0"}));
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", CRON_JOB);
    // The admission plugin sees the quota after a short delay, so the command is repeated.
    let output = wait_for("the quota", || {
        let output = apply(&sandbox, &namespace, &["--dry-run=server"]);
        (output.status != 0).then_some(output)
    });
    let message = format!(
        "quota q of namespace {namespace} is full: count/cronjobs.batch 0 of 0 is used, and cronjob.batch/nightly needs 1 more"
    );
    let describe = format!("kubectl describe quota q -n {namespace}");
    output.assert_fails(3, &[&message, &describe]);
    apply(&sandbox, &namespace, &["--no-preflight"]).assert_fails(3, &[&message, &describe]);
    let masked = apply(&sandbox, &namespace, &["--mask=all"]);
    masked.assert_fails(3, &[&format!("cronjob.batch/nightly exceeds a quota of namespace {namespace}")]);
}

#[test]
fn reports_failing_webhooks() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("webhook"), servers.client(ADMIN));
    let configuration = servers.fresh_name("failing");
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": configuration},
        "webhooks": [{
            "name": "checks.example.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail", "timeoutSeconds": 2,
            "clientConfig": {"url": "https://127.0.0.1:1/hush"},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}],
        }],
    });
    let collection = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    admin.post(collection, &webhook).expect_success();
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", CONFIG_MAP);
    let probe = format!("{}?fieldManager=t&dryRun=All", api_path(&namespace, "configmaps", "probe"));
    wait_for("the webhook to be asked", || {
        let text = CONFIG_MAP.replace("name: a", "name: probe");
        (admin.patch(&probe, "apply", text).status == 500).then_some(())
    });
    // The webhook may recover, so the request is retried.
    let output = apply(&sandbox, &namespace, &["-v"])
        .assert_fails(3, &["the webhook checks.example.io does not respond", "retrying in"]);
    assert!(!output.stderr.contains("hush"), "{}", output.stderr);
    admin.delete(&format!("{collection}/{configuration}")).expect_success();
    wait_for("the webhook to be gone", || (apply(&sandbox, &namespace, &[]).status == 0).then_some(()));

    // A `v1` webhook must not have side effects in dry runs, but an older webhook may have them. In that case the
    // server rejects the dry run with this message.
    let message = "admission webhook \"checks.example.io\" does not support dry run";
    let rule = move |request: &Request| match request.is_dry_run() {
        true => Action::status(400, "BadRequest", message),
        false => Action::Forward,
    };
    let proxy = Proxy::start(servers, rule);
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", CONFIG_MAP);
    for command in ["apply", "diff"] {
        let output = sandbox.run(&[command, "input.yaml", "-n", &namespace]);
        output.assert_fails(3, &["the webhook checks.example.io does not support dry run"]);
    }
    apply(&sandbox, &namespace, &[]).assert_exit(3, &["--no-preflight"]);
    apply(&sandbox, &namespace, &["--no-preflight"]).assert_exit(0, &[]);
}

#[test]
fn reports_denied_admission() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("denied"), servers.client(ADMIN));
    let labels = ["enforce", "warn"].map(|mode| (format!("pod-security.kubernetes.io/{mode}"), json!("restricted")));
    let labels = json!({"metadata": {"labels": Value::Object(labels.into_iter().collect())}});
    admin.patch(&format!("/api/v1/namespaces/{namespace}"), "merge", labels.to_string()).expect_success();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: flow, image: none}]}\n";
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", pod);
    let output = wait_for("the labels to count", || {
        let output = apply(&sandbox, &namespace, &["--dry-run=server"]);
        (output.status != 0).then_some(output)
    });
    output
        .assert_fails(3, &["forbids the pod of pod/p: violates PodSecurity \"restricted:latest\": ", "--show-labels"]);
    // The server accepts a Job, but warns about its pods. The program passes the warning on.
    let sandbox = sandbox.file("input.yaml", JOB);
    apply(&sandbox, &namespace, &["--no-preflight"])
        .assert_exit(0, &["warning: input.yaml:1: the API server warns: ", "PodSecurity"]);
}

#[test]
fn masks_warnings_of_the_server() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("warning");
    let text = "299 - \"unknown field \\\"spec.schedule\\\", not hush9 and not aHVzaDkx1=\"".to_owned();
    let proxy = Proxy::start(servers, move |_| Action::AddHeader("warning", text.clone()));
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", CRON_JOB.replace("plain", "hush9"));
    for args in [&["apply", "input.yaml", "-n", &namespace, "-q"][..], &["diff", "input.yaml", "-n", &namespace]] {
        let output = sandbox.run(args).assert_exit(0, &["the API server warns", "unknown field \"spec.schedule\", "]);
        assert!(!output.stderr.contains("hush9") && !output.stderr.contains("aHVzaDk"), "{}", output.stderr);
    }
}

#[test]
fn reports_a_warning_about_all_items_of_a_list_once() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("warning-list");
    let text = "299 - \"okapi and zebra, not hush9\"".to_owned();
    let proxy = Proxy::start(servers, move |_| Action::AddHeader("warning", text.clone()));
    let item_named = |name| format!("- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}\n");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item_named("okapi"), item_named("zebra"));
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", list);
    // Both items cause the same warning, so it is reported once.
    let output = apply(&sandbox, &namespace, &[]).assert_exit(0, &["the API server warns: okapi and zebra, not hush9"]);
    assert_eq!(output.stderr.matches("the API server warns").count(), 1, "{}", output.stderr);
}

#[test]
fn rejects_invalid_input_without_any_request() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("unsent");
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let map_with = |metadata: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: z, {metadata}}}\n");
    let duplicate = format!("{CONFIG_MAP}---\n{}---\n{CONFIG_MAP}", CONFIG_MAP.replace("name: a", "name: b"));
    let duplicate_with_namespace =
        format!("{CONFIG_MAP}---\n{}", CONFIG_MAP.replace("name: a", &format!("name: a, namespace: {namespace}")));
    let two_versions = format!("{}---\n{}", CRON_JOB, CRON_JOB.replace("batch/v1", "batch/v1beta1"));
    #[rustfmt::skip]
    let cases = [
        (format!("{CONFIG_MAP}---\n{}", map_with("resourceVersion: '7'")), &["input.yaml:8:", "export", "remove"][..]),
        (format!("{CONFIG_MAP}---\n{}", map_with("uid: abc")), &["input.yaml:8:", "export"]),
        (map_with("managedFields: [{manager: m}]"), &["input.yaml:3:", "export"]),
        (format!("{JOB}status: {{active: 1}}\n"), &["input.yaml:11:", "export"]),
        (duplicate, &["duplicate object ConfigMap/a in the input", "input.yaml:11:", "the first is at input.yaml:1;"]),
        (duplicate_with_namespace, &["duplicate object"]),
        (two_versions, &["duplicate object"]),
        (CONFIG_MAP.replace("{name: a}", "{}"), &["input.yaml:", "name"]),
        (CONFIG_MAP.replace("{name: a}", "{labels: {a: b}}"), &["input.yaml:", "name"]),
        (CONFIG_MAP.replace("name: a", "name: a, namespace: elsewhere"), &["elsewhere", "-n"]),
        (format!("{CONFIG_MAP}---\nkind: ConfigMap\nmetadata: {{name: b}}\n"), &["apiVersion"]),
        ("just text\n".to_owned(), &["not a Kubernetes object"]),
        ("# nothing\n".to_owned(), &["no Kubernetes object"]),
    ];
    let mut failures = String::new();
    for (input, expected) in cases {
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", &input);
        for more_args in [&[][..], &["--no-preflight"], &["--dry-run=server"]] {
            let output = apply(&sandbox, &namespace, more_args);
            let is_expected = output.status == 2
                && output.stdout.is_empty()
                && expected.iter().all(|part| output.stderr.contains(part));
            if !is_expected {
                failures += &format!(
                    "\n{input}\nexpected {expected:?}, got {}:\n{}{}",
                    output.status, output.stdout, output.stderr
                );
            }
        }
    }
    let requests = proxy.requests();
    assert!(requests.is_empty(), "{requests:?}");
    assert!(failures.is_empty(), "{failures}");
}

fn crd(group: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("flows.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "versions": [version],
            "names": {"kind": "Flow", "plural": "flows", "singular": "flow"},
        },
    })
}

#[test]
fn discovers_custom_kinds_once() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("kinds"), servers.client(ADMIN));
    let group = format!("{}.example.io", servers.fresh_name("kinds"));
    admin.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd(&group)).expect_success();
    let group_path = format!("/apis/{group}/v1");
    wait_for("the kind", || (admin.get(&group_path).status == 200).then_some(()));
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let flow_manifest = |number: usize| format!("apiVersion: {group}/v1\nkind: Flow\nmetadata: {{name: f{number}}}\n");
    let flows: Vec<String> = (0..12).map(flow_manifest).collect();
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", flows.join("---\n"));
    let discovery_requests = |proxy: &Proxy| {
        let requests: Vec<Request> = proxy.requests();
        requests
            .into_iter()
            .filter(|request| request.method == "GET" && !request.path().contains("/namespaces/"))
            .map(|request| request.target)
            .collect()
    };
    apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
    let discovery_targets: Vec<String> = discovery_requests(&proxy);
    assert_eq!(discovery_targets, std::slice::from_ref(&group_path));
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", flows.join("---\n"));
    sandbox.run(&["diff", "input.yaml", "-n", &namespace]).assert_exit(0, &[]);
    let discovery_targets: Vec<String> = discovery_requests(&proxy);
    assert_eq!(discovery_targets, [group_path]);

    // The program knows the URLs of built-in kinds, so it sends no discovery requests.
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let input = [CONFIG_MAP, JOB, CRON_JOB, GENERATED].join("---\n");
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", input);
    apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
    let discovery_targets: Vec<String> = discovery_requests(&proxy);
    assert!(discovery_targets.is_empty(), "{discovery_targets:?}");
    // One dry run and one write for each object, and no other requests.
    assert_eq!(proxy.requests().len(), 8, "{:?}", proxy.requests());
    for request in proxy.requests() {
        let agent = request.header("user-agent").unwrap_or_default().to_owned();
        assert!(agent.starts_with("jobplate/"), "{agent}");
        assert!(request.target.contains("fieldManager=jobplate") && request.target.contains("fieldValidation=Strict"));
    }
}

/// Helm 4 hides standard error, so errors also go to the error file.
#[test]
fn writes_errors_to_the_error_file() {
    let Some(servers) = Servers::shared() else { return };
    let sandbox = Sandbox::new(servers.kubeconfig(NOBODY)).file("input.yaml", format!("{CONFIG_MAP}---\n{JOB}"));
    let namespace = servers.create_namespace("file");
    let denied = format!("configmaps in namespace {namespace}: configmap/a");
    let output = apply(&sandbox, &namespace, &[]).assert_fails(3, &[denied.as_str()]);
    assert!(output.error_file.contains(&denied), "{output:?}");
    let output = sandbox.run(&["diff", "input.yaml", "-n", &namespace]).assert_fails(3, &[denied.as_str()]);
    assert!(output.error_file.contains(&denied), "{output:?}");
}

/// The first failure determines the exit code.
#[test]
fn exits_with_the_first_failure() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("first");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", CONFIG_MAP);
    for (flags, status) in [
        (&["--dry-run=client"][..], 2),
        (&["--on-immutable=often"], 2),
        (&["--concurrency", "0"], 2),
        (&["--request-timeout", "soon"], 2),
        (&["--recreate-running"], 2),
        (&["--take-over"], 2),
        (&["-o", "yaml"], 2),
        (&["--validate=never"], 2),
        (&["--field-manager", ""], 2),
        (&["-n", "Not A Name"], 2),
    ] {
        let output = sandbox.run(&[&["apply", "input.yaml"], flags].concat());
        assert_eq!(output.status, status, "{flags:?}: {output:?}");
    }
    // The server rejects one object and applies the other. Each has a line in the report.
    let input = format!("{CONFIG_MAP}---\n{}", CRON_JOB.replace("'0 0 1 1 *'", "'at noon'"));
    let sandbox = sandbox.file("input.yaml", input);
    let output = apply(&sandbox, &namespace, &["--no-preflight"]).assert_fails(3, &["spec.schedule"]);
    assert_eq!(output.stdout, "configmap/a created\ncronjob.batch/nightly failed\n");
}
