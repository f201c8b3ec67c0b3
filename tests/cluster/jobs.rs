//! Jobs: those that can't be changed (`--on-immutable`), and those that are waited for (`--wait`, `--logs`).

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Ran, Run};
use crate::http::Client;
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::proxy::{Action, Proxy, Request};
use crate::rows::path;
use crate::run;
use crate::servers::{ADMIN, Servers};

const JOB: &str = "# The flow of every night
apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow # where the flow runs
        image: none
        env:
        - name: TOKEN
          value: kanarie7f3a
";
const CANARY: &str = "kanarie7f3a";

fn changed() -> String {
    JOB.replace("image: none", "image: other")
}

fn with_spec(text: &str, more: &str) -> String {
    text.replace("backoffLimit: 0", &format!("backoffLimit: 0\n  {more}"))
}

/// A namespace, and the program in it, behind a proxy.
struct Site {
    namespace: String,
    admin: Client,
    proxy: Proxy,
    run: Run,
}

impl Site {
    fn new(servers: &Servers) -> Self {
        Site::with(servers, |_| Action::Pass)
    }

    fn with(servers: &Servers, rule: impl Fn(&Request) -> Action + Send + Sync + 'static) -> Self {
        let proxy = Proxy::start(servers, rule);
        let run = Run::new(proxy.kubeconfig()).file("job.yaml", JOB);
        Site { namespace: servers.namespace("job"), admin: servers.client(ADMIN), proxy, run }
    }

    /// Applies `job.yaml`, or another text that takes its place.
    fn apply(&self, text: &str, args: &[&str]) -> Ran {
        self.run.write("job.yaml", text);
        let ran = self.run.run(&[&["apply", "job.yaml", "-n", &self.namespace], args].concat());
        assert!(!format!("{ran:?}").contains(CANARY), "{ran:?}");
        assert!(!self.proxy.requests().iter().any(|request| request.target.contains("/secrets")));
        ran
    }

    fn live(&self, name: &str) -> Value {
        self.admin.get(&path(&self.namespace, "jobs", name)).done()
    }

    fn uid(&self, name: &str) -> String {
        self.live(name)["metadata"]["uid"].as_str().expect("it has one").to_owned()
    }

    fn is_there(&self, name: &str) -> bool {
        self.admin.get(&path(&self.namespace, "jobs", name)).status == 200
    }

    /// Requests that change something.
    fn writes(&self) -> Vec<Request> {
        let mut requests = self.proxy.requests();
        requests.retain(|request| request.method != "GET" && !request.is_dry_run());
        requests
    }

    /// Has the Job of a name run to its end.
    fn finish(&self, kubelet: &Kubelet, name: &str, state: &PodState) {
        let pod = kubelet.wait_for_job_pod(&self.namespace, name);
        if self.admin.get(&path(&self.namespace, "pods", &pod)).done()["spec"]["nodeName"].is_null() {
            kubelet.bind(&self.namespace, &pod);
        }
        kubelet.set_state(&self.namespace, &pod, state);
        wait_for("the end of the Job", || {
            let job = self.live(name);
            let conditions = job["status"]["conditions"].as_array()?.clone();
            let ended = |c: &Value| (c["type"] == "Complete" || c["type"] == "Failed") && c["status"] == "True";
            conditions.iter().any(ended).then_some(())
        });
    }

    /// Starts an apply whose lines of stderr can be read as they come.
    fn watch(&self, text: &str, args: &[&str]) -> Watched {
        self.run.write("job.yaml", text);
        let mut command = run::isolated_command(run::binary(), self.run.directory());
        command.env("KUBECONFIG", self.proxy.kubeconfig()).args(["apply", "job.yaml", "-n", &self.namespace]);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (sender, lines) = channel();
        let mut stderr = BufReader::new(child.stderr.take().expect("it is a pipe"));
        thread::spawn(move || {
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8(std::mem::take(&mut line)).expect("it prints UTF-8");
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        Watched { child, lines, seen: Vec::new() }
    }

    /// Until the program has looked at the pods of its Job.
    fn until_watched(&self) {
        wait_for("a look at pods", || {
            self.proxy.requests().iter().any(|request| request.target.contains("/pods?")).then_some(())
        });
    }
}

/// A run whose standard error is read line by line.
struct Watched {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Watched {
    /// The next line of a log, without what stands in front of it.
    #[track_caller]
    fn log(&mut self) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no line comes after {:?}", self.seen));
            self.seen.push(line.clone());
            if let Some((head, text)) = line.split_once("] ")
                && head.starts_with('[')
            {
                return text.trim_end_matches('\n').to_owned();
            }
        }
    }

    fn interrupt(&self) {
        let killed = std::process::Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(killed.expect("there is a kill").success());
    }

    /// Exit code, report, and all that stderr had.
    fn end(mut self) -> (i32, String, String) {
        let mut stdout = String::new();
        self.child.stdout.take().expect("it is a pipe").read_to_string(&mut stdout).expect("it prints UTF-8");
        let status = self.child.wait().expect("it ends").code().unwrap_or(-1);
        self.seen.extend(self.lines);
        let stderr = self.seen.concat();
        assert!(!stderr.contains(['\u{1b}', '\r']), "{stderr:?}");
        (status, stdout, stderr)
    }

    /// The lines of logs that a whole run has told.
    fn logs(stderr: &str) -> Vec<&str> {
        stderr.lines().filter(|line| line.starts_with('[')).filter_map(|line| Some(line.split_once("] ")?.1)).collect()
    }
}

#[test]
fn another_template_is_refused_unless_a_policy_is_named() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.apply(JOB, &[]).says(0, &[]);
    let before = site.live("etl");
    let other = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n";
    for args in [&[][..], &["--on-immutable=fail"], &["--force-conflicts"]] {
        let ran = site.apply(&(changed() + other), args).says(3, &["job.batch/etl", "--on-immutable", "recreate"]);
        assert!(ran.stdout.contains("job.batch/etl failed"), "{ran:?}");
    }
    assert_eq!(site.writes().len(), 1);
    let ran = site.apply(&(changed() + other), &["--on-immutable=skip"]).says(0, &[]);
    assert_eq!(ran.stdout, "job.batch/etl skipped\nconfigmap/other created\n");
    assert_eq!(site.uid("etl"), before["metadata"]["uid"]);
    assert_eq!(site.live("etl")["spec"]["template"], before["spec"]["template"]);
}

