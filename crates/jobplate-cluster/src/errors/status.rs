//! What an API server says when it refuses, turned into sentences of our own.
//!
//! Its messages quote the object, literal values of env vars included: they are searched for known words
//! and never passed on. Only names of fields that stand in the user's own document are shown.

use std::ops::Range;

use http::StatusCode;
use jobplate_diagnostic::{Error, ErrorKind, ProgramName};
use jobplate_manifest::field::FieldPath;
use jobplate_yaml::Node;
use serde::Deserialize;

use crate::object::InputObject;
use crate::request::{Resource, Verb};

/// How much of a text that is no Status is searched for known words.
const LONGEST_TEXT: usize = 4096;

/// The server's answer to a request that it did not fulfil.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// The HTTP status.
    pub code: StatusCode,
    /// Whether the answer was one of Kubernetes' own.
    is_status: bool,
    reason: String,
    /// Never shown.
    message: String,
    /// The kind (for a namespace that is missing: `namespaces`) that it is about.
    about: String,
    causes: Vec<Cause>,
}

/// The answer as it comes (Kubernetes' `Status`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    reason: String,
    message: String,
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    kind: String,
    causes: Vec<Cause>,
}

/// One fault of several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cause {
    /// The field, as the server names it.
    pub field: String,
    reason: String,
    /// Never shown.
    message: String,
}

impl Cause {
    /// Whether it is about something that can't be changed.
    pub(crate) fn is_immutable(&self) -> bool {
        self.message.ends_with("field is immutable")
    }

    /// The field manager that owns the field of a conflict.
    pub(crate) fn manager(&self) -> Option<&str> {
        if self.reason != "FieldManagerConflict" {
            return None;
        }
        let manager = self.message.strip_prefix("conflict with \"")?;
        Some(&manager[..manager.find('"')?])
    }
}

impl Status {
    /// Reads an answer; one that is no Status has only its code.
    pub(crate) fn read(code: StatusCode, body: &[u8]) -> Self {
        let read: Option<Body> = serde_json::from_slice(body).ok();
        let is_status = read.is_some();
        // Not every layer of a server answers in JSON.
        let text = || String::from_utf8_lossy(&body[..body.len().min(LONGEST_TEXT)]).into_owned();
        let Body { reason, message, details } = read.unwrap_or_else(|| Body { message: text(), ..Body::default() });
        Status { code, is_status, reason, message, about: details.kind, causes: details.causes }
    }

    /// Whether it is this kind of refusal.
    pub(crate) fn is(&self, code: u16) -> bool {
        self.code.as_u16() == code
    }

    /// Whether the object is larger than the server, or what it keeps objects in, takes.
    fn is_too_large(&self) -> bool {
        self.is(413) || self.says("request is too large") || self.says("trying to send message larger than max")
    }

    fn says(&self, words: &str) -> bool {
        self.message.contains(words)
    }

    /// Whether an HTTP 500 may be gone at the next attempt. Faults of the object never are.
    pub(crate) fn is_passing(&self) -> bool {
        (self.says("etcdserver") || self.says("failed calling webhook")) && !self.is_too_large()
    }

    /// Whether all that it refuses is a change of what can't be changed in a Job. What stands beside that, two
    /// ways of a value in one entry, is a matter of the live Job, too.
    pub(crate) fn is_immutable(&self) -> bool {
        let in_template = |cause: &Cause| cause.field == "spec.template" || cause.field.starts_with("spec.template.");
        let fits = |cause: &Cause| in_template(cause) && (cause.is_immutable() || is_about_a_source(cause));
        self.is(422) && self.causes.iter().any(Cause::is_immutable) && self.causes.iter().all(fits)
    }

    /// Whether another object of the name is there already.
    pub(crate) fn already_exists(&self) -> bool {
        self.is(409) && self.reason == "AlreadyExists"
    }

