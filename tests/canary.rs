//! Tests that no value leaks: runs all kinds of command lines on inputs and arguments that contain a canary where a
//! secret may be, and searches all outputs for it. Only the requested manifest may contain it: the standard output of
//! `render`, or the file that `-i` edits.

#[path = "cmd/run.rs"]
mod run;

use std::path::Path;

/// The canary as plain text.
const CANARY: &str = "kanarie7f3a";
/// The start of the canary in Base64, as in the `data` of a Secret.
const CANARY_IN_BASE64: &str = "a2FuYXJpZTdmM2E";

/// Names and contents of `env` fields of a Job's container. The test replaces `@` with the canary, and `§` with `@`.
#[rustfmt::skip]
const ENVS: &[(&str, &str)] = &[
    ("plain", "- name: TOKEN\n  value: @"),
    ("quoted", "- name: TOKEN\n  value: '@'\n- name: DB_PASSWORD\n  value: \"\\x40 @\""),
    ("block", "- name: TOKEN\n  value: |\n    @\n    x: @\n    value: @\n    env: @\n    - @\n    @"),
    ("folded", "- name: TOKEN\n  value: >-\n    @\n\n    @"),
    ("many lines", "- name: DB_PASSWORD\n  value: @ and\n    @\n    @\n- name: TOKEN\n  value: \"@\n    @ \\\n    @\""),
    ("value first", "- value: @\n  name: TOKEN"),
    ("flow", "[\n  {name: TOKEN, value: @},\n  {name: DB_PASSWORD,\n   value:\n     '@'}\n]"),
    ("crlf", "- name: TOKEN\r\n  value: @\r"),
    ("commented out", "# - name: TOKEN\n#   value: @\n- name: DB_PASSWORD # value: \"@\"\n  value: z"),
    // The following contents are invalid near the canary.
    ("duplicate entry", "- {name: TOKEN, value: @}\n- {value: @, name: TOKEN}"),
    ("duplicate key", "- {name: TOKEN, value: @, value: @}\n- name: DB_PASSWORD\n  value: @\n  value: @"),
    ("anchored value", "- name: TOKEN\n  value: &a @\n- name: DB_PASSWORD\n  value: *a"),
    ("anchored entry", "- &e {name: TOKEN, value: @}\n- *e"),
    ("merge key in an entry", "- {name: TOKEN, <<: {value: @}}"),
    ("tagged value", "- name: TOKEN\n  value: !secret @\n- !!map {name: DB_PASSWORD, value: @}"),
    ("explicit key", "- ? name\n  : TOKEN\n  ? value\n  : @"),
    ("unclosed double", "- name: TOKEN\n  value: \"@"),
    ("unclosed single", "- {name: TOKEN, value: '@}"),
    ("unclosed flow", "[{name: TOKEN, value: @}"),
    ("tab", "- name: TOKEN\n\tvalue: @"),
    ("template", "- name: {{ x }}\n  value: {{ default \"@\" }}"),
    ("template that is YAML", "- {name: TOKEN, value: {{ default \"@\" .x }}}"),
    ("bad escape", "- name: TOKEN\n  value: \"\\q @\""),
    ("bad indentation", "- name: TOKEN\n  value: a\n other: @"),
    ("control character", "- name: TOKEN\n  value: \"@ \u{1} @\""),
    ("line separator", "- name: TOKEN\n  value: @\u{2028}value: @"),
    ("lone carriage return", "- name: TOKEN\n  value: @\rvalue: @"),
    ("a map", "TOKEN: @"),
    ("a map in flow", "{TOKEN: @}"),
    ("entry as a map", "- TOKEN: @"),
    ("entry as text", "- TOKEN=@"),
    ("text", "TOKEN=@"),
    ("value without a key", "- {name: TOKEN, @}\n- {name: DB_PASSWORD, '@'}\n- {@}"),
    ("map in an entry", "- {name: A, env: {TOKEN: @}}\n- env: {TOKEN: {value: @}}"),
    ("fix that moves a value", "- {name: A, value: $(DB_PASSWORD)}\n- name: DB_PASSWORD\n  value: @"),
    ("fix that renames a field", "- {name: TOKEN, valuee: @}\n- name: DB_PASSWORD\n  valuee: '@'"),
    ("plural name", "- {name: DB_TOKENS, value: @}\n- {name: DBPASS, value: @}\n- {name: A_DB_PASSWORDS, value: @}"),
];

