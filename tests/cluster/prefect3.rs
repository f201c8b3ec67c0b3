//! Prefect 3 itself, from end to end: what jobplate renders, foresees and converts is what its server takes, its worker
//! makes, and its flow runs have.

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
fn a_secret_gets_from_a_template_to_its_flow() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = fixture.render(fixture.prefect.default_template(), &SECRET_FLAGS);
    let (pool, ran) = fixture.create_pool(&template);
    assert!(ran.status.success(), "{}", output_text(&ran));
    let variables = (json!({"env": {"REGION": "eu"}}), json!({"cpu_request": "250m"}));
    let worker_run = fixture.run_worker(&pool, &variables.0, &variables.1, &[("OF_WORKER", "stays7f3a")]);
    let (posted, job) = (fixture.posted_job(&worker_run), fixture.job(&worker_run.run));
    assert_matches_preview(&fixture.previewed_job(&template, &worker_run), &posted, &job);

    // Neither the key of the worker, nor what else it has, nor what is in the Secrets.
    for text in [WORKER_API_KEY, API_KEY, TOKEN, "stays7f3a", "OF_WORKER"] {
        assert!(!fixture.has_sent(text) && !job.to_string().contains(text), "{posted}");
    }
    assert_eq!(entry(&job, "GITHUB_ACCESS_TOKEN"), Some(&reference("GITHUB_ACCESS_TOKEN", "gh", "token")));
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&reference("PREFECT_API_KEY", "prefect", "api-key")));
    assert_eq!(fixture.run_flow(&job), json!([TOKEN, API_KEY, "eu"]));
    fixture.assert_completes(&worker_run.run);
}

/// The container's place in a base job template.
fn container_of(template: &mut Value) -> &mut Value {
    &mut template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
}

/// The same references as in `SECRET_FLAGS`, written by hand as in any other Job: the worker is not asked to give way.
fn without_a_null(default_template: &str) -> Value {
    let mut template = parse_json(default_template);
    container_of(&mut template)["env"] =
        json!([reference("GITHUB_ACCESS_TOKEN", "gh", "token"), reference("PREFECT_API_KEY", "prefect", "api-key"),]);
    template
}

/// A worker puts its own key in place of a reference that nothing protects: as plain text.
#[test]
fn a_reference_alone_is_replaced() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = without_a_null(fixture.prefect.default_template());
    let worker_run = fixture.run_worker(&fixture.prefect.create_pool(&template), &json!({}), &json!({}), &[]);
    let (posted, job) = (fixture.posted_job(&worker_run), fixture.job(&worker_run.run));
    assert_matches_preview(&fixture.previewed_job(&template.to_string(), &worker_run), &posted, &job);
    let plain = json!({"name": "PREFECT_API_KEY", "value": WORKER_API_KEY});
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&plain));
    assert!(fixture.has_sent(WORKER_API_KEY));
    assert_eq!(find_variable(&fixture.environment(&job), "PREFECT_API_KEY"), Some(WORKER_API_KEY));
}

/// A worker that is told where its key is puts that reference in place of the plain text.
#[test]
fn a_worker_knows_the_secret_of_its_key() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = without_a_null(fixture.prefect.default_template());
    let [name, key] = ["NAME", "KEY"].map(|part| format!("{SETTING_PREFIX}_API_KEY_SECRET_{part}"));
    let settings = [(name.as_str(), "prefect"), (key.as_str(), "api-key")];
    let worker_run = fixture.run_worker(&fixture.prefect.create_pool(&template), &json!({}), &json!({}), &settings);
    let (posted, job) = (fixture.posted_job(&worker_run), fixture.job(&worker_run.run));
    assert_matches_preview(&fixture.previewed_job(&template.to_string(), &worker_run), &posted, &job);
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&reference("PREFECT_API_KEY", "prefect", "api-key")));
    assert!(!fixture.has_sent(WORKER_API_KEY));
    assert_eq!(find_variable(&fixture.environment(&job), "PREFECT_API_KEY"), Some(API_KEY));
}

/// What a preview has in the place of letters that Prefect draws.
const DRAWN: &str = "0a1b2c3d";

/// A worker that puts all plain text into a Secret of the Job's own.
#[test]
fn a_worker_makes_a_secret_of_its_environment() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = without_a_null(fixture.prefect.default_template());
    let setting = format!("{SETTING_PREFIX}_STORE_ENV_AS_SECRET");
    let variables = json!({"env": {"REGION": "eu"}});
    let worker_run =
        fixture.run_worker(&fixture.prefect.create_pool(&template), &variables, &json!({}), &[(&setting, "true")]);
    let (posted, job) = (fixture.posted_job(&worker_run), fixture.job(&worker_run.run));
    let secret = &posted["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"];
    let drawn = secret.as_str().and_then(|name| name.strip_prefix("nightly-run-env-")).expect("a Secret of its own");
    let [as_posted, as_kept] = [&posted, &job].map(|value| parse_json(&value.to_string().replace(drawn, DRAWN)));
    assert_matches_preview(&fixture.previewed_job(&template.to_string(), &worker_run), &as_posted, &as_kept);
    // The reference was gone before: what is stored is the worker's own key.
    assert!(!job.to_string().contains(WORKER_API_KEY), "{job}");
    let found = fixture.environment(&job);
    let values = ["GITHUB_ACCESS_TOKEN", "PREFECT_API_KEY", "REGION"].map(|name| find_variable(&found, name));
    assert_eq!(values, [Some(TOKEN), Some(WORKER_API_KEY), Some("eu")]);
}