#[test]
fn policies_that_make_no_sense() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    for (args, says) in [
        (&["--on-immutable=replace"][..], "new-name"),
        (&["--recreate-running"], "--on-immutable=recreate"),
        (&["--recreate-running", "--on-immutable=skip"], "--on-immutable=recreate"),
    ] {
        site.apply(JOB, args).says(2, &[says]);
    }
    assert!(site.proxy.requests().is_empty());
}

/// Deleted is what was looked at, pods first, and only when the new one is known to be taken.
#[test]
fn an_ended_job_is_made_anew() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    for (state, extra) in [(PodState::Succeeded, &[][..]), (PodState::Failed(1, "Error"), &["--no-preflight"])] {
        let site = Site::new(servers);
        site.apply(JOB, &[]).says(0, &[]);
        site.finish(&kubelet, "etl", &state);
        let old = site.live("etl");
        let ran = site.apply(&changed(), &[&["--on-immutable=recreate"], extra].concat()).says(0, &[]);
        assert_eq!(ran.stdout, "job.batch/etl recreated\n");
        let new = site.live("etl");
        assert_ne!(new["metadata"]["uid"], old["metadata"]["uid"]);
        assert_eq!(new["spec"]["template"]["spec"]["containers"][0]["image"], "other");

        let requests = site.proxy.requests();
        let deletion = requests.iter().position(|request| request.method == "DELETE").expect("it deletes");
        let options: Value = serde_json::from_slice(&requests[deletion].body).expect("it is JSON");
        assert_eq!(options["preconditions"]["uid"], old["metadata"]["uid"]);
        assert_eq!(options["preconditions"]["resourceVersion"], old["metadata"]["resourceVersion"]);
        assert_eq!(options["propagationPolicy"], "Foreground");
        let trial = requests.iter().position(|request| request.method == "POST").expect("it tries the new one");
        assert!(requests[trial].is_dry_run() && trial < deletion);
        assert_eq!(String::from_utf8_lossy(&requests[trial].body), changed());

        // The same once more is no reason to delete anything.
        let again = site.apply(&changed(), &["--on-immutable=recreate"]).says(0, &[]);
        assert_eq!(again.stdout, "job.batch/etl unchanged\n");
        assert_eq!(site.live("etl")["metadata"]["uid"], new["metadata"]["uid"]);
    }
}

#[test]
fn a_running_job_is_deleted_only_if_that_is_said() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    site.apply(JOB, &[]).says(0, &[]);
    let uid = site.uid("etl");
    // Not even a pod of it has to be there yet.
    for extra in [&[][..], &["--no-preflight"]] {
        let args = [&["--on-immutable=recreate"], extra].concat();
        site.apply(&changed(), &args).says(3, &["running", "--recreate-running"]);
    }
    let pod = kubelet.start_pod(&site.namespace, "etl", &PodState::Running);
    site.apply(&changed(), &["--on-immutable=recreate"]).says(3, &["running", "--recreate-running"]);
    assert_eq!(site.uid("etl"), uid);
    assert!(site.writes().iter().all(|request| request.method != "DELETE"));

    let ran = site.apply(&changed(), &["--on-immutable=recreate", "--recreate-running"]).says(0, &[]);
    assert_eq!(ran.stdout, "job.batch/etl recreated\n");
    assert_ne!(site.uid("etl"), uid);
    assert_eq!(site.admin.get(&path(&site.namespace, "pods", &pod)).status, 404);
    let deletions: Vec<Request> = site.writes().into_iter().filter(|request| request.method == "DELETE").collect();
    let options: Value = serde_json::from_slice(&deletions[0].body).expect("it is JSON");
    assert!(deletions.len() == 1 && options["preconditions"]["uid"] == uid.as_str(), "{options}");
    assert!(options["preconditions"]["resourceVersion"].is_string(), "{options}");
}

