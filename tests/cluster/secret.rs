//! Manifests from `jobplate secret`, applied to a real API server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::cli::Sandbox;
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

/// The maximum size of a Secret's data in bytes.
const MAX_DATA_BYTES: usize = 1 << 20;

#[test]
fn the_server_stores_the_printed_values() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("secret");
    let text = "a\"\\ \t\r\n: # \u{0}\u{1b}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}\u{fffe}é😀 \n";
    let files: [(&str, &[u8]); 5] =
        [("on", text.as_bytes()), ("1.0", b"yes"), ("bytes", b"\xff\0a"), ("empty", b""), ("TOKEN", b"x")];
    let mut sandbox = Sandbox::new(servers.kubeconfig(ADMIN));
    for (name, bytes) in files {
        sandbox = sandbox.file(name, bytes);
    }
    let flags: Vec<String> = files.iter().map(|(name, _)| format!("--from-file={name}={name}")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let secret_output =
        sandbox.run(&[&["secret", "special", "-n", &namespace, "-q", "--immutable"], &flags[..]].concat());
    let messages: Vec<&str> = secret_output.stderr.lines().filter(|line| !line.starts_with("  hint: ")).collect();
    let codes: Vec<&str> = messages.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(codes, ["warning[binary-secret]", "warning[binary-secret]", "warning[empty-secret]"], "{messages:?}");
    assert_eq!(secret_output.status, 0);
    sandbox.write("secret.yaml", &secret_output.stdout);
    let first_apply = sandbox.run(&["apply", "secret.yaml", "-q"]);
    assert_eq!((first_apply.status, first_apply.stdout.as_str()), (0, "secret/special created\n"), "{first_apply:?}");
    let second_apply = sandbox.run(&["apply", "secret.yaml", "-q"]);
    assert_eq!(
        (second_apply.status, second_apply.stdout.as_str()),
        (0, "secret/special unchanged\n"),
        "{second_apply:?}"
    );
    let stored = servers.client(ADMIN).get(&api_path(&namespace, "secrets", "special")).expect_success();
    assert_eq!((&stored["type"], &stored["immutable"]), (&Value::from("Opaque"), &Value::from(true)));
    let data = stored["data"].as_object().expect("it has data");
    assert_eq!(data.len(), files.len());
    for (name, bytes) in files {
        let value = STANDARD.decode(data[name].as_str().expect("it is a string")).expect("base64");
        assert_eq!(value, bytes, "{name}");
    }
}

/// `jobplate secret` and the API server have the same size limit.
#[test]
fn accepts_as_much_data_as_the_server() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("secret");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN))
        .file("most", "x".repeat(MAX_DATA_BYTES - 1))
        .file("one", "x")
        .file("two", "xx");
    let args = ["secret", "big", "-n", &namespace, "--from-file=A=most"];
    let largest = sandbox.run(&[&args[..], &["--from-file=B=one"]].concat());
    assert_eq!(largest.status, 0, "{}", largest.stderr);
    sandbox.run(&[&args[..], &["--from-file=B=two"]].concat()).assert_exit(2, &["exceed 1 MiB"]);
    let apply = |text: &str| {
        sandbox.write("secret.yaml", text);
        sandbox.run(&["apply", "secret.yaml", "-q"]).status
    };
    assert_eq!(apply(&largest.stdout.replace("B: \"x\"", "B: \"xx\"")), 3);
    assert_eq!(apply(&largest.stdout), 0);
}

/// The API server merges `stringData` into `data` and never removes a key, as the docs describe.
#[test]
fn applying_keeps_keys_that_are_no_longer_printed() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("secret");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN));
    for (lines, keys) in [("A=1\nB=1\n", "AB"), ("A=2\n", "AB")] {
        sandbox.write("a.env", lines);
        let secret_output = sandbox.run(&["secret", "less", "-n", &namespace, "--from-env-file=a.env"]);
        sandbox.write("secret.yaml", &secret_output.stdout);
        assert_eq!(sandbox.run(&["apply", "secret.yaml"]).status, 0);
        let stored = servers.client(ADMIN).get(&api_path(&namespace, "secrets", "less")).expect_success();
        assert_eq!(stored["data"].as_object().expect("it has data").keys().cloned().collect::<String>(), keys);
        assert_eq!(stored["data"]["A"], STANDARD.encode(&lines[2..3]));
    }
}
