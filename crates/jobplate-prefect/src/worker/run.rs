//! The flow run that a Job is for, with its flow, deployment and work pool, as Prefect's API returns them to a worker.

use indexmap::IndexSet;
use jobplate_diagnostic::{Error, Result};

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::json;
use crate::pyvalue::pydantic::parse_datetime_in_utc;
use crate::pyvalue::source::{Location, locate};
use crate::pyvalue::string::format_uuid;

/// An object of Prefect's API: a flow, flow run, deployment or work pool.
#[derive(Clone, Debug)]
pub struct Record {
    /// The ID of the object.
    pub id: String,
    /// The name of the object.
    pub name: String,
    /// The location of the name. `None` for a default name.
    pub name_location: Option<Location>,
    /// All fields that the scenario sets, and the default ID and name if the scenario does not set them.
    pub fields: ValueId,
}

/// A flow run, with the objects that it belongs to.
#[derive(Clone, Debug)]
pub struct FlowRunContext {
    /// The flow.
    pub flow: Record,
    /// The flow run.
    pub flow_run: Record,
    /// The deployment, if the run has one.
    pub deployment: Option<Record>,
    /// The work pool.
    pub work_pool: Record,
    /// The time of the deployment's last update, as a label value, if it is set.
    pub deployment_updated: Option<String>,
}

/// The keys of a record that do not exist in Prefect's API.
#[derive(Debug)]
pub struct UnknownFields {
    /// The record's name.
    pub record: &'static str,
    /// The keys that do not exist.
    pub keys: Vec<ValueId>,
    /// The keys that exist.
    pub known: IndexSet<String>,
}

/// The default fields of a flow run in prefect 3.8.8, as JSON, for names with `{{ ctx.flow_run... }}`.
const FLOW_RUN: &str = r#"{"id": null, "created": null, "updated": null, "name": null, "flow_id": null, "state_id": null,
"deployment_id": null, "deployment_version": null, "work_queue_name": null, "flow_version": null, "parameters": {},
"idempotency_key": null, "context": {}, "empirical_policy": {"max_retries": 0, "retry_delay_seconds": 0.0,
"retries": null, "retry_delay": null, "pause_keys": [], "resuming": false, "retry_type": null}, "tags": [],
"labels": {}, "parent_task_run_id": null, "run_count": 0, "expected_start_time": null,
"next_scheduled_start_time": null, "start_time": null, "end_time": null, "total_run_time": 0.0,
"estimated_run_time": 0.0, "estimated_start_time_delta": 0.0, "auto_scheduled": false,
"infrastructure_document_id": null, "infrastructure_pid": null, "created_by": null, "work_queue_id": null,
"work_pool_id": null, "work_pool_name": null, "state": null, "job_variables": null, "state_type": null,
"state_name": null}"#;

/// The default fields of a flow.
const FLOW: &str = r#"{"id": null, "created": null, "updated": null, "name": null, "tags": [], "labels": {}}"#;

/// The names of a deployment's fields in Prefect's API.
const DEPLOYMENT_FIELDS: &str = "id created updated name version version_id version_info branch base root description flow_id \
concurrency_limit global_concurrency_limit concurrency_options paused schedules job_variables parameters pull_steps tags \
labels work_queue_name last_polled parameter_openapi_schema path entrypoint storage_document_id \
infrastructure_document_id created_by updated_by work_queue_id enforce_parameter_schema work_pool_name status";

/// The names of a work pool's fields in Prefect's API.
const WORK_POOL_FIELDS: &str = "id created updated name description type base_job_template is_paused concurrency_limit status \
active_slots storage_configuration default_queue_id";

impl Record {
    /// Reads a record. `number` and `name` determine the default ID and name.
    ///
    /// # Errors
    /// Fails if the ID or the name is invalid.
    pub fn read(arena: &mut Arena, value: Option<ValueId>, number: u8, name: &str) -> Result<Self> {
        let fields = arena.alloc(Value::empty_dict(), None);
        for (key, value) in value.and_then(|value| arena.as_dict(value)).unwrap_or_default().to_vec() {
            arena.dict_set(fields, key, value);
        }
        let mut read_text = |key: &str, default: String| -> Result<String> {
            let Some(id) = arena.dict_get(fields, key) else {
                let value = arena.alloc_str(default.clone());
                arena.dict_set_str(fields, key, value);
                return Ok(default);
            };
            match arena.as_str(id) {
                Some(text) => Ok(text.to_owned()),
                None => {
                    let error = Error::input(format!("`{key}` must be a string, not {}", arena.describe_kind(id)));
                    Err(locate(error.hint("put it in quotes"), arena.location(id)))
                }
            }
        };
        let id = read_text("id", format!("00000000-0000-0000-0000-{number:012}"))?;
        let name = read_text("name", name.to_owned())?;
        let Some(id) = normalize_uuid(&id) else {
            let location = arena.dict_get(fields, "id").and_then(|id| arena.location(id));
            let error = Error::input("invalid ID: Prefect's IDs are UUIDs");
            return Err(locate(error.hint("write it as 00000000-0000-0000-0000-000000000001"), location));
        };
        let name_location = arena.dict_get(fields, "name").and_then(|name| arena.location(name)).cloned();
        Ok(Record { id, name, name_location, fields })
    }
}

