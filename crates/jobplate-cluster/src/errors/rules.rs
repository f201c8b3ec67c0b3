//! Matches a status against a table of known statuses, and builds the error of the first matching row.

use std::ops::RangeInclusive;

use jobplate_diagnostic::{Error, ErrorKind};

use super::status::{RefusedRequest, Status};

/// A row of a table: a known status, and the error for it. A comment above each row names its source.
pub(super) struct StatusRule {
    codes: RangeInclusive<u16>,
    predicate: StatusPredicate,
    explanation: Explanation,
}

/// A predicate on a status, in addition to its code.
pub(super) enum StatusPredicate {
    Always,
    /// The message contains one of these phrases.
    Message(&'static [&'static str]),
    /// The function returns true.
    Function(fn(&Status, &RefusedRequest<'_>) -> bool),
}

enum Explanation {
    Text { message: &'static str, hint: &'static str },
    Function(fn(&Status, &RefusedRequest<'_>) -> Error),
}

impl StatusRule {
    /// Creates a row whose error has a message and a hint. [`fill_placeholders`] is applied to both.
    pub(super) const fn with_text(
        codes: RangeInclusive<u16>,
        predicate: StatusPredicate,
        message: &'static str,
        hint: &'static str,
    ) -> Self {
        StatusRule { codes, predicate, explanation: Explanation::Text { message, hint } }
    }

    /// Creates a row whose error is built by `build`.
    pub(super) const fn with_function(
        codes: RangeInclusive<u16>,
        predicate: StatusPredicate,
        build: fn(&Status, &RefusedRequest<'_>) -> Error,
    ) -> Self {
        StatusRule { codes, predicate, explanation: Explanation::Function(build) }
    }

    pub(super) fn matches(&self, status: &Status, request: &RefusedRequest<'_>) -> bool {
        self.codes.contains(&status.code.as_u16())
            && match self.predicate {
                StatusPredicate::Always => true,
                StatusPredicate::Message(phrases) => phrases.iter().any(|phrase| status.message_contains(phrase)),
                StatusPredicate::Function(holds) => holds(status, request),
            }
    }

    fn error(&self, status: &Status, request: &RefusedRequest<'_>) -> Error {
        match self.explanation {
            Explanation::Text { message, hint } => {
                Error::new(ErrorKind::Cluster, fill_placeholders(message, status, request))
                    .hint(fill_placeholders(hint, status, request))
            }
            Explanation::Function(build) => build(status, request),
        }
    }
}

/// Returns the error of the first matching rule, or `None` if no rule matches.
pub(super) fn apply_rules(rules: &[StatusRule], status: &Status, request: &RefusedRequest<'_>) -> Option<Error> {
    rules.iter().find(|rule| rule.matches(status, request)).map(|rule| rule.error(status, request))
}

/// Replaces the placeholders of a message or hint: `{object}` (such as `job.batch/etl`), `{namespace}`, `{code}`,
/// `{kind}` (the plural name of the kind that the status is about), `{webhook}` (a space and the name of the webhook in
/// the message, or an empty string if the message does not name a webhook) and `{message}` (a colon and the masked
/// message, or an empty string if it must not be shown).
fn fill_placeholders(template: &str, status: &Status, request: &RefusedRequest<'_>) -> String {
    let value_of = |placeholder: &str| match placeholder {
        "object" => request.resource.qualified_name(request.object.name()),
        "namespace" => request.object.namespace.to_string(),
        "code" => status.code.as_u16().to_string(),
        "kind" => status.details_kind.clone(),
        "message" => request.message.map(|message| format!(": {message}")).unwrap_or_default(),
        "webhook" => status.name_after("webhook ").map(|name| format!(" {name}")).unwrap_or_default(),
        other => format!("{{{other}}}"),
    };
    let mut output = String::new();
    let mut rest = template;
    while let Some((before, (placeholder, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        output.push_str(before);
        output.push_str(&value_of(placeholder));
        rest = after;
    }
    output + rest
}

/// Helpers that check the tables of other modules.
#[cfg(test)]
pub(super) mod testing {
    use http::StatusCode;

    use super::*;
    use crate::kinds::built_in_resource;
    use crate::object::InputObject;
    use crate::request::Verb;

    const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: etl}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        env:\n        - name: X\n          valuefrom: {}\n";

    /// The code and body of a status, and a part of the expected error.
    pub(crate) type Example = (u16, &'static str, &'static str);

    /// Returns the error for a status as `MESSAGE | HINT`.
    fn explain(code: u16, body: &str, build: impl FnOnce(&Status, &RefusedRequest<'_>) -> Error) -> String {
        let object = InputObject::parse_for_test(JOB);
        let resource = built_in_resource("batch/v1", "Job").unwrap();
        let request = RefusedRequest { is_new: true, ..RefusedRequest::new(&object, &resource, Verb::Patch) };
        let error = build(&Status::read(StatusCode::from_u16(code).unwrap(), body.as_bytes()), &request);
        let hint = error.hint_message().map(|hint| hint.with_program("jobplate")).unwrap_or_default();
        format!("{error} | {hint}")
    }

    /// Asserts that an example leads to the expected error, which must not contain the word "canary" from the body.
    pub(crate) fn assert_explained(
        (code, body, expected): Example,
        build: impl FnOnce(&Status, &RefusedRequest<'_>) -> Error,
    ) {
        let text = explain(code, body, build);
        assert!(text.contains(expected), "{code} {body}\n{text}");
        assert!(!text.contains("canary"), "{code} {body}\n{text}");
    }

    /// Asserts that each rule of a table is the first match for the example in the same row, and builds the expected
    /// error.
    pub(crate) fn assert_rules_match(rules: &[StatusRule], examples: &[Example]) {
        assert_eq!(rules.len(), examples.len(), "one example for each rule");
        for (row, example) in examples.iter().enumerate() {
            assert_explained(*example, |status, request| {
                let first = rules.iter().position(|rule| rule.matches(status, request));
                assert_eq!(first, Some(row), "{example:?}");
                rules[row].error(status, request)
            });
        }
    }
}
