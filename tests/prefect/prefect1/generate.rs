//! Generates random cases for Prefect 1: typical job templates with changes at the keys that `generate_job_spec`
//! reads and with edge cases of YAML, and run configs, agents, environments and flows.
//!
//! A seed and a number determine a case. proptest is not used: jobplate and Prefect answer the cases in parallel,
//! `convert` uses the cases with the same numbers, and a failing case is reduced line by line, even if its YAML is
//! invalid.

use std::collections::BTreeMap;

use super::edge_cases;
use crate::case::{Case, PrefectVersion};
use crate::choose::Choose as _;
use crate::rng::Rng;
use crate::yaml_node::YamlNode;

/// The number of cases for Prefect 0.15 in each thousand cases.
const CASES_OF_0_15: u64 = 150;

/// Generates the case with the number `number`.
pub(crate) fn generate_case(seed: u64, number: u64) -> Case {
    let version = match number * CASES_OF_0_15 % 1_000 < CASES_OF_0_15 {
        true => PrefectVersion::V0_15,
        false => PrefectVersion::V1_4,
    };
    let rng = &mut Rng::new(seed, number);
    let mut files = BTreeMap::new();
    // Most cases have edge cases in only one part, because the first failure hides other failures.
    let (has_template_edge_cases, has_scenario_edge_cases) = match rng.below(6) {
        0 => (true, true),
        1 | 2 => (false, true),
        3 | 4 => (true, false),
        _ => (false, false),
    };
    let template = (!rng.one_in(12)).then(|| generate_template(rng, has_template_edge_cases));
    let scenario =
        (template.is_none() || !rng.one_in(4)).then(|| generate_scenario(rng, has_scenario_edge_cases, &mut files));
    let template = template.map(String::into_bytes);
    Case { name: format!("random-{seed}-{number}"), version, template, scenario, files }
}

/// Generates a node of any type. One scalar in six can be invalid YAML.
fn generate_edge_case(rng: &mut Rng) -> YamlNode {
    let stock = if rng.one_in(6) { edge_cases::YAML_NODES } else { edge_cases::VALID_NODES };
    let node = YamlNode::raw(rng.choose(stock));
    match rng.below(8) {
        0 => YamlNode::List(vec![node, YamlNode::raw(rng.choose(edge_cases::YAML_NODES))]),
        1 => YamlNode::map([
            (rng.choose(edge_cases::KEYS), node),
            (rng.choose(edge_cases::KEYS), YamlNode::raw(rng.choose(edge_cases::YAML_NODES))),
        ]),
        2 => {
            let tag = rng.choose(&["!!str", "!!int", "!!map", "!!seq", "!!set", "!", "!own", "&b", "!!null", "!!omap"]);
            YamlNode::Prefixed(tag.to_owned(), Box::new(node))
        }
        _ => node,
    }
}

/// The paths that `generate_job_spec` reads.
const READ_PATHS: &[&[&str]] = &[
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "labels"],
    &["spec"],
    &["spec", "template"],
    &["spec", "template", "metadata"],
    &["spec", "template", "metadata", "labels"],
    &["spec", "template", "spec"],
    &["spec", "template", "spec", "serviceAccountName"],
    &["spec", "template", "spec", "imagePullSecrets"],
    &["spec", "template", "spec", "restartPolicy"],
    &["spec", "template", "spec", "containers"],
    &["spec", "template", "spec", "containers", "image"],
    &["spec", "template", "spec", "containers", "imagePullPolicy"],
    &["spec", "template", "spec", "containers", "args"],
    &["spec", "template", "spec", "containers", "env"],
    &["spec", "template", "spec", "containers", "env", "name"],
    &["spec", "template", "spec", "containers", "resources"],
    &["spec", "template", "spec", "containers", "resources", "requests"],
    &["spec", "template", "spec", "containers", "resources", "limits"],
    &["spec", "template", "spec", "containers", "resources", "limits", "cpu"],
];

/// Names of variables. The agent sets some of them.
const VARIABLE_NAMES: &[&str] = &[
    "A",
    "B",
    "X",
    "TZ",
    "PREFECT__LOGGING__LEVEL",
    "PREFECT__CLOUD__SEND_FLOW_RUN_LOGS",
    "PREFECT__BACKEND",
    "PREFECT__CLOUD__API",
    "PREFECT__CLOUD__API_KEY",
    "PREFECT__CLOUD__AUTH_TOKEN",
    "PREFECT__CONTEXT__IMAGE",
    "PREFECT__ENGINE__TASK_RUNNER__DEFAULT_CLASS",
    "PREFECT__CONTEXT__SECRETS__GITHUB_ACCESS_TOKEN",
    "prefect__backend",
];

