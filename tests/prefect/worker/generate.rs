//! Generates random cases: realistic base job templates with changes to the parts that Prefect reads, and job
//! variables, names, environments and settings for them. A seed and a number determine a case.

use std::collections::BTreeMap;

use super::quirks;
use crate::case::{Case, PrefectVersion};
use crate::choose::Choose as _;
use crate::rng::Rng;
use crate::yaml_node::YamlNode;

/// The number of different environments. It is small because reading an environment is the slowest step in Prefect.
const ENVIRONMENTS: u64 = 150;

/// Generates the case with the number `number`.
pub(crate) fn case(seed: u64, number: u64) -> Case {
    let rng = &mut Rng::new(seed, number);
    // Most cases change only one part, because an early failure hides later failures.
    let (changes_template, changes_scenario) = match rng.below(6) {
        0 => (true, true),
        1 => (false, true),
        2 | 3 => (true, false),
        _ => (false, false),
    };
    let mut template = template(rng);
    if changes_template {
        for _ in 0..rng.below(2) + 1 {
            change(rng, &mut template, TEMPLATE_PATHS);
        }
    }
    let environment = &mut Rng::new(!seed, number % ENVIRONMENTS);
    let mut scenario = scenario(rng, environment);
    if changes_scenario {
        change(rng, &mut scenario, SCENARIO_PATHS);
    }
    Case {
        name: format!("random-{seed}-{number}"),
        version: PrefectVersion::Worker0_8,
        template: Some(template.to_text().into_bytes()),
        scenario: (!rng.one_in(12)).then(|| scenario.to_text()),
        files: BTreeMap::new(),
    }
}

/// The paths of a template that Prefect reads.
const TEMPLATE_PATHS: &[&str] = &[
    "job_configuration",
    "job_configuration env",
    "job_configuration labels",
    "job_configuration annotations",
    "job_configuration name",
    "job_configuration command",
    "job_configuration namespace",
    "job_configuration pod_watch_timeout_seconds",
    "job_configuration stream_output",
    "job_configuration job_manifest",
    "job_configuration job_manifest kind",
    "job_configuration job_manifest metadata",
    "job_configuration job_manifest metadata labels",
    "job_configuration job_manifest metadata annotations",
    "job_configuration job_manifest metadata namespace",
    "job_configuration job_manifest metadata generateName",
    "job_configuration job_manifest spec backoffLimit",
    "job_configuration job_manifest spec template",
    "job_configuration job_manifest spec template metadata",
    "job_configuration job_manifest spec template metadata labels",
    "job_configuration job_manifest spec template metadata annotations",
    "job_configuration job_manifest spec template spec parallelism",
    "job_configuration job_manifest spec template spec restartPolicy",
    "job_configuration job_manifest spec template spec containers",
    "job_configuration job_manifest spec template spec containers name",
    "job_configuration job_manifest spec template spec containers env",
    "job_configuration job_manifest spec template spec containers env name",
    "job_configuration job_manifest spec template spec containers env value",
    "job_configuration job_manifest spec template spec containers image",
    "job_configuration job_manifest spec template spec containers args",
    "job_configuration job_manifest spec template spec containers envFrom",
    "variables",
    "variables properties",
    "variables properties env",
    "variables properties env default",
    "variables properties image",
    "variables properties image default",
];

/// The paths of a scenario that Prefect reads.
const SCENARIO_PATHS: &[&str] = &[
    "job_variables",
    "job_variables env",
    "job_variables labels",
    "job_variables name",
    "job_variables command",
    "job_variables image",
    "job_variables namespace",
    "deployment",
    "deployment name",
    "deployment updated",
    "deployment job_variables",
    "deployment job_variables env",
    "flow",
    "flow id",
    "flow_run name",
    "flow_run labels",
    "work_pool name",
    "worker",
    "worker name",
    "worker id",
];

