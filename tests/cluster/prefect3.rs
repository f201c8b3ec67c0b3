//! End-to-end tests with the real Prefect 3: its server accepts the templates that jobplate renders and converts, its
//! worker creates the Jobs that jobplate previews, and its flow runs get their secrets.

use std::thread;

use serde_json::{Value, json};

use crate::compare::differences;
use crate::container::find_variable;
use crate::prefect_server::PrefectServer;
use crate::worker::{
    API_KEY, SECRET_FLAGS, SETTING_PREFIX, TOKEN, WORKER_API_KEY, WorkerFixture, assert_matches_preview, entry,
    output_text, parse_json, reference,
};

#[test]
fn a_flow_gets_the_secrets_of_its_template() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = fixture.render(fixture.prefect.default_template(), &SECRET_FLAGS);
    let (pool, output) = fixture.create_pool(&template);
    assert!(output.status.success(), "{}", output_text(&output));
    let (deployment_variables, run_variables) = (json!({"env": {"REGION": "eu"}}), json!({"cpu_request": "250m"}));
    let worker_run = fixture.run_worker(&pool, &deployment_variables, &run_variables, &[("OF_WORKER", "stays7f3a")]);
    let (sent_job, job) = (fixture.sent_job(&worker_run), fixture.job(&worker_run.flow_run));
    assert_matches_preview(&fixture.preview_job(&template, &worker_run), &sent_job, &job);

    // The API server receives no key, no token and no variable of the worker.
    for text in [WORKER_API_KEY, API_KEY, TOKEN, "stays7f3a", "OF_WORKER"] {
        assert!(!fixture.has_sent(text) && !job.to_string().contains(text), "{sent_job}");
    }
    assert_eq!(entry(&job, "GITHUB_ACCESS_TOKEN"), Some(&reference("GITHUB_ACCESS_TOKEN", "gh", "token")));
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&reference("PREFECT_API_KEY", "prefect", "api-key")));
    assert_eq!(fixture.run_flow(&job), json!([TOKEN, API_KEY, "eu"]));
    fixture.assert_completes(&worker_run.flow_run);
}

/// Returns the first container of a base job template's manifest.
fn flow_container(template: &mut Value) -> &mut Value {
    &mut template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
}

/// Returns a template with the references of `SECRET_FLAGS`, but without the `null` in `env` that keeps the worker from
/// setting its own value.
fn without_api_key_null(default_template: &str) -> Value {
    let mut template = parse_json(default_template);
    flow_container(&mut template)["env"] =
        json!([reference("GITHUB_ACCESS_TOKEN", "gh", "token"), reference("PREFECT_API_KEY", "prefect", "api-key"),]);
    template
}

/// A worker replaces an unprotected reference with its own key, as plain text.
#[test]
fn a_worker_replaces_an_unprotected_reference() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = without_api_key_null(fixture.prefect.default_template());
    let worker_run = fixture.run_worker(&fixture.prefect.create_pool(&template), &json!({}), &json!({}), &[]);
    let (sent_job, job) = (fixture.sent_job(&worker_run), fixture.job(&worker_run.flow_run));
    assert_matches_preview(&fixture.preview_job(&template.to_string(), &worker_run), &sent_job, &job);
    let plain_text = json!({"name": "PREFECT_API_KEY", "value": WORKER_API_KEY});
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&plain_text));
    assert!(fixture.has_sent(WORKER_API_KEY));
    assert_eq!(find_variable(&fixture.environment(&job), "PREFECT_API_KEY"), Some(WORKER_API_KEY));
}

/// A worker with the settings `API_KEY_SECRET_NAME` and `API_KEY_SECRET_KEY` replaces the plain text with this
/// reference.
#[test]
fn a_worker_sets_the_reference_of_its_settings() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = without_api_key_null(fixture.prefect.default_template());
    let [name, key] = ["NAME", "KEY"].map(|part| format!("{SETTING_PREFIX}_API_KEY_SECRET_{part}"));
    let settings = [(name.as_str(), "prefect"), (key.as_str(), "api-key")];
    let worker_run = fixture.run_worker(&fixture.prefect.create_pool(&template), &json!({}), &json!({}), &settings);
    let (sent_job, job) = (fixture.sent_job(&worker_run), fixture.job(&worker_run.flow_run));
    assert_matches_preview(&fixture.preview_job(&template.to_string(), &worker_run), &sent_job, &job);
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&reference("PREFECT_API_KEY", "prefect", "api-key")));
    assert!(!fixture.has_sent(WORKER_API_KEY));
    assert_eq!(find_variable(&fixture.environment(&job), "PREFECT_API_KEY"), Some(API_KEY));
}