fn generate_entry(rng: &mut Rng) -> YamlNode {
    let name = ("name", YamlNode::raw(rng.choose(VARIABLE_NAMES)));
    match rng.below(4) {
        0 => {
            let reference = YamlNode::map([("name", YamlNode::raw("gh")), ("key", YamlNode::raw("token"))]);
            YamlNode::map([name, ("valueFrom", YamlNode::map([("secretKeyRef", reference)]))])
        }
        1 => YamlNode::map([name, ("value", YamlNode::raw(rng.choose(edge_cases::YAML_NODES)))]),
        2 => YamlNode::map([("value", YamlNode::text("first")), name]),
        _ => YamlNode::map([name, ("value", YamlNode::text("t"))]),
    }
}

fn generate_entries(rng: &mut Rng) -> YamlNode {
    YamlNode::List((0..rng.below(5)).map(|_| generate_entry(rng)).collect())
}

fn generate_container(rng: &mut Rng, name: &str) -> YamlNode {
    let mut pairs = vec![("name".to_owned(), YamlNode::raw(name))];
    let mut add = |rng: &mut Rng, one_in: usize, key: &str, value: fn(&mut Rng) -> YamlNode| {
        if rng.one_in(one_in) {
            let value = value(rng);
            pairs.push((key.to_owned(), value));
        }
    };
    add(rng, 2, "image", |_| YamlNode::raw("own/image:1"));
    add(rng, 4, "imagePullPolicy", |_| YamlNode::raw("Always"));
    add(rng, 3, "command", |_| YamlNode::raw("[tini, --]"));
    add(rng, 3, "args", |_| YamlNode::raw("[a]"));
    add(rng, 2, "env", generate_entries);
    add(rng, 5, "envFrom", |_| YamlNode::raw("[{secretRef: {name: s}}]"));
    add(rng, 2, "resources", |rng| {
        let amounts =
            [("cpu", YamlNode::raw("100m")), ("memory", YamlNode::raw("1Gi")), ("nvidia.com/gpu", YamlNode::raw("1"))];
        let choose_amounts = |rng: &mut Rng| YamlNode::map(amounts.iter().filter(|_| rng.one_in(2)).cloned());
        let mut groups = vec![("requests", choose_amounts(rng)), ("limits", choose_amounts(rng))];
        groups.retain(|_| !rng.one_in(4));
        YamlNode::map(groups)
    });
    add(rng, 5, "volumeMounts", |_| YamlNode::raw("[{name: v, mountPath: /v}]"));
    YamlNode::Map(pairs)
}

/// Generates a typical job template.
fn generate_job(rng: &mut Rng) -> YamlNode {
    let mut pod = Vec::new();
    if rng.one_in(3) {
        pod.push(("serviceAccountName", YamlNode::raw("own")));
    }
    if rng.one_in(3) {
        pod.push(("imagePullSecrets", YamlNode::List(vec![YamlNode::raw("{name: own}")])));
    }
    if rng.one_in(3) {
        pod.push(("restartPolicy", YamlNode::raw("OnFailure")));
    }
    if rng.one_in(4) {
        pod.push(("initContainers", YamlNode::List(vec![generate_container(rng, "init")])));
    }
    let mut containers = vec![generate_container(rng, "flow")];
    if rng.one_in(4) {
        containers.push(generate_container(rng, "sidecar"));
    }
    if !rng.one_in(12) {
        pod.push(("containers", YamlNode::List(containers)));
    }
    let mut template = vec![("spec", YamlNode::map(pod))];
    if rng.one_in(2) {
        let labels =
            ("labels", YamlNode::map([("team", YamlNode::raw("x")), ("prefect.io/flow_id", YamlNode::raw("own"))]));
        template.insert(0, ("metadata", YamlNode::map([labels])));
    }
    let mut job = vec![("apiVersion", YamlNode::raw("batch/v1")), ("kind", YamlNode::raw("Job"))];
    if rng.one_in(2) {
        let mut metadata = vec![(
            "name",
            YamlNode::raw(rng.choose(&["etl", "'1'", "a-name-that-is-much-longer-than-forty-eight-letters"])),
        )];
        if rng.one_in(2) {
            metadata.push(("labels", YamlNode::raw("{app: etl, \"prefect.io/identifier\": own}")));
        }
        if rng.one_in(2) {
            metadata.push(("annotations", YamlNode::map([("a/b", YamlNode::raw(rng.choose(edge_cases::YAML_NODES)))])));
        }
        if rng.one_in(3) {
            metadata.push(("namespace", YamlNode::raw("flows")));
        }
        job.push(("metadata", YamlNode::map(metadata)));
    }
    let mut spec = vec![("template", YamlNode::map(template))];
    if rng.one_in(3) {
        spec.insert(0, ("backoffLimit", YamlNode::raw("0")));
    }
    job.push(("spec", YamlNode::map(spec)));
    YamlNode::map(job)
}

