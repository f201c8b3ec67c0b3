//! Lists and watches the Jobs, pods and events of the wait: one task for each kind and namespace.
//!
//! Without the permission to watch, a task lists again and again. Without the permission to list Jobs, it reads each Job.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::stream::StreamExt;
use http::StatusCode;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::awaited_job::AwaitedJob;
use crate::kinds::built_in_resource;
use crate::request::{Request, Resource, Selectors};
use crate::session::Session;

/// The duration of one watch. A connection that no longer transfers data is noticed after this time.
const WATCH_DURATION: Duration = Duration::from_secs(60);
/// The time by which a response may exceed [`WATCH_DURATION`].
const WATCH_GRACE: Duration = Duration::from_secs(10);
/// The pause before a request that follows a failed or very short watch.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// The pause between two reads if the user may not watch.
const POLL_PAUSE: Duration = Duration::from_secs(2);
/// The time after which Jobs whose lists have an unexpected response count as lost.
const MAX_INVALID_TIME: Duration = Duration::from_secs(30);
/// The maximum length of a selector that lists the names of Jobs, in bytes.
const MAX_SELECTOR_LEN: usize = 2_000;

/// The kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchedKind {
    Job,
    Pod,
    Event,
}

/// A change that the tasks report.
pub(super) enum Update {
    /// All objects of a kind in a namespace.
    Listed { kind: WatchedKind, namespace: Rc<str>, objects: Vec<Value> },
    /// An object that was added or changed.
    Changed { kind: WatchedKind, object: Value },
    /// The last state of a deleted object.
    Deleted { kind: WatchedKind, object: Value },
    /// The pods of a Job that has ended. `None` if they could not be read.
    FinalPods { job_uid: String, objects: Option<Vec<Value>> },
    /// The Jobs of a namespace can no longer be watched.
    Lost { namespace: Rc<str>, text: String, hint: String },
}

/// The watches of a wait.
pub(super) struct Watches<'s> {
    session: &'s Session<'s>,
    /// The resources of Jobs, pods and events.
    resources: [Resource; 3],
    /// The Jobs of each namespace.
    namespaces: Vec<(Rc<str>, Vec<AwaitedJob>)>,
    /// Whether the user was warned about a missing permission for a kind.
    warned: [Cell<bool>; 3],
}

/// The result of a list.
enum ListResult {
    /// The objects, and the resource version from which a watch continues.
    Objects(Vec<Value>, String),
    Forbidden,
    /// The response was unexpected. The status code is `None` if the body was not a list.
    Invalid(Option<u16>),
    /// There was no response, or the server rejects the credentials. Contains the reason and a hint.
    Lost(String, String),
}

/// The reason for the end of a watch.
enum WatchEnd {
    /// The next watch continues at the last resource version.
    Resume,
    /// The objects must be listed again.
    Relist,
    Forbidden,
}

