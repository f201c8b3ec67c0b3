//! Compares the check of job variables and defaults with the server of the real Prefect, for random schemas.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::rc::Rc;

use jobplate_prefect::pyvalue::arena::Arena;
use jobplate_prefect::pyvalue::source::SourceFile;
use jobplate_prefect::worker::scenario::WorkerScenario;
use jobplate_prefect::worker::version::WorkerVersion;
use jobplate_prefect::worker::{notes, preview};
use serde_json::{Map, Value, json};

use crate::choose::Choose as _;
use crate::oracle::report_line;
use crate::reference::WORKER;
use crate::rng::Rng;
use crate::venv::require_venv;

const SEED: u64 = 1;
const COUNT: u64 = 1000;

/// The names of properties, and of one definition.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// The schema of a variable, with a value: its default or a job variable.
struct SchemaCase {
    variables: Value,
    job_variables: Option<Value>,
}

#[test]
fn values_are_rejected_like_by_prefects_server() {
    let Some(bin) = require_venv(WORKER.versions[0]) else { return };
    let cases: Vec<SchemaCase> = (0..COUNT).map(|number| random_case(&mut Rng::new(SEED, number))).collect();
    let home = tempfile::tempdir().expect("creates a temporary directory");
    let mut prefect = Command::new(bin.join("python"))
        .arg(WORKER.driver().with_file_name("schemas.py"))
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut input = prefect.stdin.take().expect("its input is a pipe");
    let lines: String = cases.iter().map(|case| format!("{}\n", case.to_request())).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = prefect.wait_with_output().expect("Prefect answers");
    writer.join().expect("no panic").expect("Prefect reads all cases");
    assert!(output.status.success(), "Prefect fails");
    let answers: Vec<Value> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("answers in JSON");
    assert_eq!(answers.len(), cases.len());
    let rejected = answers.iter().filter(|answer| !answer.is_null()).count();
    report_line(&format!("Prefect's server rejects {rejected} of {COUNT} values"));
    assert!((COUNT / 5..COUNT * 4 / 5).contains(&(rejected as u64)), "a comparison needs both answers");
    let describe = |case: &SchemaCase, answer: &Value| format!("{}: Prefect answers {answer}", case.to_request());
    let faults = cases.iter().zip(&answers).filter(|(case, answer)| case.is_rejected() == answer.is_null());
    let faults: Vec<String> = faults.map(|(case, answer)| describe(case, answer)).collect();
    assert!(faults.is_empty(), "{} of {COUNT} answers differ:\n{}", faults.len(), faults.join("\n"));
}

impl SchemaCase {
    fn to_request(&self) -> Value {
        match &self.job_variables {
            Some(job_variables) => json!({"variables": self.variables, "job_variables": job_variables}),
            None => json!({"variables": self.variables}),
        }
    }

    /// Returns whether jobplate reports that the server rejects the value.
    fn is_rejected(&self) -> bool {
        let container = json!({"name": "prefect-job"});
        let pod = json!({"parallelism": 1, "completions": 1, "restartPolicy": "Never", "containers": [container]});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": pod}}});
        let template = json!({"job_configuration": {"job_manifest": job}, "variables": self.variables});
        let scenario = json!({"job_variables": self.job_variables});
        let source = |value: Value| -> Rc<SourceFile> { SourceFile::new_manifest("f.json", value.to_string()) };
        let mut arena = Arena::default();
        let scenario = WorkerScenario::read(&mut arena, &source(scenario)).expect("a valid scenario");
        let version = WorkerVersion::default();
        let preview = preview::preview(&mut arena, version, &source(template), &scenario).expect("a valid template");
        let code = if self.job_variables.is_some() { "invalid-job-variable" } else { "default-not-in-schema" };
        notes::find(&arena, version, &preview, &scenario).iter().any(|note| note.code() == code)
    }
}

fn random_case(rng: &mut Rng) -> SchemaCase {
    let definition = schema(rng, 2, false);
    let mut variable = schema(rng, 2, true);
    let value = value(rng, &variable, &definition, 3);
    let is_default = rng.one_in(3);
    if is_default {
        variable.insert("default".to_owned(), value.clone());
    }
    let mut properties = Map::from_iter([("v".to_owned(), Value::Object(variable))]);
    if rng.one_in(4) {
        let mut other = schema(rng, 1, true);
        // Not a mapping: jobplate does not check whether the defaults of other variables lack keys.
        let default = Some(scalar(rng)).filter(|default| !default.is_object());
        other.insert("default".to_owned(), default.unwrap_or_default());
        properties.insert("w".to_owned(), Value::Object(other));
    }
    let required = if rng.one_in(3) { json!(["v"]) } else { json!([]) };
    let definitions = json!({"D": definition});
    let variables =
        json!({"type": "object", "properties": properties, "required": required, "definitions": definitions});
    SchemaCase { variables, job_variables: (!is_default).then(|| json!({"v": value})) }
}