/// Changes one node of a template.
fn change_node(rng: &mut Rng, tree: &mut YamlNode) {
    let count = tree.count();
    match rng.below(12) {
        0..=3 => {
            let path = rng.choose(READ_PATHS);
            let value = generate_edge_case(rng);
            if let Some(node) = tree.at(path) {
                *node = value;
            } else if let Some(node) = tree.at(&path[..path.len() - 1]) {
                let node = match node {
                    YamlNode::List(items) if !items.is_empty() => &mut items[0],
                    other => other,
                };
                node.set(path[path.len() - 1], value);
            }
        }
        4 | 5 => {
            let value = generate_edge_case(rng);
            if let Some(node) = tree.node(rng.below(count)) {
                *node = value;
            }
        }
        6 => match tree.node(rng.below(count)) {
            Some(YamlNode::Map(pairs)) if !pairs.is_empty() => drop(pairs.remove(rng.below(pairs.len()))),
            Some(YamlNode::List(items)) if !items.is_empty() => drop(items.remove(rng.below(items.len()))),
            Some(node) => *node = YamlNode::raw(""),
            None => {}
        },
        7 => {
            if let Some(YamlNode::Map(pairs)) = tree.node(rng.below(count)) {
                let key = match pairs.is_empty() || rng.one_in(2) {
                    true => rng.choose(edge_cases::KEYS).to_owned(),
                    false => pairs[rng.below(pairs.len())].0.clone(),
                };
                let (at, value) = (rng.below(pairs.len() + 1), generate_edge_case(rng));
                pairs.insert(at, (key, value));
            }
        }
        // With an alias, the agent changes both nodes at once.
        8 => {
            let (first, second) = (rng.below(count), rng.below(count));
            let (first, second) = (first.min(second), first.max(second));
            if let Some(node) = tree.node(second) {
                *node = YamlNode::raw("*shared");
            }
            if let Some(node) = tree.node(first) {
                *node = YamlNode::Prefixed("&shared".to_owned(), Box::new(node.clone()));
            }
        }
        9 => {
            let merged = match rng.below(3) {
                0 => YamlNode::raw("{env: [{name: M, value: m}], image: m, name: m}"),
                1 => YamlNode::raw("[{name: m1, labels: {a: b}}, {name: m2, image: m2}]"),
                _ => generate_edge_case(rng),
            };
            if let Some(YamlNode::Map(pairs)) = tree.node(rng.below(count)) {
                let at = rng.below(pairs.len() + 1);
                pairs.insert(at, ("<<".to_owned(), merged));
            }
        }
        10 => {
            if let Some(node) = tree.node(rng.below(count)) {
                let tag = rng.choose(&[
                    "!!map",
                    "!!str",
                    "!!seq",
                    "!own",
                    "!",
                    "!!set",
                    "!!omap",
                    "&x",
                    "!<tag:yaml.org,2002:map>",
                ]);
                *node = YamlNode::Prefixed(tag.to_owned(), Box::new(node.clone()));
            }
        }
        _ => {
            let env = generate_entries(rng);
            if let Some(container) = tree.at(&["spec", "template", "spec", "containers"])
                && let YamlNode::List(items) = container
                && let Some(first) = items.first_mut()
            {
                first.set("env", env);
            }
        }
    }
}

