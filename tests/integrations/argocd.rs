//! Tests `jobplate argocd-generate` with Argo CD's plugin server and repo-server (`cmp`) and the plugin in
//! `integrations/argocd`.

use std::path::Path;
use std::process::Output;

use crate::doc_example::example;
use crate::programs::{TestHome, find};

use crate::run;

/// The page of `docs/` about the integration.
const PAGE: &str = "argocd.md";

const JOB: &str = "\
# ours
apiVersion: batch/v1
kind: Job
metadata: {name: import}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: flow, env: [{name: OLD, value: canary}]}]}}}
";

const SPEC: &str =
    "apiVersion: jobplate/v1\nkind: JobPlate\nspec:\n  inputs: [job.yaml]\n  secrets: {GH: {secret: s, key: k}}\n";

fn create_home() -> Option<TestHome> {
    let home = TestHome::new(&[("cmp", &*find("cmp")?), ("jobplate", run::binary())]);
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations/argocd/plugin.yaml");
    home.write("config/plugin.yaml", std::fs::read(plugin).expect("it is there"));
    home.write("app/job.yaml", JOB);
    home.write("app/jobplate.yaml", SPEC);
    Some(home)
}

fn run_cmp(home: &TestHome, args: &[&str]) -> Output {
    let mut command = home.command("cmp");
    command.args(["--config-dir", "config"]).args(args).output().expect("it starts")
}

