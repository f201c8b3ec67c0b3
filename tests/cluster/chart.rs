//! The chart of the agent, as both Helms read it and as a real server takes it.

use std::path::PathBuf;
use std::process::Output;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::helm::{Helm, VERSIONS, repository};
use crate::http::Client;
use crate::kubelet::wait_for;
use crate::run;
use crate::servers::{ADMIN, Servers};

const CANARY: &str = "kanarie7f3a";
const SERVER: [&str; 2] = ["--set", "api=http://prefect-apollo.prefect:4200"];
/// Rendering without a server, Helm goes by the version that it was built with, or by none.
const VERSION: [&str; 2] = ["--kube-version", "1.30.0"];
const RELEASE: &str = "prefect-agent";

fn chart() -> PathBuf {
    repository().join("charts/prefect-agent")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The values that the chart comes with for trying it.
fn value_files() -> Vec<String> {
    let files = run::files_below(&chart().join("ci"));
    assert!(files.len() >= 3, "{files:?}");
    files.iter().map(|file| chart().join("ci").join(file).to_string_lossy().into_owned()).collect()
}

fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    let documents = documents.map(|document| Value::deserialize(document).unwrap_or_else(|e| panic!("{e}: {text}")));
    documents.filter(|document| !document.is_null()).collect()
}

#[track_caller]
fn only<'o>(objects: &'o [Value], kind: &str) -> &'o Value {
    let found: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
    assert!(found.len() == 1, "{} of {kind}: {objects:?}", found.len());
    found[0]
}

fn agent(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}

/// An entry of the agent's env.
fn entry<'o>(objects: &'o [Value], name: &str) -> Option<&'o Value> {
    agent(objects)["env"].as_array().expect("it has env").iter().find(|entry| entry["name"] == name)
}

fn job_template(objects: &[Value]) -> &str {
    only(objects, "ConfigMap")["data"]["job_template.yaml"].as_str().expect("it is text")
}

/// One Helm in the folder of the chart.
struct Site {
    servers: &'static Servers,
    program: &'static str,
    namespace: String,
    helm: Helm,
}

impl Site {
    fn new(servers: &'static Servers, program: &'static str) -> Self {
        let helm = Helm::without_plugin(servers, program);
        Site { servers, program, namespace: helm.namespace.clone(), helm }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        self.helm.write(name, text);
        self.helm.directory().join(name).to_string_lossy().into_owned()
    }

    fn run(&self, args: &[&str]) -> Output {
        self.helm.command("helm").current_dir(chart()).args(args).output().expect("it was built, so it starts")
    }

