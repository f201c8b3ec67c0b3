//! The values from which random cases of workers are generated.

use std::sync::LazyLock;

use jobplate_prefect::worker::settings::{KUBERNETES_SETTINGS, PREFECT_3_SETTINGS, Setting, SettingKind};

use crate::choose::Choose as _;
use crate::rng::Rng;

pub(crate) const SCALARS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "-7",
    "1.5",
    "100.0",
    "1.0e+20",
    "0.00001",
    "12345678901234567890",
    "\"\"",
    "[]",
    "{}",
    "\"0\"",
];

pub(crate) const TEXTS: &[&str] = &[
    "text",
    "",
    " ",
    "-",
    "None",
    "it's",
    "\"both\" and 'both'",
    "back\\slash",
    "a\nb\tc\r",
    "é",
    "\u{1f600}",
    "\u{200b}\u{a0}\u{85}",
    "\u{301}a\u{fffd}",
    "true",
    "5",
    "a.b",
    "prefect-job",
    "Never",
    "prefect.variables.x",
    "{{ env }}",
    "$OWN",
];

/// Text between placeholders, and text that only looks like a placeholder.
pub(crate) const PIECES: &[&str] =
    &["-", "x", " ", "é", "{", "}", "{{", "}}", "{{ a b }}", "{{ a | b }}", "{{}}", "Ab_1", "'", "\\", "&amp;"];

/// The names in placeholders.
pub(crate) const PATHS: &[&str] = &[
    "name",
    "env",
    "env.A",
    "image",
    "command",
    "namespace",
    "labels",
    "a",
    "b",
    "a.b",
    "m",
    "m.a",
    "m[a]",
    "m.a.b",
    "l",
    "l[0]",
    "l.0",
    "l[-1]",
    "l[0].a",
    "l[9]",
    "m.",
    ".a",
    "nope",
    "nope.x",
    "backoff_limit",
    "ctx.flow.name",
    "ctx.flow_run.name",
    "ctx.flow_run.parameters",
    "ctx.flow_run.tags[0]",
    "ctx.nope",
    "$OWN",
    "$NOPE",
    "é",
    "5",
];

pub(crate) const KEYS: &[&str] = &[
    "a",
    "b",
    "A b",
    "é",
    "",
    "5",
    "name",
    "value",
    "valueFrom",
    "env",
    "labels",
    "default",
    "x/y",
    "own.io/Some Key",
    "a.b",
];

/// Names of variables, including variables that a worker sets.
pub(crate) const NAMES: &[&str] = &[
    "A",
    "B",
    "TOKEN",
    "PREFECT_API_KEY",
    "PREFECT_API_URL",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_LOGGING_LEVEL",
    "PREFECT__FLOW_RUN_ID",
    "PREFECT__FLOW_NAME",
    "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR",
    "PREFECT_SERVER_EPHEMERAL_ENABLED",
    "é",
];

pub(crate) const COMMANDS: &[&str] = &[
    "python -m flow",
    "python -c 'print(1)'",
    "a \"b c\" d\\ e",
    "a 'b",
    "a\\",
    "",
    "  ",
    "{{ a }} x",
    "x --é='ü' # y",
    "a\nb",
    "'' \"\"",
    "a\"b\"'c'",
    "\"a \\\" \\x \\\\\"",
];

/// Variables of templates, with possible defaults.
pub(crate) const VARIABLES: &[(&str, &[&str])] = &[
    ("name", &[]),
    ("env", &[]),
    ("labels", &[]),
    ("annotations", &[]),
    ("command", &["\"python -m flow\"", "\"a 'b c'\"", "null", "\"\""]),
    ("namespace", &["default", "flows"]),
    ("image", &["\"own/flow:1\"", "null", "\"\""]),
    ("service_account_name", &["flows", "null"]),
    ("backoff_limit", &["0", "2"]),
    ("cpu_limit", &["\"500m\"", "null"]),
    ("stream_output", &["true", "false", "\"off\"", "1"]),
    ("pod_watch_timeout_seconds", &["60", "\"30\"", "5.0"]),
    ("a", &["5", "\"text\"", "null", "true", "1.5"]),
    ("b", &["\"b\"", "[1]", "{c: d}"]),
    ("m", &[]),
    ("l", &[]),
];

/// Job variables with dots in their names.
pub(crate) const DOTTED: &[&str] = &[
    "env.A",
    "env.TOKEN",
    "env.A.B",
    "labels.team",
    "m.a",
    "m.a.b",
    "m[a].b",
    "a.b",
    "l.0",
    "nope.x",
    ".",
    "a.",
    "env[A]",
];

pub(crate) const TIMES: &[&str] = &[
    "2024-05-06T07:08:09.123456+02:00",
    "2024-05-06T07:08:09Z",
    "2024-02-29T23:59:59.5-11:30",
    "2024-01-01T00:00:00+14:00",
];

