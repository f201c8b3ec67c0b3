//! What flows get for the secrets that `jobplate secret` writes, as the real Prefect 1.4.1 answered (0.15.13 answers
//! the same), and references to them.
//!
//! The answers are in `tests/oracles/prefect1/flow_secrets.json`. With `JOBPLATE_TEST_PREFECT1` (a Python that has
//! Prefect) they are asked for again; with `JOBPLATE_CMD_UPDATE` they are written there.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use jobplate_prefect::prefect1::secrets;
use serde::{Deserialize, Serialize};

use super::run;

/// Texts of variables.
const TEXTS: &[&str] = &[
    "",
    "ghp_abc",
    "0123",
    "a,b",
    "#x",
    "$$ p$ a~ {a",
    "it's \"q\" \\n \\",
    "two\nlines\n",
    "é \u{1F600} \u{85}\u{2028}\u{7f}\u{1}",
    "42",
    " 5 # c",
    "\"42\"",
    "'42'",
    "1_000",
    "0x1F",
    "1e5",
    "-1.5",
    "1e999",
    "true",
    "FALSE",
    "'true'",
    "None",
    "null",
    "'null'",
    "NaN",
    " -Infinity ",
    "\"quoted\"",
    "'\"twice\"'",
    "'\\'\"thrice\"\\''",
    "1,2",
    "[1, 2]",
    "[1, true]",
    "{\"a\": 1}",
    "{\"a\": true}",
    "'{\"a\": true}'",
    "{1, 2}",
    "b'x'",
    "p$HOME",
    "p${HOME}",
    "~/k",
    "~",
    "abc${server.host}x",
    "${nope.nope}",
    "'${server.host}'",
    "\"~\"",
];

/// A configuration that has everything.
const CONFIG: &str = r#"
[context.secrets]
TOKEN = "ghp_abc"
INT = 42
HEX = 0x1_F
BIG = 9223372036854775807
FLOAT = 1.5
EXP = 1e22
SMALL = -1e-7
YES = true
NO = false
EMPTY = ""
PIN = "42"
ZERO = "007"
NONE = "None"
NULL = "null"
YES_TEXT = "true"
QUOTED = "'42'"
TWICE = "'\"42\"'"
DICT_TEXT = "\"{'a': 1}\""
JSON = '{"a": true, "b": null}'
JSON_QUOTED = "'{\"a\": 1}'"
HOME = "$HOME/x"
HOME_QUOTED = "'$HOME'"
TILDE = "~/x"
TILDE_QUOTED = "\"~/x\""
REFERS = "${server.host}:1"
REFERS_QUOTED = "'${server.host}'"
LIST = ["42", "$HOME", "~", 'a"b', "it's", "${server.host}"]
LISTS = [[1, 2], ["a", "b"]]
YESES = [true, false]
inline = {A = "42", B = "$HOME", C = [1]}
[context.secrets.AWS_CREDENTIALS]
ACCESS_KEY = "007"
SECRET_ACCESS_KEY = "'q'"
JSON = '{"a": true}'
[context.secrets.AWS_CREDENTIALS.deep]
er = "true"
[[context.secrets.TABLES]]
a = "1"
[[context.secrets.TABLES]]
a = "$HOME"
"#;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Question {
    env: BTreeMap<String, String>,
    config: String,
    ask: Vec<String>,
}

type Answers = BTreeMap<String, String>;

/// What the Secret that a call prints holds, as the variables that refer to it.
fn variables(env: &[(&str, &str)], args: &[&str]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    run::write_file(&folder.path().join("config.toml"), CONFIG.as_bytes());
    let outcome = run::jobplate_with_env(folder.path(), env, &[&["secret", "s", "-q"], args].concat(), b"");
    assert_eq!(outcome.status, 0, "{}", String::from_utf8_lossy(&outcome.stderr));
    let secret: serde_yaml::Value = serde_yaml::from_slice(&outcome.stdout).expect("it prints YAML");
    let data = secret["stringData"].as_mapping().expect("a Secret has data");
    let text = |value: &serde_yaml::Value| value.as_str().expect("a text").to_owned();
    data.iter().map(|(key, value)| (format!("PREFECT__CONTEXT__SECRETS__{}", text(key)), text(value))).collect()
}

