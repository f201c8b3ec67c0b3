//! Random cases: job templates as people write them, changed where `generate_job_spec` looks and where YAML is odd,
//! with run configs, agents, environments and flows to match. From two numbers and nothing else.

use std::collections::BTreeMap;

use super::quirks;
use crate::case::{Case, PrefectVersion};
use crate::choose::Choose as _;
use crate::rng::Rng;
use crate::yaml_node::YamlNode;

/// Of how many of a thousand cases Prefect 0.15 is asked.
const OF_0_15: u64 = 150;

/// The case of a number.
pub(crate) fn case(seed: u64, number: u64) -> Case {
    let version = match number * OF_0_15 % 1_000 < OF_0_15 {
        true => PrefectVersion::V0_15,
        false => PrefectVersion::V1_4,
    };
    let rng = &mut Rng::new(seed, number);
    let mut files = BTreeMap::new();
    // Most cases are odd on one side only: what fails early hides what comes later.
    let (odd_template, odd_scenario) = match rng.below(6) {
        0 => (true, true),
        1 | 2 => (false, true),
        3 | 4 => (true, false),
        _ => (false, false),
    };
    let template = (!rng.one_in(12)).then(|| template(rng, odd_template));
    let scenario = (template.is_none() || !rng.one_in(4)).then(|| scenario(rng, odd_scenario, &mut files));
    let template = template.map(String::into_bytes);
    Case { name: format!("random-{seed}-{number}"), version, template, scenario, files }
}

/// A value that may be odd where it stands; one in six is odd anywhere.
fn odd(rng: &mut Rng) -> YamlNode {
    let stock = if rng.one_in(6) { quirks::NODES } else { quirks::VALUES_OF_ALL_KINDS };
    let node = YamlNode::raw(rng.choose(stock));
    match rng.below(8) {
        0 => YamlNode::List(vec![node, YamlNode::raw(rng.choose(quirks::NODES))]),
        1 => YamlNode::map([
            (rng.choose(quirks::KEYS), node),
            (rng.choose(quirks::KEYS), YamlNode::raw(rng.choose(quirks::NODES))),
        ]),
        2 => {
            let tag = rng.choose(&["!!str", "!!int", "!!map", "!!seq", "!!set", "!", "!own", "&b", "!!null", "!!omap"]);
            YamlNode::Of(tag.to_owned(), Box::new(node))
        }
        _ => node,
    }
}

