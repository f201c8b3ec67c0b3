//! Checks that the time of a run grows with its input, not with the square of it.
//!
//! Each case runs the program on an input of a certain size and on one of twice the size. A nested loop over the input
//! makes the second run take four times as long. The time of a process that does nothing is subtracted.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The number of runs of each input. The fastest one counts.
const RUNS: usize = 3;
/// The maximum ratio of the two times. Linear growth gives 2.
const MAX_RATIO: f64 = 3.0;

const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n";
const SPEC: &str = "apiVersion: jobplate/v1\nkind: JobPlate\nspec:\n";

/// The files of a run. The first one is the input.
type Files = Vec<(&'static str, String)>;

/// Returns `head` and one item for each number below `count`.
fn repeat(head: &str, count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).fold(head.to_owned(), |mut text, number| {
        text.push_str(&item(number));
        text
    })
}

/// Returns the fastest processor time of a run, in seconds. Other programs on the machine do not change it.
fn measure(directory: &Path, args: &[&str]) -> f64 {
    let run = || {
        let mut command = Command::new("sh");
        // The second line of `times` has the user and system time of all children, such as `0m0.010s 0m0.002s`.
        command.args(["-c", "\"$@\" > /dev/null 2>&1; times", "sh", env!("CARGO_BIN_EXE_jobplate")]);
        if args.first() == Some(&"--") {
            command.env("JOBPLATE_COMPLETE", "zsh");
        }
        let output = command.args(args).current_dir(directory).stdin(Stdio::null()).output().expect("a shell");
        let text = String::from_utf8(output.stdout).expect("ASCII");
        let times = text.lines().nth(1).expect("the times of children").split_whitespace();
        let seconds = times.map(|time| {
            let (minutes, seconds) = time.trim_end_matches('s').split_once('m').expect("minutes");
            minutes.parse::<f64>().expect("a number") * 60.0 + seconds.parse::<f64>().expect("a number")
        });
        seconds.sum::<f64>()
    };
    (0..RUNS).map(|_| run()).fold(f64::MAX, f64::min)
}

/// Checks the growth of a run. `count` is the size of the smaller input.
fn check(args: &[&str], count: usize, files: impl Fn(usize) -> Files) {
    let directory = tempfile::tempdir().expect("a directory can be created");
    let idle = measure(directory.path(), &["--version"]);
    // A busy machine can make one of the times too long, so a failure is confirmed.
    let mut ratio = f64::MAX;
    let mut report = String::new();
    for _ in 0..3 {
        let [small, large] = [count, 2 * count].map(|count| {
            for (name, text) in files(count) {
                std::fs::write(directory.path().join(name), text).expect("a file can be written");
            }
            measure(directory.path(), args) - idle
        });
        ratio = large / small;
        let _ = writeln!(report, "{count}: {small:.3} s, {}: {large:.3} s", 2 * count);
        if ratio < MAX_RATIO {
            return;
        }
    }
    panic!("the time grows by {ratio:.1} when the input is doubled\n{report}");
}

/// Returns a spec file as the second file, and a Job as the input.
fn with_spec(spec: String) -> Files {
    vec![("a.yaml", JOB.to_owned()), ("s.yaml", SPEC.to_owned() + &spec)]
}

const RENDER: [&str; 5] = ["render", "a.yaml", "-q", "--env", "T=b"];
const RENDER_SPEC: [&str; 5] = ["render", "a.yaml", "-q", "--spec", "s.yaml"];

#[test]
fn references_among_new_entries() {
    check(&RENDER_SPEC, 3000, |count| {
        with_spec(repeat("  env:\n", count, |n| format!("  - {{name: A{n}, value: $(A{})}}\n", n + 1)))
    });
}

#[test]
fn dollar_signs_in_new_entries() {
    check(&RENDER_SPEC, 3000, |count| {
        with_spec(repeat("  env:\n", count, |n| format!("  - {{name: A{n}, value: $}}\n")))
    });
}

