//! Tests of the Helm chart for the Prefect 1 agent, with Helm 3 and Helm 4 and on a real API server.

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
/// Sets the Kubernetes version for `helm template`. Without this flag or a server, Helm assumes the version that it was
/// built with.
const VERSION: [&str; 2] = ["--kube-version", "1.30.0"];
const RELEASE: &str = "prefect-agent";

fn chart_directory() -> PathBuf {
    repository().join("charts/prefect-agent")
}

fn read_file(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the paths to the example values in the chart's `ci` directory.
fn value_files() -> Vec<String> {
    let files = run::files_below(&chart_directory().join("ci"));
    assert!(files.len() >= 3, "{files:?}");
    files.iter().map(|file| chart_directory().join("ci").join(file).to_string_lossy().into_owned()).collect()
}

fn parse_documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    let documents = documents.map(|document| Value::deserialize(document).unwrap_or_else(|e| panic!("{e}: {text}")));
    documents.filter(|document| !document.is_null()).collect()
}

#[track_caller]
fn find_only<'o>(objects: &'o [Value], kind: &str) -> &'o Value {
    let matches: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
    assert!(matches.len() == 1, "{} of {kind}: {objects:?}", matches.len());
    matches[0]
}

fn agent_container(objects: &[Value]) -> &Value {
    &find_only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}

/// Returns an `env` entry of the agent's container, or `None` if there is no such entry.
fn entry<'o>(objects: &'o [Value], name: &str) -> Option<&'o Value> {
    agent_container(objects)["env"].as_array().expect("it has env").iter().find(|entry| entry["name"] == name)
}

fn job_template(objects: &[Value]) -> &str {
    find_only(objects, "ConfigMap")["data"]["job_template.yaml"].as_str().expect("it is a string")
}

/// A version of Helm with its own namespace. It runs in the chart's directory.
struct ChartFixture {
    servers: &'static Servers,
    program: &'static str,
    namespace: String,
    helm: Helm,
}

impl ChartFixture {
    fn new(servers: &'static Servers, program: &'static str) -> Self {
        let helm = Helm::without_plugin(servers, program);
        ChartFixture { servers, program, namespace: helm.namespace.clone(), helm }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        self.helm.write(name, text);
        self.helm.directory().join(name).to_string_lossy().into_owned()
    }

    fn run(&self, args: &[&str]) -> Output {
        self.helm.command("helm").current_dir(chart_directory()).args(args).output().expect("helm starts")
    }

    /// Runs Helm and returns its standard output. Panics if Helm fails.
    #[track_caller]
    fn run_ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let to_text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        let (stdout, stderr) = (to_text(output.stdout), to_text(output.stderr));
        assert!(output.status.success(), "{} {args:?}: {stdout}{stderr}", self.program);
        stdout
    }

    /// Runs Helm and returns its standard error. Panics if Helm succeeds.
    #[track_caller]
    fn run_failing(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{} {args:?} is accepted", self.program);
        message
    }

    #[track_caller]
    fn template(&self, release: &str, args: &[&str]) -> Vec<Value> {
        parse_documents(&self.run_ok(&[&["template", release, "."], &VERSION[..], args].concat()))
    }

    /// Installs or upgrades the release. Returns Helm's standard output, which includes the notes.
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
        let map =
            self.admin().get(&format!("/api/v1/namespaces/{}/configmaps/{name}", self.namespace)).expect_success();
        map["data"]["job_template.yaml"].as_str().expect("it is a string").to_owned()
    }

    /// Returns the namespace's objects, each with its kind and name, without the fields that controllers write.
    fn live_objects(&self) -> Vec<(String, Value)> {
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
            let list = self.admin().get(&format!("/{path}")).expect_success();
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

    /// Returns the objects of the chart, without the objects that Helm and controllers created.
    fn chart_objects(&self) -> Vec<(String, Value)> {
        let not_from_chart = ["secrets/", "pods/", "replicasets/"];
        self.live_objects()
            .into_iter()
            .filter(|(name, _)| !not_from_chart.iter().any(|prefix| name.starts_with(prefix)))
            .collect()
    }

    /// Returns whether RBAC allows a ServiceAccount to use a verb on a resource.
    fn is_allowed(&self, account: &str, namespace: &str, verb: &str, group: &str, resource: &str) -> bool {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": format!("system:serviceaccount:{}:{account}", self.namespace),
                "resourceAttributes": {"namespace": namespace, "verb": verb, "group": group, "resource": resource},
            },
        });
        let response =
            self.admin().post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).expect_success();
        response["status"]["allowed"] == true
    }

    /// Returns the operations that RBAC allows a ServiceAccount in a namespace, such as `create jobs`.
    fn permissions(&self, account: &str, namespace: &str) -> Vec<String> {
        let resources =
            [("batch", "jobs"), ("batch", "cronjobs"), ("", "pods"), ("", "pods/log"), ("", "events"), ("", "secrets")];
        let verbs = ["create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"];
        let pairs = resources.into_iter().flat_map(|resource| verbs.map(|verb| (resource, verb)));
        let permitted =
            pairs.filter(|((group, resource), verb)| self.is_allowed(account, namespace, verb, group, resource));
        permitted.map(|((_, resource), verb)| format!("{verb} {resource}")).collect()
    }
}