#[test]
fn a_job_that_a_cron_job_owns_stays() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.apply(JOB, &[]).says(0, &[]);
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "flow", "image": "none"}]}});
    let spec = json!({"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": pod}}});
    let cron_job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "owner"}, "spec": spec});
    let owner = site.admin.post(&path(&site.namespace, "cronjobs", ""), &cron_job).done();
    let owner = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "owner", "controller": true,
        "uid": owner["metadata"]["uid"]});
    let owned = json!({"metadata": {"ownerReferences": [owner]}});
    site.admin.patch(&path(&site.namespace, "jobs", "etl"), "merge", owned.to_string()).done();
    let uid = site.uid("etl");
    for extra in [&[][..], &["--recreate-running"], &["--recreate-running", "--no-preflight"]] {
        let args = [&["--on-immutable=recreate"], extra].concat();
        site.apply(&changed(), &args).says(3, &["job.batch/etl", "CronJob"]);
    }
    assert_eq!(site.uid("etl"), uid);
    assert!(site.writes().iter().all(|request| request.method != "DELETE"));
}

/// Of a replacement that will not be taken one hears while the old one is still there.
#[test]
fn an_invalid_replacement_deletes_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    let site = Site::new(servers);
    site.apply(JOB, &[]).says(0, &[]);
    site.finish(&kubelet, "etl", &PodState::Succeeded);
    let uid = site.uid("etl");

    // What a check of the cluster says about new Jobs only: no dry run of an apply hears of it.
    let name = format!("no-other.{}", site.namespace);
    let rules =
        json!([{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}]);
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": site.namespace}});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules, "namespaceSelector": here},
            "validations": [{"expression": "!object.spec.template.spec.containers.exists(c, c.image == 'other')"}]},
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    let all = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic";
    site.admin.post(&format!("{all}ies"), &policy).done();
    site.admin.post(&format!("{all}ybindings"), &binding).done();
    let probe = changed().replace("name: etl", "name: probe");
    let tried = format!("{}?dryRun=All", path(&site.namespace, "jobs", ""));
    wait_for("the policy", || {
        let answer = site.admin.request("POST", &tried, "application/yaml", probe.as_bytes()).ok()?;
        (answer.status != 201).then_some(())
    });

    for (text, says) in [
        (changed(), &*name),
        (changed().replace("image: other", "image: third").replace("Never", "Always"), "restartPolicy"),
        (changed().replace("image: other", "image: third").replace("name: TOKEN", "name: A=B"), "name of a variable"),
    ] {
        for extra in [&[][..], &["--no-preflight"]] {
            let args = [&["--on-immutable=recreate", "--recreate-running"], extra].concat();
            site.apply(&text, &args).says(3, &[says]);
        }
    }
    assert_eq!(site.uid("etl"), uid);
    assert!(site.writes().iter().all(|request| request.method != "DELETE"));
}

#[test]
fn suspended_jobs() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let suspended = with_spec(JOB, "suspend: true");
    site.apply(&suspended, &[]).says(0, &[]);
    let uid = site.uid("etl");
    // Which image a suspended Job has can't be changed either, and the server says so in other words.
    let other = suspended.replace("image: none", "image: other");
    site.apply(&other, &[]).says(3, &["--on-immutable"]);
    let ran = site.apply(&other, &["--on-immutable=recreate"]).says(0, &[]);
    assert_eq!(ran.stdout, "job.batch/etl recreated\n");
    assert_ne!(site.uid("etl"), uid);
    let ran = site.apply(&other.replace("suspend: true", "suspend: false"), &[]).says(0, &[]);
    assert_eq!(ran.stdout, "job.batch/etl configured\n");
}

/// Somebody resumes the Job when it has just been found suspended.
#[test]
fn a_job_that_changes_before_its_deletion_stays() {
    let Some(servers) = Servers::shared() else { return };
    let place = Arc::<std::sync::OnceLock<String>>::default();
    let (of_rule, admin) = (Arc::clone(&place), servers.client(ADMIN));
    let site = Site::with(servers, move |request| {
        if request.method == "DELETE" {
            let resume =
                json!({"spec": {"suspend": false}, "metadata": {"labels": {"seen": request.seen.to_string()}}});
            admin.patch(of_rule.get().expect("it is known"), "merge", resume.to_string()).done();
        }
        Action::Pass
    });
    place.set(path(&site.namespace, "jobs", "etl")).expect("it is set once");
    let suspended = with_spec(JOB, "suspend: true");
    site.apply(&suspended, &[]).says(0, &[]);
    let uid = site.uid("etl");
    site.apply(&suspended.replace("image: none", "image: other"), &["--on-immutable=recreate"])
        .says(3, &["job.batch/etl"]);
    let live = site.live("etl");
    assert!(live["metadata"]["uid"] == uid.as_str() && live["metadata"]["deletionTimestamp"].is_null(), "{live}");
}

