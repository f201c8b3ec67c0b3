//! Prefect Server's API (its service is called Apollo), as far as an agent and a flow run of Prefect 1 ask it: one
//! flow run, which waits for an agent, and goes through the states that it reports.
//!
//! Knows nothing of Kubernetes. A question that nobody has foreseen is an error to whoever asks it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::proxy::{Action, Proxy, Request};
use crate::servers::Servers;

/// The one tenant: the one that previews make up.
const TENANT: &str = "00000000-0000-0000-0000-00000000d0d0";
pub(crate) const FLOW_RUN: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const FLOW: &str = "22222222-2222-2222-2222-222222222222";
const LONG_AGO: &str = "2020-01-01T00:00:00+00:00";

/// What it knows of the flow.
#[derive(Clone)]
pub(crate) struct Flow {
    /// The version of Prefect that has registered it.
    pub(crate) core_version: String,
    /// As Prefect writes it down.
    pub(crate) storage: Value,
    /// As Prefect writes it down.
    pub(crate) run_config: Value,
}

/// The played server. Dropping it ends it.
pub(crate) struct Apollo {
    proxy: Proxy,
    flow: Flow,
    run: Arc<Mutex<Run>>,
}

/// The flow run.
struct Run {
    state: Value,
    /// The types of all states that it was set to.
    states: Vec<String>,
    /// Whether an agent has got it.
    is_taken: bool,
}

impl Apollo {
    /// Starts it with one flow run of a flow.
    pub(crate) fn start(servers: &Servers, flow: Flow) -> Self {
        let scheduled = json!({"type": "Scheduled", "start_time": LONG_AGO, "__version__": flow.core_version});
        let run = Arc::new(Mutex::new(Run { state: scheduled, states: Vec::new(), is_taken: false }));
        let (known, own) = (flow.clone(), Arc::clone(&run));
        // A proxy that never asks anybody.
        let proxy = Proxy::start(servers, move |request| answer(&known, &mut lock(&own), request));
        Apollo { proxy, flow, run }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.proxy.port())
    }

    /// The types of the states that the flow run went through.
    pub(crate) fn states(&self) -> Vec<String> {
        lock(&self.run).states.clone()
    }

    /// What who asked had in `Authorization`, once each.
    pub(crate) fn keys(&self) -> Vec<Option<String>> {
        let mut keys: Vec<_> =
            self.proxy.requests().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
        keys.dedup();
        keys
    }

    /// The flow run as a scenario of `jobplate preview` has it.
    pub(crate) fn scenario(&self) -> Value {
        let Flow { core_version, storage, run_config } = &self.flow;
        json!({
            "flow": {"id": FLOW, "core_version": core_version, "storage": storage},
            "flow_run_id": FLOW_RUN, "run_config": run_config,
        })
    }
}

fn lock(run: &Mutex<Run>) -> MutexGuard<'_, Run> {
    run.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(flow: &Flow, run: &mut Run, request: &Request) -> Action {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let query = body["query"].as_str().unwrap_or_default();
    // The first field of the operation; only one is ever asked for.
    let field = query.split_once('{').map_or("", |(_, rest)| rest.trim_start());
    let field = field.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let variables = body["variables"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let done = || json!({"success": true});
    let states = |what: &str| {
        let of = variables["input"]["states"].as_array().cloned().unwrap_or_default();
        let done = |state: &Value| json!({"id": state[what], "status": "SUCCESS", "message": null});
        json!({"states": of.iter().map(done).collect::<Vec<_>>()})
    };
    let data = match field {
        "hello" => json!("hello"),
        "tenant" => json!([{"id": TENANT}]),
        "register_agent" => json!({"id": "agent"}),
        "get_runs_in_queue" => {
            let first = !std::mem::replace(&mut run.is_taken, true);
            json!({"flow_run_ids": if first { vec![FLOW_RUN] } else { Vec::new() }})
        }
        "flow_run" => json!([flow_run(flow, run)]),
        "flow_run_by_pk" => flow_run(flow, run),
        "set_flow_run_states" => {
            run.state = variables["input"]["states"][0]["state"].clone();
            run.states.push(run.state["type"].as_str().unwrap_or_default().to_owned());
            states("flow_run_id")
        }
        "get_or_create_task_run_info" => {
            let pending = json!({"type": "Pending", "__version__": flow.core_version});
            json!({"id": "task-run", "version": 1, "serialized_state": pending})
        }
        "set_task_run_states" => states("task_run_id"),
        "write_run_logs" | "update_flow_run_heartbeat" | "update_task_run_heartbeat" => done(),
        field => {
            let errors = json!({"errors": [{"message": format!("nobody plays `{field}`: {query}")}]});
            return json_answer(&errors);
        }
    };
    json_answer(&json!({"data": {field: data}}))
}

fn json_answer(body: &Value) -> Action {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Action::Answer(200, headers, body.to_string().into_bytes())
}

fn flow_run(flow: &Flow, run: &Run) -> Value {
    json!({
        "id": FLOW_RUN, "name": "run", "flow_id": FLOW, "version": 1, "labels": [], "task_runs": [],
        "state": run.state["type"], "serialized_state": run.state, "scheduled_start_time": LONG_AGO,
        "parameters": {}, "context": {}, "run_config": flow.run_config,
        "flow": {
            "id": FLOW, "name": "etl", "version": 1, "environment": null, "core_version": flow.core_version,
            "storage": flow.storage, "run_config": flow.run_config, "project": {"id": "project", "name": "project"},
            "settings": {"heartbeat_enabled": false},
        },
    })
}