    /// The fields that others own, where it is a conflict about those.
    pub(crate) fn conflicts(&self) -> Option<Vec<&Cause>> {
        let conflicts: Vec<&Cause> = self.causes.iter().filter(|cause| cause.manager().is_some()).collect();
        (self.is(409) && !conflicts.is_empty()).then_some(conflicts)
    }

    /// Whether it is about how an env entry gets its value: two ways in one entry, say.
    pub(crate) fn is_about_a_source(&self) -> bool {
        self.is(422) && self.causes.iter().any(is_about_a_source)
    }

    /// Whether the kind is what the server does not know.
    pub(crate) fn is_unknown_kind(&self) -> bool {
        self.is(404) && self.about.is_empty()
    }

    /// Whether the object does not fit the schema of its kind.
    pub(crate) fn is_schema_fault(&self) -> bool {
        (self.is(400) || self.is(500)) && self.schema_fault().is_some()
    }

    /// Whether the namespace is what is missing.
    fn is_missing_namespace(&self) -> bool {
        self.is(404) && self.about == "namespaces"
    }

    /// The error, for a request about an object of the user's.
    pub(crate) fn error(&self, request: &Refused<'_>) -> Error {
        if self.is(422) && !self.says("ValidatingAdmissionPolicy '") {
            return self.invalid(request);
        }
        if self.is_schema_fault() {
            return self.schema_error(request);
        }
        request.subject.place(self.sentence(request))
    }

    /// What the server says that is about no field.
    fn sentence(&self, request: &Refused<'_>) -> Error {
        let Refused { subject, resource, .. } = request;
        let namespace = &*subject.namespace;
        let object = resource.object(subject.name());
        let webhook = || self.quoted_after("webhook ").map(|name| format!(" {name}")).unwrap_or_default();
        let (message, hint): (String, &str) = match self.code.as_u16() {
            _ if self.is_too_large() => (
                format!("{object} is too large for the server"),
                "an object can have about 1.5 MB; keep data elsewhere",
            ),
            400 if self.says("HTTP request to an HTTPS server") => {
                ("the server wants HTTPS".to_owned(), "write https:// in the `server` of the kubeconfig")
            }
            400 if self.says("does not support dry run") => (
                format!("{object} can't be tried: the webhook{} knows no dry run", webhook()),
                "apply without trying first: --no-preflight",
            ),
            400 if self.says("admission webhook") => return self.denied(&object),
            401 => return unauthorized(),
            403 => return self.forbidden(request),
            404 if self.is_missing_namespace() => {
                let hint = "put its Namespace into the input, or create it: kubectl create namespace ";
                return Error::new(ErrorKind::Cluster, format!("there is no namespace {namespace}"))
                    .hint(hint.to_owned() + namespace);
            }
            404 if self.is_unknown_kind() => return unknown_kind(subject),
            404 if self.about != resource.plural && self.about.bytes().all(|byte| byte.is_ascii_lowercase()) => (
                format!("{object} refers to one of {} that is not there", self.about),
                "create it first, or put it into the input",
            ),
            404 => (format!("{object} is not there any more"), "run again"),
            409 if self.already_exists() => (format!("{object} is there already"), "choose another name"),
            409 if self.says("being terminated") || self.says("being deleted") => (
                format!("{object} can't be made: its namespace, or what had its name, is still being deleted"),
                "wait until it is gone, and run again",
            ),
            409 => (format!("{object} was changed by somebody else at the same time"), "run again"),
            422 => return self.denied(&object),
            429 => (format!("the server had no time for {object}"), "run again later, or lower --concurrency"),
            400..=499 if !self.is_status => (
                format!("something that is no API server answered {}", self.code.as_u16()),
                "check `server` in the kubeconfig, and what stands between",
            ),
            400 => {
                let hint = "is every field where it belongs? `"
                    + ProgramName
                    + " render ... | kubectl apply --server-side --dry-run=server -f -` has its own words";
                return Error::new(ErrorKind::Cluster, format!("the server does not understand {object}")).hint(hint);
            }
            500 if self.says("failed calling webhook") => (
                format!("{object} could not be checked: the webhook{} does not answer", webhook()),
                "the webhook is an admission check of the cluster; whoever runs it can tell",
            ),
            500 if self.says("etcdserver") => {
                ("the server's own storage does not answer".to_owned(), "run again later")
            }
            502..=504 => (
                format!("the server is not there: {} was the answer about {object}", self.code.as_u16()),
                "run again later; what stands between may know more",
            ),
            code => (
                format!("the server answered {code} about {object}"),
                "its log has the reason; its message is not shown, since it may quote values",
            ),
        };
        Error::new(ErrorKind::Cluster, message).hint(hint)
    }

