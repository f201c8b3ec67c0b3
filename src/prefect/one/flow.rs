//! The flow of a run: its image and its command (`prefect/utilities/agent.py`).

use std::str::FromStr;

use super::Version;
use crate::error::{Error, Result};
use crate::python::heap::{Data, Heap, Id, at};
use crate::python::text;

/// What Prefect knows of the flow.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Its id.
    pub id: Id,
    /// The version of Prefect that it was registered with; none where it is not known.
    pub core_version: Option<Id>,
    /// Its storage as Prefect writes it down; Local, if there is none.
    pub storage: Option<Id>,
}

/// The kinds of storage that Prefect 1 has.
const STORAGES: [&str; 13] = [
    "Azure",
    "Bitbucket",
    "CodeCommit",
    "Docker",
    "GCS",
    "Git",
    "GitHub",
    "GitLab",
    "Local",
    "Module",
    "S3",
    "Storage",
    "Webhook",
];

impl Flow {
    /// The image: of the Docker storage, of the run config, of the template, or Prefect's own of the flow's version.
    pub fn image(self, heap: &mut Heap, run_config: Option<Id>, template: Option<Id>) -> Result<Id> {
        if let Some(image) = self.storage_image(heap)? {
            return Ok(image);
        }
        if let Some(image) = run_config.or(template.filter(|image| *heap.get(*image) != Data::None)) {
            return Ok(image);
        }
        let version = match self.core_version.filter(|version| heap.is_true(*version)) {
            None => "latest",
            Some(version) => match heap.str(version) {
                Some(version) => version.split('+').next().unwrap_or_default(),
                None => return Err(self.bad_version(heap)),
            },
        };
        let image = format!("prefecthq/prefect:{version}");
        Ok(heap.put(Data::Str(image), self.core_version.and_then(|version| heap.place(version).cloned())))
    }

    /// The image that a Docker storage names. Other storages name none.
    fn storage_image(self, heap: &mut Heap) -> Result<Option<Id>> {
        let Some(storage) = self.storage else { return Ok(None) };
        let fail = |heap: &Heap, what: &str| Err(at(Error::input(what.to_owned()), heap.place(storage)));
        let kind = heap.item(storage, "type").and_then(|kind| heap.str(kind)).unwrap_or_default();
        if !STORAGES.contains(&kind) {
            let hint = format!("`type` is one of {}", STORAGES.join(", "));
            return fail(heap, "Prefect can't read the flow's storage").map_err(|error: Error| error.hint(hint));
        }
        if kind != "Docker" {
            return Ok(None);
        }
        let mut parts = [const { None }; 3];
        for (part, key) in parts.iter_mut().zip(["registry_url", "image_name", "image_tag"]) {
            *part = match heap.item(storage, key).map(|value| heap.get(value)) {
                None | Some(Data::None) => None,
                Some(Data::Str(text)) => Some(text.clone()),
                Some(_) => return fail(heap, "a name in the flow's Docker storage is no text"),
            };
        }
        let [registry, Some(name), Some(tag)] = parts else {
            return fail(heap, "the flow's Docker storage lacks `image_name` or `image_tag`");
        };
        if heap.item(storage, "prefect_version").is_some_and(|version| heap.str(version).is_none()) {
            return fail(heap, "`prefect_version` of the flow's Docker storage is no text");
        }
        let image = format!("{}:{tag}", join_paths(&registry.unwrap_or_default(), &name));
        let place = heap.place(storage).cloned();
        Ok(Some(heap.put(Data::Str(image), place)))
    }

    /// The command of a flow run, which Prefect 0.13 renamed.
    pub fn command(self, heap: &Heap, version: Version) -> Result<[&'static str; 3]> {
        let core_version = match self.core_version.filter(|version| heap.is_true(*version)) {
            None => "0.0.0",
            Some(version) => heap.str(version).ok_or_else(|| self.bad_version(heap))?,
        };
        let is_old = match version {
            Version::V0_15 => is_loosely_before(core_version),
            Version::V1_4 => pep440_rs::Version::from_str(core_version).ok().map(|own| {
                let renamed = pep440_rs::Version::new([0, 13, 0]);
                own < renamed
            }),
        };
        let run = if is_old.ok_or_else(|| self.bad_version(heap))? { "cloud-flow" } else { "flow-run" };
        Ok(["prefect", "execute", run])
    }

    fn bad_version(self, heap: &Heap) -> Error {
        let place = self.core_version.and_then(|version| heap.place(version));
        at(Error::input("the flow's `core_version` is no version").hint("put it in quotes: \"1.4.1\""), place)
    }
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

/// Whether a version is before 0.13.0 to Python's `LooseVersion`; none where it can't be compared.
fn is_loosely_before(version: &str) -> Option<bool> {
    let class = |c: char| match c {
        '0'..='9' => 0,
        'a'..='z' => 1,
        '.' => 2,
        _ => 3,
    };
    let mut parts: Vec<String> = Vec::new();
    let mut last = None;
    for c in version.chars() {
        match parts.last_mut() {
            Some(part) if last == Some(class(c)) && class(c) != 2 => part.push(c),
            _ => parts.push(c.to_string()),
        }
        last = Some(class(c));
    }
    parts.retain(|part| part != ".");
    for (position, renamed) in [0_u64, 13, 0].into_iter().enumerate() {
        let Some(part) = parts.get(position) else { return Some(true) };
        match part.parse::<u64>().ok()?.cmp(&renamed) {
            std::cmp::Ordering::Equal => {}
            order => return Some(order.is_lt()),
        }
    }
    Some(false)
}

/// What the id of a flow or flow run is in a text.
pub fn id_text(heap: &Heap, id: Id) -> String {
    text::str(heap, id)
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

    #[test]
    fn loose_versions() {
        for (version, before) in [
            ("0.12.6", Some(true)),
            ("0.13.0", Some(false)),
            ("0.13", Some(true)),
            ("0.13.0rc1", Some(false)),
            ("0.13.0+2.gabc", Some(false)),
            ("1.0", Some(false)),
            ("master", None),
        ] {
            assert_eq!(is_loosely_before(version), before, "{version}");
        }
    }
}
