//! The time of a preview or conversion must not grow with the square of its input, and its memory is limited.

use std::fmt::Write as _;

use jobplate_growth::assert_linear;
use jobplate_prefect::convert::convert;
use jobplate_prefect::pyvalue::arena::Arena;
use jobplate_prefect::pyvalue::source::SourceFile;
use jobplate_prefect::pyvalue::yaml;
use jobplate_prefect::worker::scenario::WorkerScenario;
use jobplate_prefect::worker::version::WorkerVersion;
use jobplate_prefect::worker::{deployment, notes, preview, values};
use serde_json::{Map, Value, json};

/// The files of a preview.
#[derive(Default)]
struct PreviewInput {
    template: Value,
    job_variables: Option<Value>,
    scenario: Option<Value>,
    worker: Option<String>,
}

/// Returns a base job template. `change` changes `job_configuration` and `variables.properties`.
fn template(change: impl FnOnce(&mut Value, &mut Map<String, Value>)) -> Value {
    let mut configuration = json!({
        "command": "{{ command }}", "env": "{{ env }}", "labels": "{{ labels }}", "name": "{{ name }}",
        "namespace": "{{ namespace }}",
        "job_manifest": {
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"labels": "{{ labels }}", "namespace": "{{ namespace }}", "generateName": "{{ name }}-"},
            "spec": {"template": {"spec": {
                "parallelism": 1, "completions": 1, "restartPolicy": "Never",
                "containers": [{"name": "prefect-job", "image": "a", "env": "{{ env }}"}],
            }}},
        },
    });
    let mut variables = Map::new();
    for name in ["command", "name", "namespace"] {
        variables.insert(name.to_owned(), json!({"type": "string", "default": "a"}));
    }
    for name in ["env", "labels"] {
        variables.insert(name.to_owned(), json!({}));
    }
    change(&mut configuration, &mut variables);
    json!({"job_configuration": configuration, "variables": {"type": "object", "properties": variables}})
}

/// Returns an object of `count` members: the keys and values of numbers.
fn object(count: usize, member: impl Fn(usize) -> (String, Value)) -> Value {
    Value::Object((0..count).map(member).collect())
}