/// Names and contents of complete inputs. The test also replaces `%` with the canary in Base64.
#[rustfmt::skip]
const INPUTS: &[(&str, &str)] = &[
    ("flow", "kind: Job\nspec: {template: {spec: {containers: [{name: flow, env: [{name: TOKEN, value: @}, {value: \"@\", name: DB_PASSWORD}]}]}}}\n"),
    ("json", "{\"kind\":\"Job\",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"flow\",\"env\":[{\"name\":\"TOKEN\",\"value\":\"@\"}]}]}}}}\n"),
    ("two envs", "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n        - {name: flow, env: [{name: TOKEN, value: @}], env: [{name: TOKEN, value: @}]}\n"),
    ("merge key", "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n        - {name: flow, <<: {env: [{name: TOKEN, value: @}]}, env: [{name: TOKEN, value: @}]}\n"),
    ("init container", "kind: Job\nspec:\n  template:\n    spec:\n      initContainers:\n        - name: first\n          env:\n            - name: TOKEN\n              value: @\n      containers:\n        - name: flow\n"),
    ("value by alias", "x: &v @\nkind: Job\nspec:\n  template:\n    spec:\n      containers:\n        - name: flow\n          env:\n            - name: DB_PASSWORD\n              value: *v\n"),
    ("agent", "kind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers:\n        - args: [prefect agent kubernetes start]\n          env:\n            - name: PREFECT__CLOUD__API_KEY\n              value: @\n"),
    ("not a target", "kind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n        - name: web\n          env:\n            - name: TOKEN\n              value: @\n"),
    ("last applied", "kind: Job\nmetadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {\"spec\":{\"value\":\"@\"}}\nspec: {template: {spec: {containers: [{name: flow}]}}}\n"),
    ("last applied, other namespace", "kind: Job\nmetadata: {name: a, namespace: b, annotations: {kubectl.kubernetes.io/last-applied-configuration: '@'}}\nspec: {template: {spec: {containers: [{name: flow, env: [{name: TOKEN, value: @}]}]}}}\n"),
    ("secret before", "kind: Secret\ndata:\n  a: %\nstringData:\n  b: @\n  c: |\n    @\n    @\n---\nkind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n"),
    ("secret behind", "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n---\nstringData: {b: @, c: '@'}\ndata: {a: %}\nkind: Secret\n"),
    ("secret in a list", "kind: List\nitems:\n- kind: Secret\n  stringData:\n    b: @\n- kind: Job\n  spec: {template: {spec: {containers: [{name: flow}]}}}\n- kind: Secret\n  data: {b: %}\n"),
    ("secret by alias", "kind: List\nx: &d {a: @, b: [@]}\nitems:\n- kind: Job\n  spec: {template: {spec: {containers: [{name: flow}]}}}\n- kind: Secret\n  data: *d\n"),
    ("half a secret", "kind: Secret\nstringData:\n  b: @\n  containers: \"@\n"),
    ("embedded", "kind: ConfigMap\nmetadata: {name: t}\ndata:\n  job_template.yaml: |\n    kind: Job\n    spec:\n      template:\n        spec:\n          containers:\n            - name: flow\n              env:\n                - name: TOKEN\n                  value: @\n---\nkind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n"),
    ("embedded json", "kind: List\nitems:\n- kind: Job\n  spec: {template: {spec: {containers: [{name: flow}]}}}\n- kind: ConfigMap\n  data:\n    job_template.yaml: '{\"kind\":\"Job\",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"flow\",\"env\":[{\"name\":\"TOKEN\",\"value\":\"@\"}]}]}}}}'\n"),
    ("embedded in a string", "kind: List\nitems:\n- kind: Job\n  spec: {template: {spec: {containers: [{name: flow}]}}}\n- kind: ConfigMap\n  data:\n    job_template.yaml: \"env:\\n- name: TOKEN\\n  value: @\\n\"\n"),
    ("tokens", "kind: Job\nspec: {template: {spec: {containers: [{name: flow, args: [--password, @, --db-token=@], env: [{name: X, value: ghp_@0123456789},{name: Y, value: 'http://u:@§host/x'}]}]}}}\n"),
    ("misspelled secret", "kind: List\nitems: [{kind: Job, spec: {template: {spec: {containers: [{name: flow, env: [{name: X}, {name: X}]}]}}}}, {kind: secret, stringdata: {a: @}, metadata: {name: s, data: {b: @}}}]\n"),
    ("secret list", "kind: SecretList\nitems: [{data: {a: %}}]\n---\nkind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n"),
    ("map-shaped env", "{\"job_configuration\": {\"env\": {\"secret\": \"@\", \"key\": \"@\", \"API_TOKEN\": \"@\"}, \"job_manifest\": {\"spec\": {\"template\": {\"spec\": {\"containers\": [{}]}}}}}, \"variables\": {\"properties\": {\"env\": {\"default\": {\"secret\": \"@\"}}}}}\n"),
    ("text as a reference", "kind: Job\nspec: {template: {spec: {containers: [{name: flow, env: [{name: X, valueFrom: @}, {name: Y, valueFrom: {secretKeyRef: '@ x'}}, {name: Y}]}]}}}\n"),
    ("last applied secret", "kind: Job\nmetadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"Secret\",\"data\":{\"a\":\"%\"}}'}}\nspec: {template: {spec: {containers: [{name: flow, env: [{name: X}, {name: X}]}]}}}\n"),
    ("dotenv", "kind: List\nitems:\n- kind: Job\n  spec: {template: {spec: {containers: [{name: flow}]}}}\n- kind: ConfigMap\n  data:\n    .env: |\n      export DB_PASSWORD=@ @\n    DB_PASSWORD: @\n"),
    ("command line", "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n      - env: [{name: A, value: x}]\n        name: flow\n        args: [\"app --password '@ @' -v\", \"app --token \\\n @ -v\", app --token '@ @' -v, 'run PASSWORD=x\\ @ app']\n"),
    ("urls in a script", "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n      - env: [{name: A, value: x}]\n        name: flow\n        args: [\"psql 'postgres://u:a @§ @§db/x' -c a\", psql postgres://u:a'@§db/x -c a, 'psql \"postgres://u:a b''@§db/x\" -c a', psql postgres://u:a'b§@§db/x]\n"),
    ("registry", "kind: Job\nmetadata:\n  annotations:\n    a: '{\"auths\": {\"r\": {\"auth\": \"@\"}}}'\n    b: docker '{\"auths\":{\"r\":{\"auth\":\"%6eA==\"}}}'\nspec: {template: {spec: {containers: [{name: flow}]}}}\n"),
    ("secret by merge keys", "kind: List\nx-k: &k Secret\nitems:\n- kind: Job\n  spec: {template: {spec: {containers: [{name: flow}]}}}\n- {kind: *k, <<: {data: {a: @}}}\n"),
    ("no yaml", "value: \"@\n\u{0}containers: @\n"),
];