    /// Its standard output, having made sure that it did what it was asked for.
    #[track_caller]
    fn run_ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{} {args:?}: {stdout}{stderr}", self.program);
        stdout
    }

    /// What it says when it refuses.
    #[track_caller]
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{} {args:?} is accepted", self.program);
        said
    }

    #[track_caller]
    fn template(&self, release: &str, args: &[&str]) -> Vec<Value> {
        documents(&self.run_ok(&[&["template", release, "."], &VERSION[..], args].concat()))
    }

    /// Installs the release, or makes it anew; its notes.
    #[track_caller]
    fn upgrade(&self, release: &str, args: &[&str]) -> String {
        self.run_ok(&[&["upgrade", "--install", release, "."], args].concat())
    }

    fn admin(&self) -> Client {
        self.servers.client(ADMIN)
    }

    #[track_caller]
    fn live_template(&self, release: &str) -> String {
        let name = format!("{release}-job-template");
        let map = self.admin().get(&format!("/api/v1/namespaces/{}/configmaps/{name}", self.namespace)).done();
        map["data"]["job_template.yaml"].as_str().expect("it is text").to_owned()
    }

    /// What of a namespace is somebody's wish, by kind and name: not what controllers note down.
    fn live(&self) -> Vec<(String, Value)> {
        let kinds = [
            "api/v1/NS/configmaps",
            "api/v1/NS/secrets",
            "api/v1/NS/serviceaccounts",
            "api/v1/NS/pods",
            "apis/apps/v1/NS/deployments",
            "apis/apps/v1/NS/replicasets",
            "apis/rbac.authorization.k8s.io/v1/NS/roles",
            "apis/rbac.authorization.k8s.io/v1/NS/rolebindings",
        ];
        let mut live = Vec::new();
        for kind in kinds {
            let path = kind.replace("NS", &format!("namespaces/{}", self.namespace));
            let list = self.admin().get(&format!("/{path}")).done();
            for mut object in list["items"].as_array().expect("it is a list").clone() {
                let name = object["metadata"]["name"].as_str().expect("it has a name").to_owned();
                if name == "default" || name == "kube-root-ca.crt" {
                    continue;
                }
                object.as_object_mut().expect("it is an object").remove("status");
                let metadata = object["metadata"].as_object_mut().expect("it has metadata");
                metadata.retain(|key, _| !["managedFields", "resourceVersion", "generation"].contains(&key.as_str()));
                if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                    annotations.remove("deployment.kubernetes.io/revision");
                }
                live.push((format!("{}/{name}", kind.rsplit('/').next().unwrap_or_default()), object));
            }
        }
        live
    }

    /// The same without what Helm and the controllers make beside it.
    fn made(&self) -> Vec<(String, Value)> {
        let others = ["secrets/", "pods/", "replicasets/"];
        self.live().into_iter().filter(|(name, _)| !others.iter().any(|other| name.starts_with(other))).collect()
    }

    /// Whether the API server would let the agent do something.
    fn may(&self, account: &str, namespace: &str, verb: &str, group: &str, resource: &str) -> bool {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": format!("system:serviceaccount:{}:{account}", self.namespace),
                "resourceAttributes": {"namespace": namespace, "verb": verb, "group": group, "resource": resource},
            },
        });
        let answer = self.admin().post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).done();
        answer["status"]["allowed"] == true
    }

    /// What the agent may do in a namespace.
    fn rights(&self, account: &str, namespace: &str) -> Vec<String> {
        let resources =
            [("batch", "jobs"), ("batch", "cronjobs"), ("", "pods"), ("", "pods/log"), ("", "events"), ("", "secrets")];
        let verbs = ["create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"];
        let pairs = resources.into_iter().flat_map(|resource| verbs.map(|verb| (resource, verb)));
        let allowed = pairs.filter(|((group, resource), verb)| self.may(account, namespace, verb, group, resource));
        allowed.map(|((_, resource), verb)| format!("{verb} {resource}")).collect()
    }
}

const RIGHTS: [&str; 5] = ["create jobs", "list jobs", "delete jobs", "list pods", "list events"];

fn each_helm(test: impl Fn(&Site)) {
    let Some(servers) = Servers::shared() else { return };
    VERSIONS.iter().for_each(|program| test(&Site::new(servers, program)));
}

#[test]
fn lint_finds_nothing() {
    each_helm(|helm| {
        for file in value_files() {
            let said = helm.run_ok(&["lint", "--strict", ".", "-f", &file]);
            assert!(said.contains("1 chart(s) linted, 0 chart(s) failed"), "{said}");
            assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
        }
    });
}