/// The placeholder for random characters in a preview.
const PLACEHOLDER: &str = "0a1b2c3d";

/// A worker with the setting `STORE_ENV_AS_SECRET` stores all plain-text variables in a Secret of the Job.
#[test]
fn a_worker_stores_plain_text_in_a_secret() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = without_api_key_null(fixture.prefect.default_template());
    let setting = format!("{SETTING_PREFIX}_STORE_ENV_AS_SECRET");
    let variables = json!({"env": {"REGION": "eu"}});
    let worker_run =
        fixture.run_worker(&fixture.prefect.create_pool(&template), &variables, &json!({}), &[(&setting, "true")]);
    let (sent_job, job) = (fixture.sent_job(&worker_run), fixture.job(&worker_run.flow_run));
    let secret = &sent_job["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"];
    let random_part =
        secret.as_str().and_then(|name| name.strip_prefix("nightly-run-env-")).expect("a Secret of its own");
    let [sent_with_placeholder, live_with_placeholder] =
        [&sent_job, &job].map(|value| parse_json(&value.to_string().replace(random_part, PLACEHOLDER)));
    assert_matches_preview(
        &fixture.preview_job(&template.to_string(), &worker_run),
        &sent_with_placeholder,
        &live_with_placeholder,
    );
    // The worker replaced the reference before it created the Secret, so the Secret holds the worker's own key.
    assert!(!job.to_string().contains(WORKER_API_KEY), "{job}");
    let environment = fixture.environment(&job);
    let values = ["GITHUB_ACCESS_TOKEN", "PREFECT_API_KEY", "REGION"].map(|name| find_variable(&environment, name));
    assert_eq!(values, [Some(TOKEN), Some(WORKER_API_KEY), Some("eu")]);
}

/// A worker that creates a Secret for its key deletes it when it stops. Pods that have not started by then cannot
/// start.
#[test]
fn a_worker_deletes_its_secret_when_it_stops() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = without_api_key_null(fixture.prefect.default_template());
    let setting = format!("{SETTING_PREFIX}_CREATE_SECRET_FOR_API_KEY");
    let worker_run =
        fixture.run_worker(&fixture.prefect.create_pool(&template), &json!({}), &json!({}), &[(&setting, "true")]);
    let (sent_job, job) = (fixture.sent_job(&worker_run), fixture.job(&worker_run.flow_run));
    assert_matches_preview(&fixture.preview_job(&template.to_string(), &worker_run), &sent_job, &job);
    let worker_reference = reference("PREFECT_API_KEY", "prefect-worker-1-api-key", "value");
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&worker_reference));
    let error = fixture.start_container(&job).err().expect("it does not start");
    assert_eq!(error, "secret \"prefect-worker-1-api-key\" not found");
}

