//! `kubectl jobplate`: found by the real kubectl, by its name.

use crate::programs::{Place, done, find};
use crate::run;

const JOB: &str = "# ours\nkind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";

#[test]
fn kubectl_finds_its_plugin() {
    let Some(kubectl) = find("kubectl") else { return };
    let place = Place::new(&[("kubectl", &kubectl), ("kubectl-jobplate", run::binary())]);
    place.write("job.yaml", JOB);
    let printed = done(place.command("kubectl").args(["jobplate", "render", "job.yaml", "--env", "A=b"]));
    assert_eq!(printed, JOB.replace("name: flow", "name: flow, env: [{name: A, value: \"b\"}]"));
}
