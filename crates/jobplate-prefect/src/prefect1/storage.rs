//! The storage of a flow, as Prefect writes it down: all that the agent makes of it is the image of Docker's.

use jobplate_diagnostic::{Error, Result};

use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;

/// The kinds of storage that Prefect 1 has, and what each can't be made without.
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

/// The image that a storage names; none where it is not Docker's. Fails where Prefect can't read it.
pub(super) fn image(heap: &mut Heap, storage: Id) -> Result<Option<Id>> {
    let fail = |heap: &Heap, what: String| at(Error::input(what), heap.place(storage));
    let kind = heap.item(storage, "type").and_then(|kind| heap.str(kind)).unwrap_or_default();
    let Some((kind, needed)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        let error = fail(heap, "the flow's storage has no `type` that Prefect knows".to_owned());
        return Err(error.hint(format!("it is one of {}", kinds.join(", "))));
    };
    let filled = |key: &&&str| heap.item(storage, key).is_some_and(|value| *heap.get(value) != Data::None);
    if let Some(missing) = needed.iter().find(|key| !filled(key)) {
        return Err(fail(heap, format!("the flow's {kind} storage lacks `{missing}`")));
    }
    let is_odd = |key: &str, fits: fn(&Data) -> bool| heap.item(storage, key).is_some_and(|own| !fits(heap.get(own)));
    if is_odd("flows", |data| matches!(data, Data::Dict(_))) {
        return Err(fail(heap, "`flows` of the flow's storage is no mapping".to_owned()));
    }
    if is_odd("secrets", |data| matches!(data, Data::List(_) | Data::Tuple(_) | Data::None)) {
        return Err(fail(heap, "`secrets` of the flow's storage is no list".to_owned()));
    }
    if *kind != "Docker" {
        return Ok(None);
    }
    if is_odd("prefect_version", |data| matches!(data, Data::Str(_))) {
        return Err(fail(heap, "`prefect_version` of the flow's Docker storage is no text".to_owned()));
    }
    let mut parts = [const { None }; 3];
    for (part, key) in parts.iter_mut().zip(["registry_url", "image_name", "image_tag"]) {
        *part = match heap.item(storage, key).map(|value| heap.get(value)) {
            None | Some(Data::None) => None,
            Some(Data::Str(text)) => Some(text.clone()),
            Some(_) => return Err(fail(heap, format!("`{key}` of the flow's Docker storage is no text"))),
        };
    }
    let [registry, Some(name), Some(tag)] = parts else {
        return Err(fail(heap, "the flow's Docker storage lacks `image_name` or `image_tag`".to_owned()));
    };
    let image = format!("{}:{tag}", join_paths(&registry.unwrap_or_default(), &name));
    let place = heap.place(storage).cloned();
    Ok(Some(heap.put(Data::Str(image), place)))
}

/// Two paths as Python's `PurePosixPath` joins them: an absolute second one replaces the first.
fn join_paths(first: &str, second: &str) -> String {
    let whole = match second.starts_with('/') {
        true => second.to_owned(),
        false if first.is_empty() => second.to_owned(),
        false => format!("{first}/{second}"),
    };
    let slashes = whole.len() - whole.trim_start_matches('/').len();
    let root = ["", "/", "//"].get(slashes).unwrap_or(&"/");
    let parts: Vec<&str> = whole.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    match (parts.is_empty(), root.is_empty()) {
        (true, true) => ".".to_owned(),
        _ => format!("{root}{}", parts.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_as_in_python() {
        for (first, second, whole) in [
            ("reg", "im", "reg/im"),
            ("", "im", "im"),
            ("reg/", "./a//b/", "reg/a/b"),
            ("https://reg", "im", "https:/reg/im"),
            ("reg", "/im", "/im"),
            ("", "", "."),
            ("//a", "b", "//a/b"),
            ("///a", "b", "/a/b"),
        ] {
            assert_eq!(join_paths(first, second), whole);
        }
    }
}
