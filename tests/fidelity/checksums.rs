//! Checks that pods are restarted if an edit changes a ConfigMap that they use: only the checksums of their templates
//! may change.
//!
//! The streams are generated, so the edited ConfigMaps and the objects that refer to them are known. The result is read
//! with granit and compared after the new checksums are replaced with the old checksums.

use std::collections::BTreeMap;

use jobplate::inject::Injection;
use jobplate::render::{InputSource, PlanOptions, Rendering, to_string};
use serde_json::{Map, Value, json};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::check::one_document;
use crate::model::{self, Op};
use crate::rng::Rng;
use crate::tree::{NodeKind, Tree};
use crate::{check, embedded, env_number, granit};

const OP: Op = Op::Secret("ADDED_TOKEN", "flow-secrets", "token");
const NAMES: &[&str] = &["a", "b", "a-b"];
const KEY: &str = "job_template.yaml";
const JOBPLATE_CHECKSUM: &str = "checksum/jobplate";

/// The kinds whose pods are replaced when the pod template changes.
const RESTARTED_KINDS: &[(&str, &str)] = &[
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("argoproj.io/v1alpha1", "Rollout"),
];
const NOT_RESTARTED_KINDS: &[(&str, &str)] = &[("batch/v1", "Job"), ("batch/v1", "CronJob"), ("v1", "Pod")];

/// An object of a stream.
struct Object {
    value: Value,
    /// The embedded document after the edit, if the object contains one.
    text: Option<String>,
    /// Whether the edit must change the checksums in the pod template.
    restarted: bool,
}

/// A generated stream: its objects and its text.
struct Stream {
    objects: Vec<Object>,
    text: String,
}

fn job_template(image: &str) -> String {
    format!(
        "kind: Job\napiVersion: batch/v1\nspec:\n  template:\n    spec:\n      containers:\n      - name: flow\n        image: {image}\n"
    )
}

fn injection(rng: &mut Rng) -> Injection {
    let mut injection = embedded::injection(&OP, false, KEY);
    if rng.one_in(3) {
        injection.targets.clear();
    }
    injection
}

/// Generates a stream. With another `image`, only the documents embedded in its ConfigMaps differ.
fn generate_stream(rng: &mut Rng, image: &str, with_jobs: bool) -> Stream {
    let namespaces: &[Option<&str>] = if rng.one_in(2) { &[None] } else { &[Some("team"), Some("other")] };
    let mut objects = Vec::new();
    let mut edited = Vec::new();
    for namespace in namespaces {
        for name in NAMES {
            let template_text = job_template(image);
            let edited_template = to_string(&template_text, &check::injection(&OP, false)).expect("a plain Job").text;
            let (text, after) = match rng.below(5) {
                0 | 1 => (Some(template_text), Some(edited_template)),
                2 => (Some(edited_template.clone()), Some(edited_template)),
                3 => (None, None),
                _ => continue,
            };
            let mut data = json!({"other.yaml": decoy_template()});
            if let Some(text) = &text {
                data[KEY] = json!(text);
            }
            if text != after {
                edited.push((*namespace, *name));
            }
            let metadata = new_metadata(namespace, name, rng);
            let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
            objects.push(Object { value, text: after, restarted: false });
        }
    }
    for at in 0..1 + rng.below(5) {
        let namespace = rng.pick(namespaces);
        let is_restarted_kind = !with_jobs || !rng.one_in(3);
        let (version, kind) = *rng.pick(if is_restarted_kind { RESTARTED_KINDS } else { NOT_RESTARTED_KINDS });
        let (pod, used) = generate_pod_spec(rng);
        let restarted = is_restarted_kind && used.iter().any(|used| edited.contains(&(*namespace, used)));
        let metadata = new_metadata(namespace, &format!("w{at}"), rng);
        let pod_template = new_pod_template(pod.clone(), rng);
        let spec = match kind {
            "Pod" => pod,
            "CronJob" => json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": pod_template}}}),
            _ => json!({"template": pod_template, "selector": {"matchLabels": {"app": "x"}}}),
        };
        let value = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
        objects.push(Object { value, text: None, restarted });
    }
    for at in (1..objects.len()).rev() {
        objects.swap(at, rng.below(at + 1));
    }
    let text = write_objects(&objects, rng);
    Stream { objects, text }
}