#[test]
fn new_entries_that_existing_entries_reference() {
    check(&RENDER_SPEC, 2000, |count| {
        let head = format!("{JOB}        env:\n");
        let job = repeat(&head, count, |n| format!("        - {{name: B{n}, value: $(A{n})}}\n"));
        let spec = repeat("  env:\n", count, |n| format!("  - {{name: A{n}, value: b}}\n"));
        vec![("a.yaml", job), ("s.yaml", SPEC.to_owned() + &spec)]
    });
}

#[test]
fn changed_entries_that_reference_others() {
    check(&RENDER_SPEC, 1500, |count| {
        let head = format!("{JOB}        env:\n");
        let job = repeat(&head, count, |n| format!("        - {{name: A{n}, value: x}}\n"));
        let spec = repeat("  env:\n", count, |n| format!("  - {{name: A{n}, value: $(B)}}\n"));
        vec![("a.yaml", job), ("s.yaml", SPEC.to_owned() + &spec)]
    });
}

#[test]
fn removed_variables_and_entries() {
    check(&RENDER_SPEC, 3000, |count| {
        let head = format!("{JOB}        env:\n");
        let job = repeat(&head, count, |n| format!("        - {{name: B{n}, value: x}}\n"));
        vec![("a.yaml", job), ("s.yaml", SPEC.to_owned() + &repeat("  unset:\n", count, |n| format!("  - A{n}\n")))]
    });
}

#[test]
fn removed_variables_and_documents() {
    check(&RENDER_SPEC, 1500, |count| {
        let job = repeat("", count, |_| format!("---\n{JOB}        env: [{{name: B, value: x}}]\n"));
        vec![("a.yaml", job), ("s.yaml", SPEC.to_owned() + &repeat("  unset:\n", count, |n| format!("  - A{n}\n")))]
    });
}

#[test]
fn sources_of_a_spec_file() {
    check(&RENDER_SPEC, 2500, |count| {
        with_spec(repeat("  envFrom:\n", count, |n| format!("  - {{secretRef: {{name: a{n}}}}}\n")))
    });
}

#[test]
fn secrets_of_a_spec_file() {
    check(&["render", "a.yaml", "-q", "--spec", "s.yaml"], 2500, |count| {
        with_spec(repeat("  secrets:\n", count, |n| format!("    A{n}: {{secret: s}}\n")))
    });
}

#[test]
fn keys_of_an_entry() {
    check(&RENDER, 20_000, |count| {
        let keys = repeat("", count, |n| format!(", k{n}: 1"));
        vec![("a.yaml", format!("{JOB}        env:\n        - {{name: T{keys}}}\n"))]
    });
}

#[test]
fn keys_of_a_config_map() {
    check(&["render", "a.yaml", "-q", "--env", "T=b", "--target", "cm/x:*", "--allow-no-match"], 3000, |count| {
        let head = "kind: ConfigMap\nmetadata: {name: x}\ndata:\n";
        vec![("a.yaml", repeat(head, count, |n| format!("  k{n}: \"containers\"\n")))]
    });
}

#[test]
fn pods_of_a_custom_resource() {
    for item in ["  k{n}: {containers: [{name: b}]}\n", "  - {containers: [{name: b}]}\n"] {
        check(&["render", "a.yaml", "-q", "--env", "T=b", "--target", "Foo"], 1500, |count| {
            vec![("a.yaml", repeat("kind: Foo\nspec:\n", count, |n| item.replace("{n}", &n.to_string())))]
        });
    }
}

#[test]
fn pods_of_a_custom_resource_that_is_only_listed() {
    check(&RENDER, 4000, |count| {
        let head = "kind: Foo\napiVersion: a/v1\nspec:\n";
        vec![("a.yaml", repeat(head, count, |n| format!("  k{n}: {{containers: [{{name: b}}]}}\n")))]
    });
}

#[test]
fn completion_of_containers() {
    check(&["--", "jobplate", "render", "a.yaml", "-c", ""], 3000, |count| {
        vec![("a.yaml", repeat(JOB, count, |n| format!("      - name: c{n}\n")))]
    });
}