#[test]
fn the_papers_know_all_values() {
    let values = documents(&read("charts/prefect-agent/values.yaml")).remove(0);
    let schema: Value = serde_json::from_str(&read("charts/prefect-agent/values.schema.json")).expect("it is JSON");
    let readme = read("charts/prefect-agent/README.md");
    // Those that Kubernetes describes, and lists and maps that are empty, are named as a whole.
    let whole = ["resources", "podSecurityContext", "securityContext"];
    let (mut named, mut described) = (Vec::new(), Vec::new());
    for (name, value) in values.as_object().expect("it is a map") {
        described.push(name.as_str());
        match value.as_object().filter(|map| !map.is_empty() && !whole.contains(&name.as_str())) {
            Some(map) => {
                let properties = schema["properties"][name]["properties"].as_object().expect("it is described");
                assert_eq!(map.keys().collect::<Vec<_>>(), properties.keys().collect::<Vec<_>>(), "{name}");
                assert_eq!(schema["properties"][name]["additionalProperties"], false, "{name}");
                named.extend(map.keys().map(|key| format!("{name}.{key}")));
            }
            None => named.push(name.clone()),
        }
    }
    let missing: Vec<&String> = named.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    // What a parent chart shares arrives as `global`.
    let mut properties: Vec<&str> =
        schema["properties"].as_object().expect("a map").keys().map(String::as_str).collect();
    properties.retain(|name| *name != "global");
    described.sort_unstable();
    properties.sort_unstable();
    assert_eq!(properties, described);
    assert_eq!(schema["additionalProperties"], false);
}

/// The chart and the ready manifest are the same agent.
#[test]
fn the_defaults_are_those_of_the_manifest() {
    let manifest = documents(&read("templates/agent.yaml"));
    each_helm(|helm| {
        let objects = helm.template(RELEASE, &SERVER);
        let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
        assert_eq!(kinds, ["ServiceAccount", "ConfigMap", "Role", "RoleBinding", "Deployment"]);
        assert_eq!(job_template(&objects), read("templates/job_template.yaml"));
        assert_eq!(only(&objects, "Role")["rules"], only(&manifest, "Role")["rules"]);
        assert_eq!(only(&objects, "ConfigMap")["metadata"]["name"], "prefect-agent-job-template");

        let pod = |objects: &[Value]| only(objects, "Deployment")["spec"]["template"]["spec"].clone();
        let (mut ours, mut theirs) = (pod(&objects), pod(&manifest));
        // The chart has names of its own and says when to pull; the manifest has a reference to be filled in.
        for pod in [&mut ours, &mut theirs] {
            pod["volumes"][0]["configMap"]["name"] = Value::Null;
            let container = pod["containers"][0].as_object_mut().expect("it is a map");
            container.remove("imagePullPolicy");
            let env = container["env"].as_array_mut().expect("it is a list");
            env.retain(|entry| entry["name"] != "PREFECT__CLOUD__API_KEY");
            env.iter_mut().filter(|entry| entry["name"] == "PREFECT__CLOUD__API").for_each(|entry| {
                entry["value"] = Value::Null;
            });
        }
        assert_eq!(ours, theirs);
        assert_eq!(entry(&objects, "PREFECT__CLOUD__API").map(|is| &is["value"]), Some(&json!(&SERVER[1][4..])));
        for name in ["PREFECT__CLOUD__API_KEY", "SERVICE_ACCOUNT_NAME", "PREFECT__CLOUD__AGENT__LABELS"] {
            assert_eq!(entry(&objects, name), None);
        }
    });
}