fn decoy_template() -> String {
    job_template("decoy")
}

fn new_metadata(namespace: &Option<&str>, name: &str, rng: &mut Rng) -> Value {
    let mut metadata = json!({"name": name});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    if rng.one_in(3) {
        metadata["annotations"] = json!({"checksum/config": "of the object, not of its pods"});
    }
    metadata
}

/// Generates a pod spec. Returns it with the names of the ConfigMaps that it uses.
fn generate_pod_spec(rng: &mut Rng) -> (Value, Vec<&'static str>) {
    let mut used = Vec::new();
    let mut containers = [new_container("main", rng), new_container("side", rng), new_container("init", rng)];
    let mut volumes = vec![json!({"name": "tmp", "emptyDir": {}})];
    for at in 0..rng.below(4) {
        let name = *rng.pick(NAMES);
        let index = rng.below(3);
        let container = &mut containers[index];
        let mut push = |key: &str, value: Value| {
            container[key].as_array_mut().expect("a list").push(value);
        };
        let is_use = match rng.below(10) {
            0 => {
                volumes.push(json!({"name": format!("v{at}"), "configMap": {"name": name, "optional": true}}));
                true
            }
            1 => {
                let sources = json!([{"secret": {"name": "x"}}, {"configMap": {"name": name, "items": []}}]);
                volumes.push(json!({"name": format!("v{at}"), "projected": {"sources": sources}}));
                true
            }
            2 | 3 => {
                push("envFrom", json!({"prefix": "P_", "configMapRef": {"name": name}}));
                true
            }
            4 | 5 => {
                let reference = json!({"configMapKeyRef": {"name": name, "key": "other.yaml"}});
                push("env", json!({"name": format!("E{at}"), "valueFrom": reference}));
                true
            }
            // The Secret has the name of a ConfigMap, but the pod does not use the ConfigMap and must not be restarted.
            6 => {
                volumes.push(json!({"name": name, "secret": {"secretName": name}}));
                false
            }
            7 => {
                push("envFrom", json!({"secretRef": {"name": name}}));
                false
            }
            8 => {
                let reference = json!({"secretKeyRef": {"name": name, "key": "a"}});
                push("env", json!({"name": format!("E{at}"), "valueFrom": reference}));
                false
            }
            _ => {
                push("env", json!({"name": format!("E{at}"), "value": name}));
                volumes.push(json!({"name": format!("v{at}"), "configMap": {"name": format!("{name}-else")}}));
                false
            }
        };
        if is_use {
            used.push(name);
        }
    }
    let [main, side, init] = containers;
    let mut spec = json!({"containers": [main, side], "volumes": volumes});
    if rng.one_in(2) || init["env"] != json!([]) || init["envFrom"] != json!([]) {
        spec["initContainers"] = json!([init]);
    }
    (spec, used)
}

fn new_container(name: &str, rng: &mut Rng) -> Value {
    let image = if rng.one_in(2) { "x:1" } else { "y" };
    json!({"name": name, "image": image, "env": [], "envFrom": []})
}