/// Where `generate_job_spec` looks.
const TOUCHED: &[&[&str]] = &[
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

/// Names of variables, with those that the agent sets among them.
const NAMES: &[&str] = &[
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

fn entry(rng: &mut Rng) -> YamlNode {
    let name = ("name", YamlNode::raw(rng.choose(NAMES)));
    match rng.below(4) {
        0 => {
            let reference = YamlNode::map([("name", YamlNode::raw("gh")), ("key", YamlNode::raw("token"))]);
            YamlNode::map([name, ("valueFrom", YamlNode::map([("secretKeyRef", reference)]))])
        }
        1 => YamlNode::map([name, ("value", YamlNode::raw(rng.choose(quirks::NODES)))]),
        2 => YamlNode::map([("value", YamlNode::text("first")), name]),
        _ => YamlNode::map([name, ("value", YamlNode::text("t"))]),
    }
}

fn entries(rng: &mut Rng) -> YamlNode {
    YamlNode::List((0..rng.below(5)).map(|_| entry(rng)).collect())
}

fn container(rng: &mut Rng, name: &str) -> YamlNode {
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
    add(rng, 2, "env", entries);
    add(rng, 5, "envFrom", |_| YamlNode::raw("[{secretRef: {name: s}}]"));
    add(rng, 2, "resources", |rng| {
        let amounts =
            [("cpu", YamlNode::raw("100m")), ("memory", YamlNode::raw("1Gi")), ("nvidia.com/gpu", YamlNode::raw("1"))];
        let some = |rng: &mut Rng| YamlNode::map(amounts.iter().filter(|_| rng.one_in(2)).cloned());
        let mut groups = vec![("requests", some(rng)), ("limits", some(rng))];
        groups.retain(|_| !rng.one_in(4));
        YamlNode::map(groups)
    });
    add(rng, 5, "volumeMounts", |_| YamlNode::raw("[{name: v, mountPath: /v}]"));
    YamlNode::Map(pairs)
}

/// A template as people write them.
fn job(rng: &mut Rng) -> YamlNode {
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
        pod.push(("initContainers", YamlNode::List(vec![container(rng, "init")])));
    }
    let mut containers = vec![container(rng, "flow")];
    if rng.one_in(4) {
        containers.push(container(rng, "sidecar"));
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
            metadata.push(("annotations", YamlNode::map([("a/b", YamlNode::raw(rng.choose(quirks::NODES)))])));
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

/// Changes a tree in one place.
fn change(rng: &mut Rng, tree: &mut YamlNode) {
    let count = tree.count();
    match rng.below(12) {
        0..=3 => {
            let path = rng.choose(TOUCHED);
            let value = odd(rng);
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
            let value = odd(rng);
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
                    true => rng.choose(quirks::KEYS).to_owned(),
                    false => pairs[rng.below(pairs.len())].0.clone(),
                };
                let (at, value) = (rng.below(pairs.len() + 1), odd(rng));
                pairs.insert(at, (key, value));
            }
        }
        // One node in two places: what is changed in one of them is changed in both.
        8 => {
            let (first, second) = (rng.below(count), rng.below(count));
            let (first, second) = (first.min(second), first.max(second));
            if let Some(node) = tree.node(second) {
                *node = YamlNode::raw("*shared");
            }
            if let Some(node) = tree.node(first) {
                *node = YamlNode::Of("&shared".to_owned(), Box::new(node.clone()));
            }
        }
        9 => {
            let merged = match rng.below(3) {
                0 => YamlNode::raw("{env: [{name: M, value: m}], image: m, name: m}"),
                1 => YamlNode::raw("[{name: m1, labels: {a: b}}, {name: m2, image: m2}]"),
                _ => odd(rng),
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
                *node = YamlNode::Of(tag.to_owned(), Box::new(node.clone()));
            }
        }
        _ => {
            let env = entries(rng);
            if let Some(container) = tree.at(&["spec", "template", "spec", "containers"])
                && let YamlNode::List(items) = container
                && let Some(first) = items.first_mut()
            {
                first.set("env", env);
            }
        }
    }
}

fn template(rng: &mut Rng, is_odd: bool) -> String {
    let mut tree = job(rng);
    if is_odd {
        for _ in 0..rng.below(2) + 1 {
            change(rng, &mut tree);
        }
    }
    let mut text = tree.print();
    if !is_odd || !rng.one_in(4) {
        return text;
    }
    match rng.below(6) {
        0 => text = text.replace('\n', "\r\n"),
        1 => text = text.replace('\n', "\r"),
        2 => text.insert_str(0, rng.choose(quirks::HEADS)),
        3 => text.push_str(rng.choose(quirks::TAILS)),
        _ => scribble(rng, &mut text),
    }
    text
}

/// Puts something into a text, or takes a letter out.
fn scribble(rng: &mut Rng, text: &mut String) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    if places.is_empty() {
        return;
    }
    let at = rng.choose(&places);
    match rng.one_in(3) {
        true => drop(text.remove(at)),
        false => text.insert_str(at, rng.choose(quirks::TOKENS)),
    }
}

fn quoted(values: &[&str], rng: &mut Rng) -> YamlNode {
    YamlNode::text(rng.choose(values))
}