#[test]
fn values_do_what_they_say() {
    each_helm(|helm| {
        let file = |name: &str| chart().join("ci").join(name).to_string_lossy().into_owned();
        let objects = helm.template("x", &["-f", &file("cloud-values.yaml")]);
        let values = documents(&read("charts/prefect-agent/ci/cloud-values.yaml")).remove(0);
        assert_eq!(entry(&objects, "PREFECT__BACKEND").map(|is| &is["value"]), Some(&json!("cloud")));
        assert_eq!(entry(&objects, "PREFECT__CLOUD__API"), None);
        let reference = json!({"secretKeyRef": {"name": "prefect-api-key", "key": "api-key"}});
        assert_eq!(entry(&objects, "PREFECT__CLOUD__API_KEY").map(|is| &is["valueFrom"]), Some(&reference));
        // Prefect evaluates it as Python, which knows what JSON writes of a list of strings.
        let labels = entry(&objects, "PREFECT__CLOUD__AGENT__LABELS").and_then(|is| is["value"].as_str());
        let labels: Value = serde_json::from_str(labels.expect("it has labels")).expect("it is a list");
        assert_eq!(labels, values["agentLabels"]);
        assert_eq!(entry(&objects, "NAMESPACE"), Some(&json!({"name": "NAMESPACE", "value": "flows"})));
        let env = agent(&objects)["env"].as_array().expect("it is a list");
        assert!(env.ends_with(values["env"].as_array().expect("it is a list")), "{env:?}");
        let pod = &only(&objects, "Deployment")["spec"]["template"];
        for name in ["imagePullSecrets", "nodeSelector", "tolerations", "affinity"] {
            assert_eq!(pod["spec"][name], values[name], "{name}");
        }
        assert_eq!(pod["metadata"]["labels"]["team"], "data");
        assert_eq!(pod["metadata"]["annotations"]["example.com/contact"], "data");
        let account = only(&objects, "ServiceAccount");
        assert_eq!(account["metadata"]["annotations"], values["serviceAccount"]["annotations"]);
        for kind in ["Role", "RoleBinding"] {
            let metadata = &only(&objects, kind)["metadata"];
            assert_eq!(metadata["namespace"], "flows");
            assert_eq!(metadata["name"], format!("x-prefect-agent.{}", helm.namespace));
        }
        let subject = json!({"kind": "ServiceAccount", "name": "x-prefect-agent", "namespace": helm.namespace});
        assert_eq!(only(&objects, "RoleBinding")["subjects"], json!([subject]));

        let objects = helm.template("x", &["-f", &file("existing-values.yaml")]);
        assert_eq!(objects.len(), 1, "{objects:?}");
        let template = &only(&objects, "Deployment")["spec"]["template"];
        assert_eq!(template["spec"]["serviceAccountName"], "agent");
        let items = json!([{"key": "job.yaml", "path": "job_template.yaml"}]);
        assert_eq!(template["spec"]["volumes"][0]["configMap"], json!({"name": "flow-template", "items": items}));
        assert_eq!(template["metadata"].get("annotations"), None);
        let key = &entry(&objects, "PREFECT__CLOUD__API_KEY").expect("it has a key")["valueFrom"]["secretKeyRef"];
        assert_eq!(key["optional"], true);

        // Without what there is by default, and with names that YAML would take for numbers.
        let optional = ["resources", "podSecurityContext", "securityContext", "podLabels", "podAnnotations", "env"];
        let optional = optional.map(|name| format!("{name}=null")).join(",");
        let numbers = ["--set-string", "fullnameOverride=7,jobNamespace=42,image.tag=1e3"];
        let objects = helm.template("x", &[&SERVER[..], &["--set", &optional], &numbers].concat());
        assert_eq!(only(&objects, "Deployment")["metadata"]["name"], "7");
        assert_eq!(only(&objects, "Role")["metadata"]["namespace"], "42");
        assert_eq!(agent(&objects)["image"], "prefecthq/prefect:1e3");
        for name in ["resources", "securityContext"] {
            assert_eq!(agent(&objects).get(name), None);
        }
        // The selector's own labels can't be taken away from the pod.
        let mine = ["--set-json", r#"podLabels={"app.kubernetes.io/name":"mine"}"#];
        let objects = helm.template("x", &[&SERVER[..], &mine].concat());
        let spec = &only(&objects, "Deployment")["spec"];
        assert_eq!(spec["template"]["metadata"]["labels"], spec["selector"]["matchLabels"]);
    });
}

#[test]
fn wrong_values_are_refused_by_name() {
    let secret = |name: &str| format!("{name}={CANARY}");
    let cases = [
        ("api=", "api is empty: backend server needs"),
        ("api=null", "api is empty"),
        ("api=prefect:4200", "api"),
        (&*format!("api=http://me:{CANARY}@prefect"), "api"),
        ("backend=Server", "backend"),
        ("backend=cloud", "apiKey.secretName is empty"),
        (&*secret("apiKey"), "apiKey"),
        (&*secret("apiKey.value"), "apiKey"),
        (&*secret("key"), "key"),
        (&*format!("apiKey.secretName={CANARY}_"), "apiKey.secretName"),
        (&*format!("apiKey.secretName=a,apiKey.secretKey={CANARY}/=="), "apiKey.secretKey"),
        (&*format!("env[0].name=DB_PASSWORD={CANARY}"), "env[0].name"),
        ("agentLabels=prod", "agentLabels"),
        ("agentLabels[0]=$HOME", "agentLabels/0"),
        ("image.pullPolicy=always", "image/pullPolicy"),
        ("imagePullSecrets[0]=registry", "imagePullSecrets/0"),
        ("jobNamespace=Flows", "jobNamespace"),
        ("jobTemplate=", "jobTemplate"),
        ("jobTemplate= ", "jobTemplate"),
        ("jobTemplate=null", "jobTemplate"),
        ("jobTemplate.kind=Job", "jobTemplate"),
        ("rbac.creat=false", "rbac"),
        ("image=null", "image"),
        ("env[0].name=A,env[0].value=1", "env/0/value"),
        ("env[0].name=A,env[1].name=A", "env: A is there twice"),
        ("env[0].name=NAMESPACE,env[0].value=x", "jobNamespace"),
        ("env[0].name=HOME,env[0].value=x", "HOME"),
        ("env[0].name=SERVICE_ACCOUNT_NAME", "SERVICE_ACCOUNT_NAME"),
        (&*format!("env[0].name=API_TOKEN,env[0].value={CANARY}"), "API_TOKEN"),
        (&*format!("env[0].name=PREFECT__CLOUD__API_KEY,env[0].value={CANARY}"), "apiKey"),
    ];
    each_helm(|helm| {
        for (set, name) in cases {
            let said = helm.refused(&[&["template", "x", "."], &VERSION[..], &SERVER, &["--set", set]].concat());
            assert!(said.contains(name), "{set}: {said}");
            assert!(!said.contains(CANARY), "{set}: {said}");
        }
        // Who turns the schema off is told in words.
        for (set, says) in
            [("api=", "api is empty"), ("backend=x", "backend is"), ("backend=cloud", "apiKey.secretName")]
        {
            let off = ["--skip-schema-validation", "--set", set];
            let said = helm.refused(&[&["template", "x", "."], &VERSION[..], &SERVER, &off].concat());
            assert!(said.contains(says), "{set}: {said}");
        }
    });
}

#[test]
fn any_template_arrives_as_it_is() {
    let kept = [
        "kind: Job",
        "kind: Job\n",
        "kind: Job\n\n\n",
        "kind: Job  ",
        "kind: Job  \n",
        "kind: Job\n   \n",
        "kind: Job\n   ",
        "\n\nkind: Job\n",
        "  kind: Job\n  a: b\n",
        "\t# a tab\nkind: Job\n",
        "kind: Job   \na: \"x\"\t\n   \nb: c\n",
        "a: |+\n  x\n\n\n  y\n\n\n",
        "---\nkind: Job\n---\n# Source: x\nkind: Job\n",
        "# {{ .Values.api }} {{ fail \"no\" }}\na: '{{ b }}' # {{- end }} ${1} $1 \\1 %s\n",
        "{\"kind\": \"Job\"}\n",
        "# \u{e9} \u{65e5}\u{672c} \u{1f600}\nkind: Job\n",
    ];
    each_helm(|helm| {
        let cases = kept.map(|text| (text, text)).into_iter();
        for (text, arrives) in cases.chain([("a: b\r\nc: d\r\n", "a: b\nc: d\n"), ("\u{feff}a: b\n", "a: b\n")]) {
            let file = format!("jobTemplate={}", helm.write("job.yaml", text));
            helm.upgrade(RELEASE, &[&SERVER[..], &["--set-file", &file]].concat());
            assert_eq!(helm.live_template(RELEASE), arrives, "{}", helm.program);
        }
        for text in ["a: \u{7}\n", "a: \u{2028}b\n"] {
            let file = format!("jobTemplate={}", helm.write("job.yaml", text));
            let line = [&["upgrade", RELEASE, "."], &SERVER[..], &["--set-file", &file]].concat();
            let said = helm.refused(&line);
            assert!(said.contains("control character"), "{said}");
        }
    });
}

#[test]
fn from_installation_to_the_end() {
    each_helm(|helm| {
        let program = helm.program;
        // What the client sends, the server knows all of.
        for file in value_files() {
            let text = helm.run_ok(&[&["template", RELEASE, "."], &VERSION[..], &["-f", &file]].concat());
            // Role and RoleBinding can be for another namespace.
            let text = text.replace("\"flows\"", &format!("{:?}", helm.namespace));
            let path = helm.write("all.yaml", text);
            let args = ["create", "--dry-run=server", "--validate=strict", "-f", &path, "-n", &helm.namespace];
            let output = helm.servers.run("kubectl", &args);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        }

        assert_eq!(helm.live(), []);
        helm.upgrade(RELEASE, &SERVER);
        let first = helm.made();
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "configmaps/prefect-agent-job-template",
            "serviceaccounts/prefect-agent",
            "deployments/prefect-agent",
            "roles/prefect-agent",
            "rolebindings/prefect-agent",
        ];
        assert_eq!(names, expected);
        assert_eq!(helm.live_template(RELEASE), read("templates/job_template.yaml"));

        // The server learns of a Role a moment later.
        wait_for("its rights", || helm.may(RELEASE, &helm.namespace, "create", "batch", "jobs").then_some(()));
        assert_eq!(helm.rights(RELEASE, &helm.namespace), RIGHTS);
        assert_eq!(helm.rights("default", &helm.namespace), [""; 0]);

        helm.upgrade(RELEASE, &SERVER);
        assert_eq!(helm.made(), first, "{program}");

        let text = read("templates/job_template.yaml").replace("backoffLimit: 0", "backoffLimit: 1");
        let file = format!("jobTemplate={}", helm.write("job.yaml", &text));
        helm.upgrade(RELEASE, &[&SERVER[..], &["--set-file", &file]].concat());
        let mut second = helm.made();
        let at = |name: &str| names.iter().position(|is| *is == name).expect("it is among them");
        let (map, deployment) = (at(expected[0]), at(expected[2]));
        assert_eq!(second[map].1["data"], json!({"job_template.yaml": text}));
        second[map].1["data"] = first[map].1["data"].clone();
        let checksum = "/spec/template/metadata/annotations/checksum~1job-template";
        let old = first[deployment].1.pointer(checksum).expect("it has a checksum");
        let new = second[deployment].1.pointer_mut(checksum).expect("it has a checksum");
        assert_ne!(old, new);
        *new = old.clone();
        assert_eq!(second, first, "{program}");

        helm.run_ok(&["uninstall", RELEASE]);
        wait_for("the end of what it made", || helm.live().is_empty().then_some(()));
    });
}