fn new_pod_template(pod: Value, rng: &mut Rng) -> Value {
    let random_checksum = |rng: &mut Rng| match rng.below(5) {
        0 => String::new(),
        1 => "0".repeat(64),
        2 => "8c1f3b".to_owned(),
        3 => "it's \"old\"".to_owned(),
        _ => format!("{:064x}", rng.next()),
    };
    let labels = json!({"app": "x", "checksum/label": "1a"});
    let metadata = match rng.below(9) {
        0 => None,
        1 => Some(Value::Null),
        2 => Some(json!({})),
        3 => Some(json!({"labels": labels})),
        4 => Some(json!({"labels": labels, "annotations": null})),
        5 => Some(json!({"annotations": {}})),
        6 => Some(json!({"annotations": {"note": "x", "checksums/no": "x", "mychecksum/no": "x"}})),
        count => {
            let mut annotations = Map::new();
            annotations.insert("note".to_owned(), json!("x"));
            for name in ["checksum/config", "checksum/secret", JOBPLATE_CHECKSUM].iter().take(count - 6 + rng.below(2))
            {
                annotations.insert((*name).to_owned(), json!(random_checksum(rng)));
            }
            Some(json!({"labels": labels, "annotations": annotations}))
        }
    };
    match metadata {
        None => json!({"spec": pod}),
        Some(metadata) => json!({"metadata": metadata, "spec": pod}),
    }
}

/// Writes the objects as documents or as the items of a List, in block style or as JSON, with block mappings in random
/// key order.
fn write_objects(objects: &[Object], rng: &mut Rng) -> String {
    let mut out = String::new();
    if rng.one_in(4) {
        out.push_str("apiVersion: v1\nkind: List\nitems:\n");
        for object in objects {
            out.push_str("- ");
            write_mapping(object.value.as_object().expect("an object"), 2, true, rng, &mut out);
        }
    } else if rng.one_in(5) {
        let items: Vec<&Value> = objects.iter().map(|object| &object.value).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let text = if rng.one_in(2) { serde_json::to_string(&list) } else { serde_json::to_string_pretty(&list) };
        out = text.expect("JSON");
    } else {
        for (at, object) in objects.iter().enumerate() {
            if at > 0 || rng.one_in(2) {
                out.push_str("---\n");
            }
            if rng.one_in(6) {
                out.push_str(&serde_json::to_string_pretty(&object.value).expect("JSON"));
                out.push('\n');
            } else {
                write_mapping(object.value.as_object().expect("an object"), 0, false, rng, &mut out);
            }
        }
    }
    if rng.one_in(6) { out.replace('\n', "\r\n") } else { out }
}

fn write_mapping(map: &Map<String, Value>, indent: usize, mut inline: bool, rng: &mut Rng, out: &mut String) {
    let mut keys: Vec<&String> = map.keys().collect();
    for at in (1..keys.len()).rev() {
        keys.swap(at, rng.below(at + 1));
    }
    for key in keys {
        if !std::mem::take(&mut inline) {
            if rng.one_in(15) {
                out.push_str(&format!("{}# {key}: x\n", " ".repeat(indent)));
            }
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(key);
        out.push(':');
        write_node(&map[key], indent, rng, out);
    }
}

/// Writes the value after a key, with its line break.
fn write_node(value: &Value, indent: usize, rng: &mut Rng, out: &mut String) {
    match value {
        Value::Null => out.push_str(rng.pick::<&str>(&["\n", " null\n", " ~\n", "  # nothing\n"])),
        Value::String(text) if text.ends_with('\n') && rng.one_in(2) => {
            out.push_str(" |\n");
            for line in text.lines() {
                out.push_str(&format!("{}{line}\n", " ".repeat(indent + 2)));
            }
        }
        Value::String(text) => {
            let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.len() != 1
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-./:".contains(&byte));
            let written = match rng.below(3) {
                0 if plain => text.clone(),
                1 if !text.contains('\n') => format!("'{}'", text.replace('\'', "''")),
                _ => serde_json::to_string(text).expect("JSON"),
            };
            let comment = if rng.one_in(10) { "  # c" } else { "" };
            out.push_str(&format!(" {written}{comment}\n"));
        }
        Value::Object(map) if !map.is_empty() && !rng.one_in(8) => {
            out.push('\n');
            write_mapping(map, indent + 2, false, rng, out);
        }
        Value::Array(items) if !items.is_empty() && !rng.one_in(8) => {
            out.push('\n');
            let dash = indent + 2 * rng.below(2);
            for item in items {
                out.push_str(&format!("{}- ", " ".repeat(dash)));
                match item.as_object() {
                    Some(map) if !map.is_empty() => write_mapping(map, dash + 2, true, rng, out),
                    _ => out.push_str(&format!("{item}\n")),
                }
            }
        }
        other => out.push_str(&format!(" {other}\n")),
    }
}

/// Reads the objects of a stream with granit.
fn read_objects(stream: &str) -> Result<Vec<Tree>, String> {
    let mut objects = Vec::new();
    for document in model::split_documents(stream) {
        let tree = one_document(granit::read(document))?;
        match tree.find("items") {
            (Some(at), _) => objects.extend(tree.children[at].children.iter().cloned()),
            _ => objects.push(tree),
        }
    }
    Ok(objects)
}

fn get<'t>(tree: &'t Tree, path: &[&str]) -> Option<&'t Tree> {
    path.iter().try_fold(tree, |tree, key| tree.find(key).0.map(|at| &tree.children[at]))
}

