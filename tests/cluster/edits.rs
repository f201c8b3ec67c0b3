//! Tests of the edits and outcomes of `apply` in `--report` and in GitHub Actions.

use crate::cli::Sandbox;
use crate::servers::{ADMIN, Servers};

const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata: {name: etl}
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers: [{name: flow, image: none, env: [{name: MODE, value: canary}]}]
";

#[test]
fn reports_edits_and_outcomes() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("edits");
    let sandbox =
        Sandbox::new(servers.kubeconfig(ADMIN)).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", "summary");
    let sandbox = sandbox.file("job.yaml", JOB);
    let read_file = |name: &str| std::fs::read_to_string(sandbox.directory().join(name)).unwrap_or_default();
    let apply = |value: &str, more_args: &[&str]| {
        let set = format!("TOKEN=s/{value}");
        let args = ["apply", "job.yaml", "-n", &namespace, "--secret-env", &set, "--report", "report.json"];
        sandbox.run(&[&args[..], more_args].concat())
    };

    apply("one", &["--dry-run=server"]).assert_exit(0, &[]);
    assert!(read_file("summary").contains("### jobplate: objects (server dry run)"), "{}", read_file("summary"));
    assert!(read_file("summary").contains("### jobplate: edits to be made\n"), "{}", read_file("summary"));
    apply("one", &[]).assert_exit(0, &[]);
    let report: serde_json::Value = serde_json::from_str(&read_file("report.json")).expect("JSON");
    assert_eq!(report["edits"][0]["variable"], "TOKEN");
    let summary = read_file("summary");
    assert!(summary.contains("| `job.batch/etl` | created |  |\n"), "{summary}");
    assert!(summary.contains("### jobplate: edits\n"), "{summary}");

    // For an object that cannot be applied, the program prints an annotation and writes the reason to the summary.
    let output =
        apply("two", &[]).assert_exit(3, &["::error title=jobplate,file=job.yaml,line=1,col=1::job.batch/etl exists"]);
    let summary = read_file("summary");
    assert!(summary.contains("| `job.batch/etl` | failed | `job.batch/etl exists with"), "{summary}");
    assert!(!format!("{}{summary}{}", output.stderr, read_file("report.json")).contains("canary"));
}