fn generate_template(rng: &mut Rng, has_edge_cases: bool) -> String {
    let mut tree = generate_job(rng);
    if has_edge_cases {
        for _ in 0..rng.below(2) + 1 {
            change_node(rng, &mut tree);
        }
    }
    let mut text = tree.to_text();
    if !has_edge_cases || !rng.one_in(4) {
        return text;
    }
    match rng.below(6) {
        0 => text = text.replace('\n', "\r\n"),
        1 => text = text.replace('\n', "\r"),
        2 => text.insert_str(0, rng.choose(edge_cases::FIRST_LINES)),
        3 => text.push_str(rng.choose(edge_cases::LAST_LINES)),
        _ => corrupt(rng, &mut text),
    }
    text
}

/// Inserts a token into a document, or removes a character.
fn corrupt(rng: &mut Rng, text: &mut String) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    if places.is_empty() {
        return;
    }
    let at = rng.choose(&places);
    match rng.one_in(3) {
        true => drop(text.remove(at)),
        false => text.insert_str(at, rng.choose(edge_cases::TOKENS)),
    }
}

fn quoted(values: &[&str], rng: &mut Rng) -> YamlNode {
    YamlNode::text(rng.choose(values))
}

/// Generates a mapping of some of the `known` arguments. If `has_edge_cases` is true, some values are edge cases.
fn generate_arguments(rng: &mut Rng, known: &[(&str, &[&str])], has_edge_cases: bool) -> YamlNode {
    let mut pairs = Vec::new();
    for (name, values) in known {
        if rng.one_in(4) {
            let value = YamlNode::raw(rng.choose(values));
            pairs.push((
                (*name).to_owned(),
                if has_edge_cases && rng.one_in(4) { generate_edge_case(rng) } else { value },
            ));
        }
    }
    if has_edge_cases && rng.one_in(12) {
        pairs.push((rng.choose(edge_cases::KEYS).to_owned(), generate_edge_case(rng)));
    }
    YamlNode::Map(pairs)
}

const RUN_CONFIG: &[(&str, &[&str])] = &[
    ("image", &["flow/image:2", "\"\"", "null"]),
    ("image_pull_policy", &["Always", "IfNotPresent", "Never", "always"]),
    ("cpu_request", &["2", "0", "0.5", "500m", "\"\"", "1.0"]),
    ("cpu_limit", &["4", "0", "\"2\"", "1e3", "null"]),
    ("memory_request", &["1Gi", "\"\"", "512", "0"]),
    ("memory_limit", &["2Gi", "null", "1.5"]),
    ("service_account_name", &["flow", "\"\"", "null", "5"]),
    ("image_pull_secrets", &["[r1, r2]", "[]", "[\"\"]", "ab", "{a: b}", "null"]),
    ("labels", &["[l1, l2]", "[]", "ab", "null"]),
];

fn generate_run_config(rng: &mut Rng, has_edge_cases: bool, files: &mut BTreeMap<String, String>) -> YamlNode {
    let mut tree = generate_arguments(rng, RUN_CONFIG, has_edge_cases);
    if rng.one_in(2) {
        let mut pairs: Vec<(String, YamlNode)> = Vec::new();
        for _ in 0..rng.below(4) {
            let value = match rng.below(3) {
                0 => YamlNode::raw(rng.choose(edge_cases::YAML_NODES)),
                _ => YamlNode::text("rc"),
            };
            pairs.push((
                rng.choose(VARIABLE_NAMES).to_owned(),
                if has_edge_cases { value } else { YamlNode::text("rc") },
            ));
        }
        tree.set("env", YamlNode::Map(pairs));
    }
    match rng.below(10) {
        0 => {
            let mut template = generate_job(rng);
            if has_edge_cases && rng.one_in(2) {
                change_node(rng, &mut template);
            }
            tree.set("job_template", template);
        }
        1 => {
            let text = generate_template(rng, has_edge_cases);
            tree.set("job_template", YamlNode::text(&text));
        }
        2 => {
            files.insert("own.yaml".to_owned(), generate_template(rng, has_edge_cases));
            let path = rng.choose(&[
                "own.yaml",
                "./own.yaml",
                "local:own.yaml",
                "agent:own.yaml",
                "own.yaml?a",
                "file:own.yaml#a",
                "nope.yaml",
            ]);
            tree.set("job_template_path", YamlNode::text(path));
        }
        3 => {
            if let YamlNode::Map(pairs) = &mut tree {
                pairs.retain(|(name, _)| ["env", "labels"].contains(&name.as_str()) || rng.one_in(8));
            }
            tree.set("kind", YamlNode::raw("UniversalRun"));
        }
        4 if has_edge_cases => {
            tree.set(
                rng.choose(&["kind", "type"]),
                YamlNode::raw(rng.choose(&["LocalRun", "DockerRun", "KubernetesRun", "Nope", "null"])),
            );
        }
        _ => {}
    }
    tree
}