/// Returns a Job whose flow container has this `env`.
fn job_with(env: &str) -> String {
    let lines = env.split('\n').map(|line| format!("            {line}\n"));
    let head = "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n        - name: flow\n          env:\n";
    head.to_owned() + &lines.collect::<String>()
}

/// Command lines that edit `input.yaml`, show an edit or fail.
#[rustfmt::skip]
const COMMANDS: &[&[&str]] = &[
    &["render", "input.yaml", "--env", "A=b"],
    &["render", "input.yaml", "--secret-env", "TOKEN=s/k"],
    &["render", "input.yaml", "--unset", "TOKEN", "--unset", "DB_PASSWORD"],
    &["render", "input.yaml", "--secret", "T=s/k", "--backend", "server", "--api-key", "s/k"],
    &["render", "input.yaml", "--diff", "--secret-env", "TOKEN=s/k", "--env", "A=b"],
    &["render", "input.yaml", "--diff", "--unset", "TOKEN", "--unset", "DB_PASSWORD", "--all-containers", "--init-containers"],
    &["render", "input.yaml", "--diff", "--api-key", "s/k", "--name", "n"],
    &["render", "input.yaml", "--diff", "--target", "*", "--allow-no-match", "--env", "A=$(TOKEN)"],
    &["render", "input.yaml", "--check", "--env", "A=b"],
    &["render", "input.yaml", "--check", "--diff", "--allow-plaintext", "--env", "TOKEN=b"],
    &["render", "input.yaml", "-i", "--secret-env", "TOKEN=s/k"],
    &["render", "input.yaml", "--target", "Nothing", "--env", "A=b"],
    &["render", "input.yaml", "-c", "nothing", "--env", "A=b"],
    &["render", "input.yaml", "-n", "elsewhere", "--env", "A=b"],
    &["render", "input.yaml", "--max-document-size", "10", "--env", "A=b"],
    &["render", "input.yaml", "--spec", "input.yaml"],
    &["render", "input.yaml", "missing.yaml", "--env", "A=b"],
    &["check", "input.yaml", "--persona", "pedantic", "-o", "human", "-o", "json=j", "-o", "sarif=s", "-o", "github=gh", "-o", "gitlab=gl", "-o", "junit=ju", "-o", "rdjson=rd"],
];

/// Command lines and spec files that contain the canary, and whether it may appear on standard output.
#[rustfmt::skip]
const ARGUMENTS: &[(&[&str], &str, bool)] = &[
    (&["render", "job.yaml", "--allow-plaintext", "--env", "TOKEN=@"], "", true),
    (&["render", "job.yaml", "--env", "TOKEN=@"], "", false),
    (&["render", "job.yaml", "--diff", "--env", "TOKEN=@", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "--diff", "--env", "TOKEN=@\n@\n", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "--check", "--env", "TOKEN=@", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "-i", "--env", "TOKEN=@", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "--env", "@"], "", false),
    (&["render", "job.yaml", "--env", "=@"], "", false),
    (&["render", "job.yaml", "--env", "TOKEN=@", "--env", "TOKEN=@", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "--env", "TOKEN=@", "--unset", "TOKEN", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "--env", "TOKEN=@", "--frobnicate", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "--env", "TOKEN=@", "--backend", "sever", "--allow-plaintext"], "", false),
    (&["render", "missing.yaml", "--env", "TOKEN=@", "--allow-plaintext"], "", false),
    (&["render", "--env", "TOKEN=@", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "--target", "Deployment", "--env", "TOKEN=@", "--allow-plaintext"], "", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: [{name: TOKEN, value: '@'}]\n", true),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--diff", "--allow-plaintext"], "  env: [{name: TOKEN, value: '@'}]\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: [{name: TOKEN, value: '@', valueFrom: {}}]\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: [{name: TOKEN, value: [@]}]\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: [{name: TOKEN, value: '@', oops: 1}]\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: [{name: TOKEN, valeu: '@'}]\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: {TOKEN: '@'}\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env:\n    TOKEN: @\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: ['TOKEN=@']\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: TOKEN=@\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env:\n    - name: TOKEN\n      value: \"@\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env:\n    - name: TOKEN\n      value: @\n      value: @\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  env: [{name: TOKEN, value: '@'}]\n  secretes: {}\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml", "--allow-plaintext"], "  secrets: {T: '@'}\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml"], "  prefect: {apiKey: @}\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml"], "  secrets: {T: {secret: '@ @', key: k}}\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml"], "  prefect: {api: 'u:@§host'}\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml"], "  env: [{name: TOKEN, value:@}]\n", false),
    (&["render", "job.yaml", "--spec", "spec.yaml"], "  env: [{name: X, value: 'http://u:@§host'}]\n", false),
    (&["render", "job.yaml", "--env", "X=http://u:@§host"], "", false),
    (&["render", "job.yaml", "--env", "X=http://u:@§host", "--allow-plaintext", "--diff"], "", false),
    (&["render", "job.yaml", "--env", "X=ghp_@0123456789", "--diff", "--allow-plaintext"], "", false),
];