/// In place of the one that was looked at there is another, which nobody has looked at.
#[test]
fn another_job_of_the_name_stays() {
    let Some(servers) = Servers::shared() else { return };
    let place = Arc::<std::sync::OnceLock<String>>::default();
    let (of_rule, admin) = (Arc::clone(&place), servers.client(ADMIN));
    let site = Site::with(servers, move |request| {
        if request.method == "DELETE" && request.seen == 0 {
            let path = of_rule.get().expect("it is known");
            admin.delete(path).done();
            wait_for("the deletion", || (admin.get(path).status == 404).then_some(()));
            let text = JOB.replace("image: none", "image: third");
            admin.patch(&format!("{path}?fieldManager=somebody"), "apply", text).done();
        }
        Action::Pass
    });
    place.set(path(&site.namespace, "jobs", "etl")).expect("it is set once");
    let suspended = with_spec(JOB, "suspend: true");
    site.apply(&suspended, &[]).says(0, &[]);
    site.apply(&suspended.replace("image: none", "image: other"), &["--on-immutable=recreate"])
        .says(3, &["job.batch/etl"]);
    let live = site.live("etl");
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "third");
    assert!(live["metadata"]["deletionTimestamp"].is_null(), "{live}");
}

/// The deletion is under way when it is asked for again.
#[test]
fn a_deletion_whose_answer_is_lost_is_no_change_by_somebody_else() {
    let Some(servers) = Servers::shared() else { return };
    let place = Arc::<std::sync::OnceLock<String>>::default();
    let (of_rule, admin, is_asked) = (Arc::clone(&place), servers.client(ADMIN), AtomicBool::new(false));
    let site = Site::with(servers, move |request| {
        if request.method == "DELETE" && request.seen == 0 {
            is_asked.store(true, Ordering::SeqCst);
            return Action::ResetAfter;
        }
        if request.is("GET", "/jobs/etl") && is_asked.swap(false, Ordering::SeqCst) {
            let free = json!({"metadata": {"finalizers": null}});
            admin.patch(of_rule.get().expect("it is known"), "merge", free.to_string()).done();
        }
        Action::Pass
    });
    place.set(path(&site.namespace, "jobs", "etl")).expect("it is set once");
    let held = with_spec(JOB, "suspend: true").replace("name: etl", "name: etl\n  finalizers: [example.com/held]");
    site.apply(&held, &[]).says(0, &[]);
    let uid = site.uid("etl");
    let ran = site.apply(&with_spec(&changed(), "suspend: true"), &["--on-immutable=recreate"]).says(0, &[]);
    assert_eq!(ran.stdout, "job.batch/etl recreated\n");
    assert_ne!(site.uid("etl"), uid);
}

#[test]
fn trying_to_make_it_anew_deletes_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.apply(&with_spec(JOB, "suspend: true"), &[]).says(0, &[]);
    // The controller writes once that it is suspended.
    wait_for("the controller", || site.live("etl")["status"]["conditions"].is_array().then_some(()));
    let before = site.live("etl");
    let changed = with_spec(&changed(), "suspend: true");
    let ran = site.apply(&changed, &["--on-immutable=recreate", "--dry-run=server"]).says(0, &[]);
    assert_eq!(ran.stdout, "job.batch/etl recreated (server dry run)\n");
    // Nor is it deleted when something else in the input is refused.
    let bad = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n";
    site.apply(&(changed + bad), &["--on-immutable=recreate"]).says(3, &["UPPER"]);
    assert_eq!(site.live("etl"), before);
    assert_eq!(site.writes().len(), 1);
}

#[test]
fn it_is_said_when_the_old_one_is_gone_and_the_new_one_is_not_there() {
    let Some(servers) = Servers::shared() else { return };
    let is_deleted = AtomicBool::new(false);
    let site = Site::with(servers, move |request| {
        is_deleted.fetch_or(request.method == "DELETE" && !request.is_dry_run(), Ordering::SeqCst);
        match is_deleted.load(Ordering::SeqCst) && request.method == "PATCH" {
            true => Action::status(403, "Forbidden", "admission webhook \"a.example.com\" denied the request: no"),
            false => Action::Pass,
        }
    });
    let suspended = with_spec(JOB, "suspend: true");
    site.apply(&suspended, &[]).says(0, &[]);
    let changed = suspended.replace("image: none", "image: other");
    let ran = site.apply(&changed, &["--on-immutable=recreate"]).says(3, &["a.example.com", "deleted"]);
    assert!(ran.stdout.contains("job.batch/etl failed") && ran.stdout.contains("deleted"), "{ran:?}");
    assert!(!site.is_there("etl"));
}

#[test]
fn a_deletion_that_takes_too_long_ends_the_run() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let held = with_spec(JOB, "suspend: true").replace("name: etl", "name: etl\n  finalizers: [example.com/held]");
    site.apply(&held, &[]).says(0, &[]);
    let start = Instant::now();
    let changed = held.replace("image: none", "image: other");
    site.apply(&changed, &["--on-immutable=recreate", "--timeout=2s"]).says(5, &["job.batch/etl", "--timeout"]);
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(site.live("etl")["metadata"]["deletionTimestamp"].is_string());
    let free = json!({"metadata": {"finalizers": null}});
    site.admin.patch(&path(&site.namespace, "jobs", "etl"), "merge", free.to_string()).done();
}