const AGENT_PERMISSIONS: [&str; 5] = ["create jobs", "list jobs", "delete jobs", "list pods", "list events"];

fn with_each_helm(test: impl Fn(&ChartFixture)) {
    let Some(servers) = Servers::shared() else { return };
    VERSIONS.iter().for_each(|program| test(&ChartFixture::new(servers, program)));
}

#[test]
fn passes_helm_lint() {
    with_each_helm(|helm| {
        for file in value_files() {
            let message = helm.run_ok(&["lint", "--strict", ".", "-f", &file]);
            assert!(message.contains("1 chart(s) linted, 0 chart(s) failed"), "{message}");
            assert!(!message.contains("[WARNING]") && !message.contains("[ERROR]"), "{message}");
        }
    });
}

#[test]
fn docs_and_schema_list_all_values() {
    let values = parse_documents(&read_file("charts/prefect-agent/values.yaml")).remove(0);
    let schema: Value =
        serde_json::from_str(&read_file("charts/prefect-agent/values.schema.json")).expect("it is JSON");
    let readme = read_file("charts/prefect-agent/README.md");
    // The README documents these values, and empty maps, without their keys.
    let named_without_keys = ["resources", "podSecurityContext", "securityContext"];
    let (mut documented_names, mut value_names) = (Vec::new(), Vec::new());
    for (name, value) in values.as_object().expect("it is a map") {
        value_names.push(name.as_str());
        match value.as_object().filter(|map| !map.is_empty() && !named_without_keys.contains(&name.as_str())) {
            Some(map) => {
                let properties = schema["properties"][name]["properties"].as_object().expect("it is described");
                assert_eq!(map.keys().collect::<Vec<_>>(), properties.keys().collect::<Vec<_>>(), "{name}");
                assert_eq!(schema["properties"][name]["additionalProperties"], false, "{name}");
                documented_names.extend(map.keys().map(|key| format!("{name}.{key}")));
            }
            None => documented_names.push(name.clone()),
        }
    }
    let missing: Vec<&String> = documented_names.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    // Helm adds `global`, the values that a parent chart shares.
    let mut properties: Vec<&str> =
        schema["properties"].as_object().expect("a map").keys().map(String::as_str).collect();
    properties.retain(|name| *name != "global");
    value_names.sort_unstable();
    properties.sort_unstable();
    assert_eq!(properties, value_names);
    assert_eq!(schema["additionalProperties"], false);
}