/// Strings that Prefect must convert before it uses them in a label.
pub(crate) const MARKS: &[&str] = &[
    " ",
    "_",
    ".",
    "-",
    "--",
    "/",
    "!",
    "'",
    "\"",
    "&",
    "&amp;",
    "&#65;",
    "&#x1F600;",
    "&eacute;",
    "&nope;",
    "1,000",
    "½",
    "ﬁ",
    "…",
    "\u{a0}",
    "\n",
    "\u{301}",
    "ß",
    "İ",
    "№",
];

/// Ranges of code points in many scripts.
pub(crate) const LETTERS: &[(u32, u32)] = &[
    (0x20, 0x7f),
    (0xa0, 0x180),
    (0x370, 0x530),
    (0x5d0, 0x650),
    (0x900, 0x980),
    (0x1e00, 0x2000),
    (0x2000, 0x2200),
    (0x3040, 0x3100),
    (0x4e00, 0x9fa5),
    (0xac00, 0xd7a3),
    (0xf900, 0xfb00),
    (0xff01, 0xff60),
    (0x1d400, 0x1d800),
    (0x1f300, 0x1f650),
];

/// The worker's own settings, with possible values.
pub(crate) const SETTINGS: &[(&str, &[&str])] = &[
    ("api_key_secret_name", &["worker-key", "\"\"", "5"]),
    ("api_key_secret_key", &["key", "\"\""]),
    ("api_auth_string_secret_name", &["auth", "\"\""]),
    ("api_auth_string_secret_key", &["string"]),
    ("create_secret_for_api_key", &["true", "true", "false", "\"yes\"", "1", "maybe"]),
    ("store_env_as_secret", &["true", "true", "false", "\"on\"", "true", "null"]),
    ("add_tcp_keepalive", &["true", "false", "0", "true", "\"\""]),
    ("create_job_retry", &["{}", "\"null\"", "{}", "x", "{max_retries: 2}"]),
];

/// Returns the names of settings and their former names, each with the kind of its value.
fn names_of(settings: &[Setting]) -> Vec<(&'static str, SettingKind)> {
    let names =
        |setting: &Setting| [Some((setting.name, setting.kind)), setting.former_name.map(|name| (name, setting.kind))];
    settings.iter().flat_map(names).flatten().collect()
}

/// The settings of Prefect 3, without groups.
static PREFECT_NAMES: LazyLock<Vec<(&str, SettingKind)>> = LazyLock::new(|| {
    let names = names_of(&PREFECT_3_SETTINGS);
    names.into_iter().filter(|(_, kind)| *kind != SettingKind::Group).collect()
});

/// The settings of prefect-kubernetes.
static KUBERNETES_NAMES: LazyLock<Vec<(&str, SettingKind)>> = LazyLock::new(|| names_of(&KUBERNETES_SETTINGS));

/// Generates a setting of prefect-kubernetes, most often with a valid value.
pub(crate) fn kubernetes_setting(rng: &mut Rng) -> (String, &'static str) {
    const INVALID: &[&str] =
        &["", "own", "-3", "0", "1__0", "{x", "[]", "null", "{\"a\": 1}", "{\"store_env_as_secret\": true}"];
    let (name, kind) = rng.choose(&KUBERNETES_NAMES);
    let valid: &[&str] = match kind {
        SettingKind::Bool => &["true", "False", "yes", "OFF", "1", "0", "t", "N"],
        SettingKind::Int(_) => &["50", "0064", "+70", " 80 ", "1_000", "900.0", "0__7"],
        SettingKind::Names => &["own", "b,a", "", "[\"a\"]", "null"],
        SettingKind::LabelFilters => &["a=b", "a = b,=", "{\"a\": \"b\"}", "null"],
        SettingKind::Group => &["{}", "null", " {} "],
        _ => &["own", "", "Ab c", "5"],
    };
    (format!("PREFECT_{name}"), if rng.one_in(6) { rng.choose(INVALID) } else { rng.choose(valid) })
}

/// Generates a setting of Prefect, most often with a valid value.
pub(crate) fn prefect_setting(rng: &mut Rng) -> (String, &'static str) {
    let (name, kind) = rng.choose(&PREFECT_NAMES);
    let valid: &[&str] = match kind {
        SettingKind::Bool => &["true", "False", "yes", "OFF", "1", "0", "t", "N"],
        SettingKind::Int(_) => &["50", "0064", "+70", " 80 ", "1_000", "900.0"],
        SettingKind::Float(_) => &["30", "45.50", "1e2", "777.25"],
        SettingKind::LogLevel => &["debug", "INFO", "Warning"],
        SettingKind::TimeDelta | SettingKind::Seconds(_) => {
            &["PT1H30M", "2:00:00", "P1DT2H", "3 days 01:02:03.5", "PT2H"]
        }
        SettingKind::Path => &["/nowhere/own", "relative/own"],
        _ => &["own", "a,b", "", "Ab c", "{\"a\": \"b\"}", "5"],
    };
    (
        format!("PREFECT_{name}"),
        if rng.one_in(12) { rng.choose(&["", "own", "-3", "inf", "7200"]) } else { rng.choose(valid) },
    )
}
