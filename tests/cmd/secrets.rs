//! Tests `jobplate secret` by comparing its output with the secrets that flows of Prefect 1 read.
//!
//! `tests/oracles/prefect1/flow_secrets.json` holds the values that Prefect 1.4.1 reads. Prefect 0.15.13 reads
//! the same values. `JOBPLATE_TEST_PREFECT1` selects a Python interpreter whose Prefect reads the secrets instead. If
//! `JOBPLATE_CMD_UPDATE` is also set, the answers of that Prefect are written to the file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use jobplate_prefect::prefect1::secrets;
use serde::{Deserialize, Serialize};

use super::run;

/// Values of environment variables that Prefect 1 may convert to another type or expand.
const VALUES: &[&str] = &[
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

/// A `config.toml` with secrets of every type.
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

/// The environment and `config.toml` of a flow run, with the names of the secrets that the flow reads.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Question {
    env: BTreeMap<String, String>,
    config: String,
    ask: Vec<String>,
}

/// The Python type and the value of each secret, keyed by name.
type Answers = BTreeMap<String, String>;

/// Runs `jobplate secret s`. Returns the environment of a container that references every key of the Secret.
fn secret_variables(env: &[(&str, &str)], args: &[&str]) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    run::write_file(&dir.path().join("config.toml"), CONFIG.as_bytes());
    let output = run::jobplate_with_env(dir.path(), env, &[&["secret", "s", "-q"], args].concat(), b"");
    assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
    let secret: serde_yaml::Value = serde_yaml::from_slice(&output.stdout).expect("it prints YAML");
    let data = secret["stringData"].as_mapping().expect("a Secret has data");
    let to_text = |value: &serde_yaml::Value| value.as_str().expect("a string").to_owned();
    data.iter().map(|(key, value)| (variable_name(&to_text(key)), to_text(value))).collect()
}

/// Returns the name of the environment variable from which Prefect 1 reads a secret.
fn variable_name(secret: &str) -> String {
    format!("PREFECT__CONTEXT__SECRETS__{secret}")
}

/// Returns the recorded answers or, if `JOBPLATE_TEST_PREFECT1` is set, the answers of that Prefect.
fn ask_prefect(questions: &[Question]) -> Vec<Answers> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/prefect1");
    let recorded = dir.join("flow_secrets.json");
    let Some(python) = std::env::var_os("JOBPLATE_TEST_PREFECT1") else {
        let bytes = std::fs::read(recorded).expect("the answers can be read");
        let (recorded_questions, answers): (Vec<Question>, Vec<Answers>) =
            serde_json::from_slice(&bytes).expect("the answers are JSON");
        assert_eq!(
            recorded_questions, questions,
            "record new answers with JOBPLATE_TEST_PREFECT1 and JOBPLATE_CMD_UPDATE"
        );
        return answers;
    };
    let mut script = Command::new(python);
    script.arg(dir.join("flow_secrets.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = script.spawn().expect("Python starts");
    let request = serde_json::to_vec(questions).expect("questions are JSON");
    script.stdin.take().expect("stdin is a pipe").write_all(&request).expect("the script reads");
    let output = script.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "Prefect fails");
    let answers: Vec<Answers> = serde_json::from_slice(&output.stdout).expect("the answers are JSON");
    if std::env::var_os("JOBPLATE_CMD_UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&(questions, &answers)).expect("answers are JSON");
        std::fs::write(recorded, text + "\n").expect("the answers can be written");
    }
    answers
}

/// An environment variable with one of [`VALUES`].
struct TestVariable {
    /// The key in the Kubernetes Secret.
    key: String,
    /// The secret's name in the flow. `A/B` is the key B of the dict A.
    secret: String,
    value: &'static str,
}

/// Returns a variable for each value, then a variable for each value as part of a dict.
fn test_variables() -> Vec<TestVariable> {
    let mut variables = Vec::new();
    for (at, &value) in VALUES.iter().enumerate() {
        let name = format!("V{at:02}");
        variables.push(TestVariable { key: name.clone(), secret: name, value });
    }
    for (at, &value) in VALUES.iter().enumerate() {
        // In a dict, Prefect 1 expands `${...}` even in quoted strings, so these values are left out.
        if !value.contains("${") {
            variables.push(TestVariable { key: format!("D__V{at:02}"), secret: format!("D/V{at:02}"), value });
        }
    }
    variables
}

