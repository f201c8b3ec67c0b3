//! Secrets that `jobplate secret` prints, as the API server keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::cli::Run;
use crate::rows::path;
use crate::servers::{ADMIN, Servers};

/// The most bytes of a Secret.
const MOST: usize = 1 << 20;

#[test]
fn the_server_keeps_what_is_printed() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("secret");
    let text = "a\"\\ \t\r\n: # \u{0}\u{1b}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}\u{fffe}é😀 \n";
    let files: [(&str, &[u8]); 5] =
        [("on", text.as_bytes()), ("1.0", b"yes"), ("bytes", b"\xff\0a"), ("empty", b""), ("TOKEN", b"x")];
    let mut run = Run::new(servers.kubeconfig(ADMIN));
    for (name, bytes) in files {
        run = run.file(name, bytes);
    }
    let flags: Vec<String> = files.iter().map(|(name, _)| format!("--from-file={name}={name}")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let printed = run.run(&[&["secret", "odd", "-n", &namespace, "-q", "--immutable"], &flags[..]].concat());
    assert_eq!((printed.status, printed.stderr.as_str()), (0, ""));
    run.write("secret.yaml", &printed.stdout);
    let applied = run.run(&["apply", "secret.yaml", "-q"]);
    assert_eq!((applied.status, applied.stdout.as_str()), (0, "secret/odd created\n"), "{applied:?}");
    let again = run.run(&["apply", "secret.yaml", "-q"]);
    assert_eq!((again.status, again.stdout.as_str()), (0, "secret/odd unchanged\n"), "{again:?}");
    let kept = servers.client(ADMIN).get(&path(&namespace, "secrets", "odd")).done();
    assert_eq!((&kept["type"], &kept["immutable"]), (&Value::from("Opaque"), &Value::from(true)));
    let data = kept["data"].as_object().expect("it has data");
    assert_eq!(data.len(), files.len());
    for (name, bytes) in files {
        let value = STANDARD.decode(data[name].as_str().expect("a text")).expect("base64");
        assert_eq!(value, bytes, "{name}");
    }
}

/// What is refused for its size is what the server refuses.
#[test]
fn the_limit_is_the_servers() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("secret");
    let run = Run::new(servers.kubeconfig(ADMIN)).file("most", "x".repeat(MOST - 1)).file("one", "x").file("two", "xx");
    let call = ["secret", "big", "-n", &namespace, "--from-file=A=most"];
    let most = run.run(&[&call[..], &["--from-file=B=one"]].concat());
    assert_eq!(most.status, 0, "{}", most.stderr);
    run.run(&[&call[..], &["--from-file=B=two"]].concat()).says(2, &["more than 1 MiB"]);
    let apply = |text: &str| {
        run.write("secret.yaml", text);
        run.run(&["apply", "secret.yaml", "-q"]).status
    };
    assert_eq!(apply(&most.stdout.replace("B: \"x\"", "B: \"xx\"")), 3);
    assert_eq!(apply(&most.stdout), 0);
}

/// Of `stringData` the server takes nothing away: the papers say so.
#[test]
fn a_key_that_is_left_out_stays() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("secret");
    let run = Run::new(servers.kubeconfig(ADMIN));
    for (lines, keys) in [("A=1\nB=1\n", "AB"), ("A=2\n", "AB")] {
        run.write("a.env", lines);
        let printed = run.run(&["secret", "less", "-n", &namespace, "--from-env-file=a.env"]);
        run.write("secret.yaml", &printed.stdout);
        assert_eq!(run.run(&["apply", "secret.yaml"]).status, 0);
        let kept = servers.client(ADMIN).get(&path(&namespace, "secrets", "less")).done();
        assert_eq!(kept["data"].as_object().expect("it has data").keys().cloned().collect::<String>(), keys);
        assert_eq!(kept["data"]["A"], STANDARD.encode(&lines[2..3]));
    }
}
