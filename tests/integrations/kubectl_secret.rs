//! Compares `jobplate secret` with `kubectl create secret generic`: the same env file gives the same data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::programs::{TestHome, find, run_stdout};
use crate::run;

/// Env files that both programs accept.
const ACCEPTED: &[&str] = &[
    "",
    "# nothing\n\n \t\n",
    "A=1\nB=2",
    "\u{feff}A=1\n#B=2\n  C=3\n\tD=4\n\u{b}\u{c}E=5\n\u{85}F=6\n\u{a0}\u{2003}G=7\n\u{3000}#H=8\n",
    "A=1\r\nB=2\r\r\n\r\nC=3\r",
    "A=\"quoted\"\nB='quoted'\nC= x \nD=a=b\nE=\nF=# no comment\nG=\\n\nH=$HOME\nI=`id`\n",
    ".a=1\n-b=2\n_c=3\nA.B-C_0=4\n",
    "A=é 😀 \u{2028} \u{1} \u{feff}\n",
    "FROM_OUTSIDE\nEMPTY_OUTSIDE\nA=1\n",
    " FROM_OUTSIDE\r\n",
];

/// Env files that both programs refuse.
const REFUSED: &[&[u8]] = &[
    b"A=1\nA=2\n",
    b"=1\n",
    b"1A=1\n",
    b"A =1\n",
    b"export A=1\n",
    b"FROM_OUTSIDE \n",
    b"A=1\n\xef\xbb\xbfB=1\n",
    b"A=\xff\n",
    b"..=1\n",
    b".=1\n",
    b"...=1\n",
    b"..a=1\n",
    "é=1\n".as_bytes(),
    b"A/B=1\n",
    b"a b\n",
];

fn kubectl_command(home: &TestHome) -> std::process::Command {
    let mut kubectl = home.command("kubectl");
    kubectl.args(["create", "secret", "generic", "s", "--dry-run=client", "-o", "json", "--from-env-file", "a.env"]);
    kubectl.env("FROM_OUTSIDE", "out =side").env("EMPTY_OUTSIDE", "");
    kubectl
}

fn jobplate_command(home: &TestHome) -> std::process::Command {
    let mut jobplate = home.command("jobplate");
    jobplate.args(["secret", "s", "-q", "--from-env-file", "a.env"]);
    jobplate.env("FROM_OUTSIDE", "out =side").env("EMPTY_OUTSIDE", "");
    jobplate
}

/// Parses a manifest with kubectl, without a server.
fn parse_with_kubectl(home: &TestHome, manifest: &str) -> Value {
    home.write("secret.yaml", manifest);
    let mut kubectl = home.command("kubectl");
    kubectl.args(["label", "--local", "-f", "secret.yaml", "a=b", "-o", "json"]);
    serde_json::from_str(&run_stdout(&mut kubectl)).expect("it prints JSON")
}

#[test]
fn an_env_file_gives_the_same_data() {
    let Some(kubectl_program) = find("kubectl") else { return };
    let home = TestHome::new(&[("kubectl", &*kubectl_program), ("jobplate", run::binary())]);
    for text in ACCEPTED {
        home.write("a.env", text);
        let kubectl_data: Value =
            serde_json::from_str(&run_stdout(&mut kubectl_command(&home))).expect("it prints JSON");
        let output = jobplate_command(&home).output().expect("it starts");
        let Some(kubectl_data) = kubectl_data["data"].as_object() else {
            assert_eq!(output.status.code(), Some(2), "{text:?}: nothing is an error");
            continue;
        };
        assert!(output.status.success(), "{text:?}: {}", String::from_utf8_lossy(&output.stderr));
        let jobplate_data = parse_with_kubectl(&home, &String::from_utf8_lossy(&output.stdout));
        let jobplate_data = jobplate_data["stringData"].as_object().expect("it has data");
        let decode = |value: &Value| {
            let bytes = STANDARD.decode(value.as_str().expect("a text")).expect("base64");
            Value::from(String::from_utf8(bytes).expect("text"))
        };
        let kubectl_data: serde_json::Map<String, Value> =
            kubectl_data.iter().map(|(key, value)| (key.clone(), decode(value))).collect();
        assert_eq!(*jobplate_data, kubectl_data, "{text:?}");
    }
    for text in REFUSED {
        home.write("a.env", text);
        for mut command in [kubectl_command(&home), jobplate_command(&home)] {
            let output = command.output().expect("it starts");
            assert!(!output.status.success(), "{command:?}: {text:?}");
        }
    }
}

/// kubectl reads an unset variable as empty and ignores all lines from an overlong line on. jobplate refuses the unset
/// variable and reads all lines.
#[test]
fn reports_what_kubectl_ignores() {
    let Some(kubectl_program) = find("kubectl") else { return };
    let home = TestHome::new(&[("kubectl", &*kubectl_program), ("jobplate", run::binary())]);
    home.write("a.env", "A=1\nNOWHERE\n");
    assert!(run_stdout(&mut kubectl_command(&home)).contains("\"NOWHERE\": \"\""));
    assert_eq!(jobplate_command(&home).output().expect("it starts").status.code(), Some(2));
    home.write("a.env", format!("A=1\nB={}\nC=1\n", "x".repeat(64 << 10)));
    let kubectl_data = run_stdout(&mut kubectl_command(&home));
    assert!(kubectl_data.contains("\"A\":") && !kubectl_data.contains("\"C\":"), "{kubectl_data}");
    assert!(run_stdout(&mut jobplate_command(&home)).contains("\n  C: \"1\"\n"));
}

/// kubectl parses each printed key and value correctly.
#[test]
fn kubectl_reads_what_is_printed() {
    let Some(kubectl_program) = find("kubectl") else { return };
    let home = TestHome::new(&[("kubectl", &*kubectl_program), ("jobplate", run::binary())]);
    let keys = ["y", "on", "null", "1", "1e3", ".5", "-", "0x1F", "1.2.3", "TRUE", "inf", ".inf", "_", "1_0"];
    let value = "a\"\\ \t\r\n: # \u{0}\u{1b}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}\u{fffe}é😀 \n";
    home.write("f", value);
    home.write("bytes", b"\xff\x00a");
    let mut command = home.command("jobplate");
    command.args(["secret", "1.0", "-n", "no", "--immutable", "-q", "--from-file", "bin=bytes"]);
    command.args(keys.iter().map(|key| format!("--from-file={key}=f")));
    let secret = parse_with_kubectl(&home, &run_stdout(&mut command));
    assert_eq!(secret["metadata"]["name"], "1.0");
    assert_eq!(secret["metadata"]["namespace"], "no");
    assert_eq!((&secret["immutable"], &secret["type"]), (&Value::from(true), &Value::from("Opaque")));
    assert_eq!(secret["data"], serde_json::json!({"bin": "/wBh"}));
    let data = secret["stringData"].as_object().expect("it has data");
    assert_eq!(data.len(), keys.len());
    keys.iter().for_each(|key| assert_eq!(data[*key], value, "{key}"));
}