/// Compares the values that flows read with the program's predictions, with the original strings (`--text`), and with
/// the values in `config.toml`.
pub(crate) fn flows_read_what_the_secret_holds() {
    let variables = test_variables();
    let top_level = &variables[..VALUES.len()];
    let names: Vec<String> = variables.iter().map(|variable| variable_name(&variable.key)).collect();
    let env: Vec<(&str, &str)> =
        names.iter().zip(&variables).map(|(name, variable)| (name.as_str(), variable.value)).collect();
    let flags: Vec<&str> = variables.iter().flat_map(|variable| ["--text", &variable.key]).collect();
    let config: toml::Table = CONFIG.parse().expect("it is TOML");
    let config_names: Vec<String> =
        config["context"]["secrets"].as_table().expect("it has secrets").keys().cloned().collect();
    let collect_names = |variables: &[TestVariable]| variables.iter().map(|variable| variable.secret.clone()).collect();
    let answers = ask_prefect(&[
        Question {
            env: top_level.iter().map(|variable| (variable_name(&variable.key), variable.value.to_owned())).collect(),
            ask: collect_names(top_level),
            ..Question::default()
        },
        Question {
            env: secret_variables(&env, &[&["--from-environment"], &flags[..]].concat()),
            ask: collect_names(&variables),
            ..Question::default()
        },
        Question { config: CONFIG.to_owned(), ask: config_names.clone(), ..Question::default() },
        Question {
            env: secret_variables(&[], &["--from-config=config.toml"]),
            ask: config_names,
            ..Question::default()
        },
    ]);
    let [as_is, as_strings, from_config, from_secret] = answers.as_slice() else { panic!("four answers") };

    let mut failures = String::new();
    for TestVariable { key, value, .. } in top_level {
        let expected = converted_type(&as_is[key], value);
        let predicted = secrets::describe_cast(key, value).expect("the values are short");
        if predicted.as_deref() != expected && !secrets::may_expand(value) {
            failures.push_str(&format!("\n{value:?} becomes {expected:?}, not {predicted:?}"));
        }
    }
    for TestVariable { secret, value, .. } in &variables {
        if as_strings[secret] != format!("str {value}") {
            failures.push_str(&format!("\n{secret}: with `--text`, {value:?} is {}", as_strings[secret]));
        }
    }
    for (name, value) in from_config {
        if from_secret[name] != *value {
            failures.push_str(&format!("\n{name}: {value} in config.toml, {} from the Secret", from_secret[name]));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Returns the type to which Prefect converts `value`, in the program's terms, or `None` if Prefect keeps the string.
///
/// `answer` is Prefect's answer: the name of the Python type, a space and the value.
fn converted_type(answer: &str, value: &str) -> Option<&'static str> {
    match answer.split_once(' ').expect("a type and a value") {
        ("str", text) if text == value => None,
        ("str", _) => Some(secrets::UNQUOTED),
        ("int" | "float", _) => Some("a number"),
        ("complex", _) => Some("a complex number"),
        ("bool", _) => Some("a boolean"),
        ("NoneType", _) => Some("None"),
        ("dict", _) => Some("a dict"),
        ("list", _) => Some("a list"),
        ("tuple", _) => Some("a tuple"),
        ("set", _) => Some("a set"),
        ("bytes", _) => Some("binary data"),
        (other, _) => panic!("{value:?} is of type {other}"),
    }
}

/// Checks that the printed flags and the printed spec file refer to every key of the printed Secret.
pub(crate) fn references_match_the_secret() {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    let jobplate = |args: &[&str]| {
        let output = run::jobplate(dir.path(), args, b"");
        assert_eq!(output.status, 0, "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("stdout is UTF-8")
    };
    run::write_file(&dir.path().join("a.env"), b"TOKEN=canary\non=canary\n-x=canary\nDB__a.b=canary\n_=canary\n");
    let job = b"kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";
    run::write_file(&dir.path().join("job.yaml"), job);
    let command = ["secret", "my.secret", "--from-env-file", "a.env"];
    let secret: serde_yaml::Value = serde_yaml::from_str(&jobplate(&command)).expect("stdout is YAML");

    let flags = jobplate(&[&command[..], &["--print-flags"]].concat());
    let words: Vec<&str> = flags.split_whitespace().collect();
    assert_eq!(shlex::split(&flags).expect("a shell accepts the flags"), words, "no flag needs quotes");
    let from_flags = jobplate(&[&["render", "job.yaml", "-q"], &words[..]].concat());

    let spec = jobplate(&[&command[..], &["--print-spec"]].concat());
    run::write_file(&dir.path().join("spec.yaml"), spec.as_bytes());
    assert_eq!(jobplate(&["render", "job.yaml", "-q", "--spec", "spec.yaml"]), from_flags);
    assert!(!format!("{flags}{spec}{from_flags}").contains("canary"));

    let job: serde_yaml::Value = serde_yaml::from_str(&from_flags).expect("stdout is YAML");
    let entries = job["spec"]["template"]["spec"]["containers"][0]["env"].as_sequence().expect("it has an env");
    let data = secret["stringData"].as_mapping().expect("a Secret has data");
    assert_eq!(entries.len(), data.len());
    for (entry, key) in entries.iter().zip(data.keys()) {
        let key = key.as_str().expect("a key is a string");
        assert_eq!(entry["name"], variable_name(key).as_str());
        assert_eq!(entry["valueFrom"]["secretKeyRef"]["name"], secret["metadata"]["name"]);
        assert_eq!(entry["valueFrom"]["secretKeyRef"]["key"], key);
    }
}

/// Checks that the error names the variable and does not show its value.
#[cfg(unix)]
pub(crate) fn refuses_values_that_are_not_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    run::write_file(&dir.path().join("a.env"), b"BARE\n");
    let variable: &[u8] = b"PREFECT__CONTEXT__SECRETS__A";
    for (variable, value, flag, message) in [
        (variable, &b"canary\xff"[..], "--from-environment", "PREFECT__CONTEXT__SECRETS__A"),
        (b"PREFECT__CONTEXT__SECRETS__\xff", b"canary", "--from-environment", "is not UTF-8"),
        (b"BARE", b"canary\xff", "--from-env-file=a.env", "a.env:1: "),
    ] {
        let mut command = run::isolated_command(run::binary(), dir.path());
        command.args(["secret", "s", flag]).env(OsStr::from_bytes(variable), OsStr::from_bytes(value));
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
        assert!(stderr.contains(message) && stderr.contains("UTF-8") && !stderr.contains("canary"), "{stderr}");
    }
}