/// Generates a schema with schemas nested at most `depth` deep. It refers to the definition if `may_refer` is true.
fn schema(rng: &mut Rng, depth: usize, may_refer: bool) -> Map<String, Value> {
    let mut schema = match rng.below(if depth == 0 { 6 } else { 14 }) {
        0 | 1 => string_schema(rng),
        2 | 3 => number_schema(rng),
        4 => object(json!({"type": rng.pick(&[json!("boolean"), json!("null"), json!(["string", "null"])])})),
        5 => Map::new(),
        6..=8 => object_schema(rng, depth - 1, may_refer),
        9 => list_schema(rng, depth - 1, may_refer),
        10 => choice_schema(rng, depth - 1, may_refer),
        11 | 12 => condition_schema(rng, depth - 1, may_refer),
        _ if may_refer => object(json!({"$ref": "#/definitions/D"})),
        _ => object_schema(rng, depth - 1, may_refer),
    };
    if rng.one_in(8) {
        schema.insert("enum".to_owned(), json!([scalar(rng), scalar(rng), scalar(rng)]));
    } else if rng.one_in(8) {
        schema.insert("const".to_owned(), scalar(rng));
    }
    schema
}

fn string_schema(rng: &mut Rng) -> Map<String, Value> {
    let mut schema = object(json!({"type": "string"}));
    let (keyword, limit) = rng.choose(&[("minLength", 2), ("maxLength", 1)]);
    match rng.below(6) {
        0 => drop(schema.insert(keyword.to_owned(), json!(limit))),
        1 => drop(schema.insert("pattern".to_owned(), json!(rng.pick(&["^a", "[0-9]$"])))),
        2 => drop(schema.insert("format".to_owned(), json!(rng.pick(&["date-time", "email", "ipv4", "uuid"])))),
        _ => {}
    }
    schema
}

fn number_schema(rng: &mut Rng) -> Map<String, Value> {
    let mut schema = object(json!({"type": rng.pick(&["integer", "number"])}));
    let keywords = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"];
    if rng.one_in(2) {
        schema.insert(rng.choose(&keywords).to_owned(), rng.pick(&[json!(1), json!(2), json!(1.5)]).clone());
    }
    schema
}

fn object_schema(rng: &mut Rng, depth: usize, may_refer: bool) -> Map<String, Value> {
    let mut properties = Map::new();
    for name in NAMES {
        if rng.one_in(2) {
            properties.insert(name.to_owned(), Value::Object(schema(rng, depth, may_refer)));
        }
    }
    let required: Vec<&str> = NAMES.into_iter().filter(|_| rng.one_in(3)).collect();
    let mut schema = object(json!({"type": "object", "properties": properties}));
    if rng.one_in(4) {
        schema.remove("type");
    }
    if rng.one_in(2) {
        schema.insert("required".to_owned(), json!(required));
    }
    if rng.one_in(3) {
        let others = if rng.one_in(2) { json!(false) } else { Value::Object(self::schema(rng, depth, may_refer)) };
        schema.insert("additionalProperties".to_owned(), others);
    }
    if rng.one_in(6) {
        let (keyword, limit) = rng.choose(&[("minProperties", 2), ("maxProperties", 1)]);
        schema.insert(keyword.to_owned(), json!(limit));
    }
    let names = [
        json!({"maxLength": 0}),
        json!({"pattern": "^[ab]"}),
        json!({"enum": ["a", "b"]}),
        json!({"not": {"const": "a"}}),
    ];
    let nested = |rng: &mut Rng, name: &str| json!({ (name): self::schema(rng, depth, may_refer) });
    match rng.below(10) {
        0 => drop(schema.insert("propertyNames".to_owned(), rng.pick(&names).clone())),
        1 | 2 => drop(schema.insert("patternProperties".to_owned(), nested(rng, "^[ab]$"))),
        3 => drop(schema.insert("dependentRequired".to_owned(), json!({"a": ["b"], "c": []}))),
        4 => drop(schema.insert("dependentSchemas".to_owned(), nested(rng, "b"))),
        _ => {}
    }
    schema
}