#[test]
fn anchors_of_a_list() {
    check(&RENDER, 2000, |count| {
        let item =
            |n| format!("- kind: Job\n  spec: &a{n}\n    template: {{spec: {{containers: [{{name: a}}]}}}}\n  x: *b\n");
        vec![("a.yaml", repeat("x: &b y\nkind: List\nitems:\n", count, item))]
    });
}

#[test]
fn merge_keys_of_a_list() {
    check(&RENDER, 4000, |count| {
        let keys = repeat("", count, |n| format!("a{n}: 1, "));
        let head = format!(
            "kind: List\nx: &b {{{keys}}}\nitems:\n- {{kind: Job, spec: {{template: {{spec: {{containers: [{{}}]}}}}}}}}\n"
        );
        vec![("a.yaml", repeat(&head, count, |_| "- {<<: *b}\n".to_owned()))]
    });
}

const CHANGED_MAP: &str = "kind: ConfigMap\nmetadata: {name: m}\ndata:\n  job_template.yaml: |\n    kind: Job\n    spec: {template: {spec: {containers: [{name: a}]}}}\n---\n";

#[test]
fn checksum_annotations() {
    check(&RENDER, 1500, |count| {
        let head = format!("{CHANGED_MAP}kind: Deployment\nspec:\n  template:\n    metadata:\n      annotations:\n");
        let text = repeat(&head, count, |n| format!("        checksum/a{n}: x\n"));
        vec![("a.yaml", text + "    spec: {containers: [{name: a}], volumes: [{configMap: {name: m}}]}\n")]
    });
}

#[test]
fn pods_with_a_changed_config_map() {
    check(&RENDER, 1000, |count| {
        let item = |n| {
            format!("  k{n}: {{template: {{spec: {{containers: [{{}}], volumes: [{{configMap: {{name: m}}}}]}}}}}}\n")
        };
        vec![("a.yaml", repeat(&format!("{CHANGED_MAP}kind: Foo\nspec:\n"), count, item))]
    });
}

#[test]
fn report_of_a_base_job_template() {
    check(&["render", "a.json", "-q", "--env", "T=b", "--report", "r.json"], 5000, |count| {
        let keys = repeat("", count, |n| format!("\"a{n}\": 1, "));
        let job = "{\"kind\": \"Job\", \"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": \"a\"}]}}}}";
        vec![(
            "a.json",
            format!("{{\"job_configuration\": {{{keys}\"env\": {{}}, \"job_manifest\": {job}}}, \"variables\": {{}}}}"),
        )]
    });
}

#[test]
fn report_of_many_entries() {
    check(&["render", "a.yaml", "-q", "--spec", "s.yaml", "--report", "r.json"], 1000, |count| {
        with_spec(repeat("  env:\n", count, |n| format!("  - {{name: A{n}, value: b}}\n")))
    });
}

#[test]
fn variables_of_a_base_job_template() {
    check(&["render", "a.json", "-q", "--spec", "s.yaml"], 2000, |count| {
        let keys = repeat("", count, |n| format!("\"B{n}\": 1, \"PREFECT_A{n}\": null, "));
        let job = "{\"kind\": \"Job\", \"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": \"a\"}]}}}}";
        let template = format!(
            "{{\"job_configuration\": {{\"env\": {{{keys}\"B\": 1}}, \"job_manifest\": {job}}}, \"variables\": {{}}}}"
        );
        let spec = repeat("  unset:\n", count, |n| format!("  - A{n}\n  - PREFECT_A{n}\n"));
        vec![("a.json", template), ("s.yaml", SPEC.to_owned() + &spec)]
    });
}

#[test]
fn many_input_files() {
    check(&["render", "-q", "--env", "T=b", "--spec", "s.yaml"], 400, |count| {
        let inputs = repeat("  inputs:\n", count, |_| "  - a.yaml\n".to_owned());
        vec![("a.yaml", JOB.to_owned()), ("s.yaml", SPEC.to_owned() + &inputs)]
    });
}