fn container(configuration: &mut Value) -> &mut Value {
    &mut configuration["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
}

/// Previews the Job, and finds the notes about it. Returns the number of notes.
fn preview_all(input: &PreviewInput) -> usize {
    let mut arena = Arena::default();
    let source = |text: &dyn std::fmt::Display| SourceFile::new_manifest("t", text.to_string());
    let mut scenario = match &input.scenario {
        Some(scenario) => WorkerScenario::read(&mut arena, &source(scenario)).expect("valid input"),
        None => WorkerScenario::with_defaults(&mut arena).expect("valid input"),
    };
    if let Some(variables) = &input.job_variables {
        scenario.run_variables = Some(values::load(&mut arena, &source(variables)).expect("valid input"));
    }
    let (version, template) = (WorkerVersion::default(), source(&input.template));
    let worker = input.worker.as_ref().map(|worker| deployment::find(&source(worker), version).expect("valid input"));
    worker.iter().for_each(|worker| worker.apply_to(&mut scenario));
    let preview = preview::preview(&mut arena, version, &template, &scenario).expect("valid input");
    let of_worker = worker.map_or(0, |worker| worker.notes(&arena, &preview, "w", &template).len());
    notes::find(&arena, version, &preview, &scenario).len() + of_worker
}

fn assert_preview_linear(size: usize, prepare: impl Fn(usize) -> PreviewInput) {
    assert_linear(size, prepare, |input| {
        preview_all(input);
    });
}

#[test]
fn previews_unknown_and_dotted_job_variables() {
    let with = |job_variables| PreviewInput {
        template: template(|_, _| ()),
        job_variables: Some(job_variables),
        ..PreviewInput::default()
    };
    assert_preview_linear(8_000, |count| with(object(count, |number| (format!("x{number}"), json!("a")))));
    assert_preview_linear(6_000, |count| with(object(count, |number| (format!("env.A{number}"), json!("a")))));
}

#[test]
fn previews_job_variables_that_are_similar_to_declared_ones() {
    assert_preview_linear(6_000, |count| PreviewInput {
        template: template(|_, variables| {
            variables.extend((0..count).map(|number| (format!("a{number:09}"), json!({}))));
        }),
        job_variables: Some(object(count, |number| (format!("b{number:09}"), json!("a")))),
        ..PreviewInput::default()
    });
}

#[test]
fn previews_placeholders_in_one_string() {
    assert_preview_linear(6_000, |count| PreviewInput {
        template: template(|configuration, variables| {
            let placeholders: String = (0..count).map(|number| format!("{{{{ a{number} }}}}")).collect();
            configuration["job_manifest"]["metadata"]["annotations"] = json!({"a": placeholders});
            variables.extend((0..count).map(|number| (format!("a{number}"), json!({"default": "b"}))));
        }),
        ..PreviewInput::default()
    });
}

#[test]
fn previews_environment_placeholders() {
    assert_preview_linear(6_000, |count| PreviewInput {
        template: template(|configuration, _| {
            configuration["job_manifest"]["metadata"]["annotations"] =
                object(count, |number| (format!("a{number}"), json!(format!("{{{{ $A{number} }}}}"))));
        }),
        scenario: Some(json!({"worker": {"env": object(count, |number| (format!("A{number}"), json!("b")))}})),
        ..PreviewInput::default()
    });
}

#[test]
fn previews_the_env_of_a_template_and_of_its_container() {
    for in_container in [false, true] {
        assert_preview_linear(4_000, |count| PreviewInput {
            template: template(|configuration, _| {
                if in_container {
                    let entry = |number| json!({"name": format!("A{number}"), "value": "a"});
                    container(configuration)["env"] = (0..count).map(entry).collect();
                }
                configuration["env"] = object(count, |number| (format!("B{number}_TOKEN"), json!("a")));
            }),
            scenario: Some(json!({"worker": {"settings": {"store_env_as_secret": in_container}}})),
            ..PreviewInput::default()
        });
    }
}

#[test]
fn previews_overridden_references() {
    assert_preview_linear(4_000, |count| PreviewInput {
        template: template(|configuration, _| {
            let reference = json!({"secretKeyRef": {"name": "a", "key": "b"}});
            let entry = |number| json!({"name": format!("A{number}"), "valueFrom": reference});
            container(configuration)["env"] = (0..count).map(entry).collect();
        }),
        job_variables: Some(json!({"env": object(count, |number| (format!("A{number}"), json!("a")))})),
        ..PreviewInput::default()
    });
}

#[test]
fn previews_labels_and_annotations() {
    assert_preview_linear(4_000, |count| PreviewInput {
        template: template(|configuration, _| {
            let texts = |prefix: &str| object(count, |number| (format!("{prefix}{number}"), json!("a")));
            configuration["annotations"] = texts("a");
            configuration["job_manifest"]["metadata"]["annotations"] = texts("b");
        }),
        job_variables: Some(json!({"labels": object(count, |number| (format!("a{number}"), json!("a")))})),
        ..PreviewInput::default()
    });
}

#[test]
fn previews_variables_of_a_worker() {
    assert_preview_linear(4_000, |count| {
        let mut worker =
            "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - name: w\n".to_owned();
        worker += "        args: [prefect, worker, start, --pool, p]\n        env:\n";
        for number in 0..count {
            let _ = writeln!(worker, "        - {{name: A{number}, value: a}}");
        }
        PreviewInput {
            template: template(|configuration, _| {
                configuration["env"] = object(count, |number| (format!("B{number}"), json!("a")));
            }),
            worker: Some(worker),
            ..PreviewInput::default()
        }
    });
}

#[test]
fn checks_values_against_large_schemas() {
    for keyword in ["anyOf", "enum"] {
        assert_preview_linear(4_000, |count| PreviewInput {
            template: template(|_, variables| {
                let alternatives: Value = (0..count).map(|number| json!({"type": format!("a{number}")})).collect();
                let values = match keyword {
                    "anyOf" => json!({"anyOf": alternatives}),
                    _ => json!({"enum": (0..count).map(|number| number.to_string()).collect::<Vec<_>>()}),
                };
                let default = object(count, |number| (format!("A{number}"), json!(number.to_string())));
                let schema = json!({"type": "object", "additionalProperties": values, "default": default});
                variables.insert("other".to_owned(), schema);
            }),
            ..PreviewInput::default()
        });
    }
}

#[test]
fn checks_each_alternative_of_a_nested_schema_once() {
    let nest = |inner: Value, _| json!({"anyOf": [inner, {"type": "integer"}]});
    let schema = (0..60).fold(json!({"type": "integer"}), nest);
    preview_all(&PreviewInput {
        template: template(|_, variables| {
            variables.insert("name".to_owned(), json!({"default": "a", "anyOf": [schema]}));
        }),
        ..PreviewInput::default()
    });
}

const JOB: &str = "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n      - name: flow\n";

/// Converts a job template of [`JOB`], `start` and the `count` items of the list at its end.
fn assert_conversion_linear(size: usize, start: &str, line: impl Fn(usize, usize) -> String) {
    let indent = start.find(|c| c != ' ').map_or(6, |indent| indent.min(8));
    let indent = " ".repeat(indent);
    let prepare = |count: usize| {
        let lines: String = (0..count).map(|number| format!("{indent}- {{{}}}\n", line(number, count))).collect();
        format!("{JOB}{start}{lines}")
    };
    assert_linear(size, prepare, |text| {
        let mut arena = Arena::default();
        let job = yaml::load(&mut arena, &SourceFile::new_manifest("t", text.as_str())).expect("valid input");
        convert(&mut arena, job, None).expect("valid input");
    });
}

#[test]
fn converts_variables() {
    let env = "        env:\n";
    assert_conversion_linear(2_000, env, |number, _| format!("name: A{number}, value: a"));
    assert_conversion_linear(2_000, env, |number, _| format!("name: A{number}, value: '$(A{})'", number + 1));
    assert_conversion_linear(2_000, env, |number, count| format!("name: A{}, value: a", number % (count / 2)));
}

#[test]
fn converts_secrets_and_settings() {
    let env = "        env:\n";
    let reference = "valueFrom: {secretKeyRef: {name: a, key: b}}";
    assert_conversion_linear(2_000, env, |number, _| format!("name: PREFECT__CONTEXT__SECRETS__A{number}, value: a"));
    assert_conversion_linear(2_000, env, |number, _| format!("name: PREFECT_A{number}, {reference}"));
    assert_conversion_linear(2_000, env, |number, _| match number % 2 {
        0 => format!("name: PREFECT__CONTEXT__A{number}, value: a"),
        _ => format!("name: A{number}, value: $(PREFECT__CONTEXT__A{})", number - 1),
    });
}

#[test]
fn converts_merged_lists_and_placeholders() {
    assert_conversion_linear(3_000, "", |number, _| format!("name: a{number}"));
    assert_conversion_linear(2_000, "        x:\n", |number, _| format!("a: '{{{{ a{number} }}}}'"));
}

/// Returns the error of a preview.
fn preview_error(template: Value, job_variables: Option<String>, environ: Value) -> String {
    let mut arena = Arena::default();
    let source = |text: String| SourceFile::new_manifest("t", text);
    let scenario = source(json!({"worker": {"env": environ}}).to_string());
    let mut scenario = WorkerScenario::read(&mut arena, &scenario).expect("valid input");
    if let Some(variables) = job_variables {
        match values::load(&mut arena, &source(variables)) {
            Ok(variables) => scenario.run_variables = Some(variables),
            Err(error) => return error.message().to_string(),
        }
    }
    let preview = preview::preview(&mut arena, WorkerVersion::default(), &source(template.to_string()), &scenario);
    preview.expect_err("an error").message().to_string()
}

/// Returns a template with `count` annotations and the default of the variable `v`.
fn template_with_annotations(count: usize, annotation: &str, default: Value) -> Value {
    template(|configuration, variables| {
        configuration["job_manifest"]["metadata"]["annotations"] =
            object(count, |number| (format!("a{number}"), json!(annotation)));
        variables.insert("v".to_owned(), json!({"default": default}));
    })
}

#[test]
fn limits_what_placeholders_repeat_in_a_job() {
    let (text, list) = ("a".repeat(100_000), json!(vec![1; 10_000]));
    let large = "exceeds the limit of 8 MiB of text";
    let many = "exceeds the limit of 80000 values";
    for (annotation, default, expected) in [
        ("{{ v }}b", json!(text), format!("`{{{{ v }}}}` {large}")),
        ("{{ v }}", json!(text), format!("`job_configuration` with its values {large}")),
        ("{{ v }}b", list.clone(), format!("`{{{{ v }}}}` {many}")),
        ("{{ v }}", list, format!("`job_configuration` with its values {many}")),
        ("{{ $V }}", json!(""), format!("`{{{{ $V }}}}` {large}")),
        ("{{ v[99999] }}", json!(text), format!("the position in `v[99999]` {large}")),
    ] {
        let template = template_with_annotations(100, annotation, default);
        assert_eq!(preview_error(template, None, json!({"V": text})), expected, "{annotation}");
    }
}

#[test]
fn limits_what_aliases_repeat() {
    let aliases = |value: &str| format!("x: &x {value}\ny: [{}]\n", vec!["*x"; 100].join(", "));
    let (text, list) = (aliases(&"a".repeat(100_000)), aliases(&format!("[{}1]", "1, ".repeat(10_000))));
    for (variables, expected) in [
        (&text, "a value that aliases repeat exceeds the limit of 8 MiB of text"),
        (&list, "a value that aliases repeat exceeds the limit of 80000 values"),
    ] {
        assert_eq!(preview_error(template(|_, _| ()), Some(variables.clone()), json!({})), expected);
        let mut arena = Arena::default();
        let job = SourceFile::new_manifest("t", format!("{JOB}{variables}"));
        let job = yaml::load(&mut arena, &job).expect("valid input");
        assert_eq!(convert(&mut arena, job, None).expect_err("an error").message().to_string(), expected);
    }
}

#[test]
fn limits_the_variables_that_placeholders_copy() {
    let template = template(|configuration, _| {
        configuration["job_manifest"]["metadata"]["annotations"] =
            object(201, |number| (format!("a{number}"), json!(format!("{{{{ $A{number} }}}}"))));
    });
    let environ = object(201, |number| (format!("A{number}"), json!(format!("value{number}"))));
    let expected = "placeholders copy more than 200 variables of the worker into the Job";
    assert_eq!(preview_error(template, None, environ), expected);
}