/// The chart deploys the same agent as the manifest of `jobplate template agent`.
#[test]
fn defaults_match_the_manifest() {
    let manifest = parse_documents(&read_file("templates/agent.yaml"));
    with_each_helm(|helm| {
        let objects = helm.template(RELEASE, &SERVER);
        let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
        assert_eq!(kinds, ["ServiceAccount", "ConfigMap", "Role", "RoleBinding", "Deployment"]);
        assert_eq!(job_template(&objects), read_file("templates/job_template.yaml"));
        assert_eq!(find_only(&objects, "Role")["rules"], find_only(&manifest, "Role")["rules"]);
        assert_eq!(find_only(&objects, "ConfigMap")["metadata"]["name"], "prefect-agent-job-template");

        let pod_spec = |objects: &[Value]| find_only(objects, "Deployment")["spec"]["template"]["spec"].clone();
        let (mut chart_pod, mut manifest_pod) = (pod_spec(&objects), pod_spec(&manifest));
        // Ignores known differences: the chart has its own names and a pull policy, and the manifest has a
        // placeholder reference.
        for pod in [&mut chart_pod, &mut manifest_pod] {
            pod["volumes"][0]["configMap"]["name"] = Value::Null;
            let container = pod["containers"][0].as_object_mut().expect("it is a map");
            container.remove("imagePullPolicy");
            let env = container["env"].as_array_mut().expect("it is a list");
            env.retain(|entry| entry["name"] != "PREFECT__CLOUD__API_KEY");
            env.iter_mut().filter(|entry| entry["name"] == "PREFECT__CLOUD__API").for_each(|entry| {
                entry["value"] = Value::Null;
            });
        }
        assert_eq!(chart_pod, manifest_pod);
        assert_eq!(entry(&objects, "PREFECT__CLOUD__API").map(|entry| &entry["value"]), Some(&json!(&SERVER[1][4..])));
        for name in ["PREFECT__CLOUD__API_KEY", "SERVICE_ACCOUNT_NAME", "PREFECT__CLOUD__AGENT__LABELS"] {
            assert_eq!(entry(&objects, name), None);
        }
    });
}