/// Strict validation accepts the Job that `preview --kubectl` prints. Its pod is the same as in the preview.
#[test]
fn kubectl_creates_the_previewed_job() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let builtin = fixture.run_jobplate(&["template", "base-job-template"]).assert_exit(0, &[]).stdout;
    for template in [fixture.render(fixture.prefect.default_template(), &SECRET_FLAGS), builtin] {
        // Prefect's server accepts the template too.
        fixture.prefect.create_pool(&parse_json(&template));
        fixture.sandbox.write("preview.json", template);
        fixture
            .sandbox
            .write("variables.json", json!({"namespace": fixture.namespace, "env": {"REGION": "eu"}}).to_string());
        let preview = ["preview", "preview.json", "--job-variables", "variables.json", "-q"];
        let previewed_job = fixture.run_jobplate(&[&preview[..], &["-o", "json"]].concat()).assert_exit(0, &[]).stdout;
        let create_job = |job: &str| {
            fixture.sandbox.write("job.yaml", job);
            let file = fixture.sandbox.directory().join("job.yaml").display().to_string();
            fixture.servers.run("kubectl", &["create", "--validate=strict", "-o", "json", "-f", &file])
        };
        // Strict validation rejects the Job that the worker sends.
        let error_text = output_text(&create_job(&previewed_job));
        let unknown = ["completions", "parallelism"].map(|name| format!("unknown field \"spec.template.spec.{name}\""));
        assert!(unknown.iter().all(|error| error_text.contains(error)), "{error_text}");
        let previewed_job = parse_json(&previewed_job);
        let output =
            create_job(&fixture.run_jobplate(&[&preview[..], &["--kubectl"]].concat()).assert_exit(0, &[]).stdout);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", output_text(&output));
        let created = parse_json(&String::from_utf8_lossy(&output.stdout));
        let pod_spec = |job: &Value| job["spec"]["template"]["spec"].clone();
        let mut dropped_fields = differences(&pod_spec(&previewed_job), &pod_spec(&created));
        // The API server drops empty objects, so these differences are expected.
        dropped_fields.retain(|difference| !difference.ends_with(": {} is null"));
        assert_eq!(dropped_fields, [".completions: 1 is null", ".parallelism: 1 is null"]);
        assert_eq!((&created["spec"]["completions"], &created["spec"]["parallelism"]), (&json!(1), &json!(1)));
        assert_eq!(created["metadata"]["namespace"], fixture.namespace.as_str());
    }
}

/// A job template of the Prefect 1 agent with fields that `convert` must keep.
const PREFECT_1_TEMPLATE: &str = "apiVersion: batch/v1
kind: Job
metadata:
  annotations: {team: data}
spec:
  template:
    spec:
      containers:
        - name: flow
          image: prefecthq/prefect:1.4.1
          env:
            - name: REGION
              value: \"eu\"
            - name: GITHUB_ACCESS_TOKEN
              valueFrom: {secretKeyRef: {name: gh, key: token}}
            - name: PREFECT__CLOUD__API_KEY
              valueFrom: {secretKeyRef: {name: prefect, key: api-key}}
          volumeMounts: [{name: scratch, mountPath: /scratch}]
      volumes: [{name: scratch, emptyDir: {}}]
";

/// A converted template runs a flow in Prefect 3.
#[test]
fn a_converted_template_runs() {
    let Some(fixture) = WorkerFixture::new() else { return };
    fixture.sandbox.write("job_template.yaml", PREFECT_1_TEMPLATE);
    let template = fixture.run_jobplate(&["convert", "job_template.yaml", "-q"]).assert_exit(0, &[]).stdout;
    let worker_run =
        fixture.run_worker(&fixture.prefect.create_pool(&parse_json(&template)), &json!({}), &json!({}), &[]);
    let (sent_job, job) = (fixture.sent_job(&worker_run), fixture.job(&worker_run.flow_run));
    assert_matches_preview(&fixture.preview_job(&template, &worker_run), &sent_job, &job);
    assert!(!fixture.has_sent(WORKER_API_KEY));
    assert_eq!(job["spec"]["template"]["spec"]["volumes"], json!([{"name": "scratch", "emptyDir": {}}]));
    assert_eq!(fixture.run_flow(&job), json!([TOKEN, API_KEY, "eu"]));
    fixture.assert_completes(&worker_run.flow_run);
}

/// The step at which an invalid template fails.
enum FailingStep {
    /// Prefect's server rejects the template.
    CreatePool,
    /// The flow run crashes in the worker, with these parts of the message.
    CreateJob(&'static [&'static str]),
}

/// An invalid template, its job variables, the step at which it fails, and the expected result of `preview`: parts of
/// standard error and the exit code. The exit code is 2 if the worker creates no Job.
struct InvalidTemplate {
    template: Value,
    variables: Value,
    failing_step: FailingStep,
    expected_stderr: &'static [&'static str],
    status: i32,
}

