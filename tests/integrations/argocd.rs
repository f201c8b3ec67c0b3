//! `jobplate argocd-generate`, as Argo CD runs it: `cmp` is its plugin server and its repo-server, and the plugin is
//! the one in `integrations/argocd`.

use std::path::Path;
use std::process::Output;

use crate::doc_example::example;
use crate::programs::{Place, find};

use crate::run;

/// The page about it.
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

fn place() -> Option<Place> {
    let place = Place::new(&[("cmp", &*find("cmp")?), ("jobplate", run::binary())]);
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations/argocd/plugin.yaml");
    place.write("config/plugin.yaml", std::fs::read(plugin).expect("it is there"));
    place.write("app/job.yaml", JOB);
    place.write("app/jobplate.yaml", SPEC);
    Some(place)
}

fn argo(place: &Place, args: &[&str]) -> Output {
    let mut command = place.command("cmp");
    command.args(["--config-dir", "config"]).args(args).output().expect("it starts")
}

/// What the repo-server gets for an application.
#[track_caller]
fn generated(place: &Place, args: &[&str]) -> Vec<serde_json::Value> {
    let output = argo(place, &[args, &["generate"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    let manifests: Vec<String> = serde_json::from_slice(&output.stdout).expect("a list of texts");
    manifests.iter().map(|manifest| serde_json::from_str(manifest).expect("each is JSON")).collect()
}

/// The error that an application shows.
#[track_caller]
fn refused(place: &Place, args: &[&str]) -> String {
    let output = argo(place, &[args, &["generate"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    assert!(!said.contains("canary"), "{said}");
    said
}

#[test]
fn an_application_gets_what_render_prints() {
    let Some(place) = place() else { return };
    let spec = ["render", "--spec", "app/jobplate.yaml"];
    let rendered = crate::programs::done(place.command("jobplate").args(spec));
    let rendered: serde_json::Value = serde_yaml::from_str(&rendered).expect("YAML");
    assert_eq!(generated(&place, &["--app", "app"]), std::slice::from_ref(&rendered));
    assert!(rendered.to_string().contains("PREFECT__CONTEXT__SECRETS__GH"));
    // The same again: nothing is out of sync.
    assert_eq!(generated(&place, &["--app", "app"]), [rendered]);
}

#[test]
fn an_application_is_found_by_its_spec_file() {
    let Some(place) = place() else { return };
    place.write("other/job.yaml", JOB);
    for (app, expected) in [("app", "true"), ("other", "false")] {
        let output = argo(&place, &["--app", app, "match"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{app}");
    }
}

#[test]
fn parameters_are_flags() {
    let Some(place) = place() else { return };
    place.write("app/more.yaml", JOB.replace("import", "more"));
    place.write("app/prod.yaml", SPEC.replace("secret: s", "secret: prod"));
    let parameters = r#"[
        {"name": "files", "array": ["job.yaml", "more.yaml"]}, {"name": "spec", "array": ["prod.yaml"]},
        {"name": "secret-env", "map": {"B": "s/b", "A": "s/a"}}, {"name": "env", "map": {"C": "$(touch pwned); 'x\" y"}},
        {"name": "target", "array": ["job/more", "job/import"]}, {"name": "unset", "array": ["OLD"]},
        {"name": "api", "string": "http://apollo:4200"}, {"name": "all-containers", "string": "true"}
    ]"#;
    let manifests = generated(&place, &["--app", "app", "--parameters", parameters]);
    assert_eq!(manifests.len(), 2);
    for manifest in manifests {
        let env = &manifest["spec"]["template"]["spec"]["containers"][0]["env"];
        let names: Vec<&str> = env.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(names, ["PREFECT__CONTEXT__SECRETS__GH", "A", "B", "C", "PREFECT__CLOUD__API"], "{env}");
        assert_eq!(env[3]["value"], "$(touch pwned); 'x\" y");
        assert_eq!(env[0]["valueFrom"]["secretKeyRef"]["name"], "prod");
    }
    // Those that the plugin announces are known.
    let output = argo(&place, &["--app", "app", "announce"]);
    let announced: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let announced = announced.as_array().expect("a list");
    assert!(announced.len() > 5, "{announced:?}");
    for parameter in announced {
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
        assert_eq!(generated(&place, &["--app", "app", "--parameters", &parameters]).len(), 1, "{parameters}");
    }
    let said = refused(&place, &["--app", "app", "--parameters", r#"[{"name": "report", "string": "/tmp/x"}]"#]);
    assert!(said.contains("there is no parameter `report`") && said.contains("secret-env"), "{said}");
}

/// An empty answer would have Argo CD delete what is there.
#[test]
fn nothing_is_never_a_success() {
    let Some(place) = place() else { return };
    for (text, why) in [
        ("", "the input is empty"),
        ("# nothing\n---\n", "there is no Kubernetes object"),
        ("kind: List\napiVersion: v1\nitems: []\n", "there is no Kubernetes object"),
        // Whatever has `items` is a list to Argo CD.
        (&format!("{}items: []\n", JOB), "this is no List, and has `items`"),
        (&format!("{}items: null\n", JOB), "this is no List, and has `items`"),
        (&format!("{}<<: {{items: []}}\n", JOB), "has a merge key"),
        // Nor may one object be lost beside others.
        (&format!("{}---\nkind: ConfigMap\n<<: {{items: []}}\n", JOB), "has a merge key"),
        (&format!("{}---\nkind: List\nitems: [{{kind: A}}]\nitems: []\n", JOB), "this has a key twice"),
    ] {
        place.write("app/job.yaml", text);
        for parameters in ["[]", r#"[{"name": "allow-no-match", "string": "true"}]"#] {
            let said = refused(&place, &["--app", "app", "--parameters", parameters]);
            assert!(said.contains(why), "{said}");
        }
    }
    place.write("app/jobplate.yaml", SPEC.replace("inputs: [job.yaml]", "inputs: []"));
    let said = refused(&place, &["--app", "app"]);
    assert!(said.contains("name files under `inputs` in jobplate.yaml"), "{said}");
}

#[test]
fn what_argo_cd_would_quote_does_not_come_out() {
    let Some(place) = place() else { return };
    place.write("app/job.yaml", format!("{JOB}--- {{kind: ConfigMap, data: {{a: canary}}}}\n"));
    assert!(refused(&place, &["--app", "app"]).contains("this line divides documents, and has more in it"));
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
        place.write("app/job.yaml", format!("{JOB}---\n{text}"));
        let said = refused(&place, &["--app", "app"]);
        assert!(said.contains("and Argo CD takes nothing else"), "{text}: {said}");
        assert!(said.contains("job.yaml, line "), "{text}: {said}");
    }
}

#[test]
fn files_are_those_of_the_repository() {
    let Some(place) = place() else { return };
    place.write("repo/base/job.yaml", JOB);
    place.write("outside.yaml", JOB);
    let spec = |input: &str| place.write("repo/apps/etl/jobplate.yaml", SPEC.replace("job.yaml", input));
    let in_repository = ["--repo", "repo", "--app", "repo/apps/etl"];
    spec("../../base/job.yaml");
    assert_eq!(generated(&place, &in_repository).len(), 1);
    let outside = place.folder().join("outside.yaml").display().to_string();
    for input in [outside.as_str(), "../../../outside.yaml", "../../../../../etc/passwd", "/etc/passwd", "/nowhere"] {
        spec(input);
        let said = refused(&place, &in_repository);
        assert!(said.contains("outside of the application's repository"), "{input}: {said}");
        spec("../../base/job.yaml");
        for name in ["files", "spec"] {
            let parameters = format!(r#"[{{"name": "{name}", "array": ["{input}"]}}]"#);
            let said = refused(&place, &[&in_repository[..], &["--parameters", &parameters]].concat());
            assert!(said.contains("outside of the application's repository"), "{input}: {said}");
        }
    }
    // A link in a folder. (Argo CD itself stops at one that leads out of the repository.)
    let folder = place.folder().join("repo/apps/etl/links");
    std::fs::create_dir(&folder).expect("a folder can be made");
    std::os::unix::fs::symlink(&outside, folder.join("x.yaml")).expect("a link can be made");
    let mut command = place.command("jobplate");
    command.current_dir(place.folder().join("repo/apps/etl")).env("ARGOCD_APP_SOURCE_PATH", "apps/etl");
    command.env("ARGOCD_APP_PARAMETERS", r#"[{"name": "files", "array": ["links"]}]"#).arg("argocd-generate");
    let output = command.output().expect("it starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("outside of the application's repository"));
    // The folder's place is Argo CD's to say, and must be one.
    spec("../../../outside.yaml");
    for odd in ["/", "..", "../..", &place.folder().join("repo/apps/etl").display().to_string()] {
        command.env("ARGOCD_APP_SOURCE_PATH", odd).env_remove("ARGOCD_APP_PARAMETERS");
        let output = command.output().expect("it starts");
        assert!(String::from_utf8_lossy(&output.stderr).contains("outside of"), "{odd}: {output:?}");
    }
    std::fs::remove_dir_all(folder).expect("it is there");
    // There is no standard input.
    spec("'-'");
    assert!(refused(&place, &in_repository).contains("no standard input"));
}

/// The files that the page shows.
#[test]
fn the_page_is_followed() {
    let Some(place) = place() else { return };
    let template = |name: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates").join(name));
    for (to, from) in [("job_template.yaml", "job_template.yaml"), ("agent.yaml", "agent.yaml")] {
        place.write(&format!("app/{to}"), template(from).expect("it is there"));
    }
    place.write("app/jobplate.yaml", example(PAGE, "jobplate.yaml"));
    place.write("app/prod.yaml", SPEC.replace("inputs: [job.yaml]", "inputs: []"));
    let manifests = generated(&place, &["--app", "app"]);
    assert_eq!(manifests.len(), 1);
    assert!(manifests[0].to_string().contains("PREFECT__CONTEXT__SECRETS__GITHUB_ACCESS_TOKEN"));
    let application: serde_json::Value = serde_yaml::from_str(&example(PAGE, "application.yaml")).expect("YAML");
    let parameters = application["plugin"]["parameters"].to_string();
    let manifests = generated(&place, &["--app", "app", "--parameters", &parameters]);
    let all = serde_json::to_string(&manifests).expect("JSON");
    assert!(manifests.len() > 4, "{all}");
    for part in ["DB_PASSWORD", "http://prefect-apollo.prefect:4200", "PREFECT__CONTEXT__SECRETS__GH"] {
        assert!(all.contains(part), "no {part}: {all}");
    }
}