    /// A word in quotes that stands behind others, if it looks like the name of something in a cluster.
    fn quoted_after(&self, words: &str) -> Option<&str> {
        let rest = self.message.split_once(words)?.1;
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let name = &rest[1..];
        let name = &name[..name.find(quote)?];
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (name.contains(['.', '-']) && name.len() <= 253 && name.bytes().all(plain)).then_some(name)
    }

    fn denied(&self, object: &str) -> Error {
        let name = self.quoted_after("admission webhook ").or_else(|| self.quoted_after("ValidatingAdmissionPolicy "));
        let by = name.map(|name| format!(" ({name})")).unwrap_or_default();
        Error::new(ErrorKind::Cluster, format!("an admission check of the cluster{by} does not allow {object}")).hint(
            "its own words are not shown, since they may quote values: `"
                + ProgramName
                + " render ... | kubectl apply --server-side --dry-run=server -f -` has them",
        )
    }

    fn forbidden(&self, request: &Refused<'_>) -> Error {
        let Refused { subject, resource, verb, .. } = request;
        let namespace = &*subject.namespace;
        let object = resource.object(subject.name());
        if self.says("cannot impersonate") {
            return Error::new(ErrorKind::Cluster, "you may not act as somebody else")
                .hint("leave --as and --as-group out, or have a ClusterRole with this rule: {apiGroups: [\"\"], resources: [users, groups], verbs: [impersonate]}");
        }
        if !(self.says("cannot ") && self.says(" resource ")) {
            if self.says("exceeded quota") {
                return Error::new(
                    ErrorKind::Cluster,
                    format!("{object} does not fit into a quota of namespace {namespace}"),
                )
                .hint(format!("kubectl describe quota -n {namespace} shows what is left"));
            }
            if self.says("violates PodSecurity") {
                return Error::new(
                    ErrorKind::Cluster,
                    format!("namespace {namespace} does not allow pods like that of {object}"),
                )
                .hint(format!("its Pod Security level is a label: kubectl get namespace {namespace} --show-labels"));
            }
            if self.says("attempting to grant RBAC permissions") {
                return Error::new(ErrorKind::Cluster, format!("{object} grants rights that you do not have yourself"))
                    .hint("nobody may give more than they have: ask for these rights, or for the verbs `escalate` and `bind`");
            }
            if self.says("no PriorityClass with name") {
                return Error::new(ErrorKind::Cluster, format!("the PriorityClass of {object} is not there"))
                    .hint("create it first: kubectl get priorityclasses lists those that are");
            }
            if self.says("being terminated") {
                return Error::new(ErrorKind::Cluster, format!("namespace {namespace} is being deleted"))
                    .hint("wait until it is gone, and create it anew");
            }
            return self.denied(&object);
        }
        if self.says("User \"system:anonymous\"") {
            return Error::new(ErrorKind::Cluster, "the server was asked without any credentials")
                .hint("check the user of the kubeconfig's context; a credential plugin may have given none");
        }
        // Server-side apply of something new is a creation, too.
        let asked = if self.says("cannot create ") { Verb::Create } else { *verb };
        let place = if resource.namespaced { format!(" in namespace {namespace}") } else { String::new() };
        let what = if resource.group.is_empty() {
            resource.plural.clone()
        } else {
            format!("{}.{}", resource.plural, resource.group)
        };
        let needed = match verb {
            Verb::Patch => "[get, create, patch]".to_owned(),
            verb => format!("[{}]", verb.as_str()),
        };
        let role = if resource.namespaced { format!("a Role in {namespace}") } else { "a ClusterRole".to_owned() };
        let rule =
            format!("{{apiGroups: [\"{}\"], resources: [{}], verbs: {needed}}}", resource.group, resource.plural);
        Error::new(ErrorKind::Cluster, format!("you may not {} {what}{place}, so not {object}", asked.as_str()))
            .hint(format!("{role} with this rule, bound to you, allows it: {rule}"))
    }

