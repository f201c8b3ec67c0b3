//! Tests a release: its files and checksums, its installation with krew, Helm and buildah, and that the program runs
//! in an empty root directory.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{TestHome, find, is_root, report_skipped, run_stdout};
use crate::{console, run};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

const JOB: &str = "# ours\napiVersion: batch/v1\nkind: Job\nmetadata: {name: flow}\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";
const RENDERED: &str = "# ours\napiVersion: batch/v1\nkind: Job\nmetadata: {name: flow}\nspec: {template: {spec: {containers: [{name: flow, env: [{name: A, value: \"b\"}]}]}}}\n";
const ARGS: [&str; 4] = ["render", "job.yaml", "--env", "A=b"];

/// A release that all tests share, with the URL of the server that serves it.
struct Release {
    url: String,
    directory: PathBuf,
}

impl Release {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn archive(&self) -> PathBuf {
        self.path(&format!("jobplate-{VERSION}-linux-{ARCH}.tar.gz"))
    }

    /// Unpacks the archive into a temporary directory.
    fn unpack(&self) -> TempDir {
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        run_stdout(Command::new("tar").arg("-xzf").arg(self.archive()).arg("-C").arg(directory.path()));
        directory
    }
}

/// Returns the release. The first call builds it. If krew is missing, returns `None` without building, because a build
/// takes minutes.
fn release() -> Option<&'static Release> {
    static RELEASE: LazyLock<Release> = LazyLock::new(|| {
        let out = create_reusable_dir("release");
        let url = serve(out.clone());
        run_dist(&url, &out);
        Release { url, directory: out.join(format!("v{VERSION}")) }
    });
    find("krew")?;
    Some(&RELEASE)
}

/// Creates a directory that the next test run reuses.
fn create_reusable_dir(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).expect("a folder can be made");
    directory
}

/// Builds a release with `cargo xtask dist`. `url` is the release's base URL.
fn run_dist(url: &str, out: &Path) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The working tree may have uncommitted changes, so `--allow-dirty` is needed.
    command.args(["xtask", "dist", "--allow-dirty", "--base-url", url, "--version", VERSION, "--out"]).arg(out);
    command.current_dir(ROOT);
    // This variable describes the test's package and would make some build scripts run again.
    command.env_remove("CARGO_MANIFEST_DIR");
    run_stdout(&mut command);
}

/// Serves a directory on the loopback interface until the tests end. Returns the URL.
fn serve(directory: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Ignores clients that close the connection.
            drop(handle_request(connection, &directory));
        }
    });
    url
}

fn handle_request(mut connection: TcpStream, directory: &Path) -> std::io::Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(connection.try_clone()?);
    // A silent client must not block other clients.
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let (status, body) = match std::fs::read(directory.join(path)) {
        Ok(body) if !path.contains("..") => ("200 OK", body),
        _ => ("404 Not Found", Vec::new()),
    };
    write!(connection, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    connection.write_all(&body)
}

/// Returns the relative paths of all files below a directory.
fn relative_paths(directory: &Path) -> BTreeSet<String> {
    run::files_below(directory).iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn checksums_cover_all_files() {
    let Some(release) = release() else { return };
    let printed = run_stdout(
        Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&release.directory),
    );
    let checked: BTreeSet<String> =
        printed.lines().filter_map(|line| line.strip_suffix(": OK")).chain(["SHA256SUMS"]).map(str::to_owned).collect();
    let expected = [
        "SHA256SUMS",
        "jobplate.yaml",
        &format!("jobplate-{VERSION}.cdx.json"),
        &format!("jobplate-{VERSION}-linux-{ARCH}.tar.gz"),
        &format!("jobplate-helm-{VERSION}.tgz"),
    ];
    assert_eq!(checked, relative_paths(&release.directory));
    for name in expected {
        assert!(checked.contains(name), "no {name} in {checked:?}");
    }
    // The release includes every template with all placeholders filled in.
    let integrations = Path::new(ROOT).join("integrations");
    for file in run::files_below(&integrations) {
        let name = file.file_name().expect("a file has a name");
        let template = std::fs::read_to_string(integrations.join(&file)).expect("text");
        if template.contains("@VERSION@") {
            let filled = std::fs::read_to_string(release.directory.join(name)).expect("every template is filled");
            assert!(!filled.contains("@VERSION@") && filled.contains(VERSION), "{}", file.display());
        }
    }
}