impl<'s> Watches<'s> {
    /// Prepares the watches for some Jobs. Returns `None` if the table of built-in kinds lacks a kind.
    pub(super) fn new<'j>(session: &'s Session<'s>, jobs: impl Iterator<Item = &'j AwaitedJob>) -> Option<Self> {
        let [group, version, kind, plural] = ["", "v1", "Event", "events"].map(str::to_owned);
        let events = Resource { group, version, kind, plural, namespaced: true };
        let resources = [built_in_resource("batch/v1", "Job")?, built_in_resource("v1", "Pod")?, events];
        let mut namespaces = BTreeMap::<&str, Vec<AwaitedJob>>::new();
        for job in jobs {
            namespaces.entry(&job.namespace).or_default().push(job.clone());
        }
        let namespaces = namespaces.into_iter().map(|(namespace, jobs)| (namespace.into(), jobs)).collect();
        Some(Watches { session, resources, namespaces, warned: Default::default() })
    }

    pub(super) fn resource(&self, kind: WatchedKind) -> &Resource {
        &self.resources[kind as usize]
    }

    /// Returns the tasks that watch. They end only if the Jobs can no longer be watched.
    pub(super) fn start<'w>(
        &'w self,
        sender: &UnboundedSender<Update>,
    ) -> impl Iterator<Item = impl Future<Output = ()> + use<'w, 's>> {
        let tasks = self.namespaces.iter().flat_map(|(namespace, jobs)| {
            [WatchedKind::Job, WatchedKind::Pod, WatchedKind::Event].map(|kind| (kind, namespace, jobs))
        });
        tasks.map(move |(kind, namespace, jobs)| {
            let selectors = select_objects(kind, jobs);
            let sender = sender.clone();
            WatchTask { watches: self, kind, namespace, jobs, selectors, sender }.run()
        })
    }

    /// Reads the pods of a Job that has ended. They may have changed after the last update from the watch.
    pub(super) async fn read_pods(&self, job: AwaitedJob, sender: UnboundedSender<Update>) {
        let resource = self.resource(WatchedKind::Pod);
        let selectors = select_objects(WatchedKind::Pod, std::slice::from_ref(&job));
        let response = self.session.try_send(&Request::list(resource, &job.namespace, &selectors)).await;
        let list = response.ok().filter(|response| response.refusal().is_none());
        let list: Option<Value> = list.and_then(|response| serde_json::from_slice(&response.body).ok());
        let objects = list.and_then(|mut list| match list["items"].take() {
            Value::Array(items) => Some(items),
            _ => None,
        });
        let _ = sender.send(Update::FinalPods { job_uid: job.uid, objects });
    }

    /// Reports, once for each kind, that a permission is missing.
    fn warn_forbidden(&self, kind: WatchedKind, namespace: &str, consequence: &str) {
        if !self.warned[kind as usize].replace(true) {
            let Resource { group, plural, .. } = self.resource(kind);
            self.session.events.on_note(&format!(
                "you are not allowed to list and watch {plural} in namespace {namespace}, so {consequence}; bind a Role with this rule: {{apiGroups: [\"{group}\"], resources: [{plural}], verbs: [get, list, watch]}}"
            ));
        }
    }
}

/// A task that lists and watches the objects of a kind in a namespace.
struct WatchTask<'w, 's> {
    watches: &'w Watches<'s>,
    kind: WatchedKind,
    namespace: &'w Rc<str>,
    jobs: &'w [AwaitedJob],
    selectors: Selectors,
    sender: UnboundedSender<Update>,
}