    /// The paths in a message about a schema, with what is wrong there.
    fn schema_fault(&self) -> Option<Vec<(FieldPath, &'static str)>> {
        const KNOWN: [(&str, &str); 8] = [
            ("field not declared in schema", "is no field that the server knows"),
            ("duplicate entries for key", "has two entries of one name"),
            ("expected string", "must be text"),
            ("expected map", "must be a mapping"),
            ("expected list", "must be a list"),
            ("expected numeric", "must be a number"),
            ("expected boolean", "must be true or false"),
            ("expected ", "is of the wrong type"),
        ];
        if let Some((_, rest)) = self.message.split_once("unknown field \"") {
            let path = FieldPath::parse(&rest[..rest.find('"')?])?;
            return Some(vec![(path, KNOWN[0].1)]);
        }
        if !self.says("failed to create typed patch object") {
            return self.says("failed to convert").then(Vec::new);
        }
        let mut faults = Vec::new();
        for (at, _) in self.message.match_indices(": ") {
            let Some((_, what)) = KNOWN.iter().find(|(words, _)| self.message[at + 2..].starts_with(words)) else {
                continue;
            };
            let before = &self.message[..at];
            let path = before.rfind([' ', '\n', '\t']).map_or(before, |space| &before[space + 1..]);
            faults.extend(FieldPath::parse(path).map(|path| (path, *what)));
        }
        Some(faults)
    }

    fn schema_error(&self, request: &Refused<'_>) -> Error {
        let subject = request.subject;
        let object = request.resource.object(subject.name());
        let faults = self.schema_fault().unwrap_or_default();
        let place = subject.with_root(|root| {
            faults.iter().find_map(|(path, what)| {
                let found = path.resolve(root);
                // Of an item that has no name the way ends before it: the key may still be below.
                let below = || found.node.descendants().flat_map(|node| node.entries().map(|(key, _)| key));
                let key = match (found.key, path.last_key()) {
                    (Some(key), Some(_)) if found.is_complete => Some(key),
                    (_, Some(name)) if !found.is_complete => below().find(|key| key.has_text(name)),
                    _ => None,
                };
                let name = key.and_then(|key| key.text()).map_or_else(|| "this".to_owned(), |key| format!("`{key}`"));
                let span = key.map_or_else(|| found.span(), |key| key.span());
                (found.is_complete || found.node.index() != root.index()).then(|| (span, format!("{name} {what}")))
            })
        });
        let error = match place.flatten() {
            Some((span, message)) => {
                Error::new(ErrorKind::Cluster, message).at(span.start..span.end.min(span.start + 200))
            }
            None => {
                Error::new(ErrorKind::Cluster, format!("{object} has a field that does not fit the server's schema"))
            }
        };
        let kind = &request.resource.kind;
        subject.place(
            error.hint(format!(
                "`kubectl explain {} --recursive` lists the fields of a {kind}",
                request.resource.plural
            )),
        )
    }

