//! Waiting for Jobs: until each is Complete or Failed, deleted, or has a pod that can't start.
//!
//! Jobs and their pods are looked at again and again: that survives lost connections without bookkeeping.
//! Secrets are never read: which one is missing stands in the pod's own status.

use std::cell::Cell;
use std::collections::HashSet;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use jobplate_diagnostic::{Error, ErrorKind};
use serde_json::Value;

use crate::kinds::built_in;
use crate::logs::{follow, started_logs};
use crate::options::WaitOptions;
use crate::pods::{LOOK, name_of, statuses};
use crate::request::{Request, Resource};
use crate::session::Session;

/// How long the last look may take.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// How long logs may go on behind the end of their Job.
const LOG_TAIL: Duration = Duration::from_secs(5);

/// A Job to wait for.
#[derive(Clone, Debug)]
pub(crate) struct Awaited {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Whether the server removes it some time after it has ended.
    pub passes: bool,
}

impl Awaited {
    fn object(&self) -> String {
        format!("job.batch/{}", self.name)
    }
}

/// States in which a Job may stay for ever.
const SUSPENDED: &str = "suspended, so it does not run";
const NO_POD: &str = "no pod yet";

/// How a Job ended: in words, and as which kind of failure.
pub(crate) type Ended = (usize, String, Option<ErrorKind>);

/// What one look at a Job found.
enum State {
    Running(String),
    Over { text: String, failure: Option<(ErrorKind, Option<String>)> },
}

type Task<'t> = Pin<Box<dyn Future<Output = ()> + 't>>;

/// Waits for all of them.
pub(crate) async fn all(
    session: &Session<'_>,
    jobs: Vec<(usize, Awaited)>,
    options: &WaitOptions,
    timeout: Duration,
) -> Vec<Ended> {
    let (Some(job_kind), Some(pod_kind)) = (built_in("batch/v1", "Job"), built_in("v1", "Pod")) else {
        return Vec::new();
    };
    let kinds = Kinds { jobs: job_kind, pods: pod_kind, told_blind: Cell::new(false) };
    let deadline = Instant::now() + timeout;
    let mut pending = jobs;
    let mut ended = Vec::new();
    let mut followed = HashSet::new();
    let mut logs: FuturesUnordered<Task<'_>> = FuturesUnordered::new();
    while !pending.is_empty() {
        let looks = futures::stream::iter(pending.clone())
            .map(|(index, job)| look(session, &kinds, index, job, options.follow_logs))
            .buffered(session.concurrency)
            .collect::<Vec<_>>();
        // A server that does not answer does not make it longer.
        let left = deadline.saturating_duration_since(Instant::now()) + LAST_LOOK;
        let looks = tokio::time::timeout(left, drive(&mut logs, looks));
        let looks = match session.stop.or_stop(looks).await {
            Some(Ok(looks)) => looks,
            Some(Err(_)) => {
                for (index, job) in pending {
                    ended.push((index, late(session, &job, "the server does not answer"), Some(ErrorKind::Timeout)));
                }
                break;
            }
            None => {
                session.events.on_note("no longer watching; the Jobs go on");
                ended.extend(pending.into_iter().map(|(index, _)| (index, "not watched to its end".to_owned(), None)));
                break;
            }
        };
        pending.clear();
        let mut texts = Vec::new();
        for Look { index, job, state, pods } in looks {
            if options.follow_logs {
                for log in pods.iter().flat_map(|pod| started_logs(&job.namespace, pod)) {
                    if followed.insert(log.clone()) {
                        logs.push(Box::pin(follow(session, &kinds.pods, log)));
                    }
                }
            }
            match state {
                State::Running(text) if Instant::now() < deadline => {
                    texts.push(format!("{}: {text}", job.object()));
                    pending.push((index, job));
                }
                State::Running(text) => ended.push((index, late(session, &job, &text), Some(ErrorKind::Timeout))),
                State::Over { text, failure } => {
                    let kind = failure.as_ref().map(|(kind, _)| *kind);
                    match failure {
                        None => session.events.on_note(&format!("{} is {text}", job.object())),
                        Some((kind, hint)) => {
                            let error = Error::new(kind, format!("{} {text}", job.object()));
                            session.events.on_failure(&match hint {
                                Some(hint) => error.hint(hint),
                                None => error,
                            });
                        }
                    }
                    ended.push((index, text, kind));
                }
            }
        }
        session.events.on_progress(&texts.join("; "));
        if !pending.is_empty() {
            session.stop.or_stop(drive(&mut logs, tokio::time::sleep(LOOK))).await;
        }
    }
    session.events.on_progress("");
    if !session.stop.is_asked() {
        let rest = async { while logs.next().await.is_some() {} };
        let _ = tokio::time::timeout(LOG_TAIL, rest).await;
    }
    ended
}