/// A mapping of some of these arguments. Where it is odd, one or two have a value that is.
fn arguments(rng: &mut Rng, known: &[(&str, &[&str])], is_odd: bool) -> YamlNode {
    let mut pairs = Vec::new();
    for (name, values) in known {
        if rng.one_in(4) {
            let value = YamlNode::raw(rng.choose(values));
            pairs.push(((*name).to_owned(), if is_odd && rng.one_in(4) { odd(rng) } else { value }));
        }
    }
    if is_odd && rng.one_in(12) {
        pairs.push((rng.choose(quirks::KEYS).to_owned(), odd(rng)));
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

fn run_config(rng: &mut Rng, is_odd: bool, files: &mut BTreeMap<String, String>) -> YamlNode {
    let mut tree = arguments(rng, RUN_CONFIG, is_odd);
    if rng.one_in(2) {
        let mut pairs: Vec<(String, YamlNode)> = Vec::new();
        for _ in 0..rng.below(4) {
            let value = match rng.below(3) {
                0 => YamlNode::raw(rng.choose(quirks::NODES)),
                _ => YamlNode::text("rc"),
            };
            pairs.push((rng.choose(NAMES).to_owned(), if is_odd { value } else { YamlNode::text("rc") }));
        }
        tree.set("env", YamlNode::Map(pairs));
    }
    match rng.below(10) {
        0 => {
            let mut template = job(rng);
            if is_odd && rng.one_in(2) {
                change(rng, &mut template);
            }
            tree.set("job_template", template);
        }
        1 => {
            let text = template(rng, is_odd);
            tree.set("job_template", YamlNode::text(&text));
        }
        2 => {
            files.insert("own.yaml".to_owned(), template(rng, is_odd));
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
        4 if is_odd => {
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

fn environ(rng: &mut Rng, is_odd: bool) -> YamlNode {
    let mut pairs: Vec<(String, YamlNode)> = Vec::new();
    for _ in 0..rng.below(4) + 1 {
        let name = rng.choose(quirks::VARIABLES);
        let value = match is_odd && rng.one_in(20) {
            true => odd(rng),
            false => quoted(quirks::VALUES, rng),
        };
        pairs.push((name.to_owned(), value));
    }
    YamlNode::Map(pairs)
}

fn flow(rng: &mut Rng, is_odd: bool) -> YamlNode {
    let mut pairs = Vec::new();
    if rng.one_in(3) {
        pairs.push(("id", if is_odd { odd(rng) } else { YamlNode::text("f10") }));
    }
    if rng.one_in(2) {
        let number = if is_odd { rng.below(quirks::CORE_VERSIONS.len()) } else { rng.below(6) };
        pairs.push(("core_version", YamlNode::raw(quirks::CORE_VERSIONS[number])));
    }
    if rng.one_in(2) {
        let number = if is_odd { rng.below(quirks::STORAGES.len()) } else { rng.below(6) };
        pairs.push(("storage", YamlNode::raw(quirks::STORAGES[number])));
    }
    YamlNode::map(pairs)
}

fn scenario(rng: &mut Rng, is_odd: bool, files: &mut BTreeMap<String, String>) -> String {
    let mut tree = YamlNode::Map(Vec::new());
    if rng.one_in(2) {
        tree.set("run_config", run_config(rng, is_odd, files));
    }
    if rng.one_in(2) {
        tree.set("agent", arguments(rng, AGENT, is_odd));
    }
    if rng.one_in(2) {
        tree.set("environ", environ(rng, is_odd));
    }
    if rng.one_in(5) {
        let lines: String = (0..rng.below(2) + 1).map(|_| rng.choose(quirks::CONFIG_LINES)).collect();
        tree.set("user_config", YamlNode::text(&lines));
    }
    if rng.one_in(3) {
        tree.set("flow", flow(rng, is_odd));
    }
    if rng.one_in(5) {
        tree.set("flow_run_id", if is_odd { odd(rng) } else { YamlNode::text("run-1") });
    }
    if rng.one_in(8) {
        tree.set("identifier", YamlNode::text(rng.choose(&["abcdef01", "short", "longer-than-eight", "é"])));
    }
    if is_odd && rng.one_in(12) {
        change(rng, &mut tree);
    }
    if is_odd && rng.one_in(20) {
        tree.set(rng.choose(quirks::KEYS), odd(rng));
    }
    let mut text = tree.print();
    if is_odd && rng.one_in(20) {
        scribble(rng, &mut text);
    }
    text
}

#[test]
fn a_number_always_gives_the_same_case() {
    for number in 0..50 {
        let print = || case(7, number).print();
        assert_eq!(print(), print());
    }
}