#[test]
fn a_new_name_is_that_of_render() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let ran = site.apply(JOB, &["--on-immutable=new-name", "--secret-env", "TOKEN=s/k"]).says(0, &[]);
    let name = ran.stdout.strip_prefix("job.batch/").and_then(|rest| rest.strip_suffix(" created\n"));
    let name = name.unwrap_or_else(|| panic!("{ran:?}")).to_owned();
    assert!(name.len() == "etl-".len() + 8 && name.starts_with("etl-"), "{name}");
    let rendered = site.run.run(&["render", "job.yaml", "--name-hash", "--secret-env", "TOKEN=s/k"]).says(0, &[]);
    assert!(rendered.stdout.contains(&name) && rendered.stdout.contains("# where the flow runs"));
    let bodies: Vec<String> =
        site.writes().iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert_eq!(bodies, [rendered.stdout]);

    // The same, and the same in other words.
    let args = ["--on-immutable=new-name", "--secret-env", "TOKEN=s/k"];
    for text in [
        JOB.to_owned(),
        JOB.replace("# where the flow runs", "# elsewhere"),
        JOB.replace("# The flow of every night\n", "\n\n"),
        JOB.replace("name: flow # where the flow runs\n        image: none", "image: 'none'\n        name: \"flow\""),
    ] {
        let ran = site.apply(&text, &args).says(0, &[]);
        assert_eq!(ran.stdout, format!("job.batch/{name} unchanged\n"), "{text}");
    }
    // Another one is another one, beside the old one.
    let ran = site.apply(&changed(), &args).says(0, &[]);
    assert!(ran.stdout.ends_with(" created\n") && !ran.stdout.contains(&name), "{ran:?}");
    assert!(site.is_there(&name) && !site.is_there("etl"));
}

/// A CronJob under a second name would run everything twice.
#[test]
fn only_jobs_get_new_names() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let spec = JOB.split_once("spec:\n").expect("it has a spec").1;
    let spec: String = spec.lines().map(|line| format!("    {line}\n")).collect();
    let head = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec:\n  suspend: true\n  schedule: '0 0 1 1 *'\n";
    let cron_job = format!("{head}  jobTemplate:\n    spec:\n{spec}");
    let ran = site.apply(&format!("{cron_job}---\n{JOB}"), &["--on-immutable=new-name"]).says(0, &[]);
    assert!(ran.stdout.starts_with("cronjob.batch/nightly created\njob.batch/etl-"), "{ran:?}");
}

/// When it has removed itself, applying runs it again: a user has to know.
#[test]
fn a_time_to_live_is_spoken_of() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let note = |ran: &Ran| {
        let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("note:")).collect();
        lines
            .iter()
            .any(|line| (line.contains("TTL") || line.contains("ttlSecondsAfterFinished")) && line.contains("again"))
    };
    let ran = site.apply(&with_spec(JOB, "ttlSecondsAfterFinished: 3600"), &[]).says(0, &[]);
    assert!(note(&ran), "{}", ran.stderr);
    let ran = site.apply(&with_spec(JOB, "ttlSecondsAfterFinished: 3600"), &["--on-immutable=new-name"]).says(0, &[]);
    assert!(note(&ran), "{}", ran.stderr);
    let ran = site.apply(&JOB.replace("name: etl", "name: other"), &[]).says(0, &[]);
    assert!(!note(&ran), "{}", ran.stderr);
}

/// Waits beside a kubelet that does something as soon as the program is waiting.
fn waited(servers: &Servers, text: &str, args: &[&str], act: impl FnOnce(&Site, &Kubelet)) -> (i32, String, String) {
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    let watched = site.watch(text, &[&["--wait"], args].concat());
    site.until_watched();
    act(&site, &kubelet);
    let (status, stdout, stderr) = watched.end();
    assert!(!site.proxy.requests().iter().any(|request| request.target.contains("/secrets")));
    assert!(!stdout.contains(CANARY) && !stderr.contains(CANARY), "{stderr}");
    (status, stdout, stderr)
}