/// Changes one node of a tree.
fn change(rng: &mut Rng, tree: &mut YamlNode, paths: &[&str]) {
    let count = tree.count();
    match rng.below(8) {
        0..=3 => {
            let path: Vec<&str> = rng.choose(paths).split(' ').collect();
            let value = value(rng, 2);
            if let Some(node) = tree.at(&path) {
                *node = value;
            } else if let Some(node) = tree.at(&path[..path.len() - 1]) {
                node.set(path[path.len() - 1], value);
            }
        }
        4 => {
            let value = value(rng, 2);
            if let Some(node) = tree.node(rng.below(count)) {
                *node = value;
            }
        }
        5 | 6 => match tree.node(rng.below(count)) {
            Some(YamlNode::Map(pairs)) if !pairs.is_empty() => drop(pairs.remove(rng.below(pairs.len()))),
            Some(YamlNode::List(items)) if !items.is_empty() => drop(items.remove(rng.below(items.len()))),
            Some(node) => *node = YamlNode::raw("null"),
            None => {}
        },
        _ => {
            let (key, value) = (quoted(rng, quirks::KEYS), value(rng, 2));
            if let Some(YamlNode::Map(pairs)) = tree.node(rng.below(count)) {
                pairs.retain(|(name, _)| *name != key);
                pairs.insert(rng.below(pairs.len() + 1), (key, value));
            }
        }
    }
}

/// Chooses a string and quotes it. Escapes U+0085 (NEL), because YAML parsers treat it differently.
fn quoted(rng: &mut Rng, from: &[&str]) -> String {
    serde_json::Value::String(rng.choose(from).to_owned()).to_string().replace('\u{85}', "\\u0085")
}

/// Generates a value with collections nested at most `depth` deep.
fn value(rng: &mut Rng, depth: usize) -> YamlNode {
    match rng.below(if depth == 0 { 6 } else { 9 }) {
        0 | 1 => YamlNode::raw(rng.choose(quirks::SCALARS)),
        2 | 3 => YamlNode::raw(quoted(rng, quirks::TEXTS)),
        4 => YamlNode::text(&template_text(rng)),
        5 => YamlNode::text(&name(rng)),
        6 => YamlNode::List((0..rng.below(3)).map(|_| value(rng, depth - 1)).collect()),
        7 => mapping(rng, |rng| value(rng, depth - 1)),
        _ => entries(rng),
    }
}

/// Generates a mapping with distinct keys.
fn mapping(rng: &mut Rng, value: impl Fn(&mut Rng) -> YamlNode) -> YamlNode {
    let mut tree = YamlNode::Map(Vec::new());
    for _ in 0..rng.below(4) {
        let (key, value) = (quoted(rng, quirks::KEYS), value(rng));
        tree.set(&key, value);
    }
    tree
}

/// Generates a string with placeholders.
fn template_text(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..rng.below(3) + 1 {
        if rng.one_in(3) {
            text.push_str(rng.choose(quirks::PIECES));
        } else {
            let (before, after) = (rng.choose(&["", " ", "  ", "\n"]), rng.choose(&["", " ", "\t"]));
            text.push_str(&format!("{{{{{before}{}{after}}}}}", rng.choose(quirks::PATHS)));
        }
    }
    text
}

/// Generates a name that Prefect must convert before using it in a label or an object name.
fn name(rng: &mut Rng) -> String {
    let mut name = String::new();
    for _ in 0..rng.below(4) + 1 {
        match rng.below(5) {
            0 => name.push_str(rng.choose(quirks::MARKS)),
            1 => {
                let (first, last) = rng.choose(quirks::LETTERS);
                let count = rng.below(5) + 1;
                let choose_code_point =
                    |rng: &mut Rng| first + u32::try_from(rng.below((last - first) as usize)).expect("small");
                name.extend((0..count).filter_map(|_| char::from_u32(choose_code_point(rng))));
            }
            2 => name.push_str(&rng.choose(&["a", "x-", "Ab", "0", "long-"]).repeat(rng.below(30) + 1)),
            _ => name.push_str(rng.choose(&["flow", "My", "run_1", "etl.daily", "Nightly-ETL", "42"])),
        }
    }
    name
}