fn get_mut<'t>(tree: &'t mut Tree, path: &[&str]) -> Option<&'t mut Tree> {
    path.iter().try_fold(tree, |tree, key| tree.find(key).0.map(|at| &mut tree.children[at]))
}

fn is_checksum(node: &Tree) -> bool {
    node.is_scalar()
        && node.text.len() == 64
        && node.text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && !(node.kind == NodeKind::Plain && node.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'e'))
}

/// Replaces the new checksums of a template with the old checksums. Returns pairs of old and new checksums.
fn restore_checksums(before: &Tree, after: &mut Tree) -> Result<Vec<(String, String)>, String> {
    const ANNOTATIONS_PATH: [&str; 4] = ["spec", "template", "metadata", "annotations"];
    let mut changed_checksums = Vec::new();
    let old: Vec<(String, Tree)> = get(before, &ANNOTATIONS_PATH)
        .into_iter()
        .flat_map(Tree::entries)
        .filter(|(key, _)| key.text.starts_with("checksum/"))
        .map(|(key, value)| (key.text.clone(), value.clone()))
        .collect();
    let annotations = get_mut(after, &ANNOTATIONS_PATH).ok_or("no annotations")?;
    for (key, old) in &old {
        let new = get_mut(annotations, &[key]).ok_or_else(|| format!("{key} is gone"))?;
        if !is_checksum(new) || new.text == old.text {
            return Err(format!("{key} is {:?}, was {:?}", new.text, old.text));
        }
        changed_checksums.push((old.text.clone(), new.text.clone()));
        *new = old.clone();
    }
    if !old.is_empty() {
        return Ok(changed_checksums);
    }
    let (at, is_duplicate) = annotations.find(JOBPLATE_CHECKSUM);
    let at = at.filter(|_| !is_duplicate).ok_or_else(|| format!("no {JOBPLATE_CHECKSUM}, or two"))?;
    if !is_checksum(&annotations.children[at]) {
        return Err(format!("{JOBPLATE_CHECKSUM} is {:?}", annotations.children[at].text));
    }
    changed_checksums.push((String::new(), annotations.children[at].text.clone()));
    annotations.children.drain(at - 1..=at);
    // Remove the mappings that were added for the annotation.
    for length in (3..=4).rev() {
        let was_added = get_mut(after, &ANNOTATIONS_PATH[..length]).is_some_and(|map| map.children.is_empty());
        if !was_added {
            continue;
        }
        match get(before, &ANNOTATIONS_PATH[..length]) {
            Some(old) => *get_mut(after, &ANNOTATIONS_PATH[..length]).expect("it was there") = old.clone(),
            None => {
                let parent = get_mut(after, &ANNOTATIONS_PATH[..length - 1]).expect("above it");
                let at = parent.find(ANNOTATIONS_PATH[length - 1]).0.expect("it was there");
                parent.children.drain(at - 1..=at);
            }
        }
    }
    Ok(changed_checksums)
}