    fn invalid(&self, request: &Refused<'_>) -> Error {
        let subject = request.subject;
        let object = request.resource.object(subject.name());
        let error = Error::new(ErrorKind::Cluster, format!("the server does not take {object}"));
        if self.causes.is_empty() {
            return subject.place(error.hint("it gave no field as the reason"));
        }
        let mut lines = String::new();
        // The place, and what to do there: of the first fault that has one.
        let mut first: Option<(Range<usize>, Option<String>)> = None;
        for cause in &self.causes {
            let found = subject.with_root(|root| shown_field(&cause.field, root, request.is_new)).flatten();
            let (what, to_do) = fault_of(cause, found.as_ref().is_some_and(|field| field.is_there));
            let (field, line) = match &found {
                Some(field) => (field.name.clone(), format!(" (line {})", subject.line_at(field.span.start))),
                None => (plain_field(&cause.field), String::new()),
            };
            if let (None, Some(field)) = (&first, found) {
                first = Some((field.span, to_do.clone()));
            }
            let line = format!("\n  {field}{line} {what}");
            if !lines.contains(&line) {
                lines.push_str(&line);
            }
        }
        let error = Error::new(ErrorKind::Cluster, format!("the server does not take {object}:{lines}"));
        let (error, to_do) = match first {
            Some((span, to_do)) => (error.at(span), to_do),
            None => (error, self.causes.first().and_then(|cause| fault_of(cause, false).1)),
        };
        let kind = &request.resource.plural;
        let explained = self.causes.iter().map(|cause| explain_path(&cause.field)).find(|path| !path.is_empty());
        let path = explained.unwrap_or_default();
        subject
            .place(error.hint(to_do.unwrap_or_else(|| format!("`kubectl explain {kind}{path}` tells what it takes"))))
    }
}

fn is_about_a_source(cause: &Cause) -> bool {
    cause.field.ends_with(".valueFrom")
}

/// A request that was refused.
#[derive(Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// The user's object.
    pub subject: &'a InputObject,
    /// Its resource.
    pub resource: &'a Resource,
    /// What was asked for.
    pub verb: Verb,
    /// Whether there is no such object yet, so that positions in the answer are those in the document.
    pub is_new: bool,
}

impl<'a> Refused<'a> {
    /// A request about an object that may be there already.
    pub(crate) fn new(subject: &'a InputObject, resource: &'a Resource, verb: Verb) -> Self {
        Refused { subject, resource, verb, is_new: false }
    }

    /// A creation.
    pub(crate) fn of_new(subject: &'a InputObject, resource: &'a Resource) -> Self {
        Refused { subject, resource, verb: Verb::Create, is_new: true }
    }
}

/// Who the server says we are not.
pub(crate) fn unauthorized() -> Error {
    Error::new(ErrorKind::Cluster, "the server does not accept the credentials (401)")
        .hint("they may have expired: log in again, and check the user of the kubeconfig's context")
}

/// A kind that the server does not have.
pub(crate) fn unknown_kind(subject: &InputObject) -> Error {
    let error = format!("the server has no kind {} in {}", subject.kind, subject.api_version);
    Error::new(ErrorKind::Cluster, error)
        .hint("is `apiVersion` right (`kubectl api-resources`), and its CustomResourceDefinition installed?")
}

/// A field of an answer as it may be shown.
struct ShownField {
    name: String,
    /// Where it is, or what it would be in.
    span: Range<usize>,
    /// Whether it is in the document, with a value.
    is_there: bool,
}

/// A field of an answer, if it leads anywhere in the document; positions count only for a new object.
fn shown_field(field: &str, root: Node<'_>, is_new: bool) -> Option<ShownField> {
    let path = FieldPath::parse(field)?;
    if path.has_index() && !is_new {
        return None;
    }
    let found = path.resolve(root);
    if !found.is_complete && found.node.index() == root.index() {
        return None;
    }
    let span = found.span();
    let span = span.start..span.end.min(span.start + 200);
    let is_there = found.is_complete && !found.node.is_null() && found.node.text().is_none_or(|text| !text.is_empty());
    Some(ShownField { name: plain_field(field), span, is_there })
}