/// Tells of a Job that has not ended in time.
fn late(session: &Session<'_>, job: &Awaited, state: &str) -> String {
    let error = Error::new(ErrorKind::Timeout, format!("{} has not ended in time: {state}", job.object()));
    session.events.on_failure(&error.hint(match state {
        SUSPENDED => "it runs once its `suspend` is false",
        NO_POD => "`kubectl describe job` says why, if it goes on like that",
        _ => "it goes on; give it more with --timeout",
    }));
    format!("not ended in time: {state}")
}

struct Kinds {
    jobs: Resource,
    pods: Resource,
    /// Whether it was told that pods may not be listed. Looks that are under way together share it.
    told_blind: Cell<bool>,
}

/// Runs a future, and logs beside it.
async fn drive<T>(logs: &mut FuturesUnordered<Task<'_>>, future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    loop {
        if logs.is_empty() {
            return future.await;
        }
        match select(future, logs.next()).await {
            Either::Left((done, _)) => return done,
            Either::Right((_, unfinished)) => future = unfinished,
        }
    }
}

struct Look {
    index: usize,
    job: Awaited,
    state: State,
    pods: Vec<Value>,
}

async fn look(session: &Session<'_>, kinds: &Kinds, index: usize, job: Awaited, logs: bool) -> Look {
    let over = |job, text: String, kind, hint: Option<&str>| {
        let failure = Some((kind, hint.map(str::to_owned)));
        Look { index, job, state: State::Over { text, failure }, pods: Vec::new() }
    };
    let answer = match session.try_send(&Request::get(&kinds.jobs, &job.namespace, &job.name)).await {
        Ok(answer) => answer,
        Err(lost) => {
            let text = format!("can't be watched any more: {}", lost.reason);
            return over(job, text, ErrorKind::Cluster, Some("it goes on without being watched"));
        }
    };
    let live: Value = match answer.refusal() {
        None => serde_json::from_slice(&answer.body).unwrap_or_default(),
        Some(status) if status.is(404) => {
            let (text, hint) = match job.passes {
                true => ("is gone, and nobody saw how it ended", Some("its TTL may have removed it: make it longer")),
                false => ("was deleted before it ended", None),
            };
            return over(job, text.to_owned(), ErrorKind::JobFailed, hint);
        }
        Some(status) => {
            let text = format!("can't be watched: the server answered {}", status.code.as_u16());
            let hint = "watching needs `get` for jobs and `list` for pods";
            return over(job, text, ErrorKind::Cluster, Some(hint));
        }
    };
    if live["metadata"]["uid"].as_str() != Some(job.uid.as_str()) {
        return over(job, "was deleted, and another made under its name".to_owned(), ErrorKind::JobFailed, None);
    }
    let pods = match pods_of(session, kinds, &job).await {
        Some(pods) => pods,
        None => {
            if !kinds.told_blind.replace(true) {
                session.events.on_note(&format!(
                    "you may not list pods in namespace {}, so nobody sees why one does not start; a Role with this rule allows it: {{apiGroups: [\"\"], resources: [pods], verbs: [list]}}",
                    job.namespace
                ));
            }
            Vec::new()
        }
    };
    let state = state_of(&live, &pods, !logs);
    Look { index, job, state, pods }
}

/// The pods of a Job; no list where they may not be listed.
async fn pods_of(session: &Session<'_>, kinds: &Kinds, job: &Awaited) -> Option<Vec<Value>> {
    // Both labels are set by current versions; old ones know only this.
    let request = Request::list(&kinds.pods, &job.namespace, &format!("job-name={}", job.name));
    let Ok(answer) = session.try_send(&request).await else { return Some(Vec::new()) };
    if let Some(status) = answer.refusal() {
        return (!status.is(403)).then(Vec::new);
    }
    let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let own = |pod: &Value| {
        let owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.into_iter().any(|owner| owner["uid"] == job.uid.as_str())
    };
    Some(list["items"].as_array().into_iter().flatten().filter(|pod| own(pod)).cloned().collect())
}