/// A flag of `preview`, the content of its file, and whether the printed Job may contain the canary.
#[rustfmt::skip]
const SCENARIOS: &[(&str, &str, bool)] = &[
    ("--scenario", "run_config: {env: {API_TOKEN: '@'}}", true),
    ("--scenario", "run_config: {env: {API_TOKEN: '@'}, evn: {}}", false),
    ("--scenario", "run_config: {env: ['@']}", false),
    ("--scenario", "run_config: {kind: '@'}", false),
    ("--scenario", "run_config: {env: {API_TOKEN: '@'}, image_pull_policy: '@'}", false),
    ("--scenario", "run_config: {job_template: '@'}", false),
    ("--scenario", "run_config: {job_template: \"kind: Job\\nspec: {@: \\t}\"}", false),
    ("--scenario", "run_config: {job_template_path: 'x://@'}", false),
    ("--scenario", "agent: {env_vars: {API_TOKEN: '@'}}", true),
    ("--scenario", "agent: {env_vars: '@'}", false),
    ("--scenario", "environ: {PREFECT__CLOUD__API_KEY: '@'}", true),
    ("--scenario", "environ: {PREFECT__CLOUD__API_KEY: ['@']}", false),
    ("--scenario", "environ: {PREFECT__CLOUD__TENANT_ID: '@'}", false),
    ("--scenario", "environ: {PREFECT__LOGGING__LEVEL: '@'}", false),
    ("--scenario", "environ: {A_TOKEN: '@', PREFECT__CLOUD__AGENT__ENV_VARS: '{\"B_TOKEN\": \"$A_TOKEN\"}'}", true),
    ("--scenario", "environ: {A_TOKEN: '@', PREFECT__CLOUD__AGENT__LABELS: '5'}", false),
    ("--scenario", "user_config: |\n  [context.secrets]\n  A = '@'\n", false),
    ("--scenario", "user_config: |\n  [context.secrets]\n  A = @\n", false),
    ("--scenario", "user_config: |\n  [context.secrets]\n  items = '@'\n", false),
    ("--scenario", "user_config: |\n  [cloud]\n  api_key = '@'\n", true),
    ("--scenario", "flow: {core_version: '@', storage: {type: '@'}}", false),
    ("--scenario", "a: '@\n", false),
    ("--scenario", "a:\t'@'", false),
    ("--run-config", "env: {API_TOKEN: '@'}", true),
    ("--run-config", "'@'", false),
    ("--agent", "kind: Deployment\nspec: {template: {spec: {containers: [{args: [prefect agent kubernetes start -k @]}]}}}", true),
    ("--agent", "kind: Deployment\nspec: {template: {spec: {containers: [{args: [prefect, agent, kubernetes, start, --token=@, --nope]}]}}}", false),
    ("--agent", "kind: Deployment\nspec: {template: {spec: {containers: [{command: [sh, -c], args: [\"prefect agent kubernetes start -k `@`\"]}]}}}", false),
    ("--agent", "kind: Deployment\nspec: {template: {spec: {containers: [{args: [prefect, agent, kubernetes, start], env: [{name: PREFECT__CLOUD__API_KEY, value: '@'}]}]}}}", true),
    ("--agent", "kind: Deployment\nspec: {template: {spec: {containers: [{command: [sh, -c], args: ['prefect agent kubernetes start --key \"$(S)\" --env E_TOKEN=@ --env DSN=postgres://u:@@$S/db'], env: [{name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]}}}", true),
    ("--agent", "kind: Deployment\nspec: {template: {spec: {containers: [{args: [prefect, agent, kubernetes, start], env: [{name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: PREFECT__CLOUD__API_KEY, value: '@-$(S)'}, {name: PREFECT__CLOUD__API, value: 'http://u:@@$(S)'}]}]}}}", true),
    ("--agent", "kind: Deployment\nspec: {template: {spec: {containers: [{args: [web], env: [{name: TOKEN, value: '@'}]}]}}}", false),
];

const JOB: &str = "kind: Job\nmetadata: {name: etl}\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";

fn with_canary(text: &str) -> String {
    text.replace('@', CANARY).replace('%', CANARY_IN_BASE64).replace('§', "@")
}

/// Replaces the secret-looking names of variables with names that do not look secret.
fn with_plain_names(text: &str) -> String {
    text.replace("DB_PASSWORD", "Z").replace("TOKEN", "X")
}

fn contains_canary(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains(CANARY) || text.contains(CANARY_IN_BASE64)
}

/// Runs a command line and searches its outputs. Returns whether standard output contains the canary.
///
/// # Errors
///
/// Fails if the program crashes, or if an output contains the canary that must not contain it. The error shows that
/// output.
fn check_outputs(
    directory: &Path,
    args: &[&str],
    stdin: &[u8],
    is_allowed_on_stdout: bool,
    allowed_files: &[&str],
) -> Result<bool, String> {
    check_outputs_with_env(directory, &[], args, stdin, is_allowed_on_stdout, allowed_files)
}

/// Does the same as [`check_outputs`], but sets environment variables.
fn check_outputs_with_env(
    directory: &Path,
    env: &[(&str, &str)],
    args: &[&str],
    stdin: &[u8],
    is_allowed_on_stdout: bool,
    allowed_files: &[&str],
) -> Result<bool, String> {
    let args: Vec<String> = args.iter().map(|arg| with_canary(arg)).collect();
    run::write_file(&directory.join("ERROR"), b"");
    let outcome = run::jobplate_with_env(directory, env, &args, stdin);
    let fail = |output_name: &str, bytes: &[u8]| Err(format!("{output_name}:\n{}", String::from_utf8_lossy(bytes)));
    if ![0, 1, 2].contains(&outcome.status) {
        return fail("a crash", &outcome.stderr);
    }
    if contains_canary(&outcome.stderr) {
        return fail("stderr", &outcome.stderr);
    }
    if contains_canary(&outcome.stdout) && !is_allowed_on_stdout {
        return fail("stdout", &outcome.stdout);
    }
    for path in run::files_below(directory) {
        let name = path.to_string_lossy();
        let bytes = std::fs::read(directory.join(&path)).expect("the file can be read");
        if contains_canary(&bytes) && !allowed_files.contains(&&*name) {
            return Err(format!("the file {name}"));
        }
    }
    Ok(contains_canary(&outcome.stdout))
}