/// A worker that makes a Secret of its key takes it away as it stops: pods that have not started by then never do.
#[test]
fn a_worker_takes_its_secret_with_it() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let template = without_a_null(fixture.prefect.default_template());
    let setting = format!("{SETTING_PREFIX}_CREATE_SECRET_FOR_API_KEY");
    let worker_run =
        fixture.run_worker(&fixture.prefect.create_pool(&template), &json!({}), &json!({}), &[(&setting, "true")]);
    let (posted, job) = (fixture.posted_job(&worker_run), fixture.job(&worker_run.run));
    assert_matches_preview(&fixture.previewed_job(&template.to_string(), &worker_run), &posted, &job);
    let of_worker = reference("PREFECT_API_KEY", "prefect-worker-1-api-key", "value");
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&of_worker));
    let error = fixture.container(&job).err().expect("it does not start");
    assert_eq!(error, "secret \"prefect-worker-1-api-key\" not found");
}

/// What is printed for `kubectl create` is taken with all that a server can object to, and starts the same container.
#[test]
fn kubectl_creates_what_is_foreseen() {
    let Some(fixture) = WorkerFixture::new() else { return };
    let own = fixture.jobplate(&["template", "base-job-template"]).says(0, &[]).stdout;
    for template in [fixture.render(fixture.prefect.default_template(), &SECRET_FLAGS), own] {
        // Prefect's server takes it, too.
        fixture.prefect.create_pool(&parse_json(&template));
        fixture.run.write("preview.json", template);
        fixture
            .run
            .write("variables.json", json!({"namespace": fixture.namespace, "env": {"REGION": "eu"}}).to_string());
        let preview = ["preview", "preview.json", "--job-variables", "variables.json", "-q"];
        let previewed_job = fixture.jobplate(&[&preview[..], &["-o", "json"]].concat()).says(0, &[]).stdout;
        let create = |job: &str| {
            fixture.run.write("job.yaml", job);
            let file = fixture.run.directory().join("job.yaml").display().to_string();
            fixture.servers.run("kubectl", &["create", "--validate=strict", "-o", "json", "-f", &file])
        };
        // As the worker sends it, it is not.
        let refused = output_text(&create(&previewed_job));
        let unknown = ["completions", "parallelism"].map(|name| format!("unknown field \"spec.template.spec.{name}\""));
        assert!(unknown.iter().all(|word| refused.contains(word)), "{refused}");
        let previewed_job = parse_json(&previewed_job);
        let ran = create(&fixture.jobplate(&[&preview[..], &["--kubectl"]].concat()).says(0, &[]).stdout);
        assert!(ran.status.success() && ran.stderr.is_empty(), "{}", output_text(&ran));
        let created = parse_json(&String::from_utf8_lossy(&ran.stdout));
        let pod = |job: &Value| job["spec"]["template"]["spec"].clone();
        let mut lost = differences(&pod(&previewed_job), &pod(&created));
        // What is empty is not kept.
        lost.retain(|difference| !difference.ends_with(": {} is null"));
        assert_eq!(lost, [".completions: 1 is null", ".parallelism: 1 is null"]);
        assert_eq!((&created["spec"]["completions"], &created["spec"]["parallelism"]), (&json!(1), &json!(1)));
        assert_eq!(created["metadata"]["namespace"], fixture.namespace.as_str());
    }
}

/// A job template of Prefect 1's agent, with what a converter has to carry over.
const OF_PREFECT_1: &str = "apiVersion: batch/v1
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

/// What was a job template of Prefect 1 makes Jobs of Prefect 3.
#[test]
fn a_converted_template_runs() {
    let Some(fixture) = WorkerFixture::new() else { return };
    fixture.run.write("job_template.yaml", OF_PREFECT_1);
    let template = fixture.jobplate(&["convert", "job_template.yaml", "-q"]).says(0, &[]).stdout;
    let worker_run =
        fixture.run_worker(&fixture.prefect.create_pool(&parse_json(&template)), &json!({}), &json!({}), &[]);
    let (posted, job) = (fixture.posted_job(&worker_run), fixture.job(&worker_run.run));
    assert_matches_preview(&fixture.previewed_job(&template, &worker_run), &posted, &job);
    assert!(!fixture.has_sent(WORKER_API_KEY));
    assert_eq!(job["spec"]["template"]["spec"]["volumes"], json!([{"name": "scratch", "emptyDir": {}}]));
    assert_eq!(fixture.run_flow(&job), json!([TOKEN, API_KEY, "eu"]));
    fixture.assert_completes(&worker_run.run);
}