fn entry(rng: &mut Rng) -> YamlNode {
    let name = ("name", YamlNode::raw(quoted(rng, quirks::NAMES)));
    let text = YamlNode::text(&if rng.one_in(3) { template_text(rng) } else { "own".to_owned() });
    match rng.below(6) {
        0 | 1 => {
            let reference = YamlNode::map([("name", text), ("key", YamlNode::raw("token"))]);
            YamlNode::map([name, ("valueFrom", YamlNode::map([("secretKeyRef", reference)]))])
        }
        2 => YamlNode::map([name, ("value", YamlNode::raw(rng.choose(quirks::SCALARS)))]),
        3 if rng.one_in(4) => YamlNode::map([("value", text)]),
        3 if rng.one_in(4) => YamlNode::map([("value", text.clone()), name, ("valueFrom", YamlNode::raw("{}"))]),
        _ => YamlNode::map([name, ("value", text)]),
    }
}

fn entries(rng: &mut Rng) -> YamlNode {
    YamlNode::List((0..rng.below(4)).map(|_| entry(rng)).collect())
}

/// Generates environment variables as a mapping.
fn env(rng: &mut Rng) -> YamlNode {
    let mut tree = YamlNode::Map(Vec::new());
    for _ in 0..rng.below(4) {
        let value = match rng.below(4) {
            0 => YamlNode::raw(rng.choose(quirks::SCALARS)),
            1 => YamlNode::text(&template_text(rng)),
            _ => YamlNode::raw(quoted(rng, quirks::TEXTS)),
        };
        tree.set(&quoted(rng, quirks::NAMES), value);
    }
    tree
}

fn either(rng: &mut Rng, placeholder: &str, generate: fn(&mut Rng) -> YamlNode) -> YamlNode {
    if rng.one_in(4) { generate(rng) } else { YamlNode::text(placeholder) }
}

fn container(rng: &mut Rng, name: &str) -> YamlNode {
    let mut pairs = vec![("name", YamlNode::raw(name))];
    let env = match rng.below(6) {
        0 => None,
        1 | 2 => Some(entries(rng)),
        3 => match entries(rng) {
            YamlNode::List(mut items) => {
                items.insert(0, YamlNode::text("{{ env }}"));
                Some(YamlNode::List(items))
            }
            other => Some(other),
        },
        _ => Some(YamlNode::text("{{ env }}")),
    };
    pairs.extend(env.map(|env| ("env", env)));
    if !rng.one_in(5) {
        pairs.push(("image", either(rng, "{{ image }}", |rng| YamlNode::text(&template_text(rng)))));
    }
    if !rng.one_in(5) {
        pairs.push(("args", either(rng, "{{ command }}", |rng| YamlNode::raw(quoted(rng, quirks::COMMANDS)))));
    }
    if rng.one_in(4) {
        pairs.push(("envFrom", YamlNode::raw("[{secretRef: {name: s}}]")));
    }
    if rng.one_in(3) {
        let amounts = YamlNode::map([
            ("cpu", YamlNode::text("{{ cpu_limit }}")),
            ("memory", YamlNode::text(&template_text(rng))),
        ]);
        pairs.push(("resources", YamlNode::map([("limits", amounts)])));
    }
    if rng.one_in(3) {
        pairs.push(("x", value(rng, 2)));
    }
    YamlNode::map(pairs)
}

fn labels(rng: &mut Rng) -> YamlNode {
    let mut tree = YamlNode::Map(Vec::new());
    for _ in 0..rng.below(4) {
        let key = match rng.below(3) {
            0 => serde_json::Value::String(name(rng)).to_string(),
            _ => quoted(rng, quirks::KEYS),
        };
        let value = name(rng);
        tree.set(&key, YamlNode::text(&value));
    }
    tree
}