#[test]
fn values_of_inputs_stay_in_the_manifest() {
    let mut leaks = String::new();
    let mut found = 0;
    let jobs = ENVS.iter().map(|(label, env)| (*label, job_with(env)));
    let inputs = INPUTS.iter().map(|(label, input)| (*label, (*input).to_owned()));
    for (label, input) in jobs.chain(inputs) {
        let input = with_canary(&input);
        for command in COMMANDS {
            let is_printed = !command.iter().any(|arg| ["check", "--diff", "--check", "-i"].contains(arg));
            let piped: Vec<&str> = command.iter().map(|arg| if *arg == "input.yaml" { "-" } else { *arg }).collect();
            let with_file = tempfile::tempdir().expect("a temporary folder can be made");
            let without_file = tempfile::tempdir().expect("a temporary folder can be made");
            run::write_file(&with_file.path().join("input.yaml"), input.as_bytes());
            // With `--mask all`, values stay in the manifest whatever the names of their variables.
            let plain_args: Vec<String> = piped.iter().map(|arg| with_plain_names(arg)).collect();
            let plain_args: Vec<&str> = plain_args.iter().map(String::as_str).collect();
            let plain_input = with_plain_names(&input);
            let (mask_all, plain) = ([("JOBPLATE_MASK", "all")], plain_input.as_bytes());
            for result in [
                check_outputs(with_file.path(), command, b"", is_printed, &["input.yaml"]),
                // Standard input is spooled to a temporary file.
                check_outputs(without_file.path(), &piped, input.as_bytes(), is_printed, &[]),
                check_outputs_with_env(without_file.path(), &mask_all, &plain_args, plain, is_printed, &[]),
            ] {
                match result {
                    Ok(is_found) => found += usize::from(is_found),
                    Err(leak) => leaks.push_str(&format!("\n{label}: {}\n{leak}", command.join(" "))),
                }
            }
        }
    }
    assert!(leaks.is_empty(), "a value came out:\n{leaks}");
    assert!(found > 50, "where it may come out it did only {found} times");
}

/// Command lines on a ConfigMap whose embedded document contains the canary.
#[rustfmt::skip]
const EMBEDDED_COMMANDS: &[&[&str]] = &[
    &["render", "-", "--secret-env", "TOKEN=s/k"],
    &["render", "-", "--diff", "--secret-env", "TOKEN=s/k", "--env", "A=b"],
    &["render", "-", "--diff", "--unset", "TOKEN", "--unset", "DB_PASSWORD"],
    &["render", "-", "--check", "--env", "A=b"],
    &["render", "-", "--name", "x", "--env", "A=b"],
    &["render", "-", "--wrap", "configmap/x", "--env", "A=b"],
    &["post-render", "--secret-env", "TOKEN=s/k"],
    &["post-render", "--target", "cm/t:*", "--secret-env", "TOKEN=s/k"],
    &["post-render", "--target", "cm/t:*", "-c", "nothing", "--env", "A=b"],
    &["post-render", "--target", "cm/t:nothing", "--env", "A=b"],
];

/// Environment variables.
type EnvVars = &'static [(&'static str, &'static str)];