/// Generates an application's manifests. Returns them as the repo-server receives them.
#[track_caller]
fn generate(home: &TestHome, args: &[&str]) -> Vec<serde_json::Value> {
    let output = run_cmp(home, &[args, &["generate"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    let manifests: Vec<String> = serde_json::from_slice(&output.stdout).expect("a list of texts");
    manifests.iter().map(|manifest| serde_json::from_str(manifest).expect("each is JSON")).collect()
}

/// Runs a generation of an application's manifests that must fail. Returns the error that Argo CD shows.
#[track_caller]
fn expect_failure(home: &TestHome, args: &[&str]) -> String {
    let output = run_cmp(home, &[args, &["generate"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    assert!(!stderr.contains("canary"), "{stderr}");
    stderr
}

#[test]
fn generates_the_output_of_render() {
    let Some(home) = create_home() else { return };
    let spec = ["render", "--spec", "app/jobplate.yaml"];
    let rendered = crate::programs::run_stdout(home.command("jobplate").args(spec));
    let rendered: serde_json::Value = serde_yaml::from_str(&rendered).expect("YAML");
    assert_eq!(generate(&home, &["--app", "app"]), std::slice::from_ref(&rendered));
    assert!(rendered.to_string().contains("PREFECT__CONTEXT__SECRETS__GH"));
    // Rendering is deterministic, so the application remains in sync.
    assert_eq!(generate(&home, &["--app", "app"]), [rendered]);
}

#[test]
fn detects_an_application_by_its_spec_file() {
    let Some(home) = create_home() else { return };
    home.write("other/job.yaml", JOB);
    for (app, expected) in [("app", "true"), ("other", "false")] {
        let output = run_cmp(&home, &["--app", app, "match"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{app}");
    }
}

#[test]
fn parameters_are_flags() {
    let Some(home) = create_home() else { return };
    home.write("app/more.yaml", JOB.replace("import", "more"));
    home.write("app/prod.yaml", SPEC.replace("secret: s", "secret: prod"));
    let parameters = r#"[
        {"name": "files", "array": ["job.yaml", "more.yaml"]}, {"name": "spec", "array": ["prod.yaml"]},
        {"name": "secret-env", "map": {"B": "s/b", "A": "s/a"}}, {"name": "env", "map": {"C": "$(touch pwned); 'x\" y"}},
        {"name": "target", "array": ["job/more", "job/import"]}, {"name": "unset", "array": ["OLD"]},
        {"name": "api", "string": "http://apollo:4200"}, {"name": "all-containers", "string": "true"}
    ]"#;
    let manifests = generate(&home, &["--app", "app", "--parameters", parameters]);
    assert_eq!(manifests.len(), 2);
    for manifest in manifests {
        let env = &manifest["spec"]["template"]["spec"]["containers"][0]["env"];
        let names: Vec<&str> =
            env.as_array().expect("a list").iter().filter_map(|variable| variable["name"].as_str()).collect();
        assert_eq!(names, ["PREFECT__CONTEXT__SECRETS__GH", "A", "B", "C", "PREFECT__CLOUD__API"], "{env}");
        assert_eq!(env[3]["value"], "$(touch pwned); 'x\" y");
        assert_eq!(env[0]["valueFrom"]["secretKeyRef"]["name"], "prod");
    }
    // The plugin accepts every parameter that it announces.
    let output = run_cmp(&home, &["--app", "app", "announce"]);
    let announced_parameters: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let announced_parameters = announced_parameters.as_array().expect("a list");
    assert!(announced_parameters.len() > 5, "{announced_parameters:?}");
    for parameter in announced_parameters {
        let (name, kind) = (&parameter["name"], parameter["collectionType"].as_str());
        let value = match (kind, name.as_str()) {
            (Some("array"), Some("files")) => r#""array": ["job.yaml"]"#,
            (Some("array"), Some("spec")) => r#""array": ["prod.yaml"]"#,
            (Some("array"), _) => r#""array": ["job"]"#,
            (Some("map"), Some("env")) => r#""map": {"A": "b"}"#,
            (Some("map"), _) => r#""map": {"A": "s/k"}"#,
            _ => r#""string": "http://x""#,
        };
        let parameters = format!("[{{\"name\": {name}, {value}}}]");
        assert_eq!(generate(&home, &["--app", "app", "--parameters", &parameters]).len(), 1, "{parameters}");
    }
    let stderr =
        expect_failure(&home, &["--app", "app", "--parameters", r#"[{"name": "report", "string": "/tmp/x"}]"#]);
    assert!(stderr.contains("unknown parameter `report`") && stderr.contains("secret-env"), "{stderr}");
}

/// An empty output would make Argo CD delete the application's objects.
#[test]
fn fails_without_objects() {
    let Some(home) = create_home() else { return };
    for (text, message) in [
        ("", "the input is empty"),
        ("# nothing\n---\n", "no Kubernetes object"),
        ("kind: List\napiVersion: v1\nitems: []\n", "no Kubernetes object"),
        // Argo CD expands any object that has `items` as a list, so it would drop an object with empty `items`.
        (&format!("{}items: []\n", JOB), "an object that is not a List has `items`"),
        (&format!("{}items: null\n", JOB), "an object that is not a List has `items`"),
        (&format!("{}<<: {{items: []}}\n", JOB), "a merge key"),
        // An object must not be dropped silently, even if there are other objects.
        (&format!("{}---\nkind: ConfigMap\n<<: {{items: []}}\n", JOB), "a merge key"),
        (&format!("{}---\nkind: List\nitems: [{{kind: A}}]\nitems: []\n", JOB), "a duplicate key"),
    ] {
        home.write("app/job.yaml", text);
        for parameters in ["[]", r#"[{"name": "allow-no-match", "string": "true"}]"#] {
            let stderr = expect_failure(&home, &["--app", "app", "--parameters", parameters]);
            assert!(stderr.contains(message), "{stderr}");
        }
    }
    home.write("app/jobplate.yaml", SPEC.replace("inputs: [job.yaml]", "inputs: []"));
    let stderr = expect_failure(&home, &["--app", "app"]);
    assert!(stderr.contains("list files under `inputs` in jobplate.yaml"), "{stderr}");
}

#[test]
fn refuses_documents_that_argo_cd_would_quote() {
    let Some(home) = create_home() else { return };
    home.write("app/job.yaml", format!("{JOB}--- {{kind: ConfigMap, data: {{a: canary}}}}\n"));
    assert!(expect_failure(&home, &["--app", "app"]).contains("a line with `---` has other content"));
    for text in [
        "password: canary\n",
        "- canary\n",
        "canary\n",
        "{{ canary }}: x\n",
        "a: b: canary\n",
        "items: []\npassword: canary\n",
        "kind: null\npassword: canary\n",
        "kind: 5\npassword: canary\n",
        "kind: List\nitems: [{password: canary}]\n",
        "kind: Secret\nstringData: {a: !!int canary}\n",
        "kind: Secret\n? [canary]\n: x\n",
        "kind: ConfigMap\ndata: {null: canary}\n",
        "kind: ConfigMap\ndata: {~: canary}\n",
        "kind: Secret\nkind: null\nstringData: {a: canary}\n",
        "kind: ConfigMap\nmetadata: {annotations: {a: 12345, b: canary}}\n",
        "kind: ConfigMap\nmetadata: canary\n",
        "kind: ConfigMap\ndata: {a: .nan, b: canary}\n",
        "kind: ConfigMap\n---canary: y\n",
        "kind: ConfigMap\ndata: {a: \"\n---canary y\"}\n",
    ] {
        home.write("app/job.yaml", format!("{JOB}---\n{text}"));
        let stderr = expect_failure(&home, &["--app", "app"]);
        assert!(stderr.contains("Argo CD accepts only Kubernetes objects"), "{text}: {stderr}");
        assert!(stderr.contains("job.yaml, line "), "{text}: {stderr}");
    }
}

#[test]
fn refuses_files_outside_of_the_repository() {
    let Some(home) = create_home() else { return };
    home.write("repo/base/job.yaml", JOB);
    home.write("outside.yaml", JOB);
    let spec = |input: &str| home.write("repo/apps/etl/jobplate.yaml", SPEC.replace("job.yaml", input));
    let in_repository = ["--repo", "repo", "--app", "repo/apps/etl"];
    spec("../../base/job.yaml");
    assert_eq!(generate(&home, &in_repository).len(), 1);
    let outside = home.directory().join("outside.yaml").display().to_string();
    for input in [outside.as_str(), "../../../outside.yaml", "../../../../../etc/passwd", "/etc/passwd", "/nowhere"] {
        spec(input);
        let stderr = expect_failure(&home, &in_repository);
        assert!(stderr.contains("outside of the application's repository"), "{input}: {stderr}");
        spec("../../base/job.yaml");
        for name in ["files", "spec"] {
            let parameters = format!(r#"[{{"name": "{name}", "array": ["{input}"]}}]"#);
            let stderr = expect_failure(&home, &[&in_repository[..], &["--parameters", &parameters]].concat());
            assert!(stderr.contains("outside of the application's repository"), "{input}: {stderr}");
        }
    }
    // A symbolic link that leads out of the repository is an error. Argo CD itself refuses such a link, so this runs
    // jobplate without Argo CD.
    let directory = home.directory().join("repo/apps/etl/links");
    std::fs::create_dir(&directory).expect("a folder can be made");
    std::os::unix::fs::symlink(&outside, directory.join("x.yaml")).expect("a link can be made");
    let mut command = home.command("jobplate");
    command.current_dir(home.directory().join("repo/apps/etl")).env("ARGOCD_APP_SOURCE_PATH", "apps/etl");
    command.env("ARGOCD_APP_PARAMETERS", r#"[{"name": "files", "array": ["links"]}]"#).arg("argocd-generate");
    let output = command.output().expect("it starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("outside of the application's repository"));
    // An invalid ARGOCD_APP_SOURCE_PATH must not give access to other directories.
    spec("../../../outside.yaml");
    for source_path in ["/", "..", "../..", &home.directory().join("repo/apps/etl").display().to_string()] {
        command.env("ARGOCD_APP_SOURCE_PATH", source_path).env_remove("ARGOCD_APP_PARAMETERS");
        let output = command.output().expect("it starts");
        assert!(String::from_utf8_lossy(&output.stderr).contains("outside of"), "{source_path}: {output:?}");
    }
    std::fs::remove_dir_all(directory).expect("it is there");
    // Under Argo CD, standard input is empty.
    spec("'-'");
    assert!(expect_failure(&home, &in_repository).contains("no standard input"));
}

/// Renders the example files of the page.
#[test]
fn examples_of_the_page_work() {
    let Some(home) = create_home() else { return };
    let template = |name: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates").join(name));
    for (to, from) in [("job_template.yaml", "job_template.yaml"), ("agent.yaml", "agent.yaml")] {
        home.write(&format!("app/{to}"), template(from).expect("it is there"));
    }
    home.write("app/jobplate.yaml", example(PAGE, "jobplate.yaml"));
    home.write("app/prod.yaml", SPEC.replace("inputs: [job.yaml]", "inputs: []"));
    let manifests = generate(&home, &["--app", "app"]);
    assert_eq!(manifests.len(), 1);
    assert!(manifests[0].to_string().contains("PREFECT__CONTEXT__SECRETS__GITHUB_ACCESS_TOKEN"));
    let application: serde_json::Value = serde_yaml::from_str(&example(PAGE, "application.yaml")).expect("YAML");
    let parameters = application["plugin"]["parameters"].to_string();
    let manifests = generate(&home, &["--app", "app", "--parameters", &parameters]);
    let json = serde_json::to_string(&manifests).expect("JSON");
    assert!(manifests.len() > 4, "{json}");
    for part in ["DB_PASSWORD", "http://prefect-apollo.prefect:4200", "PREFECT__CONTEXT__SECRETS__GH"] {
        assert!(json.contains(part), "no {part}: {json}");
    }
}