#[test]
fn archive_contains_only_files_owned_by_root() {
    let Some(release) = release() else { return };
    let listed = run_stdout(Command::new("tar").args(["--numeric-owner", "-tvzf"]).arg(release.archive()));
    let mut found = Vec::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [mode, owner, _size, _day, _time, name] = words[..] else { panic!("not six words: {line}") };
        let expected = if name == "jobplate" { "-rwxr-xr-x" } else { "-rw-r--r--" };
        assert_eq!((mode, owner), (expected, "0/0"), "{line}");
        found.push(name);
    }
    assert!(found.is_sorted(), "{found:?}");
    for name in ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "jobplate"] {
        assert!(found.contains(&name), "no {name} in {found:?}");
    }
    for name in ["_jobplate", "jobplate.bash", "jobplate.fish"] {
        assert!(found.contains(&&*format!("completion/{name}")), "no {name} in {found:?}");
    }
    for page in ["", "-render", "-apply", "-diff", "-post-render"] {
        assert!(found.contains(&&*format!("man/jobplate{page}.1")), "no page jobplate{page} in {found:?}");
    }
    let directory = release.unpack();
    for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        let read = |directory: &Path| std::fs::read(directory.join(name)).expect("it is there");
        assert!(read(directory.path()) == read(Path::new(ROOT)), "{name} differs");
    }
    // bash can parse the completion script.
    run_stdout(Command::new("bash").arg("-n").arg(directory.path().join("completion/jobplate.bash")));
}

/// Releases are reproducible and contain no path of the build machine.
#[test]
fn releases_are_reproducible() {
    let Some(release) = release() else { return };
    let rebuild = create_reusable_dir("release-again");
    run_dist(&release.url, &rebuild);
    let rebuild = rebuild.join(format!("v{VERSION}"));
    assert_eq!(relative_paths(&rebuild), relative_paths(&release.directory));
    let read = |path: PathBuf| std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME")).expect("there is a home");
    for name in relative_paths(&rebuild) {
        assert!(read(rebuild.join(&name)) == read(release.path(&name)), "{name} differs");
    }
    let directory = release.unpack();
    for (name, bytes) in [
        ("the program", read(directory.path().join("jobplate"))),
        ("the SBOM", read(release.path(&format!("jobplate-{VERSION}.cdx.json")))),
    ] {
        for path in [ROOT, &format!("{home}/")] {
            let found = bytes.windows(path.len()).any(|window| window == path.as_bytes());
            assert!(!found, "{path} stands in {name}");
        }
    }
}