/// Converts a UUID to Prefect's format. Returns `None` if pydantic rejects it. pydantic accepts 32 hexadecimal digits,
/// or groups of 8, 4, 4, 4 and 12 digits separated by dashes, optionally in braces or after `urn:uuid:`.
fn normalize_uuid(text: &str) -> Option<String> {
    let in_braces = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = in_braces.or(text.strip_prefix("urn:uuid:")).unwrap_or(text);
    let dashed = format_uuid(&inner.replace('-', ""))?;
    (inner.len() == dashed.len() && inner.eq_ignore_ascii_case(&dashed) || inner.len() == 32 && inner == text)
        .then_some(dashed)
}

/// Returns the time of a deployment's last update in UTC, as a label value, or `None` if the time is missing or null.
///
/// # Errors
/// Fails if `updated` is not a time that pydantic accepts.
pub(super) fn updated_label(arena: &Arena, deployment: &Record) -> Result<Option<String>> {
    let Some(id) = arena.dict_get(deployment.fields, "updated").filter(|id| *arena.get(*id) != Value::None) else {
        return Ok(None);
    };
    match arena.as_str(id).and_then(parse_datetime_in_utc) {
        Some(updated) => Ok(Some(updated)),
        None => {
            let error = Error::input("invalid time in `updated`");
            Err(locate(error.hint("write it as \"2026-02-03T04:05:06+00:00\""), arena.location(id)))
        }
    }
}

impl FlowRunContext {
    /// Returns the keys that do not exist in Prefect's API (3.8.8), for each record.
    pub fn unknown_fields(&self, arena: &Arena) -> Vec<UnknownFields> {
        let keys_of = |text: &str| {
            let fields: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            fields.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        let names_in = |names: &str| names.split_whitespace().map(str::to_owned).collect();
        let records: [(&str, Option<&Record>, IndexSet<String>); 4] = [
            ("flow", Some(&self.flow), keys_of(FLOW)),
            ("flow_run", Some(&self.flow_run), keys_of(FLOW_RUN)),
            ("deployment", self.deployment.as_ref(), names_in(DEPLOYMENT_FIELDS)),
            ("work_pool", Some(&self.work_pool), names_in(WORK_POOL_FIELDS)),
        ];
        let to_unknown = |(record, fields, known): (&'static str, Option<&Record>, IndexSet<String>)| {
            let pairs = fields.and_then(|record| arena.as_dict(record.fields)).unwrap_or_default();
            let is_unknown = |key: &ValueId| arena.as_str(*key).is_none_or(|key| !known.contains(key));
            let keys = pairs.iter().map(|(key, _)| *key).filter(is_unknown).collect();
            UnknownFields { record, keys, known }
        };
        records.into_iter().map(to_unknown).collect()
    }

    /// Returns the values for `{{ ctx... }}` in names.
    pub fn placeholder_values(&self, arena: &mut Arena) -> ValueId {
        let new_dict = |arena: &mut Arena| arena.alloc(Value::empty_dict(), None);
        let (values, ctx) = (new_dict(arena), new_dict(arena));
        arena.dict_set_str(values, "ctx", ctx);
        for (key, record, defaults) in [("flow", &self.flow, FLOW), ("flow_run", &self.flow_run, FLOW_RUN)] {
            let fields = json::construct_without_locations(arena, defaults);
            for (name, value) in arena.as_dict(record.fields).unwrap_or_default().to_vec() {
                arena.dict_set(fields, name, value);
            }
            let mut set_field = |name: &str, text: &str| {
                let value = arena.alloc_str(text);
                arena.dict_set_str(fields, name, value);
            };
            set_field("id", &record.id);
            if key == "flow_run" {
                set_field("flow_id", &self.flow.id);
                self.deployment.iter().for_each(|deployment| set_field("deployment_id", &deployment.id));
            }
            arena.dict_set_str(ctx, key, fields);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_the_uuids_that_pydantic_accepts() {
        let id = "aaaaaaaa-0000-4000-8000-000000000001";
        for (text, expected) in [
            (id, Some(id)),
            ("AAAAAAAA00004000800000000000 0001", None),
            ("AAAAAAAA000040008000000000000001", Some(id)),
            ("{aaaaaaaa-0000-4000-8000-000000000001}", Some(id)),
            ("aaaaaaaa-00004000-8000-0000-00000000001", None),
            ("}aaaaaaaa-0000-4000-8000-000000000001{", None),
            ("urn:uuid:aaaaaaaa-0000-4000-8000-000000000001", Some(id)),
            ("etl", None),
        ] {
            assert_eq!(normalize_uuid(text).as_deref(), expected, "{text}");
        }
    }
}