fn list_schema(rng: &mut Rng, depth: usize, may_refer: bool) -> Map<String, Value> {
    let mut list = object(json!({"type": "array"}));
    if rng.one_in(2) {
        let prefix = [schema(rng, depth, may_refer), schema(rng, depth, may_refer)];
        list.insert("prefixItems".to_owned(), json!(prefix));
    }
    if rng.one_in(2) {
        let others = if rng.one_in(3) { json!(false) } else { Value::Object(schema(rng, depth, may_refer)) };
        list.insert("items".to_owned(), others);
    }
    if rng.one_in(4) {
        let (keyword, limit) = rng.choose(&[("minItems", 2), ("maxItems", 1)]);
        list.insert(keyword.to_owned(), json!(limit));
    }
    if rng.one_in(3) {
        list.insert("uniqueItems".to_owned(), json!(!rng.one_in(4)));
    }
    if rng.one_in(2) {
        list.insert("contains".to_owned(), Value::Object(schema(rng, depth, may_refer)));
        for (keyword, limit) in [("minContains", 2), ("minContains", 0), ("maxContains", 1)] {
            if rng.one_in(4) {
                list.insert(keyword.to_owned(), json!(limit));
            }
        }
    }
    list
}

fn choice_schema(rng: &mut Rng, depth: usize, may_refer: bool) -> Map<String, Value> {
    let alternatives = [schema(rng, depth, may_refer), schema(rng, depth, may_refer), schema(rng, 0, may_refer)];
    object(json!({ (*rng.pick(&["anyOf", "allOf", "oneOf"])): alternatives }))
}

/// Generates a schema that depends on whether another schema accepts the value.
fn condition_schema(rng: &mut Rng, depth: usize, may_refer: bool) -> Map<String, Value> {
    let keywords = rng.choose(&[&["not"][..], &["if", "then"], &["if", "else"], &["if", "then", "else"]]);
    keywords.iter().map(|keyword| ((*keyword).to_owned(), Value::Object(schema(rng, depth, may_refer)))).collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not an object"),
    }
}

fn scalar(rng: &mut Rng) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("1"),
        json!("no"),
        json!({}),
        json!([]),
        json!({"a": 1}),
    ];
    rng.pick(&values).clone()
}

/// Generates a value that often fits a schema.
fn value(rng: &mut Rng, schema: &Map<String, Value>, definition: &Map<String, Value>, depth: usize) -> Value {
    if depth == 0 || rng.one_in(6) {
        return scalar(rng);
    }
    let of = |rng: &mut Rng, schema: Option<&Value>| match schema {
        Some(Value::Object(schema)) => value(rng, schema, definition, depth - 1),
        _ => scalar(rng),
    };
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    if let Some(values) = list("enum").filter(|_| !rng.one_in(3)) {
        return rng.pick(values).clone();
    }
    if let Some(value) = schema.get("const").filter(|_| !rng.one_in(3)) {
        return value.clone();
    }
    if schema.contains_key("$ref") {
        return value(rng, definition, definition, depth - 1);
    }
    if let Some(alternatives) = ["anyOf", "allOf", "oneOf"].into_iter().find_map(list) {
        let alternative = rng.pick(alternatives);
        return of(rng, Some(alternative));
    }
    let conditions: Vec<&Value> =
        ["not", "if", "then", "else"].into_iter().filter_map(|keyword| schema.get(keyword)).collect();
    if !conditions.is_empty() {
        let condition = rng.choose(&conditions);
        return of(rng, Some(condition));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => json!(rng.pick(&["", "a", "ab", "a1", "b"])),
        Some("integer" | "number") => rng.pick(&[json!(0), json!(1), json!(2), json!(3), json!(1.5)]).clone(),
        Some("boolean") => json!(rng.one_in(2)),
        Some("null") => Value::Null,
        Some("array") => {
            let item = |rng: &mut Rng, position| {
                of(
                    rng,
                    list("prefixItems")
                        .and_then(|prefix| prefix.get(position))
                        .or(schema.get("items"))
                        .or(schema.get("contains")),
                )
            };
            (0..rng.below(4)).map(|position| item(rng, position)).collect()
        }
        _ if schema.contains_key("properties") => {
            let property = |rng: &mut Rng, name: &str| {
                of(rng, schema["properties"].get(name).or(schema.get("additionalProperties")))
            };
            let names = NAMES.into_iter().filter(|_| !rng.one_in(3)).collect::<Vec<_>>();
            names.into_iter().map(|name| (name.to_owned(), property(rng, name))).collect()
        }
        _ => scalar(rng),
    }
}