/// Compares a rendered stream with the expectation. Returns pairs of old and new checksums.
fn compare_streams(stream: &Stream, after: &str) -> Result<Vec<(String, String)>, String> {
    let before = read_objects(&stream.text)?;
    let mut rendered_objects = read_objects(after)?;
    if before.len() != stream.objects.len() || rendered_objects.len() != before.len() {
        return Err(format!("{} objects, {} read, {} now", stream.objects.len(), before.len(), rendered_objects.len()));
    }
    let mut changed_checksums = Vec::new();
    for ((object, before), rendered_objects) in stream.objects.iter().zip(&before).zip(&mut rendered_objects) {
        let name = format!("{}/{}", object.value["kind"], object.value["metadata"]["name"]);
        if object.restarted {
            changed_checksums
                .extend(restore_checksums(before, rendered_objects).map_err(|message| format!("{name}: {message}"))?);
        }
        let mut expected = before.clone();
        if let Some(text) = &object.text {
            get_mut(&mut expected, &["data", KEY]).expect("the key").text.clone_from(text);
        }
        expected.expect(rendered_objects).map_err(|message| format!("{name}: {message}"))?;
    }
    for (at, (old, new)) in changed_checksums.iter().enumerate() {
        if changed_checksums[..at].iter().any(|(other, sum)| other != old && sum == new) {
            return Err("two checksums are one".to_owned());
        }
    }
    Ok(changed_checksums)
}

/// Checks that lines unrelated to the edit are unchanged.
fn check_lines(before: &str, after: &str) -> Result<(), String> {
    const EXPECTED_WORDS: [&str; 8] =
        ["checksum/", KEY, "metadata", "annotations", "containers", "template", "spec", "kind"];
    // In JSON, a new entry adds a comma to the previous entry, so commas at line ends are ignored.
    let strip_line_ends = |text: &str| -> Vec<String> {
        text.split('\n').map(|line| line.trim_end_matches(['\r', ',']).to_owned()).collect()
    };
    let (old, new) = (strip_line_ends(before), strip_line_ends(after));
    let steps = capture_diff_slices(Algorithm::Myers, &old, &new);
    let mut removed =
        steps.iter().filter(|step| !matches!(step, DiffOp::Equal { .. })).flat_map(|step| &old[step.old_range()]);
    match removed.find(|line| !EXPECTED_WORDS.iter().any(|word| line.contains(word))) {
        Some(line) => Err(format!("the line {line:?} is gone")),
        None => Ok(()),
    }
}

/// Renders the documents of a stream as the inputs of one run: plans all of them, then writes them.
fn render_as_inputs(stream: &str, injection: &Injection) -> Result<String, String> {
    let documents = model::split_documents(stream);
    let sources = documents.iter().map(|text| InputSource::spool("-".to_owned(), text.as_bytes()));
    let options = PlanOptions { max_document_size: 1 << 20, ..PlanOptions::default() };
    let mut rendering = Rendering::plan(sources.collect(), injection, options).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    for input in 0..rendering.len() {
        rendering.write_input(input, &mut out).map_err(|error| error.to_string())?;
    }
    String::from_utf8(out).map_err(|error| error.to_string())
}

