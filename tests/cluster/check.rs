//! Tests that the API server agrees with rules of `check`: it rejects their bad examples and accepts the good ones.

use jobplate::check::rules::find;

use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

/// The rules about manifests that the API server rejects. Their examples are Jobs with the name `etl`, or templates.
const RULES: [&str; 10] = [
    "duplicate-key",
    "duplicate-env",
    "invalid-env-name",
    "invalid-secret-key",
    "invalid-secret-name",
    "missing-field",
    "non-string-value",
    "unknown-field",
    "value-and-value-from",
    "wrong-type",
];

#[test]
fn servers_reject_what_rules_report() {
    let Some(servers) = Servers::shared() else { return };
    let (admin, namespace) = (servers.client(ADMIN), servers.create_namespace("rules"));
    let path = api_path(&namespace, "jobs", "etl");
    let send = |manifest: &str| {
        admin.patch(&format!("{path}?fieldManager=rules&fieldValidation=Strict&dryRun=All"), "apply", manifest)
    };
    for name in RULES {
        let rule = find(name).expect("a rule");
        let mut jobs = rule.examples.iter().filter(|example| example.manifest.contains("name: etl\n")).peekable();
        assert!(jobs.peek().is_some(), "{name} has no Job as an example");
        for example in jobs {
            let (bad, good) = (send(example.manifest), send(&example.correct(example.manifest)));
            assert!(bad.status >= 400, "{name}: the server accepts the bad example: {}", bad.text());
            assert!(good.status < 300, "{name}: the server rejects the good example: {}", good.text());
        }
    }
}