/// The answers that are kept, or those of the real Prefect.
fn answers(questions: &[Question]) -> Vec<Answers> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/prefect1");
    let kept = folder.join("flow_secrets.json");
    let Some(python) = std::env::var_os("JOBPLATE_TEST_PREFECT1") else {
        let text = std::fs::read(kept).expect("the answers can be read");
        let (asked, answers): (Vec<Question>, Vec<Answers>) = serde_json::from_slice(&text).expect("they are answers");
        assert_eq!(asked, questions, "other questions: JOBPLATE_TEST_PREFECT1 and JOBPLATE_CMD_UPDATE ask them");
        return answers;
    };
    let mut script = Command::new(python);
    script.arg(folder.join("flow_secrets.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = script.spawn().expect("Python starts");
    let asked = serde_json::to_vec(questions).expect("questions are JSON");
    script.stdin.take().expect("it is piped").write_all(&asked).expect("it reads");
    let output = script.wait_with_output().expect("it ends");
    assert!(output.status.success(), "Prefect fails");
    let answers: Vec<Answers> = serde_json::from_slice(&output.stdout).expect("it answers");
    if std::env::var_os("JOBPLATE_CMD_UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&(questions, &answers)).expect("they are JSON");
        std::fs::write(kept, text + "\n").expect("the answers can be written");
    }
    answers
}

#[test]
fn flows_get_what_they_should() {
    let variable = |secret: &str| format!("PREFECT__CONTEXT__SECRETS__{secret}");
    let names: Vec<String> = (0..TEXTS.len()).map(|at| format!("V{at:02}")).collect();
    let texts: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(TEXTS.iter().copied()).collect();
    // The same in a dict, but for what settings replace there whatever one does.
    let in_dict: Vec<_> = texts.iter().filter(|(_, text)| !text.contains("${")).collect();
    let keys = in_dict.iter().map(|(name, text)| (format!("D__{name}"), format!("D/{name}"), *text));
    let all: Vec<(String, String, &str)> =
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*name).to_owned(), *text)).chain(keys).collect();

    let env: Vec<(String, &str)> = all.iter().map(|(key, _, text)| (variable(key), *text)).collect();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let flags: Vec<&str> = all.iter().flat_map(|(key, ..)| ["--text", key]).collect();
    let as_text = variables(&env, &[&["--from-environment"], &flags[..]].concat());
    let table: toml::Table = CONFIG.parse().expect("it is TOML");
    let in_config = table["context"]["secrets"].as_table().expect("it has secrets");
    let in_config: Vec<String> = in_config.keys().cloned().collect();
    let plain = texts.iter().map(|(name, text)| (variable(name), (*text).to_owned())).collect();
    let answers = answers(&[
        Question { env: plain, ask: names.clone(), ..Question::default() },
        Question { env: as_text, ask: all.iter().map(|(_, ask, _)| ask.clone()).collect(), ..Question::default() },
        Question { config: CONFIG.to_owned(), ask: in_config.clone(), ..Question::default() },
        Question { env: variables(&[], &["--from-config=config.toml"]), ask: in_config, ..Question::default() },
    ]);
    let [plain, as_text, config, of_config] = answers.as_slice() else { panic!("four questions, four answers") };

    let mut faults = String::new();
    for (name, text) in texts {
        let (kind, value) = plain[name].split_once(' ').expect("a type and a value");
        let becomes = match kind {
            "str" if value == text => None,
            "str" => Some(secrets::UNQUOTED),
            "int" | "float" => Some("a number"),
            "complex" => Some("a complex number"),
            "bool" => Some("true or false"),
            "NoneType" => Some("None"),
            "dict" => Some("a dict"),
            "list" => Some("a list"),
            "tuple" => Some("a tuple"),
            "set" => Some("a set"),
            "bytes" => Some("binary data"),
            other => panic!("{text:?} is of type {other}"),
        };
        let said = secrets::becomes(name, text);
        if said.as_deref() != becomes && !secrets::expands(text) {
            faults.push_str(&format!("\n{text:?} becomes {becomes:?}, not {said:?}"));
        }
    }
    for (_, asked, text) in &all {
        if as_text[asked] != format!("str {text}") {
            faults.push_str(&format!("\n{asked}, {text:?}, as a text is {}", as_text[asked]));
        }
    }
    for (name, value) in config {
        if of_config[name] != *value {
            faults.push_str(&format!("\n{name} in the file is {value}, as a variable {}", of_config[name]));
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// What the printed flags and the printed spec file make `render` refer to is what the printed Secret has.
#[test]
fn references_are_to_the_secret() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let done = |args: &[&str]| {
        let outcome = run::jobplate(folder.path(), args, b"");
        assert_eq!(outcome.status, 0, "{args:?}: {}", String::from_utf8_lossy(&outcome.stderr));
        String::from_utf8(outcome.stdout).expect("text")
    };
    run::write_file(&folder.path().join("a.env"), b"TOKEN=canary\non=canary\n-x=canary\nDB__a.b=canary\n_=canary\n");
    run::write_file(
        &folder.path().join("job.yaml"),
        b"kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n",
    );
    let call = ["secret", "my.secret", "--from-env-file", "a.env"];
    let secret: serde_yaml::Value = serde_yaml::from_str(&done(&call)).expect("it prints YAML");

    let flags = done(&[&call[..], &["--print-flags"]].concat());
    let words: Vec<&str> = flags.split_whitespace().collect();
    let shell = shlex::split(&flags).expect("words of a shell");
    assert_eq!(words, shell, "a shell takes them as they are");
    let by_flags = done(&[&["render", "job.yaml", "-q"], &words[..]].concat());

    let spec = done(&[&call[..], &["--print-spec"]].concat());
    run::write_file(&folder.path().join("spec.yaml"), spec.as_bytes());
    assert_eq!(done(&["render", "job.yaml", "-q", "--spec", "spec.yaml"]), by_flags);
    assert!(!format!("{flags}{spec}{by_flags}").contains("canary"));

    let job: serde_yaml::Value = serde_yaml::from_str(&by_flags).expect("it prints YAML");
    let entries = job["spec"]["template"]["spec"]["containers"][0]["env"].as_sequence().expect("it has an env");
    let data = secret["stringData"].as_mapping().expect("it has data");
    assert_eq!(entries.len(), data.len());
    for (entry, key) in entries.iter().zip(data.keys()) {
        let key = key.as_str().expect("a text");
        assert_eq!(entry["name"], format!("PREFECT__CONTEXT__SECRETS__{key}").as_str());
        assert_eq!(entry["valueFrom"]["secretKeyRef"]["name"], secret["metadata"]["name"]);
        assert_eq!(entry["valueFrom"]["secretKeyRef"]["key"], key);
    }
}

/// A variable that is not UTF-8 is refused by its name.
#[cfg(unix)]
#[test]
fn variables_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    run::write_file(&folder.path().join("a.env"), b"BARE\n");
    for (variable, value, flag, said) in [
        (
            &b"PREFECT__CONTEXT__SECRETS__A"[..],
            &b"canary\xff"[..],
            "--from-environment",
            "PREFECT__CONTEXT__SECRETS__A",
        ),
        (b"PREFECT__CONTEXT__SECRETS__\xff", b"canary", "--from-environment", "is not UTF-8"),
        (b"BARE", b"canary\xff", "--from-env-file=a.env", "a.env:1: "),
    ] {
        let mut command = run::isolated_command(run::binary(), folder.path());
        command.args(["secret", "s", flag]).env(OsStr::from_bytes(variable), OsStr::from_bytes(value));
        let output = command.output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
        assert!(stderr.contains(said) && stderr.contains("UTF-8") && !stderr.contains("canary"), "{stderr}");
    }
}
