//! Builds requests to the API server as data, without sending them.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::write_options::{FieldValidation, WriteOptions};

/// The characters that are escaped in a path segment or query value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The media type of a server-side apply, whose body can be any YAML.
const APPLY_PATCH_YAML: &str = "application/apply-patch+yaml";
const YAML: &str = "application/yaml";
const JSON: &str = "application/json";
/// The media type of a list that contains only the metadata of objects.
const PARTIAL_METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const JSON_PATCH: &str = "application/json-patch+json";

/// A resource of the API: the endpoint for the objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The API group, such as `batch`; empty for the core group.
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The kind, such as `Job`.
    pub kind: String,
    /// The plural name in paths, such as `jobs`.
    pub plural: String,
    /// Whether the objects are namespaced.
    pub namespaced: bool,
}

impl Resource {
    /// Returns the path of an object, or the path of the collection if `name` is `None`. Ignores `namespace` if the
    /// resource is not namespaced.
    pub(crate) fn path(&self, namespace: &str, name: Option<&str>) -> String {
        let mut path = group_path(&self.group, &self.version);
        if self.namespaced {
            let _ = write!(path, "/namespaces/{}", utf8_percent_encode(namespace, ESCAPED));
        }
        let _ = write!(path, "/{}", self.plural);
        if let Some(name) = name {
            let _ = write!(path, "/{}", utf8_percent_encode(name, ESCAPED));
        }
        path
    }

    /// Returns the name of an object in kubectl's format, such as `job.batch/etl`.
    pub(crate) fn qualified_name(&self, name: &str) -> String {
        qualified_name(&self.group, &self.kind, name)
    }
}

/// Returns the path of an API group and version: `/apis/batch/v1`, or `/api/v1` for the core group.
pub(crate) fn group_path(group: &str, version: &str) -> String {
    let escape = |text| utf8_percent_encode(text, ESCAPED);
    if group.is_empty() {
        format!("/api/{}", escape(version))
    } else {
        format!("/apis/{}/{}", escape(group), escape(version))
    }
}

/// Returns the name of an object in kubectl's format, such as `job.batch/etl`.
pub(crate) fn qualified_name(group: &str, kind: &str, name: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    if group.is_empty() { format!("{kind}/{name}") } else { format!("{kind}.{group}/{name}") }
}

/// The RBAC verb of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Reads an object.
    Get,
    /// Reads a collection.
    List,
    /// Receives the changes of a collection.
    Watch,
    /// Creates an object.
    Create,
    /// Applies or patches an object.
    Patch,
    /// Deletes an object.
    Delete,
}

impl Verb {
    /// Returns the verb in the format of a Role.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }

    fn method(self) -> Method {
        match self {
            Verb::Get | Verb::List | Verb::Watch => Method::GET,
            Verb::Create => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        }
    }
}

/// The field and label selectors of a list or watch. An empty selector matches all objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selectors {
    pub fields: String,
    pub labels: String,
}

/// A request to the API server.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The RBAC verb of this request.
    pub verb: Verb,
    path: String,
    query: String,
    accept: &'static str,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    /// Whether the request may be sent again if it is unknown whether the server has processed it.
    pub is_retryable: bool,
    /// Whether the request can change the cluster. False for dry runs.
    pub is_write: bool,
}

impl Request {
    fn new(verb: Verb, path: String) -> Self {
        let is_write = !matches!(verb, Verb::Get | Verb::List | Verb::Watch);
        let (query, body) = (String::new(), Vec::new());
        Request { verb, path, query, accept: JSON, content_type: None, body, is_retryable: true, is_write }
    }

    fn with_query(mut self, key: &str, value: &str) -> Self {
        let separator = if self.query.is_empty() { '?' } else { '&' };
        let _ = write!(self.query, "{separator}{key}={}", utf8_percent_encode(value, ESCAPED));
        self
    }

    fn with_selectors(mut self, selectors: &Selectors) -> Self {
        for (key, selector) in [("fieldSelector", &selectors.fields), ("labelSelector", &selectors.labels)] {
            if !selector.is_empty() {
                self = self.with_query(key, selector);
            }
        }
        self
    }