#[test]
fn releases_get_along() {
    each_helm(|helm| {
        let long = "a".repeat(53);
        let full = "b".repeat(63);
        let overlong = format!("fullnameOverride={full}b");
        helm.upgrade("one", &SERVER);
        helm.upgrade("two", &SERVER);
        helm.upgrade(&long, &SERVER);
        helm.upgrade("full", &[&SERVER[..], &["--set", &overlong]].concat());
        let made = helm.made();
        assert_eq!(made.len(), 4 * 5, "{made:?}");
        for name in ["one-prefect-agent", "two-prefect-agent", &format!("{long}-prefect-a"), &full] {
            let deployment = made.iter().find(|(is, _)| *is == format!("deployments/{name}"));
            let pod = &deployment.unwrap_or_else(|| panic!("no {name}")).1["spec"]["template"]["spec"];
            assert_eq!(pod["serviceAccountName"], name);
            assert_eq!(pod["volumes"][0]["configMap"]["name"], format!("{name}-job-template"));
        }
        // No pod is in two selectors.
        let mut selectors: Vec<String> = made
            .iter()
            .filter(|(name, _)| name.starts_with("deployments/"))
            .map(|(_, object)| object["spec"]["selector"].to_string())
            .collect();
        selectors.sort_unstable();
        selectors.dedup();
        assert_eq!(selectors.len(), 4);
    });
}

