//! Tests of the report of `apply`: a line for each object as it finishes, the summary, and failures with a common cause.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cli::{RunOutput, Sandbox};
use crate::proxy::{Action, Proxy};
use crate::run;
use crate::servers::{ADMIN, NOBODY, Servers};

fn config_maps(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        let _ = write!(text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{index}}}\ndata: {{k: v}}\n");
        text
    })
}

fn apply(sandbox: &Sandbox, namespace: &str, more_args: &[&str]) -> RunOutput {
    sandbox.run(&[&["apply", "input.yaml", "-n", namespace], more_args].concat())
}

/// The first objects are reported while the last one waits for its response.
#[test]
fn prints_each_object_once_as_it_finishes() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("rows");
    let is_released = Arc::<AtomicBool>::default();
    let rule_flag = Arc::clone(&is_released);
    let proxy = Proxy::start(servers, move |request| {
        if request.matches("PATCH", "/m5?") && !request.is_dry_run() {
            while !rule_flag.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Action::Forward
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_maps(6));
    let mut command = run::isolated_command(run::binary(), sandbox.directory());
    command.env("KUBECONFIG", proxy.kubeconfig()).args(["apply", "input.yaml", "-n", &namespace]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    for index in 0..5 {
        let line = lines.next().expect("a line comes").expect("it is UTF-8");
        assert_eq!(line, format!("configmap/m{index} created"));
    }
    is_released.store(true, Ordering::SeqCst);
    assert_eq!(lines.next().expect("a line comes").expect("it is UTF-8"), "configmap/m5 created");
    assert!(lines.next().is_none());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr, "note: 6 objects: 6 created\n");
}

#[test]
fn reports_a_dry_run_in_each_line() {
    let Some(servers) = Servers::shared() else { return };
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", config_maps(2));
    let output = apply(&sandbox, &servers.create_namespace("dry"), &["--dry-run=server"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "configmap/m0 created (server dry run)\nconfigmap/m1 created (server dry run)\n");
    assert_eq!(output.stderr, "note: 2 objects: 2 created (server dry run)\n");
}

#[test]
fn groups_failures_with_the_same_cause() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("denied");
    let sandbox = Sandbox::new(servers.kubeconfig(NOBODY)).file("input.yaml", config_maps(50));
    let output =
        apply(&sandbox, &namespace, &[]).assert_exit(3, &["error: 47 more objects have the same error as configmap/m"]);
    assert_eq!(output.stderr.matches("error: user nobody is not allowed to").count(), 3, "{output:?}");
    assert!(output.stderr.contains("note: 50 objects: 50 failed\n"), "{output:?}");
    let rows: Vec<String> = (0..50).map(|index| format!("configmap/m{index} failed\n")).collect();
    assert_eq!(output.stdout, rows.concat());
}

/// The reason in the JSON report names the field and its owner.
#[test]
fn names_the_field_in_the_json_report() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("reason");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", config_maps(1));
    apply(&sandbox, &namespace, &["--field-manager", "other"]).assert_exit(0, &[]);
    sandbox.write("input.yaml", config_maps(1).replace("k: v", "k: w"));
    let output = apply(&sandbox, &namespace, &["-o", "json"]).assert_exit(3, &[]);
    let reason = output.objects()[0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("data.k") && reason.contains("other") && !reason.contains('\n'), "{reason}");
}

#[test]
fn refuses_to_prune() {
    let Some(servers) = Servers::shared() else { return };
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", config_maps(1));
    let output = apply(&sandbox, "x", &["--prune"]);
    output.assert_exit(2, &["`--prune` is not supported", "kubectl apply --prune --applyset=NAME"]);
}
