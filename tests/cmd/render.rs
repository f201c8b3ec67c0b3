//! Tests of `jobplate render` that a golden case cannot express: hashes in names, closed pipes and file metadata.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::run;

const JOB: &str = "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";

/// Checks that layout, comments and key order do not change the hash.
pub(crate) fn name_hash_depends_on_the_value_only() {
    let render_hash = |manifest: &str| {
        let dir = tempfile::tempdir().expect("a temporary directory can be created");
        let output = run::jobplate(dir.path(), &["render", "-", "--name-hash"], manifest.as_bytes());
        assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).expect("a manifest is UTF-8");
        let at = printed.find("etl-").expect("the name is printed") + 4;
        let hash = printed[at..at + 8].to_owned();
        assert!(hash.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()), "{printed}");
        assert_eq!(printed.replace(&format!("-{hash}"), ""), manifest, "only the name changes");
        hash
    };
    let block = "kind: Job\nmetadata:\n  name: etl\nspec:\n  template:\n    spec:\n      containers:\n        - name: flow\n          image: x\n";
    let flow = "# the same\nspec: {template: {spec: {containers: [{image: 'x', name: flow}]}}}\nmetadata: {name: etl}\nkind: \"Job\"\n";
    assert_eq!(render_hash(block), render_hash(flow));
    assert_ne!(render_hash(block), render_hash(&block.replace("image: x", "image: y")));
}

/// Runs the program with a reader that closes the pipe early, like `head`.
pub(crate) fn closed_stdout_is_not_an_error() {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    let mut child = run::isolated_command(run::binary(), dir.path())
        .args(["render", "-", "--env", "A=b"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // The program prints only after it has read all input, so the pipe is already closed.
    drop(child.stdout.take());
    let jobs = format!("{JOB}---\n").repeat(10_000);
    child.stdin.take().expect("stdin is a pipe").write_all(jobs.as_bytes()).expect("the program reads");
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

/// Checks that every argument that is a path accepts one that is not UTF-8, and that messages escape it.
#[cfg(target_os = "linux")]
pub(crate) fn file_names_need_not_be_utf8() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    const SPEC: &str =
        "apiVersion: jobplate/v1\nkind: JobPlate\nspec: {inputs: [a.yaml], env: [{name: A, value: b}]}\n";
    // Each `%` is replaced with a byte that is not UTF-8.
    let name = |text: &str| OsString::from_vec(text.bytes().map(|b| if b == b'%' { 0xff } else { b }).collect());
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    for (path, text) in [
        ("job%", JOB),
        ("d%/spec", SPEC),
        ("d%/a.yaml", JOB),
        ("run%", "env: {A: b}\n"),
        ("env%", "TOKEN=x\n"),
        ("config%", "[context.secrets]\nTOKEN = \"x\"\n"),
    ] {
        run::write_file(&dir.path().join(name(path)), text.as_bytes());
    }
    for (args, stdout, stderr) in [
        ("render job% --env A=b --report report%", "env: [{name: A", ""),
        ("render -f job% --env A=b", "env: [{name: A", ""),
        ("render --spec d%/spec", "env: [{name: A", ""),
        ("render --check job% --env A=b", "job\\xff\n", ""),
        ("render -i job% --env A=b", "", ""),
        ("render none% --env A=b", "", "none\\xff: cannot be read: "),
        ("render job% --spec none%", "", "none\\xff: cannot be read: "),
        ("preview job% --run-config run%", "kind: Job", ""),
        ("preview -f job% --scenario none%", "", "none\\xff: cannot be read: "),
        ("convert job%", "job_configuration", ""),
        ("convert -f none%", "", "none\\xff: cannot be read: "),
        ("secret s --from-env-file env%", "TOKEN", ""),
        ("secret s --from-config=config%", "TOKEN", ""),
        ("secret s --from-file TOKEN=env%", "TOKEN", ""),
    ] {
        let words: Vec<OsString> = args.split(' ').map(name).collect();
        let output = run::jobplate(dir.path(), &words, b"");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(out.contains(stdout) && err.contains(stderr), "{args}:\n{out}\n{err}");
        assert_eq!(err.starts_with("error: "), !stderr.is_empty(), "{args}: {err}");
    }
    let report = std::fs::read_to_string(dir.path().join(name("report%"))).expect("the report is written");
    assert!(report.contains(r"job\\xff"), "{report}");
}

/// Checks the content of the file named by `JOBPLATE_ERROR_FILE`. The file is for callers that hide stderr, such as
/// Helm 4.
pub(crate) fn error_file_holds_the_error() {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    let file = dir.path().join("ERROR");
    let read = || std::fs::read_to_string(&file).expect("the file can be read");
    for args in [&["render", "nope.yaml", "--env", "A=b"], &["render", "nope.yaml", "--frobnicate", "A=b"]] {
        run::write_file(&file, b"error: before");
        let output = run::jobplate(dir.path(), args, b"");
        assert_eq!(output.status, 2);
        assert_eq!(read(), String::from_utf8_lossy(&output.stderr));
        assert!(read().starts_with("error: "), "{}", read());
        // A successful run removes the previous run's error.
        assert_eq!(run::jobplate(dir.path(), &["template"], b"").status, 0);
        assert_eq!(read(), "");
    }
    // A file without an error is left unchanged, and a note says that the error is not in it.
    run::write_file(&file, b"kind: Job\n");
    assert_eq!(run::jobplate(dir.path(), &["template"], b"").status, 0);
    assert_eq!(read(), "kind: Job\n");
    let output = run::jobplate(dir.path(), &["render", "nope.yaml", "--env", "A=b"], b"");
    assert_eq!(output.status, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write JOBPLATE_ERROR_FILE"));
    assert_eq!(read(), "kind: Job\n");
}

/// Checks that `-i` writes to the target of a symbolic link and keeps the target's mode.
#[cfg(unix)]
pub(crate) fn in_place_keeps_links_and_modes() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    let (file, link) = (dir.path().join("real/job.yaml"), dir.path().join("job.yaml"));
    run::write_file(&file, JOB.as_bytes());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("the mode can be set");
    symlink("real/job.yaml", &link).expect("a link can be created");
    let output = run::jobplate(dir.path(), &["render", "-i", "job.yaml", "--env", "A=b"], b"");
    assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(link.symlink_metadata().expect("the link exists").is_symlink());
    let text = std::fs::read_to_string(&file).expect("the file can be read");
    assert_eq!(text, JOB.replace("{name: flow}", "{name: flow, env: [{name: A, value: \"b\"}]}"));
    let mode = file.metadata().expect("the file exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(run::files_below(&dir.path().join("real")), [Path::new("job.yaml")]);
}