#[test]
fn ends_that_are_waited_for() {
    let Some(servers) = Servers::shared() else { return };
    type Act = fn(&Site, &Kubelet);
    let cases: &[(&str, Act, i32, &[&str])] = &[
        (
            "complete",
            |site, kubelet| site.finish(kubelet, "etl", &PodState::Succeeded),
            0,
            &["job.batch/etl", "complete"],
        ),
        (
            "failed",
            |site, kubelet| site.finish(kubelet, "etl", &PodState::Failed(137, "OOMKilled")),
            4,
            &["job.batch/etl", "failed", "137", "OOMKilled", "container flow"],
        ),
        (
            "deleted",
            |site, _| drop(site.admin.delete(&path(&site.namespace, "jobs", "etl")).done()),
            4,
            &["job.batch/etl", "deleted"],
        ),
        (
            "made anew by somebody else",
            |site, _| {
                let etl = path(&site.namespace, "jobs", "etl");
                let job = site.live("etl");
                site.admin.delete(&etl).done();
                wait_for("the deletion", || (site.admin.get(&etl).status == 404).then_some(()));
                let template = json!({"spec": job["spec"]["template"]["spec"]});
                let new = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "etl"}, "spec": {"template": template}});
                site.admin.post(&path(&site.namespace, "jobs", ""), &new).done();
            },
            4,
            &["job.batch/etl", "deleted"],
        ),
        (
            "no such Secret",
            |site, kubelet| drop(kubelet.start_pod(&site.namespace, "etl", &PodState::secret_missing("prefect"))),
            4,
            &["CreateContainerConfigError", "Secret prefect", "kubectl create secret"],
        ),
        (
            "no such key",
            |site, kubelet| {
                drop(kubelet.start_pod(
                    &site.namespace,
                    "etl",
                    &PodState::key_missing(&site.namespace, "prefect", "token"),
                ))
            },
            4,
            &["CreateContainerConfigError", "Secret prefect", "key token"],
        ),
        (
            "no such image",
            |site, kubelet| drop(kubelet.start_pod(&site.namespace, "etl", &PodState::image_missing("none"))),
            4,
            &["ImagePullBackOff", "container flow"],
        ),
        (
            "a message that holds a value",
            |site, kubelet| {
                let message = format!("failed to prepare {CANARY} for {CANARY}");
                kubelet.start_pod(&site.namespace, "etl", &PodState::Waiting("CreateContainerError", message));
            },
            4,
            &["CreateContainerError", "container flow"],
        ),
    ];
    thread::scope(|scope| {
        for (about, act, status, says) in cases {
            scope.spawn(move || {
                let (code, stdout, stderr) = waited(servers, JOB, &[], act);
                assert_eq!(code, *status, "{about}: {stdout}{stderr}");
                says.iter().for_each(|part| assert!(stderr.contains(part), "{about}: {part}: {stderr}"));
                assert!(stdout.starts_with("job.batch/etl created, "), "{about}: {stdout}");
            });
        }
    });
}

#[test]
fn of_two_jobs_one_fails() {
    let Some(servers) = Servers::shared() else { return };
    let two = format!("{}---\n{JOB}", JOB.replace("name: etl", "name: good"));
    let (status, stdout, stderr) = waited(servers, &two, &[], |site, kubelet| {
        site.finish(kubelet, "etl", &PodState::Failed(3, "Error"));
        site.finish(kubelet, "good", &PodState::Succeeded);
    });
    assert_eq!(status, 4, "{stderr}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("job.batch/good created, complete"), "{stdout}");
    assert!(lines[1].starts_with("job.batch/etl created, failed") && lines[1].contains("exit code 3"), "{stdout}");
}

#[test]
fn time_runs_out() {
    let Some(servers) = Servers::shared() else { return };
    let suspended = with_spec(JOB, "suspend: true");
    for (text, says, hint) in [(JOB, "1 active", "--timeout"), (&suspended, "suspended", "`suspend` is false")] {
        let (status, stdout, stderr) = waited(servers, text, &["--timeout=4s"], |_, _| ());
        assert_eq!(status, 5, "{stderr}");
        assert!(stderr.contains(says) && stderr.contains(hint) && stdout.contains(says), "{stdout}{stderr}");
    }
}

/// Of several failures the first one gives the exit code.
#[test]
fn a_refusal_before_a_failed_job() {
    let Some(servers) = Servers::shared() else { return };
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n";
    let (status, stdout, stderr) =
        waited(servers, &format!("{JOB}---\n{bad}"), &["--no-preflight"], |site, kubelet| {
            site.finish(kubelet, "etl", &PodState::Failed(3, "Error"));
        });
    assert_eq!(status, 3, "{stderr}");
    assert!(stdout.contains("exit code 3") && stdout.contains("configmap/UPPER failed"), "{stdout}");
}

#[test]
fn times_without_an_end() {
    let Some(servers) = Servers::shared() else { return };
    for time in ["0", "18446744073709551615", "9223372036854775807s", "2562047788015215h"] {
        let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
        site.apply(JOB, &[]).says(0, &[]);
        site.finish(&kubelet, "etl", &PodState::Succeeded);
        let ran = site.apply(JOB, &["--wait", "--timeout", time, "--request-timeout", time]);
        assert!(matches!(ran.status, 0 | 2), "{time}: {ran:?}");
    }
}

#[test]
fn what_has_ended_needs_no_waiting() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    for (state, status, says) in
        [(PodState::Succeeded, 0, "complete"), (PodState::Failed(2, "Error"), 4, "exit code 2")]
    {
        let site = Site::new(servers);
        site.apply(JOB, &[]).says(0, &[]);
        site.finish(&kubelet, "etl", &state);
        let ran = site.apply(JOB, &["--wait"]).says(status, &[says]);
        assert!(ran.stdout.starts_with("job.batch/etl unchanged, "), "{ran:?}");
    }
    let site = Site::new(servers);
    site.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", &["--wait"]).says(0, &[]);
    site.apply(JOB, &["--wait", "--dry-run=server"]).says(0, &[]);
    // The timeout is far away: whoever waits for something that fails hears at once.
    let start = Instant::now();
    site.apply(&JOB.replace("Never", "Always"), &["--wait"]).says(3, &["restartPolicy"]);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_generated_name_is_waited_for() {
    let Some(servers) = Servers::shared() else { return };
    let text = JOB.replace("name: etl", "generateName: etl-");
    let (status, stdout, stderr) = waited(servers, &text, &[], |site, kubelet| {
        let jobs = site.admin.get(&path(&site.namespace, "jobs", "")).done();
        let name = jobs["items"][0]["metadata"]["name"].as_str().expect("it is made").to_owned();
        site.finish(kubelet, &name, &PodState::Succeeded);
    });
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.starts_with("job.batch/etl-") && stdout.contains(" created, complete"), "{stdout}");
}