const AGENT: &[(&str, &[&str])] = &[
    ("env_vars", &["{A: agent, Z: z}", "{B: 5, A: null}", "{}", "{PREFECT__CLOUD__SEND_FLOW_RUN_LOGS: \"false\"}"]),
    ("labels", &["[a, b]", "[]", "[a, 5, it's]", "null"]),
    ("service_account_name", &["agent", "\"\"", "null"]),
    ("image_pull_secrets", &["[a1, a2]", "[]", "null"]),
    ("no_cloud_logs", &["true", "false", "null"]),
    ("namespace", &["flows"]),
    ("name", &["own", "\"\""]),
    ("max_polls", &["3"]),
    ("agent_address", &["\"http://:8080\""]),
    ("delete_finished_jobs", &["false"]),
    ("volumes", &["[{name: v}]"]),
    ("volume_mounts", &["[{name: v, mountPath: /v}]"]),
];

fn generate_environ(rng: &mut Rng, has_edge_cases: bool) -> YamlNode {
    let mut pairs: Vec<(String, YamlNode)> = Vec::new();
    for _ in 0..rng.below(4) + 1 {
        let name = rng.choose(edge_cases::ENVIRONMENT_VARIABLES);
        let value = match has_edge_cases && rng.one_in(20) {
            true => generate_edge_case(rng),
            false => quoted(edge_cases::ENVIRONMENT_VALUES, rng),
        };
        pairs.push((name.to_owned(), value));
    }
    YamlNode::Map(pairs)
}

fn generate_flow(rng: &mut Rng, has_edge_cases: bool) -> YamlNode {
    let mut pairs = Vec::new();
    if rng.one_in(3) {
        pairs.push(("id", if has_edge_cases { generate_edge_case(rng) } else { YamlNode::text("f10") }));
    }
    if rng.one_in(2) {
        let number = if has_edge_cases { rng.below(edge_cases::CORE_VERSIONS.len()) } else { rng.below(6) };
        pairs.push(("core_version", YamlNode::raw(edge_cases::CORE_VERSIONS[number])));
    }
    if rng.one_in(2) {
        let number = if has_edge_cases { rng.below(edge_cases::STORAGES.len()) } else { rng.below(6) };
        pairs.push(("storage", YamlNode::raw(edge_cases::STORAGES[number])));
    }
    YamlNode::map(pairs)
}

fn generate_scenario(rng: &mut Rng, has_edge_cases: bool, files: &mut BTreeMap<String, String>) -> String {
    let mut tree = YamlNode::Map(Vec::new());
    if rng.one_in(2) {
        tree.set("run_config", generate_run_config(rng, has_edge_cases, files));
    }
    if rng.one_in(2) {
        tree.set("agent", generate_arguments(rng, AGENT, has_edge_cases));
    }
    if rng.one_in(2) {
        tree.set("environ", generate_environ(rng, has_edge_cases));
    }
    if rng.one_in(5) {
        let lines: String = (0..rng.below(2) + 1).map(|_| rng.choose(edge_cases::CONFIG_LINES)).collect();
        tree.set("user_config", YamlNode::text(&lines));
    }
    if rng.one_in(3) {
        tree.set("flow", generate_flow(rng, has_edge_cases));
    }
    if rng.one_in(5) {
        tree.set("flow_run_id", if has_edge_cases { generate_edge_case(rng) } else { YamlNode::text("run-1") });
    }
    if rng.one_in(8) {
        tree.set("identifier", YamlNode::text(rng.choose(&["abcdef01", "short", "longer-than-eight", "é"])));
    }
    if has_edge_cases && rng.one_in(12) {
        change_node(rng, &mut tree);
    }
    if has_edge_cases && rng.one_in(20) {
        tree.set(rng.choose(edge_cases::KEYS), generate_edge_case(rng));
    }
    let mut text = tree.to_text();
    if has_edge_cases && rng.one_in(20) {
        corrupt(rng, &mut text);
    }
    text
}

#[test]
fn a_number_determines_the_case() {
    for number in 0..50 {
        let print = || generate_case(7, number).to_text();
        assert_eq!(print(), print());
    }
}