/// A field without what stands in brackets but numbers, and only in letters and digits: keys of maps
/// may be anything.
fn plain_field(field: &str) -> String {
    let mut out = String::new();
    let mut rest = field;
    while let Some(open) = rest.find('[') {
        out.push_str(&rest[..open]);
        let close = rest[open..].find(']').map_or(rest.len(), |at| open + at);
        let inside = &rest[open + 1..close];
        let number = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit());
        out.push_str(&if number { format!("[{inside}]") } else { "[*]".to_owned() });
        rest = &rest[(close + 1).min(rest.len())..];
    }
    out.push_str(rest);
    let known = |word: &str| word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let words: Vec<&str> = out
        .split('.')
        .map(|word| {
            let name = word.split('[').next().unwrap_or_default();
            if known(name) { word } else { "..." }
        })
        .collect();
    words.join(".")
}

/// A field as `kubectl explain` has it, with a dot in front.
fn explain_path(field: &str) -> String {
    let words = field.split('.').map(|word| word.split('[').next().unwrap_or_default());
    let known = words.take_while(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
    known.map(|word| format!(".{word}")).collect()
}

/// What is wrong with a field, and what to do about it. `is_there`: it stands in the document.
fn fault_of(cause: &Cause, is_there: bool) -> (&'static str, Option<String>) {
    let says = |words: &str| cause.message.contains(words);
    let hint = |text: &str| Some(text.to_owned());
    if cause.is_immutable() || says("field is immutable") || says("updates to ") || says("may not change once set") {
        return ("can't be changed", hint("leave it as it is on the server, or delete the object and apply again"));
    }
    if cause.field.ends_with(".restartPolicy") && is_there {
        return ("has a value that is not taken here", hint("a Job takes OnFailure or Never, others take Always"));
    }
    if says("may not be specified when `value` is not empty") {
        return ("stands beside a literal `value`", hint("remove one of the two"));
    }
    if says("RFC 1123") || says("RFC 1035") {
        let to_do =
            "such a name has lower-case letters, digits, `-` and `.`, and begins and ends with a letter or digit";
        return ("is no name that Kubernetes takes", hint(to_do));
    }
    if says("a valid config key") {
        return ("is no key that a Secret or ConfigMap can have", hint("a key has letters, digits, `-`, `_` and `.`"));
    }
    if says("environment variable name") {
        return ("is no name of a variable", hint("it may have printable ASCII characters but `=`"));
    }
    match cause.reason.as_str() {
        "FieldValueRequired" if is_there => ("has a value that is not taken here", None),
        "FieldValueRequired" => ("is missing", hint("add it")),
        "FieldValueNotSupported" => ("is none of the values that are supported", None),
        "FieldValueDuplicate" => ("stands twice", hint("remove one of the two")),
        "FieldValueForbidden" => ("is not allowed here", hint("leave it out, or what it goes with")),
        "FieldValueTooLong" => ("is too long", hint("shorten it")),
        "FieldValueTooMany" => ("has too many items", hint("leave some out")),
        "FieldValueNotFound" => ("names something that is not there", hint("name something that is")),
        "FieldValueTypeInvalid" => ("is of the wrong type", None),
        _ => ("has a value that is not valid", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, json: &str) -> Status {
        Status::read(StatusCode::from_u16(code).unwrap(), json.as_bytes())
    }

    fn job() -> (InputObject, Resource) {
        let text = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: etl}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        env:\n        - name: X\n          valuefrom: {}\n";
        (InputObject::of_test(text), crate::kinds::built_in("batch/v1", "Job").unwrap())
    }

    fn explained(status: &Status) -> String {
        let (subject, resource) = job();
        let error = status.error(&Refused { is_new: true, ..Refused::new(&subject, &resource, Verb::Patch) });
        format!("{error} | {}", error.hint_message().map(|hint| hint.with_program("jobplate")).unwrap_or_default())
    }

    #[test]
    fn refusals_say_what_and_what_to_do_and_quote_nothing() {
        for (code, json, said) in [
            (
                403,
                r#"{"message":"jobs.batch is forbidden: User \"canary\" cannot patch resource \"jobs\" in API group \"batch\""}"#,
                "job.yaml:1:1: you may not patch jobs.batch in namespace ns, so not job.batch/etl | a Role in ns with this rule, bound to you, allows it: {apiGroups: [\"batch\"], resources: [jobs], verbs: [get, create, patch]}",
            ),
            (403, r#"{"message":"forbidden: canary exceeded quota: canary"}"#, "does not fit into a quota"),
            (
                403,
                r#"{"message":"admission webhook \"a.example.io\" denied: canary"}"#,
                "check of the cluster (a.example.io) does not",
            ),
            (404, r#"{"details":{"kind":"namespaces","name":"ns"}}"#, "there is no namespace ns"),
            (404, "404 page not found canary", "the server has no kind Job in batch/v1"),
            (413, "canary", "is too large"),
            (
                400,
                r#"{"message":"admission webhook \"hook.example\" does not support dry run"}"#,
                "the webhook hook.example knows no dry run | apply without trying first: --no-preflight",
            ),
            (
                400,
                r#"{"message":"strict decoding error: unknown field \"spec.template.spec.containers[0].env[0].valuefrom\" canary"}"#,
                "job.yaml:11:11: `valuefrom` is no field that the server knows",
            ),
            (
                500,
                r#"{"message":"failed to create typed patch object (ns/etl; batch/v1, Kind=Job): .spec.template.spec.containers[name=\"c\"].env[name=\"X\"].valuefrom: field not declared in schema"}"#,
                "job.yaml:11:11: `valuefrom` is no field that the server knows",
            ),
            (
                500,
                r#"{"message":"failed to create typed patch object (ns/etl; batch/v1, Kind=Job): .spec.template.spec.containers[name=\"c\"].env[name=\"X\"].value: expected string, got &value.valueUnstructured{Value:canary}"}"#,
                "job.yaml:10:11: this must be text",
            ),
            (
                500,
                r#"{"message":"Internal error occurred: failed calling webhook \"a.b\": canary"}"#,
                "the webhook a.b does not answer",
            ),
            (500, "canary", "the server answered 500 about job.batch/etl"),
            (
                422,
                r#"{"message":"canary","details":{"causes":[{"reason":"FieldValueInvalid","field":"spec.template.spec.containers[0].env[0].name","message":"canary: a valid environment variable name must"}]}}"#,
                "job.yaml:10:11: the server does not take job.batch/etl:\n  spec.template.spec.containers[0].env[0].name (line 10) is no name of a variable",
            ),
            (
                422,
                r#"{"details":{"causes":[{"reason":"FieldValueRequired","field":"spec.data[canary7].x"}]}}"#,
                "spec.data[*].x (line 4) is missing",
            ),
        ] {
            let text = explained(&status(code, json));
            assert!(text.contains(said), "{json}: {text}");
            assert!(!text.contains("canary"), "{json}: {text}");
        }
    }

    #[test]
    fn kinds_of_refusals() {
        let immutable = r#"{"details":{"causes":[{"field":"spec.template","message":"Invalid value: canary: field is immutable"}]}}"#;
        assert!(status(422, immutable).is_immutable());
        assert!(!status(422, &immutable.replace("spec.template", "spec.selector")).is_immutable());
        let conflict = r#"{"details":{"causes":[{"reason":"FieldManagerConflict","field":".spec.suspend","message":"conflict with \"kubectl\" using batch/v1"}]}}"#;
        let conflict = status(409, conflict);
        assert_eq!(conflict.conflicts().unwrap()[0].manager(), Some("kubectl"));
        assert!(status(500, r#"{"message":"etcdserver: leader changed"}"#).is_passing());
        assert!(!status(500, r#"{"message":"failed to create typed patch object"}"#).is_passing());
    }
}