/// Integrations: environment variables, the command line, and whether the manifest is printed.
#[rustfmt::skip]
const INTEGRATIONS: &[(EnvVars, &[&str], bool)] = &[
    (GITHUB, &["render", "input.yaml", "--check", "--secret-env", "TOKEN=s/k", "--unset", "DB_PASSWORD", "--report", "report"], false),
    (GITHUB, &["render", "input.yaml", "-i", "--env", "A=b", "--name", "n", "--report", "report"], false),
    (GITHUB, &["render", "input.yaml", "--env", "TOKEN=$(DB_PASSWORD)", "--all-containers", "--report", "report"], true),
    (COMPLETE, &["--", "jobplate", "render", "input.yaml", "--unset", ""], false),
    (COMPLETE, &["--", "jobplate", "render", "input.yaml", "--secret-env", ""], false),
    (COMPLETE, &["--", "jobplate", "render", "input.yaml", "--secret-env", "TOKEN="], false),
    (COMPLETE, &["--", "jobplate", "render", "input.yaml", "--env-from", ""], false),
    (COMPLETE, &["--", "jobplate", "render", "input.yaml", "-c", ""], false),
    (COMPLETE, &["--", "jobplate", "render", "input.yaml", "--target", ""], false),
    (COMPLETE, &["--", "jobplate", "render", "input.yaml", "-n", ""], false),
    (ARGOCD, &["argocd-generate"], true),
    (&[], &["preview", "input.yaml"], true),
    (&[], &["preview", "input.yaml", "-o", "env"], false),
    (&[], &["preview", "--agent", "input.yaml", "-o", "env"], false),
    (&[], &["preview", "--run-config", "input.yaml"], false),
    (&[], &["preview", "--scenario", "input.yaml"], false),
    (&[], &["convert", "input.yaml"], true),
    (&[], &["convert", "input.yaml", "-o", "yaml"], true),
    (&[], &["convert", "input.yaml", "--from-default", "input.yaml"], false),
];
const GITHUB: EnvVars = &[("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "summary")];
const COMPLETE: EnvVars = &[("JOBPLATE_COMPLETE", "fish")];
const ARGOCD: EnvVars = &[(
    "ARGOCD_APP_PARAMETERS",
    r#"[{"name": "files", "string": "input.yaml"}, {"name": "secret-env", "map": {"TOKEN": "s/k"}}]"#,
)];

#[test]
fn values_stay_in_the_manifest_in_every_integration() {
    let mut leaks = String::new();
    let mut found = 0;
    let jobs = ENVS.iter().map(|(label, env)| (*label, job_with(env)));
    for (label, input) in jobs.chain(INPUTS.iter().map(|(label, input)| (*label, (*input).to_owned()))) {
        let input = with_canary(&input);
        for (env, args, is_printed) in INTEGRATIONS {
            let directory = tempfile::tempdir().expect("a temporary folder can be made");
            run::write_file(&directory.path().join("input.yaml"), input.as_bytes());
            match check_outputs_with_env(directory.path(), env, args, b"", *is_printed, &["input.yaml"]) {
                Ok(is_found) => found += usize::from(is_found),
                Err(leak) => leaks.push_str(&format!("\n{label}: {}\n{leak}", args.join(" "))),
            }
        }
        // Also run `krm` on a ResourceList with the input as its item. Its `results` must not contain values.
        let item: String = input.split_inclusive('\n').map(|line| format!("  {line}")).collect();
        let config =
            "functionConfig: {apiVersion: jobplate/v1, kind: JobPlate, spec: {targets: [{kind: Job}], unset: [TOKEN]}}";
        let list =
            format!("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n{config}\nitems:\n- {}", &item[2..]);
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        let outcome = run::jobplate(directory.path(), &["krm"], list.as_bytes());
        let printed = String::from_utf8_lossy(&outcome.stdout);
        let results = printed.split("\nresults:").nth(1).unwrap_or_default();
        found += usize::from(outcome.status == 0 && contains_canary(&outcome.stdout));
        if contains_canary(results.as_bytes()) || contains_canary(&outcome.stderr) {
            leaks.push_str(&format!("\n{label}: krm\n{results}{}", String::from_utf8_lossy(&outcome.stderr)));
        }
    }
    assert!(leaks.is_empty(), "a value came out:\n{leaks}");
    assert!(found > 25, "where it may come out it did only {found} times");
}

/// Base job templates for `--from-default`: one is valid, the others have an error near a value.
const BASE_JOB_TEMPLATES: &[&str] = &[
    r#"{"job_configuration": {"env": {"TOKEN": "@"}, "job_manifest": {"spec": {"template": {"spec": {"containers": [{"env": "@"}]}}}}}, "variables": {"properties": {"env": {"default": {"TOKEN": "@"}}}}}"#,
    r#"{"job_configuration": {"env": ["@"], "job_manifest": {"spec": {"template": {"spec": {"containers": [{}]}}}}}, "variables": {"properties": {}}}"#,
    r#"{"job_configuration": {"env": {"TOKEN": "@"}, "job_manifest": {}}, "variables": {"properties": {}}}"#,
    r#"{"job_configuration": {"env": {"TOKEN": "@"}, "job_manifest": "@"}, "variables": {"properties": {}}}"#,
    r#"{"job_configuration": {"env": {"TOKEN": "@"}}, "variables": "@"}"#,
    r#"{"TOKEN": "@", "job_configuration": [}"#,
    "job_configuration:\n  env: {TOKEN: @}\n  env: {TOKEN: @}\nvariables: {a: @, \n",
];

#[test]
fn values_of_a_base_stay_in_the_template() {
    let mut leaks = String::new();
    let mut found = 0;
    let env = "- {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}\n- {name: PREFECT_API_KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}";
    for base in BASE_JOB_TEMPLATES {
        for job in [JOB.to_owned(), job_with(env), job_with("- {name: Y, value: y}")] {
            let directory = tempfile::tempdir().expect("a temporary folder can be made");
            run::write_file(&directory.path().join("job.yaml"), job.as_bytes());
            run::write_file(&directory.path().join("base.json"), with_canary(base).as_bytes());
            let args = ["convert", "job.yaml", "--from-default", "base.json"];
            match check_outputs(directory.path(), &args, b"", true, &["base.json"]) {
                Ok(is_found) => found += usize::from(is_found),
                Err(leak) => leaks.push_str(&format!("\n{base}\n{leak}")),
            }
        }
    }
    assert!(leaks.is_empty(), "a value came out:\n{leaks}");
    assert!(found > 1, "where it may come out it did only {found} times");
}

/// Returns a ConfigMap with an embedded document in a scalar style.
fn config_map_with(text: &str, style: &str) -> String {
    let value = match style {
        "block" => format!("|\n{}", text.split('\n').map(|line| format!("    {line}\n")).collect::<String>()),
        "double" => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{}\"\n", escaped.replace('\n', "\\n").replace('\r', "\\r").replace('\u{1}', "\\x01"))
        }
        "folded double" => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{}\"\n", escaped.replace('\n', "\\n\\\n    \\").replace("    \\-", "    -"))
        }
        _ => format!("'{}'\n", text.replace('\'', "''").replace('\n', "\n\n    ")),
    };
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: t}}\ndata:\n  job_template.yaml: {value}")
}