impl WatchTask<'_, '_> {
    async fn run(self) {
        let (mut may_watch, mut is_first, mut last_list) = (true, true, Instant::now());
        loop {
            let mut version = match self.list().await {
                ListResult::Objects(objects, version) => {
                    last_list = Instant::now();
                    let from = self.replay_version(&objects).filter(|_| std::mem::take(&mut is_first));
                    let namespace = Rc::clone(self.namespace);
                    self.send(Update::Listed { kind: self.kind, namespace, objects });
                    from.unwrap_or(version)
                }
                ListResult::Forbidden if self.kind == WatchedKind::Job => return self.poll_each_job().await,
                ListResult::Forbidden => return self.warn_about_pods(),
                ListResult::Lost(reason, hint) if self.kind == WatchedKind::Job => {
                    return self.send_lost(format!("can no longer be watched: {reason}"), &hint);
                }
                ListResult::Invalid(code)
                    if self.kind == WatchedKind::Job && last_list.elapsed() >= MAX_INVALID_TIME =>
                {
                    let reason = code.map_or("an invalid list".to_owned(), |code| code.to_string());
                    let text = format!("cannot be watched: the API server responded with {reason}");
                    return self.send_lost(text, "it continues");
                }
                ListResult::Invalid(_) | ListResult::Lost(..) => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                    continue;
                }
            };
            while may_watch {
                let end = self.watch(&mut version).await;
                last_list = Instant::now();
                match end {
                    WatchEnd::Resume => {}
                    WatchEnd::Relist => break,
                    WatchEnd::Forbidden => {
                        may_watch = false;
                        let consequence =
                            "they are read every 2 seconds, and the end of a Job with a short TTL is missed";
                        self.watches.warn_forbidden(self.kind, self.namespace, consequence);
                    }
                }
            }
            tokio::time::sleep(if may_watch { RETRY_PAUSE } else { POLL_PAUSE }).await;
        }
    }

    async fn list(&self) -> ListResult {
        let request = Request::list(self.watches.resource(self.kind), self.namespace, &self.selectors);
        let response = match self.watches.session.try_send(&request).await {
            Ok(response) => response,
            Err(error) => return ListResult::Lost(error.reason, "it continues".to_owned()),
        };
        if response.code == StatusCode::UNAUTHORIZED {
            let reason = "the API server rejected the credentials (401 Unauthorized)".to_owned();
            let hint = self.watches.session.connection().origin().credentials_hint();
            return ListResult::Lost(reason, format!("it continues; {hint}"));
        }
        if let Some(status) = response.refusal() {
            return if status.has_code(403) {
                ListResult::Forbidden
            } else {
                ListResult::Invalid(Some(status.code.as_u16()))
            };
        }
        let mut list: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        match (list["items"].take(), list["metadata"]["resourceVersion"].as_str()) {
            (Value::Array(objects), Some(version)) => ListResult::Objects(objects, version.to_owned()),
            _ => ListResult::Invalid(None),
        }
    }

    /// Returns the version of the first apply if a Job is not in the list. The Job may have ended and been deleted
    /// between its apply and the list. A watch from this version contains its deletion with its last state.
    fn replay_version(&self, objects: &[Value]) -> Option<String> {
        let listed: HashSet<&str> = objects.iter().filter_map(|object| object["metadata"]["uid"].as_str()).collect();
        let is_listed = |job: &AwaitedJob| listed.contains(job.uid.as_str());
        if self.kind != WatchedKind::Job || self.jobs.iter().all(is_listed) {
            return None;
        }
        let versions = self.jobs.iter().filter_map(|job| job.resource_version.as_deref()?.parse::<u64>().ok());
        versions.min().map(|version| version.to_string())
    }

    /// Watches from `version`, and updates `version`.
    async fn watch(&self, version: &mut String) -> WatchEnd {
        let (resource, session) = (self.watches.resource(self.kind), self.watches.session);
        let request = Request::watch(resource, self.namespace, &self.selectors, version, WATCH_DURATION);
        let start = Instant::now();
        let mut stream = match session.connection().watch(&request).await {
            Ok(Ok(stream)) => Box::pin(stream),
            Ok(Err(403)) => return WatchEnd::Forbidden,
            _ => return WatchEnd::Relist,
        };
        let mut has_received = false;
        loop {
            let remaining = (WATCH_DURATION + WATCH_GRACE).saturating_sub(start.elapsed());
            let (object, is_deleted) = match tokio::time::timeout(remaining, stream.next()).await {
                Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => (object, false),
                Ok(Some(Ok(WatchEvent::Deleted(object)))) => (object, true),
                Ok(Some(Ok(WatchEvent::Bookmark(bookmark)))) => {
                    (*version, has_received) = (bookmark.metadata.resource_version, true);
                    continue;
                }
                // The version is too old (410), or the response is not a watch.
                Ok(Some(Ok(WatchEvent::Error(_)) | Err(_))) => return WatchEnd::Relist,
                Ok(None) | Err(_) => break,
            };
            if let Some(object_version) = object["metadata"]["resourceVersion"].as_str() {
                (*version, has_received) = (object_version.to_owned(), true);
            }
            let kind = self.kind;
            self.send(if is_deleted { Update::Deleted { kind, object } } else { Update::Changed { kind, object } });
        }
        match has_received || start.elapsed() >= WATCH_DURATION {
            true if start.elapsed() > RETRY_PAUSE => WatchEnd::Resume,
            _ => WatchEnd::Relist,
        }
    }

    /// Reads each Job repeatedly, for a user who may not list Jobs.
    async fn poll_each_job(&self) {
        let (resource, session) = (self.watches.resource(self.kind), self.watches.session);
        let consequence = "each Job is read every 2 seconds, and the end of a Job with a short TTL is missed";
        self.watches.warn_forbidden(self.kind, self.namespace, consequence);
        loop {
            let mut objects = Vec::new();
            for job in self.jobs {
                let response = match session.try_send(&Request::get(resource, self.namespace, &job.name)).await {
                    Ok(response) => response,
                    Err(error) => {
                        let text = format!("can no longer be watched: {}", error.reason);
                        return self.send_lost(text, "it continues");
                    }
                };
                match response.refusal() {
                    None => objects.extend(serde_json::from_slice::<Value>(&response.body)),
                    Some(status) if status.has_code(403) => {
                        let hint = "it continues; bind a Role with this rule: {apiGroups: [\"batch\"], resources: [jobs], verbs: [get, list, watch]}";
                        return self
                            .send_lost("cannot be watched: you are not allowed to get jobs.batch".to_owned(), hint);
                    }
                    Some(_) => {}
                }
            }
            self.send(Update::Listed { kind: self.kind, namespace: Rc::clone(self.namespace), objects });
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// Reports that pods cannot be listed. Events only add a reason to a state, so they are optional.
    fn warn_about_pods(&self) {
        if self.kind == WatchedKind::Pod {
            let consequence = "the reason why a pod does not start is not shown";
            self.watches.warn_forbidden(self.kind, self.namespace, consequence);
        }
    }

    fn send_lost(&self, text: String, hint: &str) {
        self.send(Update::Lost { namespace: Rc::clone(self.namespace), text, hint: hint.to_owned() });
    }

    fn send(&self, update: Update) {
        // The receiver is dropped at the end of the wait.
        let _ = self.sender.send(update);
    }
}

/// Returns the selectors for the objects of a kind that belong to some Jobs of a namespace. They may also select objects
/// of other Jobs.
fn select_objects(kind: WatchedKind, jobs: &[AwaitedJob]) -> Selectors {
    let single = match jobs {
        [job] => Some(job.name.as_str()),
        _ => None,
    };
    match kind {
        WatchedKind::Job => Selectors {
            fields: single.map(|name| format!("metadata.name={name}")).unwrap_or_default(),
            ..Selectors::default()
        },
        WatchedKind::Pod => {
            // All versions of Kubernetes set this label. Versions before 1.27 do not set `batch.kubernetes.io/job-name`.
            let names = jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(",");
            let labels = match single {
                Some(name) => format!("job-name={name}"),
                None if names.len() <= MAX_SELECTOR_LEN => format!("job-name in ({names})"),
                None => "job-name".to_owned(),
            };
            Selectors { labels, ..Selectors::default() }
        }
        WatchedKind::Event => {
            let name = single.map(|name| format!(",involvedObject.name={name}")).unwrap_or_default();
            let fields = format!("involvedObject.kind=Job,reason=FailedCreate{name}");
            Selectors { fields, ..Selectors::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_only_the_objects_of_the_jobs() {
        let job = |name: &str| AwaitedJob {
            namespace: "ns".to_owned(),
            name: name.to_owned(),
            uid: String::new(),
            resource_version: None,
            has_ttl: false,
        };
        let select = |kind, jobs: &[AwaitedJob]| {
            let Selectors { fields, labels } = select_objects(kind, jobs);
            format!("{fields}|{labels}")
        };
        let (one, two) = ([job("a")], [job("a"), job("b")]);
        let many: Vec<AwaitedJob> = (0..100).map(|index| job(&format!("job-with-a-long-name-{index}"))).collect();
        assert_eq!(select(WatchedKind::Job, &one), "metadata.name=a|");
        assert_eq!(select(WatchedKind::Job, &two), "|");
        assert_eq!(select(WatchedKind::Pod, &one), "|job-name=a");
        assert_eq!(select(WatchedKind::Pod, &two), "|job-name in (a,b)");
        assert_eq!(select(WatchedKind::Pod, &many), "|job-name");
        let events = "involvedObject.kind=Job,reason=FailedCreate";
        assert_eq!(select(WatchedKind::Event, &one), format!("{events},involvedObject.name=a|"));
        assert_eq!(select(WatchedKind::Event, &two), format!("{events}|"));
    }
}
