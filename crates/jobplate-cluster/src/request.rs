//! Requests to an API server, as data: nothing here opens a connection.

use std::fmt::Write as _;

use http::Method;
use kube::client::Body;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a path segment or query value as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// Server-side apply of YAML, as it stands.
const APPLY: &str = "application/apply-patch+yaml";
const YAML: &str = "application/yaml";
const JSON: &str = "application/json";
/// A list of objects without anything but their metadata.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const JSON_PATCH: &str = "application/json-patch+json";

/// Where objects of a kind are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// `batch`; empty for the core group.
    pub group: String,
    /// `v1`
    pub version: String,
    /// `Job`
    pub kind: String,
    /// `jobs`
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// The path of one object, or of all of a namespace.
    pub(crate) fn path(&self, namespace: &str, name: Option<&str>) -> String {
        let mut path = group_path(&self.group, &self.version);
        if self.namespaced {
            let _ = write!(path, "/namespaces/{}", utf8_percent_encode(namespace, PLAIN));
        }
        let _ = write!(path, "/{}", self.plural);
        if let Some(name) = name {
            let _ = write!(path, "/{}", utf8_percent_encode(name, PLAIN));
        }
        path
    }

    /// `job.batch/etl`, as kubectl names an object.
    pub(crate) fn object(&self, name: &str) -> String {
        qualified(&self.group, &self.kind, name)
    }
}

/// `/apis/batch/v1`, or `/api/v1` for the core group.
pub(crate) fn group_path(group: &str, version: &str) -> String {
    let plain = |text| utf8_percent_encode(text, PLAIN);
    if group.is_empty() {
        format!("/api/{}", plain(version))
    } else {
        format!("/apis/{}/{}", plain(group), plain(version))
    }
}

/// `job.batch/etl`, as kubectl names an object.
pub(crate) fn qualified(group: &str, kind: &str, name: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    if group.is_empty() { format!("{kind}/{name}") } else { format!("{kind}.{group}/{name}") }
}

/// How strictly the server takes unknown and doubled fields (`fieldValidation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are refused.
    Strict,
    /// The server warns of them.
    Warn,
    /// They are dropped.
    Ignore,
}

/// What every write says about itself.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The field manager.
    pub field_manager: String,
    /// `fieldValidation`
    pub field_validation: FieldValidation,
}

/// What is asked of the server, in RBAC's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// One object.
    Get,
    /// Several.
    List,
    /// A new one.
    Create,
    /// A change.
    Patch,
    /// Its end.
    Delete,
}

impl Verb {
    /// As a rule of a Role has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Create => "create",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }

    fn method(self) -> Method {
        match self {
            Verb::Get | Verb::List => Method::GET,
            Verb::Create => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// What it asks for.
    pub verb: Verb,
    path: String,
    query: String,
    accept: &'static str,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    /// Whether it may be sent again when nobody knows what became of it.
    pub repeatable: bool,
    /// Whether it can change anything.
    pub writes: bool,
}

impl Request {
    fn new(verb: Verb, path: String) -> Self {
        let writes = !matches!(verb, Verb::Get | Verb::List);
        let (query, body) = (String::new(), Vec::new());
        Request { verb, path, query, accept: JSON, content_type: None, body, repeatable: true, writes }
    }

    fn query(mut self, key: &str, value: &str) -> Self {
        let between = if self.query.is_empty() { '?' } else { '&' };
        let _ = write!(self.query, "{between}{key}={}", utf8_percent_encode(value, PLAIN));
        self
    }

    fn written_by(self, writing: &WriteOptions, dry_run: bool) -> Self {
        let validation = match writing.field_validation {
            FieldValidation::Strict => "Strict",
            FieldValidation::Warn => "Warn",
            FieldValidation::Ignore => "Ignore",
        };
        let request = self.query("fieldManager", &writing.field_manager).query("fieldValidation", validation);
        if dry_run { Request { writes: false, ..request.query("dryRun", "All") } } else { request }
    }

    fn body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.content_type = Some(content_type);
        self.body = body;
        self
    }

    /// One object.
    pub(crate) fn get(resource: &Resource, namespace: &str, name: &str) -> Self {
        Request::new(Verb::Get, resource.path(namespace, Some(name)))
    }

    /// The state of the cluster now: its revision stands in the list's own metadata.
    pub(crate) fn revision() -> Self {
        Request::new(Verb::List, "/api/v1/namespaces".to_owned()).query("limit", "1")
    }

    /// What a group and version of the API has.
    pub(crate) fn discover(group: &str, version: &str) -> Self {
        Request::new(Verb::Get, group_path(group, version))
    }

    /// The objects of a namespace with these labels.
    pub(crate) fn list(resource: &Resource, namespace: &str, selector: &str) -> Self {
        Request::new(Verb::List, resource.path(namespace, None)).query("labelSelector", selector)
    }

    /// The metadata of a kind's objects: of those of a namespace, or of all where the kind has none. Whatever else
    /// they hold is not asked for.
    pub(crate) fn list_metadata(resource: &Resource, namespace: &str, limit: usize) -> Self {
        let request = Request::new(Verb::List, resource.path(namespace, None)).query("limit", &limit.to_string());
        Request { accept: METADATA, ..request }
    }

    /// Server-side apply of a document, byte for byte. Sent twice it does no more than sent once.
    pub(crate) fn apply(resource: &Resource, namespace: &str, name: &str, body: Vec<u8>, how: Apply<'_>) -> Self {
        let request =
            Request::new(Verb::Patch, resource.path(namespace, Some(name))).written_by(how.writing, how.dry_run);
        let request = if how.force { request.query("force", "true") } else { request };
        request.body(APPLY, body)
    }

    /// A new object; sent again it could be made twice, unless it is a dry run.
    pub(crate) fn create(
        resource: &Resource,
        namespace: &str,
        body: Vec<u8>,
        writing: &WriteOptions,
        dry_run: bool,
    ) -> Self {
        let request = Request::new(Verb::Create, resource.path(namespace, None)).written_by(writing, dry_run);
        Request { repeatable: dry_run, ..request.body(YAML, body) }
    }

    /// A JSON patch that tests the resource version, and so takes effect once at most.
    pub(crate) fn patch(
        resource: &Resource,
        namespace: &str,
        name: &str,
        patch: &serde_json::Value,
        writing: &WriteOptions,
    ) -> Self {
        let request = Request::new(Verb::Patch, resource.path(namespace, Some(name))).written_by(writing, false);
        request.body(JSON_PATCH, patch.to_string().into_bytes())
    }

    /// The end of exactly this object, after that of all that it owns; or only a trial of it.
    pub(crate) fn delete(
        resource: &Resource,
        namespace: &str,
        name: &str,
        live: &serde_json::Value,
        dry_run: bool,
    ) -> Self {
        let metadata = &live["metadata"];
        let mut options = serde_json::json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
            "propagationPolicy": "Foreground",
        });
        if dry_run {
            options["dryRun"] = serde_json::json!(["All"]);
        }
        let request = Request::new(Verb::Delete, resource.path(namespace, Some(name)));
        Request { writes: !dry_run, ..request.body(JSON, options.to_string().into_bytes()) }
    }

    /// The log of a container, as it grows.
    pub(crate) fn follow_log(
        pods: &Resource,
        namespace: &str,
        pod: &str,
        container: &str,
        since: Option<&str>,
    ) -> Self {
        let path = pods.path(namespace, Some(pod)) + "/log";
        let request = Request::new(Verb::Get, path).query("container", container).query("follow", "true");
        let request = request.query("timestamps", "true");
        match since {
            Some(time) => request.query("sinceTime", time),
            None => request,
        }
    }

    /// Method and path, for `-v`; queries and bodies stay out.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.verb.method(), self.path)
    }

    /// The request as HTTP has it.
    pub(crate) fn to_http(&self) -> Result<http::Request<Body>, http::Error> {
        let mut builder = http::Request::builder()
            .method(self.verb.method())
            .uri(format!("{}{}", self.path, self.query))
            .header(http::header::ACCEPT, self.accept)
            .header(http::header::USER_AGENT, concat!("jobplate/", env!("CARGO_PKG_VERSION")));
        if let Some(content_type) = self.content_type {
            builder = builder.header(http::header::CONTENT_TYPE, content_type);
        }
        builder.body(Body::from(self.body.clone()))
    }
}

/// How a document is applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Apply<'w> {
    /// By whom, and how strictly.
    pub writing: &'w WriteOptions,
    /// Whether fields that others own are taken from them.
    pub force: bool,
    /// Whether it is only tried.
    pub dry_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs() -> Resource {
        let text = |text: &str| text.to_owned();
        Resource {
            group: text("batch"),
            version: text("v1"),
            kind: text("Job"),
            plural: text("jobs"),
            namespaced: true,
        }
    }

    #[test]
    fn an_apply_is_the_document_itself() {
        let writing = WriteOptions { field_manager: "jobplate".into(), field_validation: FieldValidation::Strict };
        let how = Apply { writing: &writing, force: false, dry_run: true };
        let request = Request::apply(&jobs(), "a b", "x/y", b"# hi\nkind: Job\n".to_vec(), how).to_http().unwrap();
        assert_eq!(request.method(), "PATCH");
        assert_eq!(
            request.uri(),
            "/apis/batch/v1/namespaces/a%20b/jobs/x%2Fy?fieldManager=jobplate&fieldValidation=Strict&dryRun=All"
        );
        assert_eq!(request.headers()["content-type"], "application/apply-patch+yaml");
    }

    #[test]
    fn what_may_be_sent_again() {
        let writing = WriteOptions { field_manager: "m".into(), field_validation: FieldValidation::Warn };
        assert!(!Request::create(&jobs(), "n", Vec::new(), &writing, false).repeatable);
        assert!(Request::create(&jobs(), "n", Vec::new(), &writing, true).repeatable);
        assert!(Request::delete(&jobs(), "n", "a", &serde_json::json!({}), false).repeatable);
    }

    #[test]
    fn names_and_paths() {
        let nodes =
            Resource { group: String::new(), plural: "nodes".into(), kind: "Node".into(), namespaced: false, ..jobs() };
        assert_eq!(nodes.path("ignored", Some("system:a")), "/api/v1/nodes/system:a");
        assert_eq!(nodes.object("a"), "node/a");
        assert_eq!(jobs().object("a"), "job.batch/a");
    }
}