/// Renders a generated stream and checks its checksums. Returns the number of checksums.
fn check_stream(number: u64) -> Result<usize, String> {
    let mut rng = Rng::new(0x5047, number);
    let injection = injection(&mut rng);
    let with_jobs = !injection.targets.is_empty();
    let seed = rng.next();
    let generate = |image| generate_stream(&mut Rng::new(seed, 0), image, with_jobs);
    let first = generate("x");
    let failure = |text: &str, message: String| {
        format!("stream {number}: {message}\n  before: {:?}\n  after:  {text:?}", first.text)
    };
    let render = |text: &str| to_string(text, &injection).map_err(|error| error.to_string());
    let rendered = render(&first.text).map_err(|message| failure("", message))?.text;
    let changed_checksums = compare_streams(&first, &rendered)
        .and_then(|changed_checksums| check_lines(&first.text, &rendered).map(|()| changed_checksums))
        .map_err(|message| failure(&rendered, message))?;
    let second_rendering = render(&rendered).map_err(|message| failure(&rendered, message))?;
    if second_rendering.text != rendered || second_rendering.edited > 0 {
        return Err(failure(
            &second_rendering.text,
            format!("a second run edits {} documents", second_rendering.edited),
        ));
    }
    let inputs = render_as_inputs(&first.text, &injection).map_err(|message| failure("", message))?;
    if inputs != rendered {
        return Err(failure(&inputs, "its documents as inputs of one run become something else".to_owned()));
    }
    let second = generate("z");
    let other = render(&second.text).map_err(|message| failure("", message))?.text;
    let other_sums = compare_streams(&second, &other).map_err(|message| failure(&other, message))?;
    if changed_checksums.len() != other_sums.len() || changed_checksums.iter().zip(&other_sums).any(|(a, b)| a.1 == b.1)
    {
        return Err(failure(&other, "other data, but the same checksum".to_owned()));
    }
    Ok(changed_checksums.len())
}

#[test]
fn pods_restart_when_their_config_map_is_edited() {
    let count = env_number("JOBPLATE_MUTANTS").map_or(500, |count| count / 40);
    let mut restarted = 0;
    let mut failed: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for number in 0..count {
        match check_stream(number) {
            Ok(changed_checksums) => restarted += changed_checksums,
            Err(message) => {
                let kind = message.lines().next().unwrap_or_default().split(": ").nth(1).unwrap_or_default();
                let kind = kind.replace(|c: char| c.is_ascii_digit(), "");
                let entry = failed.entry(kind).or_insert_with(|| (0, message.clone()));
                entry.0 += 1;
                // Keep the shortest failure.
                if message.len() < entry.1.len() {
                    entry.1 = message;
                }
            }
        }
    }
    println!("{count} streams, {restarted} checksums made anew");
    let shown: String =
        failed.values().map(|(failed, message)| format!("{failed} of {count}, such as {message}\n\n")).collect();
    assert!(failed.is_empty(), "\n{shown}");
    assert!(restarted as u64 > count / 2, "only {restarted} checksums");
}

/// Checks that the comparison accepts a correct handwritten result and rejects wrong results.
#[test]
fn comparison_of_checksums_rejects_wrong_results() {
    let before = "kind: ConfigMap\nmetadata: {name: a}\ndata: {job_template.yaml: x}\n---\nkind: Deployment\nspec:\n  template:\n    metadata:\n      annotations: {note: x}\n    spec: {}\n";
    let create_objects = || {
        let map = Object { value: json!({}), text: Some("y".to_owned()), restarted: false };
        vec![map, Object { value: json!({}), text: None, restarted: true }]
    };
    let stream = Stream { objects: create_objects(), text: before.to_owned() };
    let sum = "ab".repeat(32);
    let correct =
        before.replace(": x}\n---", ": y}\n---").replace("note: x", &format!("note: x, {JOBPLATE_CHECKSUM}: {sum}"));
    assert!(compare_streams(&stream, &correct).is_ok());
    for (from, to) in [
        (sum.as_str(), "abab"),
        (sum.as_str(), &sum.to_uppercase()),
        (": y}", ": x}"),
        ("note: x", "note: z"),
        (JOBPLATE_CHECKSUM, "checksum/config"),
        ("name: a", "name: b"),
        ("spec: {}", "spec: {a: b}"),
    ] {
        assert!(compare_streams(&stream, &correct.replace(from, to)).is_err(), "{from} to {to}");
    }
    let without_restart = Stream {
        objects: create_objects().into_iter().map(|object| Object { restarted: false, ..object }).collect(),
        ..stream
    };
    assert!(compare_streams(&without_restart, &correct).is_err(), "a roll that nobody asked for");
}