fn state_of(job: &Value, pods: &[Value], may_advise_logs: bool) -> State {
    let conditions = || job["status"]["conditions"].as_array().into_iter().flatten();
    let is = |kind: &str| conditions().find(|condition| condition["type"] == kind && condition["status"] == "True");
    let over = |text: String, hint: Option<String>| State::Over { text, failure: Some((ErrorKind::JobFailed, hint)) };
    if is("Complete").is_some() {
        return State::Over { text: format!("complete{}", duration(job)), failure: None };
    }
    if let Some(condition) = is("Failed") {
        let reason = word(&condition["reason"]).map(|reason| format!(" ({reason})")).unwrap_or_default();
        let ends: Vec<String> = pods.iter().filter_map(failed_container).collect();
        let pod = ends.last().map(|end| format!(": {end}")).unwrap_or_default();
        let hint = may_advise_logs.then(|| "--logs shows what its pods say".to_owned());
        return over(format!("failed{reason}{pod}"), hint);
    }
    if let Some((text, hint)) = pods.iter().find_map(cannot_start) {
        return over(text, hint);
    }
    let count = |key: &str| job["status"][key].as_u64().unwrap_or(0);
    if job["spec"]["suspend"] == true {
        return State::Running(SUSPENDED.to_owned());
    }
    let waits = pods.iter().find_map(waits_for).map(|reason| format!(" (a pod waits: {reason})")).unwrap_or_default();
    State::Running(match (count("active"), count("failed")) {
        (0, 0) => NO_POD.to_owned(),
        (active, 0) => format!("{active} active{waits}"),
        (active, failed) => format!("{active} active{waits}, {failed} failed"),
    })
}

/// Why a pod does not run yet.
fn waits_for(pod: &Value) -> Option<&str> {
    if pod["status"]["phase"] != "Pending" {
        return None;
    }
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let unscheduled = conditions.into_iter().find(|is| is["type"] == "PodScheduled" && is["status"] == "False");
    let of_container = || statuses(pod).find_map(|status| word(&status["state"]["waiting"]["reason"]));
    unscheduled.and_then(|condition| word(&condition["reason"])).or_else(of_container)
}

/// A reason of Kubernetes' own, which is one word; nothing else is passed on.
fn word(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty() && text.len() <= 60 && text.bytes().all(|b| b.is_ascii_alphabetic()))
}

fn duration(job: &Value) -> String {
    let time = |key: &str| job["status"][key].as_str()?.parse::<Timestamp>().ok();
    match (time("startTime"), time("completionTime")) {
        (Some(from), Some(to)) => format!(" after {} s", to.as_second() - from.as_second()),
        _ => String::new(),
    }
}

fn failed_container(pod: &Value) -> Option<String> {
    let ended = |status: &&Value| status["state"]["terminated"]["exitCode"].as_i64().is_some_and(|code| code != 0);
    let status = statuses(pod).find(ended)?;
    let terminated = &status["state"]["terminated"];
    let reason = word(&terminated["reason"]).map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!(
        "container {} of pod {} ended with exit code {}{reason}",
        name_of(&status["name"]),
        name_of(&pod["metadata"]["name"]),
        terminated["exitCode"]
    ))
}

/// Reasons for which a container waits and which do not go away by themselves.
const STUCK: [&str; 6] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
];

fn cannot_start(pod: &Value) -> Option<(String, Option<String>)> {
    let reason_of = |status: &Value| STUCK.into_iter().find(|reason| status["state"]["waiting"]["reason"] == *reason);
    let (status, reason) = statuses(pod).find_map(|status| Some((status, reason_of(status)?)))?;
    let namespace = name_of(&pod["metadata"]["namespace"]);
    let message = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
    let container = name_of(&status["name"]);
    let text =
        format!("can't start: container {container} of pod {} waits ({reason})", name_of(&pod["metadata"]["name"]));
    match missing_source(message) {
        Some(Missing { kind, name, key: None }) => Some((
            format!("{text}: there is no {kind} {name} in namespace {namespace}"),
            Some(format!("create it: kubectl create {} {name} -n {namespace} ...", kind.command())),
        )),
        Some(Missing { kind, name, key: Some(key) }) => Some((
            format!("{text}: the {kind} {name} in namespace {namespace} has no key {key}"),
            Some("add the key, or refer to one that it has".to_owned()),
        )),
        None if reason.contains("Image") => {
            Some((text, Some("is the name of its image right, and may it be pulled?".to_owned())))
        }
        None => Some((text, Some("kubectl describe pod says more".to_owned()))),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MissingKind {
    Secret,
    ConfigMap,
}

impl MissingKind {
    fn command(self) -> &'static str {
        match self {
            MissingKind::Secret => "secret generic",
            MissingKind::ConfigMap => "configmap",
        }
    }
}

impl std::fmt::Display for MissingKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            MissingKind::Secret => "Secret",
            MissingKind::ConfigMap => "ConfigMap",
        })
    }
}