/// Returns a command that runs in a `chroot`, with a user ID that has no name there.
fn chroot_command(root: &Path, program: &str) -> Command {
    let mut command = Command::new("chroot");
    command.arg("--userspec=65532:65532").arg(root).arg(program).stdin(Stdio::null());
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// The program is self-contained: it starts in an empty root directory and resolves a server's host name.
#[test]
fn program_runs_in_an_empty_root_directory() {
    let Some(release) = release() else { return };
    if !is_root() {
        return report_skipped("a root of its own", "only root can make one");
    }
    let (directory, root) = (release.unpack(), tempfile::tempdir().expect("a temporary folder can be made"));
    run_stdout(Command::new("chmod").arg("755").arg(root.path()));
    std::fs::copy(directory.path().join("jobplate"), root.path().join("jobplate")).expect("a file can be copied");
    assert_eq!(run_stdout(chroot_command(root.path(), "/jobplate").arg("--version")), format!("jobplate {VERSION}\n"));

    // Adds the inputs and a hosts file, like in a container. The server only detects connections.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    run::write_file(&root.path().join("etc/hosts"), b"127.0.0.1 api.test\n");
    let authority = rcgen::generate_simple_self_signed(["api.test".to_owned()]).expect("a certificate can be made");
    run::write_file(&root.path().join("ca.pem"), authority.cert.pem().as_bytes());
    run::write_file(&root.path().join("job.yaml"), JOB.as_bytes());
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: \"https://api.test:{port}\", certificate-authority: /ca.pem}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n"
    );
    run::write_file(&root.path().join("kubeconfig"), kubeconfig.as_bytes());
    let mut diff = chroot_command(root.path(), "/jobplate");
    diff.args(["diff", "/job.yaml", "--env", "A=b", "--kubeconfig=/kubeconfig", "--request-timeout=5s"]);
    let mut diff = diff.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    listener.set_nonblocking(true).expect("it can be asked");
    let begin = Instant::now();
    let mut is_connected = false;
    while !is_connected && begin.elapsed() < Duration::from_secs(10) {
        is_connected = listener.accept().is_ok();
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(listener);
    let status = diff.wait().expect("it ends");
    let mut stderr = String::new();
    diff.stderr.take().expect("it is a pipe").read_to_string(&mut stderr).expect("text");
    assert!(is_connected, "nobody called api.test; jobplate said: {stderr}");
    assert_eq!(status.code(), Some(3), "{stderr}");
}

/// krew validates and installs the manifest, and kubectl finds the plugin and its completion.
#[test]
fn krew_installs_the_plugin() {
    let (Some(krew), Some(rules), Some(kubectl)) = (find("krew"), find("validate-krew-manifest"), find("kubectl"))
    else {
        return;
    };
    let Some(release) = release() else { return };
    let home = TestHome::new(&[("kubectl", &kubectl), ("kubectl-krew", &krew), ("validate-krew-manifest", &rules)]);
    let path = format!("{0}/krew/bin:{0}/bin:/usr/bin:/bin", home.directory().display());
    let command = |program: &str| {
        let mut command = home.command(program);
        command.env("PATH", &path).env("KREW_ROOT", home.directory().join("krew")).env("KREW_NO_UPGRADE_CHECK", "1");
        command
    };
    let manifest = release.path("jobplate.yaml");
    // This also installs the plugin, and checks that it contains the licence.
    run_stdout(command("validate-krew-manifest").arg("-manifest").arg(&manifest));

    run_stdout(command("kubectl").args(["krew", "install"]).arg(format!("--manifest={}", manifest.display())));
    home.write("job.yaml", JOB);
    assert_eq!(run_stdout(command("kubectl").arg("jobplate").args(ARGS)), RENDERED);
    assert_eq!(run_stdout(Command::new(run::binary()).args(ARGS).current_dir(home.directory())), RENDERED);

    // Runs the command in the manifest's caveats.
    let text = std::fs::read_to_string(&manifest).expect("text");
    let link = text.lines().find(|line| line.trim_start().starts_with("ln -s ")).expect("the caveats have a command");
    let link = link.replace("DIR-ON-PATH", "bin");
    run_stdout(command("sh").args(["-c", &link]));
    let candidates = run_stdout(command("kubectl").args(["__complete", "jobplate", "ren"]));
    assert!(candidates.starts_with("render"), "{candidates}");
}

/// Helm 4 installs the plugin from the release. The plugin must contain the program: the `PATH` has no jobplate.
#[test]
fn helm_installs_the_plugin_with_its_program() {
    let Some(helm) = find("helm4") else { return };
    let Some(release) = release() else { return };
    let home = TestHome::new(&[("helm", &helm)]);
    let run_helm = |args: &[&str]| {
        let mut command = home.command("helm");
        for (name, directory) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
            command.env(format!("HELM_{name}_HOME"), home.directory().join(directory));
        }
        run_stdout(command.args(args))
    };
    let lookup = home.command("sh").args(["-c", "command -v jobplate"]).status().expect("sh starts");
    assert!(!lookup.success(), "a jobplate is on the path");
    let url = format!("{}/v{VERSION}/jobplate-helm-{VERSION}.tgz", release.url);
    run_helm(&["plugin", "install", &url, "--verify=false"]);
    let listed = run_helm(&["plugin", "list"]);
    assert!(listed.lines().any(|line| line.split_whitespace().take(2).eq(["jobplate", VERSION])), "{listed}");

    home.write("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n");
    home.write("shop/templates/job.yaml", JOB);
    let args = ["template", "shop", "shop", "--post-renderer=jobplate", "--post-renderer-args=--target=job/flow"];
    let printed = run_helm(&[&args[..], &["--post-renderer-args=--secret-env=TOKEN=db/token"]].concat());
    assert!(printed.contains("secretKeyRef: {name: db, key: token}"), "{printed}");
}

/// The SBOM lists exactly the crates that cargo builds the program from.
#[test]
fn sbom_lists_the_crates_of_the_program() {
    let Some(release) = release() else { return };
    let text = std::fs::read_to_string(release.path(&format!("jobplate-{VERSION}.cdx.json"))).expect("text");
    let sbom: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&sbom["bomFormat"], &sbom["metadata"]["component"]["name"]), (&"CycloneDX".into(), &"jobplate".into()));
    assert_eq!(sbom["metadata"]["component"]["version"], VERSION);
    let to_text = |value: &Value| value.as_str().expect("a component has a name and a version").to_owned();
    let components = sbom["components"].as_array().expect("a list");
    let listed: BTreeSet<_> =
        components.iter().map(|component| (to_text(&component["name"]), to_text(&component["version"]))).collect();

    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["tree", "--locked", "--package=jobplate", "--edges=normal", "--prefix=none"]).current_dir(ROOT);
    let tree = run_stdout(&mut cargo);
    let crates = tree.lines().filter_map(|line| line.split_once(" v")).filter(|(name, _)| *name != "jobplate");
    let parse_version = |rest: &str| rest.split(' ').next().unwrap_or_default().to_owned();
    let crates: BTreeSet<_> = crates.map(|(name, rest)| (name.to_owned(), parse_version(rest))).collect();
    assert!(crates.len() > 100 && crates.iter().any(|(name, _)| name == "kube"), "{crates:?}");
    assert!(listed == crates, "not the same: {:?}", listed.symmetric_difference(&crates).collect::<Vec<_>>());
    assert!(!text.contains("criterion"), "it knows of tests");
}

