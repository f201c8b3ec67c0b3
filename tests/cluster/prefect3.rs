//! Prefect 3 itself, from end to end: what jobplate renders, foresees and converts is what its server takes, its worker
//! makes, and its flow runs have.

use std::thread;

use serde_json::{Value, json};

use crate::compare::differences;
use crate::container::get;
use crate::prefect_server::PrefectServer;
use crate::worker::{KEY, PLAIN_KEY, SECRETS, SETTING, Scene, TOKEN, entry, is_as_foreseen, parsed, reference, said};

#[test]
fn a_secret_gets_from_a_template_to_its_flow() {
    let Some(scene) = Scene::new() else { return };
    let template = scene.render(scene.prefect.stock(), &SECRETS);
    let (pool, ran) = scene.create_pool(&template);
    assert!(ran.status.success(), "{}", said(&ran));
    let variables = (json!({"env": {"REGION": "eu"}}), json!({"cpu_request": "250m"}));
    let worked = scene.work(&pool, &variables.0, &variables.1, &[("OF_WORKER", "stays7f3a")]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template, &worked), &posted, &job);

    // Neither the key of the worker, nor what else it has, nor what is in the Secrets.
    for text in [PLAIN_KEY, KEY, TOKEN, "stays7f3a", "OF_WORKER"] {
        assert!(!scene.sends(text) && !job.to_string().contains(text), "{posted}");
    }
    assert_eq!(entry(&job, "GITHUB_ACCESS_TOKEN"), Some(&reference("GITHUB_ACCESS_TOKEN", "gh", "token")));
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&reference("PREFECT_API_KEY", "prefect", "api-key")));
    assert_eq!(scene.run_flow(&job), json!([TOKEN, KEY, "eu"]));
    scene.completes(&worked.run);
}

/// The container's place in a base job template.
fn container_of(template: &mut Value) -> &mut Value {
    &mut template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
}

/// The same references as in `SECRETS`, written by hand as in any other Job: the worker is not asked to give way.
fn without_a_null(stock: &str) -> Value {
    let mut template = parsed(stock);
    container_of(&mut template)["env"] =
        json!([reference("GITHUB_ACCESS_TOKEN", "gh", "token"), reference("PREFECT_API_KEY", "prefect", "api-key"),]);
    template
}

/// A worker puts its own key in place of a reference that nothing protects: as plain text.
#[test]
fn a_reference_alone_is_replaced() {
    let Some(scene) = Scene::new() else { return };
    let template = without_a_null(scene.prefect.stock());
    let worked = scene.work(&scene.prefect.pool(&template), &json!({}), &json!({}), &[]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template.to_string(), &worked), &posted, &job);
    let plain = json!({"name": "PREFECT_API_KEY", "value": PLAIN_KEY});
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&plain));
    assert!(scene.sends(PLAIN_KEY));
    assert_eq!(get(&scene.environment(&job), "PREFECT_API_KEY"), Some(PLAIN_KEY));
}

/// A worker that is told where its key is puts that reference in place of the plain text.
#[test]
fn a_worker_knows_the_secret_of_its_key() {
    let Some(scene) = Scene::new() else { return };
    let template = without_a_null(scene.prefect.stock());
    let [name, key] = ["NAME", "KEY"].map(|part| format!("{SETTING}_API_KEY_SECRET_{part}"));
    let settings = [(name.as_str(), "prefect"), (key.as_str(), "api-key")];
    let worked = scene.work(&scene.prefect.pool(&template), &json!({}), &json!({}), &settings);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template.to_string(), &worked), &posted, &job);
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&reference("PREFECT_API_KEY", "prefect", "api-key")));
    assert!(!scene.sends(PLAIN_KEY));
    assert_eq!(get(&scene.environment(&job), "PREFECT_API_KEY"), Some(KEY));
}

/// What a preview has in the place of letters that Prefect draws.
const DRAWN: &str = "0a1b2c3d";

/// A worker that puts all plain text into a Secret of the Job's own.
#[test]
fn a_worker_makes_a_secret_of_its_environment() {
    let Some(scene) = Scene::new() else { return };
    let template = without_a_null(scene.prefect.stock());
    let setting = format!("{SETTING}_STORE_ENV_AS_SECRET");
    let variables = json!({"env": {"REGION": "eu"}});
    let worked = scene.work(&scene.prefect.pool(&template), &variables, &json!({}), &[(&setting, "true")]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    let secret = &posted["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"];
    let drawn = secret.as_str().and_then(|name| name.strip_prefix("nightly-run-env-")).expect("a Secret of its own");
    let [as_posted, as_kept] = [&posted, &job].map(|value| parsed(&value.to_string().replace(drawn, DRAWN)));
    is_as_foreseen(&scene.foreseen(&template.to_string(), &worked), &as_posted, &as_kept);
    // The reference was gone before: what is stored is the worker's own key.
    assert!(!job.to_string().contains(PLAIN_KEY), "{job}");
    let found = scene.environment(&job);
    let values = ["GITHUB_ACCESS_TOKEN", "PREFECT_API_KEY", "REGION"].map(|name| get(&found, name));
    assert_eq!(values, [Some(TOKEN), Some(PLAIN_KEY), Some("eu")]);
}

/// A worker that makes a Secret of its key takes it away as it stops: pods that have not started by then never do.
#[test]
fn a_worker_takes_its_secret_with_it() {
    let Some(scene) = Scene::new() else { return };
    let template = without_a_null(scene.prefect.stock());
    let setting = format!("{SETTING}_CREATE_SECRET_FOR_API_KEY");
    let worked = scene.work(&scene.prefect.pool(&template), &json!({}), &json!({}), &[(&setting, "true")]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template.to_string(), &worked), &posted, &job);
    let of_worker = reference("PREFECT_API_KEY", "prefect-worker-1-api-key", "value");
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&of_worker));
    let error = scene.container(&job).err().expect("it does not start");
    assert_eq!(error, "secret \"prefect-worker-1-api-key\" not found");
}