/// Generates a realistic template.
fn template(rng: &mut Rng) -> YamlNode {
    let mut containers = vec![container(rng, "prefect-job")];
    if rng.one_in(5) {
        containers.push(container(rng, "sidecar"));
    }
    let mut pod = vec![
        ("parallelism", YamlNode::raw("1")),
        ("completions", YamlNode::raw("1")),
        ("restartPolicy", YamlNode::raw("Never")),
        ("serviceAccountName", YamlNode::text("{{ service_account_name }}")),
        ("containers", YamlNode::List(containers)),
    ];
    if rng.one_in(6) {
        pod.push(("initContainers", YamlNode::List(vec![container(rng, "init")])));
    }
    let mut pod_template = vec![("spec", YamlNode::map(pod))];
    if rng.one_in(3) {
        let mut metadata = vec![("labels", labels(rng))];
        if rng.one_in(2) {
            metadata.push(("annotations", labels(rng)));
        }
        pod_template.push(("metadata", YamlNode::map(metadata)));
    }
    let mut spec = vec![("template", YamlNode::map(pod_template))];
    if !rng.one_in(6) {
        let limit = YamlNode::raw(rng.choose(&["0", "0", "0", "3", "\"{{ backoff_limit }}\"", "false", "0.0"]));
        spec.insert(0, ("backoffLimit", limit));
    }
    let mut metadata = vec![
        ("labels", either(rng, "{{ labels }}", labels)),
        ("annotations", either(rng, "{{ annotations }}", labels)),
        ("namespace", either(rng, "{{ namespace }}", |_| YamlNode::raw("own"))),
        ("generateName", either(rng, "{{ name }}-", |rng| YamlNode::text(&template_text(rng)))),
        ("name", YamlNode::text("{{ name }}")),
    ];
    metadata.retain(|(key, _)| !rng.one_in(if *key == "name" { 2 } else { 5 }));
    let mut job = vec![("apiVersion", YamlNode::raw("batch/v1")), ("kind", YamlNode::raw("Job"))];
    if !rng.one_in(10) {
        job.push(("metadata", YamlNode::map(metadata)));
    }
    job.push(("spec", YamlNode::map(spec)));
    let mut configuration = vec![
        ("command", either(rng, "{{ command }}", |rng| YamlNode::raw(quoted(rng, quirks::COMMANDS)))),
        ("env", either(rng, "{{ env }}", |rng| if rng.one_in(3) { entries(rng) } else { env(rng) })),
        ("labels", either(rng, "{{ labels }}", labels)),
        ("annotations", either(rng, "{{ annotations }}", labels)),
        ("name", either(rng, "{{ name }}", |rng| YamlNode::text(&template_text(rng)))),
        ("namespace", either(rng, "{{ namespace }}", |_| YamlNode::raw("own"))),
        ("stream_output", YamlNode::text("{{ stream_output }}")),
        ("pod_watch_timeout_seconds", YamlNode::text("{{ pod_watch_timeout_seconds }}")),
    ];
    configuration.retain(|_| !rng.one_in(8));
    configuration.push(("job_manifest", YamlNode::map(job)));
    let mut properties = YamlNode::Map(Vec::new());
    for (name, _) in quirks::VARIABLES {
        if rng.one_in(3) {
            continue;
        }
        let mut schema = vec![("title", YamlNode::text(name))];
        if rng.one_in(2) {
            schema.push(("default", variable(rng, name)));
        }
        properties.set(name, YamlNode::map(schema));
    }
    let variables = YamlNode::map([("type", YamlNode::raw("object")), ("properties", properties)]);
    YamlNode::map([("job_configuration", YamlNode::map(configuration)), ("variables", variables)])
}

/// Generates a value for a template variable.
fn variable(rng: &mut Rng, name: &str) -> YamlNode {
    match name {
        "env" if rng.one_in(4) => entries(rng),
        "env" => env(rng),
        "labels" | "annotations" => labels(rng),
        "name" if rng.one_in(2) => YamlNode::text(&self::name(rng)),
        "name" => YamlNode::text(&template_text(rng)),
        "m" | "l" => value(rng, 3),
        _ => match quirks::VARIABLES.iter().find(|(known, _)| *known == name) {
            Some((_, values)) if !rng.one_in(8) => YamlNode::raw(rng.choose(values)),
            _ => value(rng, 1),
        },
    }
}