#[test]
fn a_job_that_is_made_anew_is_waited_for() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    site.apply(JOB, &[]).says(0, &[]);
    site.finish(&kubelet, "etl", &PodState::Failed(1, "Error"));
    let old = site.uid("etl");
    let watched = site.watch(&changed(), &["--wait", "--on-immutable=recreate", "-o", "json"]);
    wait_for("the new one", || {
        let answer = site.admin.get(&path(&site.namespace, "jobs", "etl"));
        (answer.status == 200 && answer.json()["metadata"]["uid"] != old.as_str()).then_some(())
    });
    site.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, stdout, stderr) = watched.end();
    assert_eq!(status, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(report["objects"][0]["outcome"], "recreated");
    assert!(report["objects"][0]["job"].as_str().is_some_and(|job| job.starts_with("complete")), "{report}");
}

#[test]
fn whoever_stops_watching_stops_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    for args in [&["--wait"][..], &["--logs"]] {
        let watched = site.watch(JOB, args);
        let pod = kubelet.wait_for_job_pod(&site.namespace, "etl");
        if args == ["--wait"] {
            kubelet.bind(&site.namespace, &pod);
            kubelet.set_state(&site.namespace, &pod, &PodState::Running);
        }
        let looks = site.proxy.requests().len();
        wait_for("a look", || (site.proxy.requests().len() > looks + 3).then_some(()));
        let start = Instant::now();
        watched.interrupt();
        let (status, stdout, stderr) = watched.end();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(status, 130, "{stderr}");
        assert!(stderr.contains("go on") || stderr.contains("goes on"), "{stderr}");
        assert!(stdout.starts_with("job.batch/etl "), "{stdout}");
    }
    let job = site.live("etl");
    assert!(job["metadata"]["deletionTimestamp"].is_null() && job["status"]["active"] == 1, "{job}");
}

#[test]
fn the_api_server_restarts_while_somebody_waits() {
    if Servers::shared().is_none() {
        return;
    }
    let Some(servers) = Servers::separate() else { return };
    let (site, kubelet) = (Site::new(&servers), Kubelet::start(&servers));
    let mut watched = site.watch(JOB, &["--logs"]);
    let pod = kubelet.start_pod(&site.namespace, "etl", &PodState::Running);
    kubelet.append_log(&site.namespace, &pod, "flow", &stamped(1, "one"));
    assert_eq!(watched.log(), "one");
    servers.kill_apiserver();
    let looks = site.proxy.requests().len();
    wait_for("a look in vain", || (site.proxy.requests().len() > looks + 1).then_some(()));
    servers.start_apiserver();
    kubelet.append_log(&site.namespace, &pod, "flow", &stamped(2, "two"));
    assert_eq!(watched.log(), "two");
    site.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, stdout, stderr) = watched.end();
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.starts_with("job.batch/etl created, complete"), "{stdout}");
    assert_eq!(Watched::logs(&stderr), ["one", "two"]);
}

/// A line as kubelets keep it, with the time that it was written at.
fn stamped(second: u32, text: &str) -> String {
    format!("2026-01-01T00:00:{second:02}.000000001Z {text}\n")
}

#[test]
fn logs_are_told_as_they_come() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    let mut watched = site.watch(JOB, &["--logs"]);
    let pod = kubelet.start_pod(&site.namespace, "etl", &PodState::Running);
    // Each line is written only when the one before has arrived.
    for (second, line) in [(1, "one"), (2, "two: a b"), (3, ""), (4, "  indented")] {
        kubelet.append_log(&site.namespace, &pod, "flow", &stamped(second, line));
        assert_eq!(watched.log(), line);
    }
    // What could act on a terminal does not reach it; half a line waits for its end.
    kubelet.append_log(&site.namespace, &pod, "flow", &stamped(5, "\u{1b}[31mred\r"));
    assert!(watched.log().contains("red"));
    kubelet.append_log(&site.namespace, &pod, "flow", "2026-01-01T00:00:06Z half");
    kubelet.append_log(&site.namespace, &pod, "flow", " and half\n");
    assert_eq!(watched.log(), "half and half");
    kubelet.append_log(&site.namespace, &pod, "flow", "2026-01-01T00:00:07Z no end");
    site.finish(&kubelet, "etl", &PodState::Succeeded);
    assert_eq!(watched.log(), "no end");
    let (status, stdout, stderr) = watched.end();
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.starts_with("job.batch/etl created, complete") && stdout.lines().count() == 1, "{stdout}");
    assert!(stderr.contains(&format!("[{pod} flow] one\n")), "{stderr}");
    assert!(kubelet.log_requests().iter().all(|target| target.contains("follow=true")));
}