fn invalid_templates(default_template: &str) -> Vec<InvalidTemplate> {
    let template_with = |change: &dyn Fn(&mut Value)| {
        let mut template = parse_json(default_template);
        change(&mut template);
        template
    };
    let token = reference("GITHUB_ACCESS_TOKEN", "gh", "token");
    vec![
        InvalidTemplate {
            template: template_with(&|template| flow_container(template)["image"] = json!("{{ nope }}")),
            variables: json!({}),
            failing_step: FailingStep::CreatePool,
            expected_stderr: &["the server rejects this template", "{{ nope }}"],
            status: 0,
        },
        InvalidTemplate {
            template: template_with(&|template| flow_container(template)["name"] = json!("flow")),
            variables: json!({}),
            failing_step: FailingStep::CreateJob(&["must have value 'prefect-job'"]),
            expected_stderr: &["must be prefect-job"],
            status: 2,
        },
        InvalidTemplate {
            template: template_with(&|template| flow_container(template)["env"] = json!(["{{ env }}", token])),
            variables: json!({"env": {"REGION": "eu"}}),
            failing_step: FailingStep::CreateJob(&["].name: Required value"]),
            expected_stderr: &["Kubernetes rejects the Job", "remove `{{ env }}` from the list"],
            status: 0,
        },
        InvalidTemplate {
            template: template_with(&|template| {
                flow_container(template)["env"] = json!([reference("TOKEN", "GITHUB_ACCESS_TOKEN", "a/b")]);
            }),
            variables: json!({}),
            failing_step: FailingStep::CreateJob(&[
                "secretKeyRef.name: Invalid value",
                "secretKeyRef.key: Invalid value",
            ]),
            expected_stderr: &[
                "Kubernetes rejects the Job (variable `TOKEN`): the name of the Secret",
                "Kubernetes rejects the Job (variable `TOKEN`): invalid Secret or ConfigMap key",
            ],
            status: 0,
        },
        InvalidTemplate {
            template: template_with(&|template| {
                let token = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": "gh"}});
                flow_container(template)["env"] = json!([token]);
            }),
            variables: json!({}),
            failing_step: FailingStep::CreateJob(&["secretKeyRef"]),
            expected_stderr: &["Kubernetes rejects the Job (variable `TOKEN`): `secretKeyRef` must be a mapping"],
            status: 0,
        },
        InvalidTemplate {
            template: parse_json(default_template),
            variables: json!({"namespace": "nowhere"}),
            failing_step: FailingStep::CreateJob(&["namespaces \"nowhere\" not found"]),
            expected_stderr: &["must exist, and the worker must be allowed to create Jobs in it", "nowhere"],
            status: 0,
        },
    ]
}

/// `preview` reports each problem that the real programs fail with.
#[test]
fn a_preview_reports_what_will_fail() {
    if WorkerFixture::new().is_none() {
        return;
    }
    let default_template = PrefectServer::shared().expect("it runs").default_template();
    // Each case mostly waits for Prefect's server, so the cases run in parallel.
    thread::scope(|threads| {
        for case in invalid_templates(default_template) {
            threads.spawn(move || assert_fails_as_reported(&case));
        }
    });
}

fn assert_fails_as_reported(case: &InvalidTemplate) {
    let fixture = WorkerFixture::new().expect("they run");
    // The preview gets only the template and the job variables.
    fixture.sandbox.write("preview.json", case.template.to_string());
    fixture.sandbox.write("scenario.json", json!({"deployment": {"job_variables": case.variables}}).to_string());
    let previewed_job = fixture.run_jobplate(&["preview", "preview.json", "--scenario", "scenario.json"]);
    let previewed_job = previewed_job.assert_exit(case.status, case.expected_stderr);
    assert_eq!(previewed_job.stdout.is_empty(), case.status == 2, "{previewed_job:?}");
    match case.failing_step {
        FailingStep::CreatePool => {
            let (pool, output) = fixture.create_pool(&case.template.to_string());
            assert!(!output.status.success(), "{pool} is created: {}", output_text(&output));
        }
        FailingStep::CreateJob(message_parts) => {
            // One attempt to create the Job is enough, since each attempt is rejected.
            let max_retries = format!("{SETTING_PREFIX}_CREATE_JOB_RETRY_MAX_RETRIES");
            let pool = fixture.prefect.create_pool(&case.template);
            let worker_run = fixture.run_worker(&pool, &case.variables, &json!({}), &[(&max_retries, "1")]);
            let state = fixture.prefect.flow_run_state(&worker_run.flow_run);
            assert_eq!(state["type"], "CRASHED", "{state}");
            assert_eq!(fixture.job_names(&worker_run.flow_run), [] as [&str; 0]);
            let message = state["message"].as_str().unwrap_or_default();
            message_parts.iter().for_each(|part| assert!(message.contains(part), "{part}: {message}"));
        }
    }
}