#[test]
fn values_of_embedded_documents_stay_in_the_manifest() {
    let mut leaks = String::new();
    let mut found = 0;
    let one_line =
        "{\"kind\":\"Job\",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"flow\",\"env\":ENV}]}}}}";
    let envs = [
        "[\"TOKEN=@\"]",
        "{\"TOKEN\":\"@\"}",
        "[{\"name\":\"TOKEN\",\"value\":\"@\"}]",
        "[{\"name\":\"TOKEN\",\"v\":\"@\"}]",
    ];
    let lines = envs.iter().map(|env| (*env, one_line.replace("ENV", env)));
    for (label, text) in ENVS.iter().map(|(label, env)| (*label, job_with(env))).chain(lines) {
        for style in ["block", "double", "folded double", "single"] {
            let input = with_canary(&config_map_with(&text, style));
            for command in EMBEDDED_COMMANDS {
                let is_printed = !command.iter().any(|arg| ["--diff", "--check"].contains(arg));
                let directory = tempfile::tempdir().expect("a temporary folder can be made");
                match check_outputs(directory.path(), command, input.as_bytes(), is_printed, &[]) {
                    Ok(is_found) => found += usize::from(is_found),
                    Err(leak) => leaks.push_str(&format!("\n{label}, {style}: {}\n{leak}", command.join(" "))),
                }
            }
        }
    }
    assert!(leaks.is_empty(), "a value came out:\n{leaks}");
    assert!(found > 50, "where it may come out it did only {found} times");
}

#[test]
fn values_of_arguments_stay_in_the_manifest() {
    let mut leaks = String::new();
    for (args, spec, is_printed) in ARGUMENTS {
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        run::write_file(&directory.path().join("job.yaml"), JOB.as_bytes());
        let mut allowed_files = Vec::new();
        if !spec.is_empty() {
            let spec = format!("apiVersion: jobplate/v1\nkind: JobPlate\nspec:\n{}", with_canary(spec));
            run::write_file(&directory.path().join("spec.yaml"), spec.as_bytes());
            allowed_files.push("spec.yaml");
        }
        if args.contains(&"-i") {
            allowed_files.push("job.yaml");
        }
        if let Err(leak) = check_outputs(directory.path(), args, b"", *is_printed, &allowed_files) {
            leaks.push_str(&format!("\n{}\n{spec}{leak}", args.join(" ")));
        }
    }
    assert!(leaks.is_empty(), "a value came out:\n{leaks}");
}

#[test]
fn values_of_scenarios_stay_in_the_job() {
    let mut leaks = String::new();
    for (flag, scenario, is_printed) in SCENARIOS {
        for output in ["json", "yaml", "env"] {
            let directory = tempfile::tempdir().expect("a temporary folder can be made");
            run::write_file(&directory.path().join("job.yaml"), JOB.as_bytes());
            run::write_file(&directory.path().join("scenario.yaml"), with_canary(scenario).as_bytes());
            let args = ["preview", "job.yaml", flag, "scenario.yaml", "-o", output];
            let is_allowed = *is_printed && output != "env";
            match check_outputs(directory.path(), &args, b"", is_allowed, &["scenario.yaml"]) {
                Ok(is_found) if is_found == is_allowed => {}
                Ok(_) => leaks.push_str(&format!("\n{scenario}: silent with -o {output}")),
                Err(leak) => leaks.push_str(&format!("\n{scenario} -o {output}\n{leak}")),
            }
        }
    }
    assert!(leaks.is_empty(), "a value came out, or did not where it should:\n{leaks}");
}

/// A case of `jobplate secret`: environment variables, files, standard input, the command line, and whether the Secret
/// is printed. The test replaces `¬` with a byte that is not valid UTF-8.
type SecretCase = (EnvVars, &'static [(&'static str, &'static str)], &'static str, &'static [&'static str], bool);

