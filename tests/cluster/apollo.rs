//! A fake of Prefect 1's GraphQL API (the service is called Apollo), with the operations that an agent and a flow run
//! use. It has one flow run, assigns it to the first agent that polls, and records the states that the flow run
//! reports.
//!
//! Independent of Kubernetes. Responds to an unknown operation with a GraphQL error.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::proxy::{Action, Proxy, Request};
use crate::servers::Servers;

/// The ID of the only tenant. `jobplate preview` uses the same ID as a placeholder.
const TENANT: &str = "00000000-0000-0000-0000-00000000d0d0";
pub(crate) const FLOW_RUN: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const FLOW: &str = "22222222-2222-2222-2222-222222222222";
const SCHEDULED_AT: &str = "2020-01-01T00:00:00+00:00";

/// A flow that is registered with the server.
#[derive(Clone)]
pub(crate) struct Flow {
    /// The version of Prefect that registered the flow.
    pub(crate) core_version: String,
    /// The storage in Prefect's serialized form.
    pub(crate) storage: Value,
    /// The run config in Prefect's serialized form.
    pub(crate) run_config: Value,
}

/// The fake server. It stops when dropped.
pub(crate) struct Apollo {
    proxy: Proxy,
    flow: Flow,
    run: Arc<Mutex<RunRecord>>,
}

/// The state and the history of the flow run.
struct RunRecord {
    state: Value,
    /// The types of all states that were set, in order.
    states: Vec<String>,
    /// Whether an agent has received the flow run.
    is_assigned: bool,
}

impl Apollo {
    /// Starts the server with one scheduled run of `flow`.
    pub(crate) fn start(servers: &Servers, flow: Flow) -> Self {
        let scheduled = json!({"type": "Scheduled", "start_time": SCHEDULED_AT, "__version__": flow.core_version});
        let run = Arc::new(Mutex::new(RunRecord { state: scheduled, states: Vec::new(), is_assigned: false }));
        let (served_flow, served_run) = (flow.clone(), Arc::clone(&run));
        // The rule responds to every request, so the proxy forwards no request.
        let proxy = Proxy::start(servers, move |request| respond(&served_flow, &mut lock(&served_run), request));
        Apollo { proxy, flow, run }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.proxy.port())
    }

    /// Returns the types of all states that were set, in order.
    pub(crate) fn states(&self) -> Vec<String> {
        lock(&self.run).states.clone()
    }

    /// Returns the `Authorization` header of each request, without consecutive duplicates.
    pub(crate) fn authorization_headers(&self) -> Vec<Option<String>> {
        let mut headers: Vec<_> =
            self.proxy.requests().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
        headers.dedup();
        headers
    }

    /// Returns the flow run as a scenario for `jobplate preview`.
    pub(crate) fn scenario(&self) -> Value {
        let Flow { core_version, storage, run_config } = &self.flow;
        json!({
            "flow": {"id": FLOW, "core_version": core_version, "storage": storage},
            "flow_run_id": FLOW_RUN, "run_config": run_config,
        })
    }
}

fn lock(run: &Mutex<RunRecord>) -> MutexGuard<'_, RunRecord> {
    run.lock().unwrap_or_else(PoisonError::into_inner)
}

fn respond(flow: &Flow, run: &mut RunRecord, request: &Request) -> Action {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let query = body["query"].as_str().unwrap_or_default();
    // Reads only the first field of the operation, since Prefect's clients send one field per operation.
    let field = query.split_once('{').map_or("", |(_, rest)| rest.trim_start());
    let field = field.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let variables = body["variables"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let success = || json!({"success": true});
    let state_results = |id_field: &str| {
        let requested_states = variables["input"]["states"].as_array().cloned().unwrap_or_default();
        let result_for = |state: &Value| json!({"id": state[id_field], "status": "SUCCESS", "message": null});
        json!({"states": requested_states.iter().map(result_for).collect::<Vec<_>>()})
    };
    let data = match field {
        "hello" => json!("hello"),
        "tenant" => json!([{"id": TENANT}]),
        "register_agent" => json!({"id": "agent"}),
        "get_runs_in_queue" => {
            let is_first = !std::mem::replace(&mut run.is_assigned, true);
            json!({"flow_run_ids": if is_first { vec![FLOW_RUN] } else { Vec::new() }})
        }
        "flow_run" => json!([flow_run_json(flow, run)]),
        "flow_run_by_pk" => flow_run_json(flow, run),
        "set_flow_run_states" => {
            run.state = variables["input"]["states"][0]["state"].clone();
            run.states.push(run.state["type"].as_str().unwrap_or_default().to_owned());
            state_results("flow_run_id")
        }
        "get_or_create_task_run_info" => {
            let pending = json!({"type": "Pending", "__version__": flow.core_version});
            json!({"id": "task-run", "version": 1, "serialized_state": pending})
        }
        "set_task_run_states" => state_results("task_run_id"),
        "write_run_logs" | "update_flow_run_heartbeat" | "update_task_run_heartbeat" => success(),
        field => {
            let errors = json!({"errors": [{"message": format!("unknown operation `{field}`: {query}")}]});
            return json_response(&errors);
        }
    };
    json_response(&json!({"data": {field: data}}))
}

fn json_response(body: &Value) -> Action {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Action::Respond(200, headers, body.to_string().into_bytes())
}

fn flow_run_json(flow: &Flow, run: &RunRecord) -> Value {
    json!({
        "id": FLOW_RUN, "name": "run", "flow_id": FLOW, "version": 1, "labels": [], "task_runs": [],
        "state": run.state["type"], "serialized_state": run.state, "scheduled_start_time": SCHEDULED_AT,
        "parameters": {}, "context": {}, "run_config": flow.run_config,
        "flow": {
            "id": FLOW, "name": "etl", "version": 1, "environment": null, "core_version": flow.core_version,
            "storage": flow.storage, "run_config": flow.run_config, "project": {"id": "project", "name": "project"},
            "settings": {"heartbeat_enabled": false},
        },
    })
}