/// Where something that is wrong with a template comes to light.
enum Stops {
    /// The server takes no such template.
    AtThePool,
    /// The worker takes the flow run, and it crashes, with these words.
    AtTheJob(&'static [&'static str]),
}

/// One fault: a template, job variables of its deployment, where it is seen, what a preview says of it before, and
/// its exit code: 2 where the worker itself makes no Job.
struct Fault {
    template: Value,
    variables: Value,
    stops: Stops,
    told: &'static [&'static str],
    status: i32,
}

fn faults(default_template: &str) -> Vec<Fault> {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut template = parse_json(default_template);
        change(&mut template);
        template
    };
    let token = reference("GITHUB_ACCESS_TOKEN", "gh", "token");
    vec![
        Fault {
            template: with(&|template| container_of(template)["image"] = json!("{{ nope }}")),
            variables: json!({}),
            stops: Stops::AtThePool,
            told: &["the server refuses this template", "{{ nope }}"],
            status: 0,
        },
        Fault {
            template: with(&|template| container_of(template)["name"] = json!("flow")),
            variables: json!({}),
            stops: Stops::AtTheJob(&["must have value 'prefect-job'"]),
            told: &["must be prefect-job"],
            status: 2,
        },
        Fault {
            template: with(&|template| container_of(template)["env"] = json!(["{{ env }}", token])),
            variables: json!({"env": {"REGION": "eu"}}),
            stops: Stops::AtTheJob(&["].name: Required value"]),
            told: &["Kubernetes refuses the Job", "`{{ env }}` among entries"],
            status: 0,
        },
        Fault {
            template: with(&|template| {
                container_of(template)["env"] = json!([reference("TOKEN", "GITHUB_ACCESS_TOKEN", "a/b")]);
            }),
            variables: json!({}),
            stops: Stops::AtTheJob(&["secretKeyRef.name: Invalid value", "secretKeyRef.key: Invalid value"]),
            told: &[
                "Kubernetes refuses the Job: TOKEN: the Secret's name",
                "Kubernetes refuses the Job: TOKEN: the key",
            ],
            status: 0,
        },
        Fault {
            template: parse_json(default_template),
            variables: json!({"namespace": "nowhere"}),
            stops: Stops::AtTheJob(&["namespaces \"nowhere\" not found"]),
            told: &["the namespace of the Job must be there", "nowhere"],
            status: 0,
        },
    ]
}

/// What goes wrong in the real programs, and that a preview says so before.
#[test]
fn a_preview_tells_what_will_fail() {
    if WorkerFixture::new().is_none() {
        return;
    }
    let default_template = PrefectServer::shared().expect("it is there").default_template();
    // They wait for each other's server most of the time.
    thread::scope(|threads| {
        for fault in faults(default_template) {
            threads.spawn(move || fails_as_told(&fault));
        }
    });
}

fn fails_as_told(fault: &Fault) {
    let fixture = WorkerFixture::new().expect("they are there");
    // Before anything of it is anywhere: template and job variables are all that there is.
    fixture.run.write("preview.json", fault.template.to_string());
    fixture.run.write("scenario.json", json!({"deployment": {"job_variables": fault.variables}}).to_string());
    let previewed_job = fixture.jobplate(&["preview", "preview.json", "--scenario", "scenario.json"]);
    let previewed_job = previewed_job.says(fault.status, fault.told);
    assert_eq!(previewed_job.stdout.is_empty(), fault.status == 2, "{previewed_job:?}");
    match fault.stops {
        Stops::AtThePool => {
            let (pool, ran) = fixture.create_pool(&fault.template.to_string());
            assert!(!ran.status.success(), "{pool} is made: {}", output_text(&ran));
        }
        Stops::AtTheJob(words) => {
            // Once is enough to be refused.
            let once = format!("{SETTING_PREFIX}_CREATE_JOB_RETRY_MAX_RETRIES");
            let pool = fixture.prefect.create_pool(&fault.template);
            let worker_run = fixture.run_worker(&pool, &fault.variables, &json!({}), &[(&once, "1")]);
            let state = fixture.prefect.flow_run_state(&worker_run.run);
            assert_eq!(state["type"], "CRASHED", "{state}");
            assert_eq!(fixture.jobs(&worker_run.run), [] as [&str; 0]);
            let message = state["message"].as_str().unwrap_or_default();
            words.iter().for_each(|word| assert!(message.contains(word), "{word}: {message}"));
        }
    }
}