fn variables(rng: &mut Rng) -> YamlNode {
    let mut tree = YamlNode::Map(Vec::new());
    for (name, _) in quirks::VARIABLES {
        if rng.one_in(4) {
            let value = variable(rng, name);
            tree.set(name, value);
        }
    }
    for _ in 0..if rng.one_in(3) { rng.below(3) } else { 0 } {
        let (key, value) = (quoted(rng, quirks::DOTTED), value(rng, 2));
        tree.set(&key, value);
    }
    tree
}

fn scenario(rng: &mut Rng, environment: &mut Rng) -> YamlNode {
    let mut tree = YamlNode::Map(Vec::new());
    let maybe_set = |rng: &mut Rng, tree: &mut YamlNode, key: &str, one_in: usize, value: fn(&mut Rng) -> YamlNode| {
        if rng.one_in(one_in) {
            let value = value(rng);
            tree.set(key, value);
        }
    };
    let record = |rng: &mut Rng| {
        let mut tree = YamlNode::Map(Vec::new());
        maybe_set(rng, &mut tree, "name", 2, |rng| {
            let name = name(rng);
            // Prefect's server rejects some of these names, so most of them are changed to valid names.
            YamlNode::text(&if rng.one_in(12) { name } else { name.replace(['/', '%', '&', '<', '>'], "+") })
        });
        maybe_set(rng, &mut tree, "id", 6, |_| YamlNode::raw("00000000-0000-0000-0000-0000000ABCDE"));
        tree
    };
    if !rng.one_in(3) {
        tree.set("job_variables", variables(rng));
    }
    if rng.one_in(8) {
        tree.set("deployment", YamlNode::raw("null"));
    } else if rng.one_in(2) {
        let mut deployment = record(rng);
        maybe_set(rng, &mut deployment, "updated", 5, |rng| YamlNode::raw(quoted(rng, quirks::TIMES)));
        maybe_set(rng, &mut deployment, "job_variables", 1, variables);
        tree.set("deployment", deployment);
    }
    for key in ["flow", "flow_run", "work_pool"] {
        if rng.one_in(4) {
            let mut record = record(rng);
            if key == "flow_run" && rng.one_in(2) {
                record.set("tags", YamlNode::raw("[t1, T 2]"));
                record.set("parameters", mapping(rng, |rng| value(rng, 1)));
            }
            tree.set(key, record);
        }
    }
    let mut worker = if rng.one_in(4) { record(rng) } else { YamlNode::Map(Vec::new()) };
    let mut environ = YamlNode::Map(Vec::new());
    for _ in 0..environment.below(4) {
        let (name, value) = quirks::prefect_setting(environment);
        environ.set(&name, YamlNode::text(value));
    }
    if environment.one_in(3) {
        let (name, value) = quirks::kubernetes_setting(environment);
        environ.set(&name, YamlNode::text(value));
    }
    if environment.one_in(3) {
        environ.set("PREFECT_API_URL", YamlNode::text("http://prefect:4200/api"));
    }
    if environment.one_in(3) {
        environ.set("PREFECT_API_KEY", YamlNode::text("pnu_plain"));
    }
    if environment.one_in(3) {
        environ.set("OWN", YamlNode::raw(quoted(environment, quirks::TEXTS)));
    }
    if environment.one_in(3) {
        let mut settings = YamlNode::Map(Vec::new());
        for (name, values) in quirks::SETTINGS {
            if environment.one_in(3) {
                settings.set(name, YamlNode::raw(environment.choose(values)));
            }
        }
        worker.set("settings", settings);
    }
    worker.set("env", environ);
    tree.set("worker", worker);
    tree
}

#[test]
fn generates_the_same_case_for_a_number() {
    for number in 0..50 {
        let print = || case(7, number).to_text();
        assert_eq!(print(), print());
    }
}
