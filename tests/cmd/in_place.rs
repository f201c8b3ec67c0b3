//! Tests how `--in-place` replaces files: all or none, with their attributes, without traces after a signal.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::run;

const JOB: &str = "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";
const RENDERED: &str =
    "kind: Job\nspec: {template: {spec: {containers: [{name: flow, env: [{name: A, value: \"b\"}]}]}}}\n";
const ARGS: [&str; 5] = ["render", "-i", ".", "--env", "A=b"];

/// Creates a directory with manifests.
fn create_manifests(names: &[String], text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    names.iter().for_each(|name| run::write_file(&dir.path().join(name), text.as_bytes()));
    dir
}

/// Returns the contents of all files in a directory. A temporary file would be one of them.
fn read_all(dir: &Path) -> Vec<String> {
    let files = run::files_below(dir);
    files.iter().map(|file| std::fs::read_to_string(dir.join(file)).expect("the file can be read")).collect()
}

/// Runs a script in a mount namespace of its own. Returns `None` if this machine does not allow that.
fn run_in_mount_namespace(dir: &Path, script: &str) -> Option<String> {
    let shell = |script: &str| {
        let mut command = run::isolated_command("unshare", dir);
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, run::binary().to_str()?]);
        let output = command.output().ok()?;
        Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    shell("touch .probe && mount --bind .probe .probe && umount .probe && rm .probe")
        .filter(|(can_mount, _)| *can_mount)?;
    shell(script).map(|(_, output)| output)
}

pub(crate) fn changes_all_files_or_none() {
    let names = ["a.yaml", "b.yaml", "c.yaml"].map(str::to_owned);
    let dir = create_manifests(&names, JOB);
    // A file that is mounted cannot be replaced, as in a container with a bind mount of a single file.
    for mounted in ["b.yaml", "report"] {
        std::fs::write(dir.path().join("report"), JOB).expect("the file can be written");
        let script = format!(
            "mount --bind {mounted} {mounted} && \"$0\" render -i a.yaml b.yaml c.yaml --env A=b --report report 2>&1; \
             echo \"exit $?\""
        );
        let Some(output) = run_in_mount_namespace(dir.path(), &script) else { return };
        assert!(output.contains(&format!("{mounted}: cannot be replaced: ")), "{output}");
        let end = "hint: mount the directory of the file instead of the file\nexit 2\n";
        assert!(output.contains("; no file is changed\n") && output.ends_with(end), "{output}");
        assert_eq!(read_all(dir.path()), [JOB; 4]);
    }
}

pub(crate) fn refuses_hard_links() {
    let dir = create_manifests(&["a.yaml".to_owned(), "b.yaml".to_owned()], JOB);
    std::fs::hard_link(dir.path().join("b.yaml"), dir.path().join("other")).expect("a link can be created");
    let output = run::jobplate(dir.path(), &ARGS, b"");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("error: ./b.yaml: has 2 hard links") && output.status == 2, "{text}");
    assert_eq!(read_all(dir.path()), [JOB; 3]);
}

pub(crate) fn names_a_second_name_that_a_killed_run_left() {
    let dir = create_manifests(&["a.yaml".to_owned(), "b.yaml".to_owned()], JOB);
    std::fs::hard_link(dir.path().join("b.yaml"), dir.path().join(".jobplate-old-x")).expect("a link can be created");
    std::fs::write(dir.path().join(".jobplate-new-x"), "").expect("the file can be written");
    let output = run::jobplate(dir.path(), &ARGS, b"");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("error: ./b.yaml: has a second hard link, `") && output.status == 2, "{text}");
    assert!(text.contains("/.jobplate-old-x`, left by a killed run\n"), "{text}");
    run_hint(dir.path(), &text);
    assert_eq!(read_all(dir.path()), [JOB; 2]);
    assert_eq!(run::jobplate(dir.path(), &ARGS, b"").status, 0);
    assert_eq!(read_all(dir.path()), [RENDERED; 2]);
}

/// Runs the command in the hint of an error.
fn run_hint(dir: &Path, text: &str) {
    let (_, script) = text.split_once("delete the leftovers: ").unwrap_or_else(|| panic!("no command in {text}"));
    let status = run::isolated_command("sh", dir).args(["-c", script]).status();
    assert!(status.expect("a shell starts").success(), "{script}");
}

pub(crate) fn survives_a_kill_at_any_time() {
    const RUNS: u32 = 12;
    let names: Vec<String> = (0..12).map(|number| format!("{number:02}.yaml")).collect();
    let is_whole = |text: &String| text == JOB || text == RENDERED;
    let start_run = |dir: &Path| run::isolated_command(run::binary(), dir).args(ARGS).spawn().expect("it starts");
    let dir = create_manifests(&names, JOB);
    let start = Instant::now();
    drop(start_run(dir.path()).wait());
    let duration = start.elapsed();
    for number in 0..RUNS {
        let dir = create_manifests(&names, JOB);
        let mut child = start_run(dir.path());
        std::thread::sleep(duration * number / RUNS);
        // Fails if the run has ended.
        drop(child.kill());
        drop(child.wait());
        assert!(names.iter().all(|name| is_whole(&std::fs::read_to_string(dir.path().join(name)).unwrap_or_default())));
        let output = run::jobplate(dir.path(), &ARGS, b"");
        if output.status != 0 {
            run_hint(dir.path(), &String::from_utf8_lossy(&output.stderr));
            assert_eq!(run::jobplate(dir.path(), &ARGS, b"").status, 0);
        }
        let is_rendered =
            |name: &String| std::fs::read_to_string(dir.path().join(name)).is_ok_and(|text| text == RENDERED);
        assert!(names.iter().all(is_rendered), "run {number}");
    }
}