#[test]
fn values_set_what_they_name() {
    with_each_helm(|helm| {
        let values_file = |name: &str| chart_directory().join("ci").join(name).to_string_lossy().into_owned();
        let objects = helm.template("x", &["-f", &values_file("cloud-values.yaml")]);
        let values = parse_documents(&read_file("charts/prefect-agent/ci/cloud-values.yaml")).remove(0);
        assert_eq!(entry(&objects, "PREFECT__BACKEND").map(|entry| &entry["value"]), Some(&json!("cloud")));
        assert_eq!(entry(&objects, "PREFECT__CLOUD__API"), None);
        let reference = json!({"secretKeyRef": {"name": "prefect-api-key", "key": "api-key"}});
        assert_eq!(entry(&objects, "PREFECT__CLOUD__API_KEY").map(|entry| &entry["valueFrom"]), Some(&reference));
        // Prefect evaluates the value as a Python literal. A JSON list of strings is a valid Python literal.
        let labels = entry(&objects, "PREFECT__CLOUD__AGENT__LABELS").and_then(|entry| entry["value"].as_str());
        let labels: Value = serde_json::from_str(labels.expect("it has labels")).expect("it is a list");
        assert_eq!(labels, values["agentLabels"]);
        assert_eq!(entry(&objects, "NAMESPACE"), Some(&json!({"name": "NAMESPACE", "value": "flows"})));
        let env = agent_container(&objects)["env"].as_array().expect("it is a list");
        assert!(env.ends_with(values["env"].as_array().expect("it is a list")), "{env:?}");
        let pod = &find_only(&objects, "Deployment")["spec"]["template"];
        for name in ["imagePullSecrets", "nodeSelector", "tolerations", "affinity"] {
            assert_eq!(pod["spec"][name], values[name], "{name}");
        }
        assert_eq!(pod["metadata"]["labels"]["team"], "data");
        assert_eq!(pod["metadata"]["annotations"]["example.com/contact"], "data");
        let account = find_only(&objects, "ServiceAccount");
        assert_eq!(account["metadata"]["annotations"], values["serviceAccount"]["annotations"]);
        for kind in ["Role", "RoleBinding"] {
            let metadata = &find_only(&objects, kind)["metadata"];
            assert_eq!(metadata["namespace"], "flows");
            assert_eq!(metadata["name"], format!("x-prefect-agent.{}", helm.namespace));
        }
        let subject = json!({"kind": "ServiceAccount", "name": "x-prefect-agent", "namespace": helm.namespace});
        assert_eq!(find_only(&objects, "RoleBinding")["subjects"], json!([subject]));

        let objects = helm.template("x", &["-f", &values_file("existing-values.yaml")]);
        assert_eq!(objects.len(), 1, "{objects:?}");
        let template = &find_only(&objects, "Deployment")["spec"]["template"];
        assert_eq!(template["spec"]["serviceAccountName"], "agent");
        let items = json!([{"key": "job.yaml", "path": "job_template.yaml"}]);
        assert_eq!(template["spec"]["volumes"][0]["configMap"], json!({"name": "flow-template", "items": items}));
        assert_eq!(template["metadata"].get("annotations"), None);
        let key = &entry(&objects, "PREFECT__CLOUD__API_KEY").expect("it has a key")["valueFrom"]["secretKeyRef"];
        assert_eq!(key["optional"], true);

        // Unsets the defaults, and sets names that YAML could read as numbers.
        let optional = ["resources", "podSecurityContext", "securityContext", "podLabels", "podAnnotations", "env"];
        let optional = optional.map(|name| format!("{name}=null")).join(",");
        let numbers = ["--set-string", "fullnameOverride=7,jobNamespace=42,image.tag=1e3"];
        let objects = helm.template("x", &[&SERVER[..], &["--set", &optional], &numbers].concat());
        assert_eq!(find_only(&objects, "Deployment")["metadata"]["name"], "7");
        assert_eq!(find_only(&objects, "Role")["metadata"]["namespace"], "42");
        assert_eq!(agent_container(&objects)["image"], "prefecthq/prefect:1e3");
        for name in ["resources", "securityContext"] {
            assert_eq!(agent_container(&objects).get(name), None);
        }
        // `podLabels` cannot override the labels of the selector.
        let own_label = ["--set-json", r#"podLabels={"app.kubernetes.io/name":"mine"}"#];
        let objects = helm.template("x", &[&SERVER[..], &own_label].concat());
        let spec = &find_only(&objects, "Deployment")["spec"];
        assert_eq!(spec["template"]["metadata"]["labels"], spec["selector"]["matchLabels"]);
    });
}

#[test]
fn rejects_invalid_values_by_name() {
    let secret_setting = |name: &str| format!("{name}={CANARY}");
    let cases = [
        ("api=", "api is empty: backend server needs"),
        ("api=null", "api is empty"),
        ("api=prefect:4200", "api"),
        (&*format!("api=http://me:{CANARY}@prefect"), "api"),
        ("backend=Server", "backend"),
        ("backend=cloud", "apiKey.secretName is empty"),
        (&*secret_setting("apiKey"), "apiKey"),
        (&*secret_setting("apiKey.value"), "apiKey"),
        (&*secret_setting("key"), "key"),
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
        ("env[0].name=A,env[1].name=A", "env: A is a duplicate"),
        ("env[0].name=NAMESPACE,env[0].value=x", "jobNamespace"),
        ("env[0].name=HOME,env[0].value=x", "HOME"),
        ("env[0].name=SERVICE_ACCOUNT_NAME", "SERVICE_ACCOUNT_NAME"),
        (&*format!("env[0].name=API_TOKEN,env[0].value={CANARY}"), "API_TOKEN"),
        (&*format!("env[0].name=PREFECT__CLOUD__API_KEY,env[0].value={CANARY}"), "apiKey"),
    ];
    with_each_helm(|helm| {
        for (setting, name) in cases {
            let message =
                helm.run_failing(&[&["template", "x", "."], &VERSION[..], &SERVER, &["--set", setting]].concat());
            assert!(message.contains(name), "{setting}: {message}");
            assert!(!message.contains(CANARY), "{setting}: {message}");
        }
        // Without the schema the chart's templates report the same errors.
        for (setting, expected) in
            [("api=", "api is empty"), ("backend=x", "backend is"), ("backend=cloud", "apiKey.secretName")]
        {
            let args = ["--skip-schema-validation", "--set", setting];
            let message = helm.run_failing(&[&["template", "x", "."], &VERSION[..], &SERVER, &args].concat());
            assert!(message.contains(expected), "{setting}: {message}");
        }
    });
}

#[test]
fn stores_any_template_unchanged() {
    let unchanged = [
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
    with_each_helm(|helm| {
        let cases = unchanged.map(|text| (text, text)).into_iter();
        for (text, stored) in cases.chain([("a: b\r\nc: d\r\n", "a: b\nc: d\n"), ("\u{feff}a: b\n", "a: b\n")]) {
            let file = format!("jobTemplate={}", helm.write("job.yaml", text));
            helm.upgrade(RELEASE, &[&SERVER[..], &["--set-file", &file]].concat());
            assert_eq!(helm.live_template(RELEASE), stored, "{}", helm.program);
        }
        for text in ["a: \u{7}\n", "a: \u{2028}b\n"] {
            let file = format!("jobTemplate={}", helm.write("job.yaml", text));
            let args = [&["upgrade", RELEASE, "."], &SERVER[..], &["--set-file", &file]].concat();
            let message = helm.run_failing(&args);
            assert!(message.contains("control character"), "{message}");
        }
    });
}

#[test]
fn installs_upgrades_and_uninstalls() {
    with_each_helm(|helm| {
        let program = helm.program;
        // The API server knows every field that the chart sets.
        for file in value_files() {
            let text = helm.run_ok(&[&["template", RELEASE, "."], &VERSION[..], &["-f", &file]].concat());
            // The Role and RoleBinding may be in another namespace, which is replaced with the test's namespace.
            let text = text.replace("\"flows\"", &format!("{:?}", helm.namespace));
            let path = helm.write("all.yaml", text);
            let args = ["create", "--dry-run=server", "--validate=strict", "-f", &path, "-n", &helm.namespace];
            let output = helm.servers.run("kubectl", &args);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        }

        assert_eq!(helm.live_objects(), []);
        helm.upgrade(RELEASE, &SERVER);
        let first = helm.chart_objects();
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "configmaps/prefect-agent-job-template",
            "serviceaccounts/prefect-agent",
            "deployments/prefect-agent",
            "roles/prefect-agent",
            "rolebindings/prefect-agent",
        ];
        assert_eq!(names, expected);
        assert_eq!(helm.live_template(RELEASE), read_file("templates/job_template.yaml"));

        // The authorizer sees a new Role after a short delay, so the check is repeated.
        wait_for("its permissions", || {
            helm.is_allowed(RELEASE, &helm.namespace, "create", "batch", "jobs").then_some(())
        });
        assert_eq!(helm.permissions(RELEASE, &helm.namespace), AGENT_PERMISSIONS);
        assert_eq!(helm.permissions("default", &helm.namespace), [""; 0]);

        helm.upgrade(RELEASE, &SERVER);
        assert_eq!(helm.chart_objects(), first, "{program}");

        let text = read_file("templates/job_template.yaml").replace("backoffLimit: 0", "backoffLimit: 1");
        let file = format!("jobTemplate={}", helm.write("job.yaml", &text));
        helm.upgrade(RELEASE, &[&SERVER[..], &["--set-file", &file]].concat());
        let mut second = helm.chart_objects();
        let index_of = |name: &str| names.iter().position(|candidate| *candidate == name).expect("it is among them");
        let (map, deployment) = (index_of(expected[0]), index_of(expected[2]));
        assert_eq!(second[map].1["data"], json!({"job_template.yaml": text}));
        second[map].1["data"] = first[map].1["data"].clone();
        let checksum = "/spec/template/metadata/annotations/checksum~1job-template";
        let old = first[deployment].1.pointer(checksum).expect("it has a checksum");
        let new = second[deployment].1.pointer_mut(checksum).expect("it has a checksum");
        assert_ne!(old, new);
        *new = old.clone();
        assert_eq!(second, first, "{program}");

        helm.run_ok(&["uninstall", RELEASE]);
        wait_for("the deletion of all objects", || helm.live_objects().is_empty().then_some(()));
    });
}

#[test]
fn several_releases_coexist() {
    with_each_helm(|helm| {
        let long = "a".repeat(53);
        let full = "b".repeat(63);
        let overlong = format!("fullnameOverride={full}b");
        helm.upgrade("one", &SERVER);
        helm.upgrade("two", &SERVER);
        helm.upgrade(&long, &SERVER);
        helm.upgrade("full", &[&SERVER[..], &["--set", &overlong]].concat());
        let objects = helm.chart_objects();
        assert_eq!(objects.len(), 4 * 5, "{objects:?}");
        for name in ["one-prefect-agent", "two-prefect-agent", &format!("{long}-prefect-a"), &full] {
            let deployment = objects.iter().find(|(candidate, _)| *candidate == format!("deployments/{name}"));
            let pod = &deployment.unwrap_or_else(|| panic!("no {name}")).1["spec"]["template"]["spec"];
            assert_eq!(pod["serviceAccountName"], name);
            assert_eq!(pod["volumes"][0]["configMap"]["name"], format!("{name}-job-template"));
        }
        // The selectors differ, so no pod belongs to two releases.
        let mut selectors: Vec<String> = objects
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
fn supports_flow_runs_in_another_namespace() {
    with_each_helm(|helm| {
        let flows = helm.servers.create_namespace("flows");
        let other = ChartFixture::new(helm.servers, helm.program);
        let set = format!("jobNamespace={flows}");
        // Two releases with the same name, in different namespaces, share the namespace of flow runs.
        for helm in [helm, &other] {
            helm.upgrade(RELEASE, &[&SERVER[..], &["--set", &set]].concat());
            wait_for("its permissions", || helm.is_allowed(RELEASE, &flows, "create", "batch", "jobs").then_some(()));
            assert_eq!(helm.permissions(RELEASE, &flows), AGENT_PERMISSIONS);
            assert_eq!(helm.permissions(RELEASE, &helm.namespace), [""; 0]);
        }
    });
}

#[test]
fn notes_show_the_post_renderer_flags() {
    with_each_helm(|helm| {
        let dry_run = ["install", "x", ".", "--dry-run=server"];
        let notes = helm.run_ok(&[&dry_run, &SERVER[..]].concat());
        let (_, notes) = notes.split_once("NOTES:").expect("it has notes");
        assert!(notes.contains("--target=ConfigMap/x-prefect-agent-job-template:job_template.yaml"), "{notes}");
        assert_eq!(notes.contains("--post-renderer-args post-render "), helm.program == "helm3", "{notes}");
        assert!(notes.contains(&format!("prefect-secrets -n {}", helm.namespace)), "{notes}");
        assert!(!notes.contains("WARNING"), "{notes}");

        let env = "env: [{name: PREFECT__BACKEND, value: a}, {name: TZ, value: b}, {name: PREFECT__LOGGING__LEVEL}]";
        let pod = format!("{{serviceAccountName: a, containers: [{{name: flow, {env}}}, {{name: b, env: 1}}]}}");
        let warned_names = |text: &str| {
            let file = format!("jobTemplate={}", helm.write("job.yaml", text));
            let more_args = ["--set-file", &file, "--set", "env[0].name=SERVICE_ACCOUNT_NAME,env[0].value=b"];
            let notes = helm.run_ok(&[&dry_run, &SERVER[..], &more_args].concat());
            let (_, notes) = notes.split_once("NOTES:").expect("it has notes");
            let warnings = notes.lines().filter_map(|line| line.strip_prefix("WARNING: "));
            warnings.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let names = ["PREFECT__BACKEND", "PREFECT__LOGGING__LEVEL", "SERVICE_ACCOUNT_NAME"];
        assert_eq!(warned_names(&format!("spec: {{template: {{spec: {pod}}}}}\n")), names);
        // The notes never fail, whatever the template contains.
        for text in ["a: [", "- a\n", "a\n", "spec: 1\n", "spec: {template: }\n", "---\na: b\n---\nc: d\n"] {
            assert_eq!(warned_names(text), ["the"], "{text:?}");
        }
        for text in
            ["containers: ", "containers: {a: b}", "containers: []", "containers: [1]", "containers: [{env: 1}]"]
        {
            assert_eq!(warned_names(&format!("spec: {{template: {{spec: {{{text}}}}}}}\n")), [""; 0], "{text:?}");
        }
        assert_eq!(warned_names("spec: {template: {spec: {containers: [{env: [1, {a: b}]}]}}}\n"), [""; 0]);
    });
}