    fn with_write_options(self, write_options: &WriteOptions, dry_run: bool) -> Self {
        let validation = match write_options.field_validation {
            FieldValidation::Strict => "Strict",
            FieldValidation::Warn => "Warn",
            FieldValidation::Ignore => "Ignore",
        };
        let request =
            self.with_query("fieldManager", &write_options.field_manager).with_query("fieldValidation", validation);
        if dry_run { Request { is_write: false, ..request.with_query("dryRun", "All") } } else { request }
    }

    fn with_body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.content_type = Some(content_type);
        self.body = body;
        self
    }

    /// Creates a request that reads an object.
    pub(crate) fn get(resource: &Resource, namespace: &str, name: &str) -> Self {
        Request::new(Verb::Get, resource.path(namespace, Some(name)))
    }

    /// Creates a request that reads the object that this request is about.
    pub(crate) fn to_get(&self) -> Self {
        Request::new(Verb::Get, self.path.clone())
    }

    /// Creates a request for the current revision of the cluster, which is in the metadata of any list.
    pub(crate) fn revision() -> Self {
        Request::new(Verb::List, "/api/v1/namespaces".to_owned()).with_query("limit", "1")
    }

    /// Creates a request for the resources of an API group and version.
    pub(crate) fn discover(group: &str, version: &str) -> Self {
        Request::new(Verb::Get, group_path(group, version))
    }

    /// Creates a request for the objects in a namespace that match the selectors.
    pub(crate) fn list(resource: &Resource, namespace: &str, selectors: &Selectors) -> Self {
        Request::new(Verb::List, resource.path(namespace, None)).with_selectors(selectors)
    }

    /// Creates a request for the changes after a resource version. The server ends the response after `duration`.
    pub(crate) fn watch(
        resource: &Resource,
        namespace: &str,
        selectors: &Selectors,
        resource_version: &str,
        duration: Duration,
    ) -> Self {
        Request::new(Verb::Watch, resource.path(namespace, None))
            .with_selectors(selectors)
            .with_query("watch", "true")
            .with_query("allowWatchBookmarks", "true")
            .with_query("timeoutSeconds", &duration.as_secs().to_string())
            .with_query("resourceVersion", resource_version)
    }

    /// Creates a request for the metadata of at most `limit` objects: the objects of a namespace, or all objects if the
    /// resource is not namespaced. The response contains no other fields.
    pub(crate) fn list_metadata(resource: &Resource, namespace: &str, limit: usize) -> Self {
        let request = Request::new(Verb::List, resource.path(namespace, None)).with_query("limit", &limit.to_string());
        Request { accept: PARTIAL_METADATA_LIST, ..request }
    }

    /// Creates a request for a server-side apply of an object. The server receives `body` unchanged. The request is
    /// idempotent.
    pub(crate) fn apply(
        resource: &Resource,
        namespace: &str,
        name: &str,
        body: Vec<u8>,
        params: ApplyParams<'_>,
    ) -> Self {
        let request = Request::new(Verb::Patch, resource.path(namespace, Some(name)))
            .with_write_options(params.write_options, params.dry_run);
        let request = if params.force { request.with_query("force", "true") } else { request };
        request.with_body(APPLY_PATCH_YAML, body)
    }

    /// Creates a request that creates an object. The request is retryable only as a dry run, since a repetition may
    /// create a second object.
    pub(crate) fn create(
        resource: &Resource,
        namespace: &str,
        body: Vec<u8>,
        write_options: &WriteOptions,
        dry_run: bool,
    ) -> Self {
        let request =
            Request::new(Verb::Create, resource.path(namespace, None)).with_write_options(write_options, dry_run);
        Request { is_retryable: dry_run, ..request.with_body(YAML, body) }
    }

    /// Creates a request that patches an object with a JSON patch. The patch must test the resource version so that a
    /// repetition has no effect.
    pub(crate) fn patch(
        resource: &Resource,
        namespace: &str,
        name: &str,
        patch: &serde_json::Value,
        write_options: &WriteOptions,
    ) -> Self {
        let request =
            Request::new(Verb::Patch, resource.path(namespace, Some(name))).with_write_options(write_options, false);
        request.with_body(JSON_PATCH, patch.to_string().into_bytes())
    }

    /// Creates a request that deletes an object if its uid and resource version still match `live`. The server first
    /// deletes the objects that the object owns.
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
        Request { is_write: !dry_run, ..request.with_body(JSON, options.to_string().into_bytes()) }
    }

    /// Creates a request that follows the log of a container, with timestamps. `since` is an RFC 3339 time; `None`
    /// requests the whole log.
    pub(crate) fn follow_log(
        pod_resource: &Resource,
        namespace: &str,
        pod: &str,
        container: &str,
        since: Option<&str>,
    ) -> Self {
        let path = pod_resource.path(namespace, Some(pod)) + "/log";
        let request = Request::new(Verb::Get, path).with_query("container", container).with_query("follow", "true");
        let request = request.with_query("timestamps", "true");
        match since {
            Some(time) => request.with_query("sinceTime", time),
            None => request,
        }
    }

    /// Returns the method and the URL, for `-v`. Omits the body, which may contain values.
    pub(crate) fn method_and_url(&self, base_url: &str) -> String {
        format!("{} {base_url}{}{}", self.verb.method(), self.path, self.query)
    }

    /// Builds the HTTP request.
    ///
    /// # Errors
    /// Fails if the path is not a valid URI.
    pub(crate) fn to_http(&self) -> Result<http::Request<Vec<u8>>, http::Error> {
        let mut builder = http::Request::builder()
            .method(self.verb.method())
            .uri(format!("{}{}", self.path, self.query))
            .header(http::header::ACCEPT, self.accept)
            .header(http::header::USER_AGENT, concat!("jobplate/", env!("CARGO_PKG_VERSION")));
        if let Some(content_type) = self.content_type {
            builder = builder.header(http::header::CONTENT_TYPE, content_type);
        }
        builder.body(self.body.clone())
    }
}

