//! Finds the job template of an agent: at its path, in a ConfigMap, or Prefect's default.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::embedded;
use jobplate_manifest::object::for_each_object;

use super::defaults::JOB_TEMPLATE;
use super::run_config::{ReadFile, TemplatePath, locate_path_error};
use crate::pyvalue::arena::{Arena, ValueId};
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::pyvalue::yaml;
use crate::template_keys;

/// Returns Prefect's default job template.
pub(super) fn default_template() -> Rc<SourceFile> {
    SourceFile::new_manifest("Prefect's own template", JOB_TEMPLATE)
}

/// Returns the job template in a ConfigMap of a manifest, or the whole file if it has no such ConfigMap.
///
/// # Errors
/// Fails if several ConfigMaps have a job template.
pub fn find_in_config_map(source: Rc<SourceFile>) -> Result<Rc<SourceFile>> {
    let mut found = None;
    for_each_object(&source.text, &mut |offset, object| {
        if !embedded::is_config_map(object) {
            return Ok(());
        }
        for (key, value) in embedded::config_map_data(object)?.into_iter().flat_map(|data| data.entries()) {
            if !template_keys::JOB_TEMPLATE.iter().any(|template_key| key.has_text(template_key))
                || !embedded::can_hold_document(value)
            {
                continue;
            }
            let span = offset + value.span().start..offset + value.span().end;
            let location = Location { source: Rc::clone(&source), span };
            let inner = SourceFile::new_embedded(&location, value.text().unwrap_or_default(), true);
            if found.replace(inner).is_some() {
                return Err(Error::input("found several ConfigMaps with a job template")
                    .in_file(&source.name)
                    .hint("pass a file with only one of them"));
            }
        }
        Ok(())
    })?;
    Ok(found.unwrap_or(source))
}

/// Reads the job template at the path in a run config or an agent's settings. Fails if the path refers to another host,
/// or if the file cannot be read.
pub(super) fn read(arena: &mut Arena, path: ValueId, file: &ReadFile<'_>) -> Result<ValueId> {
    let Some(text) = arena.as_str(path) else {
        return Err(locate(Error::input("the path of a job template must be a string"), arena.location(path)));
    };
    let TemplatePath { scheme, path: local } = TemplatePath::parse(text);
    match scheme.as_str() {
        "file" | "agent" => {
            let template = file(&local).map_err(|error| {
                locate_path_error(
                    error,
                    arena,
                    path,
                    "the file may exist in the agent's pod: pass the job template, or the manifest of its ConfigMap, as FILE",
                )
            })?;
            yaml::load(arena, &template)
        }
        "http" | "https" | "s3" | "gcs" | "gs" => {
            let error = Error::input(format!("the preview does not download job templates (`{scheme}:`)"));
            let hint = "download it and pass it as FILE, and remove this path";
            Err(locate(error.hint(hint), arena.location(path)))
        }
        _ => {
            let error = Error::input("unknown scheme of a job template");
            Err(locate(error.hint("use a path, http, https, s3, gs, gcs or agent"), arena.location(path)))
        }
    }
}