/// Builds the image from the release's directory with the Dockerfile. The program runs in it as the image's user.
#[test]
fn image_contains_only_the_program() {
    let Some(release) = release() else { return };
    if Command::new("buildah").arg("--version").output().is_err() {
        return report_skipped("buildah", "it is not on the path");
    }
    if !is_root() {
        return report_skipped("buildah", "only root can build without a daemon here");
    }
    let storage = Storage(tempfile::tempdir().expect("a temporary folder can be made"));
    let mut build = storage.buildah_command("bud");
    build.args(["--isolation=chroot", "--tag=jobplate", &format!("--build-arg=VERSION={VERSION}"), "--file"]);
    run_stdout(build.arg(Path::new(ROOT).join("Dockerfile")).arg(&release.directory));

    let image = run_stdout(storage.buildah_command("inspect").args(["--type=image", "jobplate"]));
    let image: Value = serde_json::from_str(&image).expect("JSON");
    let config = &image["OCIv1"]["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/jobplate"]));
    assert_eq!(config["Env"], serde_json::json!(["PATH=/usr/local/bin"]));
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], VERSION);

    let container = run_stdout(storage.buildah_command("from").arg("jobplate")).trim().to_owned();
    let root = PathBuf::from(run_stdout(storage.buildah_command("mount").arg(&container)).trim());
    let files = relative_paths(&root);
    assert_eq!(
        files.iter().map(String::as_str).collect::<Vec<_>>(),
        ["licenses/LICENSE-APACHE", "licenses/LICENSE-MIT", "usr/local/bin/jobplate"]
    );
    // The program writes a large stream to a temporary file, so the image needs a directory for it.
    let long = format!("---\n{JOB}").repeat(100_000);
    let (reader, mut writer) = std::io::pipe().expect("a pipe can be made");
    let writer_thread = std::thread::spawn(move || writer.write_all(long.as_bytes()));
    let printed = run_stdout(
        chroot_command(&root, "/usr/local/bin/jobplate").args(["render", "-", "--env", "A=b"]).stdin(reader),
    );
    writer_thread.join().expect("it ends").expect("all is read");
    assert!(printed == format!("---\n{RENDERED}").repeat(100_000), "it renders something else");
}

/// A temporary storage directory for buildah.
struct Storage(TempDir);

impl Storage {
    fn buildah_command(&self, command: &str) -> Command {
        let mut buildah = Command::new("buildah");
        buildah.arg("--storage-driver=vfs").arg("--root").arg(self.0.path().join("root"));
        buildah.arg("--runroot").arg(self.0.path().join("run")).arg(command).stdin(Stdio::null());
        buildah
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // A mounted container would prevent the removal of the directory.
        drop(self.buildah_command("rm").arg("--all").output());
    }
}

#[test]
fn examples_work_with_a_release() {
    let (Some(kubectl), Some(krew), Some(helm)) = (find("kubectl"), find("krew"), find("helm4")) else { return };
    let Some(release) = release() else { return };
    let homes = RefCell::new(Vec::new());
    let page_env = || {
        let home = TestHome::new(&[("kubectl", &kubectl), ("kubectl-krew", &krew), ("helm", &helm)]);
        let directory = home.directory().display().to_string();
        homes.borrow_mut().push(home);
        vec![
            ("URL", release.url.clone()),
            ("VERSION", VERSION.to_owned()),
            ("ARCH", ARCH.to_owned()),
            ("KREW_ROOT", format!("{directory}/krew")),
            ("KREW_NO_UPGRADE_CHECK", "1".to_owned()),
            ("HELM_DATA_HOME", format!("{directory}/data")),
            ("HELM_CACHE_HOME", format!("{directory}/cache")),
            ("HELM_CONFIG_HOME", format!("{directory}/config")),
            ("PATH", format!("{directory}/krew/bin:{directory}/bin:/usr/bin:/bin")),
        ]
    };
    let examples = console::run_blocks(&["```console release"], Path::new("/bin"), page_env);
    assert!(examples > 5, "only {examples} examples found");
}