pub(crate) fn keeps_extended_attributes() {
    let dir = create_manifests(&["a.yaml".to_owned()], JOB);
    let file = dir.path().join("a.yaml");
    // An access control list (version 2): user rw, user 1 r, group r, mask r, other none.
    let list: Vec<u8> = [(1, 6, u32::MAX), (2, 4, 1), (4, 4, u32::MAX), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)]
        .into_iter()
        .fold(2u32.to_le_bytes().to_vec(), |mut list, (tag, permission, id): (u16, u16, u32)| {
            list.extend(tag.to_le_bytes().into_iter().chain(permission.to_le_bytes()).chain(id.to_le_bytes()));
            list
        });
    let attributes = [("user.origin", b"\0x".to_vec()), ("system.posix_acl_access", list)];
    if attributes.iter().any(|(name, value)| setxattr(&file, *name, value, XattrFlags::empty()).is_err()) {
        return; // The file system has no attributes.
    }
    let mode = file.metadata().expect("the file exists").mode();
    assert_eq!(run::jobplate(dir.path(), &ARGS, b"").status, 0);
    assert_eq!(read_all(dir.path()), [RENDERED]);
    for (name, value) in attributes {
        let mut buffer = [0; 256];
        let length = getxattr(&file, name, &mut buffer[..]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(buffer[..length], value, "{name}");
    }
    assert_eq!(file.metadata().expect("the file exists").mode(), mode);
}

pub(crate) fn needs_few_descriptors() {
    let names: Vec<String> = (0..260).map(|number| format!("{number}.yaml")).collect();
    let dir = create_manifests(&names, JOB);
    let script = "ulimit -n 200; exec \"$0\" render -i . --env A=b";
    let output = run::isolated_command("sh", dir.path()).args(["-c", script]).arg(run::binary()).output();
    let output = output.expect("a shell starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(read_all(dir.path()), vec![RENDERED; 260]);
}

pub(crate) fn removes_temporary_files_when_a_signal_ends_it() {
    // Long enough that the signal arrives while files are written.
    let text = JOB.to_owned() + "x:\n" + &"- aaaaaaaaaaaaaaaaaaa\n".repeat(2_000);
    let names: Vec<String> = (0..40).map(|number| format!("{number:02}.yaml")).collect();
    for (signal, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        let mut was_ended = false;
        for _ in 0..20 {
            let dir = create_manifests(&names, &text);
            was_ended |= end_while_writing(dir.path(), signal) == Some(number);
            let files = read_all(dir.path());
            assert_eq!(files.len(), names.len(), "{signal}: {:?}", run::files_below(dir.path()));
            assert!(files.iter().all(|file| (*file == text) == (files[0] == text)), "{signal}: some files are changed");
            if was_ended {
                break;
            }
        }
        // The other signals may be ignored: a shell's background jobs ignore SIGINT, and `nohup` ignores SIGHUP.
        assert!(was_ended || signal != "TERM", "{signal} never ended the program");
    }
}

pub(crate) fn ignores_signals_that_it_inherits_as_ignored() {
    let names: Vec<String> = (0..40).map(|number| format!("{number:02}.yaml")).collect();
    let text = JOB.to_owned() + "x:\n" + &"- aaaaaaaaaaaaaaaaaaa\n".repeat(2_000);
    // Systems other than Linux have no /proc, from which the ignored signals can be read.
    for hide_proc in ["", "mount -t tmpfs none /proc && "] {
        let dir = create_manifests(&names, &text);
        let script = format!(
            "{hide_proc} trap '' HUP; \"$0\" render -i . --env A=b & \
             while kill -0 $! && ! ls -a | grep -q jobplate-; do :; done; kill -HUP $!; wait $!; echo \"exit $?\""
        );
        let Some(output) = run_in_mount_namespace(dir.path(), &script) else { return };
        assert_eq!(output, "exit 0\n", "{hide_proc}");
        assert!(read_all(dir.path()).iter().all(|text| text.starts_with(RENDERED)), "{hide_proc}");
    }
}

/// Starts the program and sends a signal when it has written a file. Returns the signal that ended it.
fn end_while_writing(dir: &Path, signal: &str) -> Option<i32> {
    let mut command = run::isolated_command(run::binary(), dir);
    let mut child = command.args(ARGS).arg("-q").stderr(Stdio::piped()).spawn().expect("the program starts");
    let has_written = || {
        let entries = std::fs::read_dir(dir).expect("the directory can be listed");
        entries.flatten().any(|entry| entry.file_name().as_encoded_bytes().starts_with(b".jobplate-"))
    };
    while child.try_wait().expect("the program can be waited for").is_none() {
        if has_written() {
            drop(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status());
            break;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    let status = child.wait().expect("the program ends");
    let mut text = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut text).expect("messages are UTF-8");
    assert_eq!(text, "", "{status}");
    status.signal()
}