/// The parameters of a server-side apply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApplyParams<'w> {
    /// The parameters of all writes.
    pub write_options: &'w WriteOptions,
    /// Whether conflicting fields of other managers are overwritten.
    pub force: bool,
    /// Whether the request is a dry run (`dryRun=All`).
    pub dry_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs_resource() -> Resource {
        let [group, version, kind, plural] = ["batch", "v1", "Job", "jobs"].map(str::to_owned);
        Resource { group, version, kind, plural, namespaced: true }
    }

    #[test]
    fn builds_an_apply_request() {
        let write_options =
            WriteOptions { field_manager: "jobplate".into(), field_validation: FieldValidation::Strict };
        let params = ApplyParams { write_options: &write_options, force: false, dry_run: true };
        let request =
            Request::apply(&jobs_resource(), "a b", "x/y", b"# hi\nkind: Job\n".to_vec(), params).to_http().unwrap();
        assert_eq!(request.method(), "PATCH");
        assert_eq!(
            request.uri(),
            "/apis/batch/v1/namespaces/a%20b/jobs/x%2Fy?fieldManager=jobplate&fieldValidation=Strict&dryRun=All"
        );
        assert_eq!(request.headers()["content-type"], "application/apply-patch+yaml");
    }

    #[test]
    fn retries_a_creation_only_as_dry_run() {
        let write_options = WriteOptions { field_manager: "m".into(), field_validation: FieldValidation::Warn };
        assert!(!Request::create(&jobs_resource(), "n", Vec::new(), &write_options, false).is_retryable);
        assert!(Request::create(&jobs_resource(), "n", Vec::new(), &write_options, true).is_retryable);
        assert!(Request::delete(&jobs_resource(), "n", "a", &serde_json::json!({}), false).is_retryable);
    }

    #[test]
    fn builds_paths_and_qualified_names() {
        let nodes = Resource {
            group: String::new(),
            plural: "nodes".into(),
            kind: "Node".into(),
            namespaced: false,
            ..jobs_resource()
        };
        assert_eq!(nodes.path("ignored", Some("system:a")), "/api/v1/nodes/system:a");
        assert_eq!(nodes.qualified_name("a"), "node/a");
        assert_eq!(jobs_resource().qualified_name("a"), "job.batch/a");
    }
}
