//! The image and the command of a flow run (`prefect/utilities/agent.py`).

use std::str::FromStr;

use jobplate_diagnostic::{Error, Result};

use super::{AgentVersion, storage};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;

/// The data of a flow in Prefect's API.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The ID of the flow.
    pub id: ValueId,
    /// The version of Prefect that registered the flow, if it is known.
    pub core_version: Option<ValueId>,
    /// The serialized storage. `None` for local storage.
    pub storage: Option<ValueId>,
}

impl Flow {
    /// Returns the image of the flow's container: from the Docker storage, the run config or the template, in this
    /// order. Returns Prefect's image for the flow's `core_version` if none of them has an image. Fails if the storage
    /// or the `core_version` is invalid.
    pub fn image(self, arena: &mut Arena, run_config: Option<ValueId>, template: Option<ValueId>) -> Result<ValueId> {
        if let Some(storage) = self.storage
            && let Some(image) = storage::docker_image(arena, storage)?
        {
            return Ok(image);
        }
        if let Some(image) = run_config.or(template.filter(|image| *arena.get(*image) != Value::None)) {
            return Ok(image);
        }
        let version = match self.core_version.filter(|version| arena.is_truthy(*version)) {
            None => "latest",
            Some(version) => match arena.as_str(version) {
                Some(version) => version.split('+').next().unwrap_or_default(),
                None => return Err(self.invalid_version(arena)),
            },
        };
        let image = format!("prefecthq/prefect:{version}");
        Ok(arena.alloc(Value::Str(image), self.core_version.and_then(|version| arena.location(version).cloned())))
    }

    /// Returns the command that executes a flow run. Prefect 0.13 renamed the subcommand. Fails if the flow's
    /// `core_version` is invalid.
    pub fn command(self, arena: &Arena, version: AgentVersion) -> Result<[&'static str; 3]> {
        let core_version = match self.core_version.filter(|version| arena.is_truthy(*version)) {
            None => "0.0.0",
            Some(version) => arena.as_str(version).ok_or_else(|| self.invalid_version(arena))?,
        };
        let is_old = match version {
            AgentVersion::V0_15 => is_loosely_before(core_version),
            AgentVersion::V1_4 => pep440_rs::Version::from_str(core_version).ok().map(|flow_version| {
                let renamed = pep440_rs::Version::new([0, 13, 0]);
                flow_version < renamed
            }),
        };
        let run = if is_old.ok_or_else(|| self.invalid_version(arena))? { "cloud-flow" } else { "flow-run" };
        Ok(["prefect", "execute", run])
    }

    fn invalid_version(self, arena: &Arena) -> Error {
        let location = self.core_version.and_then(|version| arena.location(version));
        locate(
            Error::input("invalid version in the flow's `core_version`").hint("put it in quotes: \"1.4.1\""),
            location,
        )
    }
}

/// Returns whether Python's `LooseVersion` sorts a version before 0.13.0, or `None` if it raises a `TypeError`.
fn is_loosely_before(version: &str) -> Option<bool> {
    let class_of = |c: char| match c {
        '0'..='9' => 0,
        'a'..='z' => 1,
        '.' => 2,
        _ => 3,
    };
    let mut parts: Vec<String> = Vec::new();
    let mut last = None;
    for c in version.chars() {
        match parts.last_mut() {
            Some(part) if last == Some(class_of(c)) && class_of(c) != 2 => part.push(c),
            _ => parts.push(c.to_string()),
        }
        last = Some(class_of(c));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_loose_versions_like_python() {
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