#[rustfmt::skip]
const SECRET_CASES: &[SecretCase] = &[
    (&[], &[(CONFIG, "[context.secrets]\nA = \"@\"\nB = ['@', {a = '@'}]\n[context.secrets.C]\nD = '@'\n")], "", &["--from-config"], true),
    (&[], &[("c", "context.secrets.A = '\"@$TOKEN\"'")], "", &["--from-config=c", "--text=A"], true),
    (&[], &[("c", "[context.secrets]\nA = \"@\"\nB = 2020-01-01")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA = \"@")], "", &["--from-config=c"], false),
    (&[], &[("c", "context.secrets.A = \"@")], "", &["--from-config=c"], false),
    (&[], &[("c", "context.secrets.A = \"@: @")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA = @")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA = '@'@")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA = \"\\@\"")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA = '@'\nA = '@'")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA = \"\"\"@\n@\nB = @")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context]\nsecrets = '@'")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\n'a b' = '@'")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nkeys = '@'")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA__B = '@'")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA = ['@', nan]")], "", &["--from-config=c"], false),
    (&[], &[("c", "[context.secrets]\nA = ['@']")], "", &["--from-config=c", "--text=A"], false),
    (&[], &[("c", "# @\n[context]")], "", &["--from-config=c"], false),
    (&[], &[("c", "A = '@¬'")], "", &["--from-config=c"], false),
    (&[("PREFECT__USER_CONFIG_PATH", "c")], &[("c", "context.secrets.A = '@'")], "", &["--from-config", "--print-flags"], false),
    (&[], &[("c", "context.secrets.A = '@'")], "", &["--from-config=c", "--print-spec"], false),
    (VARIABLE_A, &[], "", &["--from-environment"], true),
    (VARIABLE_A, &[], "", &["--from-environment", "--print-flags"], false),
    (VARIABLE_A, &[], "", &["--from-environment", "--from-config=A=@"], false),
    (VARIABLE_A, &[("e", "A=@")], "", &["--from-environment", "--from-env-file=e"], false),
    (&[("PREFECT__CONTEXT__SECRETS__a b", VALUE)], &[], "", &["--from-environment"], false),
    (&[("PREFECT__CONTEXT__SECRETS__", VALUE)], &[], "", &["--from-environment"], false),
    (&[("PREFECT__CONTEXT__SECRETS__A__B", VALUE), VARIABLE_A[0]], &[], "", &["--from-environment"], false),
    (&[], &[("e", "A=@\nB=\"@\"\nC={\"a\": \"@\"}\nD=$@\nE=~/@\nF='@'\nG__H=@\n")], "", &["--from-env-file", "e"], true),
    (&[], &[("e", "A=@$TOKEN")], "", &["--from-env-file", "e", "--text", "A"], true),
    (&[], &[("e", "A=@${x}\nB__C=@${x}")], "", &["--from-env-file", "e", "--text", "B__C"], false),
    (&[], &[("e", "A=@")], "", &["--from-env-file", "e", "--text", "@"], false),
    (&[], &[("e", "A=@\nA=@")], "", &["--from-env-file", "e"], false),
    (&[], &[("e", "A=@\n@")], "", &["--from-env-file", "e"], false),
    (&[], &[("e", "A=@\n@/+=")], "", &["--from-env-file", "e", "--print-flags"], false),
    (&[], &[("e", "A=@\n@")], "", &["--from-env-file", "e", "--print-spec"], false),
    (&[], &[("e", "export A=@")], "", &["--from-env-file", "e"], false),
    (&[], &[("e", "A =@")], "", &["--from-env-file", "e"], false),
    (&[], &[("e", "A=@¬")], "", &["--from-env-file", "e"], false),
    (&[], &[("e", "=@")], "", &["--from-env-file", "e"], false),
    (&[], &[("e", "PREFECT__CLOUD__API_KEY=@")], "", &["--from-env-file", "e"], false),
    (&[("A", VALUE)], &[("e", "A")], "", &["--from-env-file", "e"], true),
    (&[], &[], "A=@", &["--from-env-file", "-"], true),
    (&[], &[], "@ @", &["--from-env-file", "-"], false),
    (&[], &[], "", &["--from-env-file", "A=@"], false),
    (&[], &[("f", "@\n")], "", &["--from-file", "A=f"], true),
    (&[], &[("f", "@\n¬")], "", &["--from-file", "A=f"], true),
    (&[], &[("f", "@¬")], "", &["--from-file", "A=f", "--text", "A"], false),
    (&[], &[("f", "@\u{0}")], "", &["--from-file", "A=f"], true),
    (&[], &[], "@", &["--from-file", "A=-"], true),
    (&[], &[], "@", &["--from-file", "A=-", "--from-file", "B=-"], false),
    (&[], &[], "", &["--from-file", "A=@"], false),
    (&[], &[], "", &["--from-file", "@"], false),
    (&[], &[], "", &["--from-file", "=@"], false),
    (&[], &[], "", &["--from-file", "a b=@"], false),
    (&[], &[], "", &["--from-literal", "A=@"], false),
    (&[], &[], "", &["--from-literal=A=@", "--from-environment"], false),
    (&[], &[], "", &["--from-environment=@"], false),
    (&[], &[], "", &["A=@"], false),
    (&[], &[], "", &["--from-stdin=@"], false),
    (VARIABLE_A, &[], "", &["--from-environment", "-n", "@ "], false),
];
const CONFIG: &str = ".prefect/config.toml";
const VALUE: &str = CANARY;
const VARIABLE_A: EnvVars = &[("PREFECT__CONTEXT__SECRETS__A", VALUE)];

#[test]
fn values_of_secrets_stay_in_the_secret() {
    let mut leaks = String::new();
    let (mut found, mut refused) = (0, 0);
    for (env, files, stdin, args, is_printed) in SECRET_CASES {
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        let to_bytes = |text: &str| with_canary(text).split('¬').map(str::as_bytes).collect::<Vec<_>>().join(&0xff);
        let mut allowed_files = Vec::new();
        for (name, text) in *files {
            run::write_file(&directory.path().join(name), &to_bytes(text));
            allowed_files.push(*name);
        }
        match check_outputs_with_env(
            directory.path(),
            env,
            &[&["secret", "s"], *args].concat(),
            &to_bytes(stdin),
            *is_printed,
            &allowed_files,
        ) {
            Ok(is_found) if is_found == *is_printed => {
                found += usize::from(is_found);
                refused += usize::from(!is_found);
            }
            Ok(_) => leaks.push_str(&format!("\n{}, {files:?}: it is not printed", args.join(" "))),
            Err(leak) => leaks.push_str(&format!("\n{}, {files:?}\n{leak}", args.join(" "))),
        }
    }
    assert!(leaks.is_empty(), "a value came out:\n{leaks}");
    assert!(found > 10 && refused > 35, "{found} and {refused}");
}

/// Checks that the search finds the canary where it is allowed. Otherwise the other tests would prove nothing.
#[test]
fn finds_the_canary_in_the_manifest() {
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let path = directory.path().join("job.yaml");
    run::write_file(&path, JOB.as_bytes());
    let value = with_canary("A=@");
    let printed = run::jobplate(directory.path(), &["render", "job.yaml", "--env", &value], b"");
    assert!(contains_canary(&printed.stdout));
    let in_place = run::jobplate(directory.path(), &["render", "-i", "job.yaml", "--env", &value], b"");
    assert!(in_place.stdout.is_empty());
    assert!(contains_canary(&std::fs::read(&path).expect("the file can be read")));
    // A diff is printed although it contains a masked value.
    let diff = run::jobplate(directory.path(), &["render", "--diff", "job.yaml", "--env", "B=c"], b"");
    assert!(String::from_utf8_lossy(&diff.stdout).contains("+++ job.yaml"));
}
