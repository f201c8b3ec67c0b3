//! Reads the serialized storage of a flow. Only Docker storage matters to the agent: it names an image.

use jobplate_diagnostic::{Error, Result};

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::string::normalize_path;

/// Prefect 1's classes of storage, each with its required arguments.
const KINDS: [(&str, &[&str]); 13] = [
    ("Azure", &["container"]),
    ("Bitbucket", &["project", "repo"]),
    ("CodeCommit", &["repo"]),
    ("Docker", &[]),
    ("GCS", &["bucket"]),
    ("Git", &["flow_path"]),
    ("GitHub", &["repo", "path"]),
    ("GitLab", &["repo"]),
    ("Local", &[]),
    ("Module", &["module"]),
    ("S3", &["bucket"]),
    ("Storage", &[]),
    (
        "Webhook",
        &[
            "build_request_kwargs",
            "build_request_http_method",
            "get_flow_request_kwargs",
            "get_flow_request_http_method",
        ],
    ),
];

/// Returns the image of a Docker storage, or `None` for other storages. Fails if Prefect cannot deserialize the
/// storage.
pub(super) fn docker_image(arena: &mut Arena, storage: ValueId) -> Result<Option<ValueId>> {
    let fail = |arena: &Arena, message: String| locate(Error::input(message), arena.location(storage));
    let kind = arena.dict_get(storage, "type").and_then(|kind| arena.as_str(kind)).unwrap_or_default();
    let Some((kind, required)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        let error = fail(arena, "unknown `type` of the flow's storage".to_owned());
        return Err(error.hint(format!("use one of {}", kinds.join(", "))));
    };
    let is_set = |key: &&&str| arena.dict_get(storage, key).is_some_and(|value| *arena.get(value) != Value::None);
    if let Some(missing) = required.iter().find(|key| !is_set(key)) {
        return Err(fail(arena, format!("the flow's {kind} storage lacks `{missing}`")));
    }
    let has_wrong_type = |key: &str, is_expected: fn(&Value) -> bool| {
        arena.dict_get(storage, key).is_some_and(|value| !is_expected(arena.get(value)))
    };
    if has_wrong_type("flows", |data| matches!(data, Value::Dict(_))) {
        return Err(fail(arena, "`flows` of the flow's storage must be a mapping".to_owned()));
    }
    if has_wrong_type("secrets", |data| matches!(data, Value::List(_) | Value::Tuple(_) | Value::None)) {
        return Err(fail(arena, "`secrets` of the flow's storage must be a list".to_owned()));
    }
    if *kind != "Docker" {
        return Ok(None);
    }
    if has_wrong_type("prefect_version", |data| matches!(data, Value::Str(_))) {
        return Err(fail(arena, "`prefect_version` of the flow's Docker storage must be a string".to_owned()));
    }
    let mut parts = [const { None }; 3];
    for (part, key) in parts.iter_mut().zip(["registry_url", "image_name", "image_tag"]) {
        *part = match arena.dict_get(storage, key).map(|value| arena.get(value)) {
            None | Some(Value::None) => None,
            Some(Value::Str(text)) => Some(text.clone()),
            Some(_) => return Err(fail(arena, format!("`{key}` of the flow's Docker storage must be a string"))),
        };
    }
    let [registry, Some(name), Some(tag)] = parts else {
        return Err(fail(arena, "the flow's Docker storage lacks `image_name` or `image_tag`".to_owned()));
    };
    let image = format!("{}:{tag}", join_paths(&registry.unwrap_or_default(), &name));
    let location = arena.location(storage).cloned();
    Ok(Some(arena.alloc(Value::Str(image), location)))
}

/// Joins two paths like Python's `PurePosixPath`: an absolute second path replaces the first.
fn join_paths(first: &str, second: &str) -> String {
    let joined = match second.starts_with('/') || first.is_empty() {
        true => second.to_owned(),
        false => format!("{first}/{second}"),
    };
    normalize_path(&joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_paths_like_python() {
        for (first, second, joined) in [
            ("reg", "im", "reg/im"),
            ("", "im", "im"),
            ("reg/", "./a//b/", "reg/a/b"),
            ("https://reg", "im", "https:/reg/im"),
            ("reg", "/im", "/im"),
            ("", "", "."),
            ("//a", "b", "//a/b"),
            ("///a", "b", "/a/b"),
        ] {
            assert_eq!(join_paths(first, second), joined);
        }
    }
}