/// What is printed for `kubectl create` is taken with all that a server can object to, and starts the same container.
#[test]
fn kubectl_creates_what_is_foreseen() {
    let Some(scene) = Scene::new() else { return };
    let own = scene.jobplate(&["template", "base-job-template"]).says(0, &[]).stdout;
    for template in [scene.render(scene.prefect.stock(), &SECRETS), own] {
        // Prefect's server takes it, too.
        scene.prefect.pool(&parsed(&template));
        scene.run.write("preview.json", template);
        scene.run.write("variables.json", json!({"namespace": scene.namespace, "env": {"REGION": "eu"}}).to_string());
        let preview = ["preview", "preview.json", "--job-variables", "variables.json", "-q"];
        let foreseen = scene.jobplate(&[&preview[..], &["-o", "json"]].concat()).says(0, &[]).stdout;
        let create = |job: &str| {
            scene.run.write("job.yaml", job);
            let file = scene.run.folder().join("job.yaml").display().to_string();
            scene.servers.run("kubectl", &["create", "--validate=strict", "-o", "json", "-f", &file])
        };
        // As the worker sends it, it is not.
        let refused = said(&create(&foreseen));
        let unknown = ["completions", "parallelism"].map(|name| format!("unknown field \"spec.template.spec.{name}\""));
        assert!(unknown.iter().all(|word| refused.contains(word)), "{refused}");
        let foreseen = parsed(&foreseen);
        let ran = create(&scene.jobplate(&[&preview[..], &["--kubectl"]].concat()).says(0, &[]).stdout);
        assert!(ran.status.success() && ran.stderr.is_empty(), "{}", said(&ran));
        let created = parsed(&String::from_utf8_lossy(&ran.stdout));
        let pod = |job: &Value| job["spec"]["template"]["spec"].clone();
        let mut lost = differences(&pod(&foreseen), &pod(&created));
        // What is empty is not kept.
        lost.retain(|difference| !difference.ends_with(": {} is null"));
        assert_eq!(lost, [".completions: 1 is null", ".parallelism: 1 is null"]);
        assert_eq!((&created["spec"]["completions"], &created["spec"]["parallelism"]), (&json!(1), &json!(1)));
        assert_eq!(created["metadata"]["namespace"], scene.namespace.as_str());
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
    let Some(scene) = Scene::new() else { return };
    scene.run.write("job_template.yaml", OF_PREFECT_1);
    let template = scene.jobplate(&["convert", "job_template.yaml", "-q"]).says(0, &[]).stdout;
    let worked = scene.work(&scene.prefect.pool(&parsed(&template)), &json!({}), &json!({}), &[]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template, &worked), &posted, &job);
    assert!(!scene.sends(PLAIN_KEY));
    assert_eq!(job["spec"]["template"]["spec"]["volumes"], json!([{"name": "scratch", "emptyDir": {}}]));
    assert_eq!(scene.run_flow(&job), json!([TOKEN, KEY, "eu"]));
    scene.completes(&worked.run);
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

fn faults(stock: &str) -> Vec<Fault> {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut template = parsed(stock);
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
            template: parsed(stock),
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
    if Scene::new().is_none() {
        return;
    }
    let stock = PrefectServer::shared().expect("it is there").stock();
    // They wait for each other's server most of the time.
    thread::scope(|threads| {
        for fault in faults(stock) {
            threads.spawn(move || fails_as_told(&fault));
        }
    });
}

fn fails_as_told(fault: &Fault) {
    let scene = Scene::new().expect("they are there");
    // Before anything of it is anywhere: template and job variables are all that there is.
    scene.run.write("preview.json", fault.template.to_string());
    scene.run.write("scenario.json", json!({"deployment": {"job_variables": fault.variables}}).to_string());
    let foreseen = scene.jobplate(&["preview", "preview.json", "--scenario", "scenario.json"]);
    let foreseen = foreseen.says(fault.status, fault.told);
    assert_eq!(foreseen.stdout.is_empty(), fault.status == 2, "{foreseen:?}");
    match fault.stops {
        Stops::AtThePool => {
            let (pool, ran) = scene.create_pool(&fault.template.to_string());
            assert!(!ran.status.success(), "{pool} is made: {}", said(&ran));
        }
        Stops::AtTheJob(words) => {
            // Once is enough to be refused.
            let once = format!("{SETTING}_CREATE_JOB_RETRY_MAX_RETRIES");
            let pool = scene.prefect.pool(&fault.template);
            let worked = scene.work(&pool, &fault.variables, &json!({}), &[(&once, "1")]);
            let state = scene.prefect.state(&worked.run);
            assert_eq!(state["type"], "CRASHED", "{state}");
            assert_eq!(scene.jobs(&worked.run), [] as [&str; 0]);
            let message = state["message"].as_str().unwrap_or_default();
            words.iter().for_each(|word| assert!(message.contains(word), "{word}: {message}"));
        }
    }
}