#[test]
fn flow_runs_can_be_elsewhere() {
    each_helm(|helm| {
        let flows = helm.servers.namespace("flows");
        let other = Site::new(helm.servers, helm.program);
        let set = format!("jobNamespace={flows}");
        // Of the same name, in two namespaces, for one.
        for helm in [helm, &other] {
            helm.upgrade(RELEASE, &[&SERVER[..], &["--set", &set]].concat());
            wait_for("its rights", || helm.may(RELEASE, &flows, "create", "batch", "jobs").then_some(()));
            assert_eq!(helm.rights(RELEASE, &flows), RIGHTS);
            assert_eq!(helm.rights(RELEASE, &helm.namespace), [""; 0]);
        }
    });
}

#[test]
fn the_notes_have_the_line_to_type() {
    each_helm(|helm| {
        let dry = ["install", "x", ".", "--dry-run=server"];
        let notes = helm.run_ok(&[&dry, &SERVER[..]].concat());
        let (_, notes) = notes.split_once("NOTES:").expect("it has notes");
        assert!(notes.contains("--target=ConfigMap/x-prefect-agent-job-template:job_template.yaml"), "{notes}");
        assert_eq!(notes.contains("--post-renderer-args post-render "), helm.program == "helm3", "{notes}");
        assert!(notes.contains(&format!("prefect-secrets -n {}", helm.namespace)), "{notes}");
        assert!(!notes.contains("WARNING"), "{notes}");

        let env = "env: [{name: PREFECT__BACKEND, value: a}, {name: TZ, value: b}, {name: PREFECT__LOGGING__LEVEL}]";
        let pod = format!("{{serviceAccountName: a, containers: [{{name: flow, {env}}}, {{name: b, env: 1}}]}}");
        let warned = |text: &str| {
            let file = format!("jobTemplate={}", helm.write("job.yaml", text));
            let more = ["--set-file", &file, "--set", "env[0].name=SERVICE_ACCOUNT_NAME,env[0].value=b"];
            let notes = helm.run_ok(&[&dry, &SERVER[..], &more].concat());
            let (_, notes) = notes.split_once("NOTES:").expect("it has notes");
            let warnings = notes.lines().filter_map(|line| line.strip_prefix("WARNING: "));
            warnings.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let names = ["PREFECT__BACKEND", "PREFECT__LOGGING__LEVEL", "SERVICE_ACCOUNT_NAME"];
        assert_eq!(warned(&format!("spec: {{template: {{spec: {pod}}}}}\n")), names);
        // Whatever is in it, notes come out.
        for odd in ["a: [", "- a\n", "a\n", "spec: 1\n", "spec: {template: }\n", "---\na: b\n---\nc: d\n"] {
            assert_eq!(warned(odd), ["the"], "{odd:?}");
        }
        for odd in ["containers: ", "containers: {a: b}", "containers: []", "containers: [1]", "containers: [{env: 1}]"]
        {
            assert_eq!(warned(&format!("spec: {{template: {{spec: {{{odd}}}}}}}\n")), [""; 0], "{odd:?}");
        }
        assert_eq!(warned("spec: {template: {spec: {containers: [{env: [1, {a: b}]}]}}}\n"), [""; 0]);
    });
}