/// Clocks are coarse, and are set back.
#[test]
fn no_line_is_lost_for_its_time() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    let mut watched = site.watch(JOB, &["--logs"]);
    let pod = kubelet.start_pod(&site.namespace, "etl", &PodState::Running);
    for (second, line) in [(5, "a"), (5, "b"), (3, "c"), (4, "d"), (6, "e"), (6, "e"), (6, "f")] {
        kubelet.append_log(&site.namespace, &pod, "flow", &stamped(second, line));
        assert_eq!(watched.log(), line);
    }
    // Of the moment that it breaks in there is more to come.
    kubelet.break_logs();
    kubelet.append_log(&site.namespace, &pod, "flow", &stamped(6, "g"));
    assert_eq!(watched.log(), "g");
    site.finish(&kubelet, "etl", &PodState::Succeeded);
    assert_eq!(watched.end().0, 0);
}

#[test]
fn a_broken_log_is_taken_up_without_repeating() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    let mut watched = site.watch(JOB, &["--logs"]);
    let pod = kubelet.start_pod(&site.namespace, "etl", &PodState::Running);
    let mut told = Vec::new();
    // A Job of a night breaks more connections than one would count.
    for round in 0..8 {
        for (second, line) in [(3 * round, "a"), (3 * round + 1, "b"), (3 * round + 2, "c")] {
            let line = format!("{line}{round}");
            kubelet.append_log(&site.namespace, &pod, "flow", &stamped(second, &line));
            assert_eq!(watched.log(), line);
            told.push(line);
        }
        kubelet.break_logs();
    }
    site.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, _, stderr) = watched.end();
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(Watched::logs(&stderr), told);
}

#[test]
fn logs_of_init_containers() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    let text = JOB
        .replace("      containers:", "      initContainers:\n      - {name: first, image: none}\n      containers:");
    let mut watched = site.watch(&text, &["--logs"]);
    let pod = kubelet.wait_for_job_pod(&site.namespace, "etl");
    kubelet.bind(&site.namespace, &pod);
    let state = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
    let container =
        json!({"name": "first", "image": "none", "imageID": "", "restartCount": 0, "ready": false, "state": state});
    let status = json!({"status": {"phase": "Pending", "initContainerStatuses": [container]}});
    site.admin.patch(&format!("{}/status", path(&site.namespace, "pods", &pod)), "merge", status.to_string()).done();
    kubelet.append_log(&site.namespace, &pod, "first", &stamped(1, "getting ready"));
    assert_eq!(watched.log(), "getting ready");
    kubelet.set_state(&site.namespace, &pod, &PodState::Running);
    kubelet.append_log(&site.namespace, &pod, "flow", &stamped(2, "working"));
    assert_eq!(watched.log(), "working");
    site.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, _, stderr) = watched.end();
    assert_eq!(status, 0, "{stderr}");
    assert!(stderr.contains(&format!("[{pod} first] getting ready\n[{pod} flow] working\n")), "{stderr}");
}

#[test]
fn logs_of_the_pod_after_one_that_failed() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    let mut watched = site.watch(&JOB.replace("backoffLimit: 0", "backoffLimit: 1"), &["--logs"]);
    let first = kubelet.start_pod(&site.namespace, "etl", &PodState::Running);
    kubelet.append_log(&site.namespace, &first, "flow", &stamped(1, "no luck"));
    assert_eq!(watched.log(), "no luck");
    kubelet.set_state(&site.namespace, &first, &PodState::Failed(1, "Error"));
    let second =
        wait_for("another pod", || Some(kubelet.wait_for_job_pod(&site.namespace, "etl")).filter(|pod| *pod != first));
    kubelet.bind(&site.namespace, &second);
    kubelet.set_state(&site.namespace, &second, &PodState::Running);
    kubelet.append_log(&site.namespace, &second, "flow", &stamped(2, "luck"));
    assert_eq!(watched.log(), "luck");
    site.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, _, stderr) = watched.end();
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(Watched::logs(&stderr), ["no luck", "luck"]);
}

/// A pod can be over before anybody has looked.
#[test]
fn logs_of_a_pod_that_has_ended() {
    let Some(servers) = Servers::shared() else { return };
    let (site, kubelet) = (Site::new(servers), Kubelet::start(servers));
    site.apply(JOB, &[]).says(0, &[]);
    let pod = kubelet.start_pod(&site.namespace, "etl", &PodState::Running);
    kubelet.append_log(&site.namespace, &pod, "flow", &(stamped(1, "one") + &stamped(2, "two")));
    site.finish(&kubelet, "etl", &PodState::Failed(1, "Error"));
    let ran = site.apply(JOB, &["--logs"]).says(4, &["exit code 1"]);
    assert_eq!(Watched::logs(&ran.stderr), ["one", "two"]);
}