struct Missing<'m> {
    kind: MissingKind,
    name: &'m str,
    key: Option<&'m str>,
}

/// What a kubelet misses, from its message: `secret "x" not found`, `couldn't find key k in Secret ns/x`.
fn missing_source(message: &str) -> Option<Missing<'_>> {
    let plain = |text: &&str| {
        !text.is_empty() && text.len() <= 253 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    for (word, kind) in [("secret", MissingKind::Secret), ("configmap", MissingKind::ConfigMap)] {
        if let Some(rest) = message.strip_prefix(word).and_then(|rest| rest.strip_prefix(" \""))
            && let Some((name, "not found")) = rest.split_once("\" ")
            && plain(&name)
        {
            return Some(Missing { kind, name, key: None });
        }
    }
    let rest = message.strip_prefix("couldn't find key ")?;
    for (word, kind) in [(" in Secret ", MissingKind::Secret), (" in ConfigMap ", MissingKind::ConfigMap)] {
        if let Some((key, place)) = rest.split_once(word) {
            let name = place.rsplit_once('/').map_or(place, |(_, name)| name);
            return (plain(&key) && plain(&name)).then_some(Missing { kind, name, key: Some(key) });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(job: Value, pods: &[Value]) -> String {
        match state_of(&job, pods, true) {
            State::Running(text) => format!("running: {text}"),
            State::Over { text, failure } => format!("over: {text}{}", if failure.is_some() { " !" } else { "" }),
        }
    }

    fn waiting(reason: &str, message: &str) -> Value {
        json!({"metadata": {"name": "etl-x", "namespace": "ns"}, "status": {"containerStatuses": [
            {"name": "flow", "state": {"waiting": {"reason": reason, "message": message}}}]}})
    }

    #[test]
    fn ends_of_jobs() {
        let condition = |kind: &str, reason: &str| {
            json!({"status": {"startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:07Z", "conditions": [{"type": kind, "status": "True", "reason": reason}]}})
        };
        let failed = json!({"metadata": {"name": "etl-x"}, "status": {"containerStatuses": [
            {"name": "flow", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "canary"}}}]}});
        assert_eq!(text(condition("Complete", ""), &[]), "over: complete after 7 s");
        assert_eq!(
            text(condition("Failed", "BackoffLimitExceeded"), &[failed]),
            "over: failed (BackoffLimitExceeded): container flow of pod etl-x ended with exit code 137 (OOMKilled) !"
        );
        assert_eq!(text(condition("Failed", "can ary"), &[]), "over: failed !");
        assert_eq!(text(condition("FailureTarget", ""), &[]), "running: no pod yet");
        assert_eq!(text(json!({"spec": {"suspend": true}}), &[]), "running: suspended, so it does not run");
    }

    #[test]
    fn pods_that_can_not_start() {
        for (message, said) in [
            ("secret \"db\" not found", "there is no Secret db in namespace ns"),
            ("configmap \"db\" not found", "there is no ConfigMap db in namespace ns"),
            ("couldn't find key token in Secret ns/db", "the Secret db in namespace ns has no key token"),
            ("canary canary", "waits (CreateContainerConfigError)"),
            ("secret \"can ary\" not found", "waits (CreateContainerConfigError)"),
        ] {
            let said_now = text(json!({}), &[waiting("CreateContainerConfigError", message)]);
            assert!(said_now.contains(said) && said_now.ends_with('!') && !said_now.contains("ary"), "{said_now}");
        }
        let mut creating = waiting("ContainerCreating", "");
        assert_eq!(text(json!({"status": {"active": 1}}), &[creating.clone()]), "running: 1 active");
        creating["status"]["phase"] = json!("Pending");
        let said = "running: 1 active (a pod waits: ContainerCreating)";
        assert_eq!(text(json!({"status": {"active": 1}}), &[creating]), said);
    }
}
