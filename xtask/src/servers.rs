//! `cargo xtask servers`: builds and installs the programs that tests use together with jobplate, such as Kubernetes
//! servers and clients, and CI runners. `tests/servers/` pins their versions: Go modules, and packages for Python and
//! Node.js.
//!
//! The first run takes about fifteen minutes. Later runs build only programs whose inputs have changed. If
//! `JOBPLATE_TEST_SERVERS` is set to a directory of existing programs, the command builds none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, run_step};

/// The environment variable with the path of existing programs. The tests also read it.
pub const DIRECTORY_VARIABLE: &str = "JOBPLATE_TEST_SERVERS";

/// The package of a program that is built from the module's own source instead of a required module.
const OWN_PACKAGE: &str = ".";

/// The files that pin the packages of npm.
const NPM_PINS: [&str; 2] = ["package.json", "package-lock.json"];

/// The method of building or installing a program.
enum InstallMethod {
    /// Built from a package of a Go module. The fields are the module's directory in `tests/servers/` and the package.
    Go(&'static str, &'static str),
    /// Installed from `requirements.txt` in the program's directory.
    Pip,
    /// Installed from `package-lock.json` in the program's directory.
    Npm,
    /// `main.js` in the program's directory, with the packages of its `package-lock.json`.
    Script,
}
use InstallMethod::{Go, Npm, Pip, Script};

const PROGRAMS: [(&str, InstallMethod); 16] = [
    ("etcd", Go("etcd", "go.etcd.io/etcd/server/v3")),
    ("kube-apiserver", Go("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver")),
    ("kube-controller-manager", Go("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager")),
    ("kubectl", Go("kubernetes", "k8s.io/kubernetes/cmd/kubectl")),
    ("helm3", Go("helm3", "helm.sh/helm/v3/cmd/helm")),
    ("helm4", Go("helm4", "helm.sh/helm/v4/cmd/helm")),
    ("yq", Go("yq", "github.com/mikefarah/yq/v4")),
    ("kustomize", Go("kustomize", "sigs.k8s.io/kustomize/kustomize/v5")),
    ("cmp", Go("argocd", OWN_PACKAGE)),
    ("act", Go("act", "github.com/nektos/act")),
    ("pre-commit", Pip),
    ("gitlab-ci-local", Npm),
    ("validate-sarif", Script),
    ("validate-rdjson", Go("reviewdog", OWN_PACKAGE)),
    ("krew", Go("krew", "sigs.k8s.io/krew/cmd/krew")),
    ("validate-krew-manifest", Go("krew", "sigs.k8s.io/krew/cmd/validate-krew-manifest")),
];

/// Runs `cargo xtask servers`.
pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &[], &[])?;
    let directory = install_all()?.context("Go is not here, and builds them")?;
    eprintln!("\nservers and clients: {}", directory.display());
    Ok(())
}

/// Builds the missing and outdated programs. Returns the directory with all programs, or `None` if Go is not installed.
pub fn install_all() -> Result<Option<PathBuf>> {
    if let Some(directory) = std::env::var_os(DIRECTORY_VARIABLE) {
        let directory = run::root().join(directory);
        let is_missing = |(program, _): &&(&str, InstallMethod)| !directory.join(program).is_file();
        if let Some((program, _)) = PROGRAMS.iter().find(is_missing) {
            bail!("{DIRECTORY_VARIABLE}: {} has no {program}", directory.display());
        }
        return Ok(Some(directory));
    }
    let Some(go) = run::first_output_line("go", &["version"]) else { return Ok(None) };
    let directory = run::target().join("servers");
    fs::create_dir_all(&directory)?;
    for (program, method) in PROGRAMS {
        match method {
            Go(module, package) => build_go(&directory, &go, program, module, package)?,
            Pip => install(&directory, program, "python3", &["requirements.txt"], install_pip)?,
            Npm => install(&directory, program, "npm", &NPM_PINS, install_npm)?,
            Script => {
                install(&directory, program, "npm", &["main.js", NPM_PINS[0], NPM_PINS[1]], install_script)?;
            }
        }
    }
    Ok(Some(directory))
}

/// Builds one program with Go, unless it was already built from the same inputs.
fn build_go(directory: &Path, go: &str, program: &str, module: &str, package: &str) -> Result<()> {
    let source = source_directory(module);
    let pins = read_pins(&source, "go.mod")?;
    let flags = linker_flags(&pins, module)?;
    let mut inputs = format!("{go}\n{package}\n{flags}\n{pins}\n{}", read_pins(&source, "go.sum")?);
    if package == OWN_PACKAGE {
        inputs += &read_pins(&source, "main.go")?;
    }
    install_if_changed(directory, program, &inputs, || {
        let mut command = Command::new("go");
        // Without -buildvcs=false, the build fails if git refuses to read the repository.
        command.args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"]);
        run_step(program, command.arg(directory.join(program)).arg(package).current_dir(&source))
    })
}

/// Builds kubeconform, which only `bench --check` uses, in a directory. Returns its path, or `None` if Go is not installed.
pub fn build_kubeconform(directory: &Path) -> Result<Option<PathBuf>> {
    let Some(go) = run::first_output_line("go", &["version"]) else { return Ok(None) };
    build_go(directory, &go, "kubeconform", "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform")?;
    Ok(Some(directory.join("kubeconform")))
}

/// Downloads the pinned version of Kubernetes, unless it is already there. Returns the directory with its source.
pub fn kubernetes_source() -> Result<PathBuf> {
    let mut download = Command::new("go");
    download.args(["mod", "download", "-json", "k8s.io/kubernetes"]).current_dir(source_directory("kubernetes"));
    let output = download.output().context("go does not start")?;
    let module: serde_json::Value = serde_json::from_slice(&output.stdout).context("go mod download prints no JSON")?;
    module["Dir"].as_str().map(PathBuf::from).with_context(|| format!("no k8s.io/kubernetes: {}", module["Error"]))
}

/// Installs one program in its own directory and links to it, unless it was already installed from the same inputs.
/// Skips the program if its installer is missing. The tests that need the program report that it is missing.
fn install(
    directory: &Path,
    program: &str,
    installer: &str,
    pins: &[&str],
    install: fn(&str, &Path, &Path) -> Result<PathBuf>,
) -> Result<()> {
    let Some(version) = run::first_output_line(installer, &["--version"]) else { return Ok(()) };
    let source = source_directory(program);
    let pins: Vec<String> = pins.iter().map(|name| read_pins(&source, name)).collect::<Result<_>>()?;
    install_if_changed(directory, program, &format!("{version}\n{}", pins.join("\n")), || {
        let home = directory.join(format!("{program}.d"));
        let link = directory.join(program);
        drop((fs::remove_dir_all(&home), fs::remove_file(&link)));
        let installed = install(program, &source, &home)?;
        symlink(&installed, &link).with_context(|| link.display().to_string())
    })
}

fn install_pip(program: &str, source: &Path, home: &Path) -> Result<PathBuf> {
    create_venv(program, "python3", None, &source.join("requirements.txt"), home)?;
    Ok(home.join("bin").join(program))
}

/// Creates a virtual environment with only the pinned packages. `pip` pins the version of pip. If it is `None`, the
/// version that Python includes is used.
pub fn create_venv(name: &str, python: &str, pip: Option<&str>, requirements: &Path, home: &Path) -> Result<()> {
    run_step(&format!("{name}, its Python"), Command::new(python).args(["-m", "venv"]).arg(home))?;
    let install = || {
        let mut install = Command::new(home.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]);
        install
    };
    if let Some(pip) = pip {
        run_step(&format!("{name}, its pip"), install().arg(pip))?;
    }
    run_step(name, install().arg("--requirement").arg(requirements))
}

fn install_script(program: &str, source: &Path, home: &Path) -> Result<PathBuf> {
    install_npm(program, source, home)?;
    let script = home.join("main.js");
    fs::copy(source.join("main.js"), &script).context("main.js")?;
    Ok(script)
}

fn install_npm(program: &str, source: &Path, home: &Path) -> Result<PathBuf> {
    fs::create_dir_all(home)?;
    for name in NPM_PINS {
        fs::copy(source.join(name), home.join(name)).with_context(|| name.to_owned())?;
    }
    // Installation scripts of packages could run any code, so npm must not run them.
    run_step(program, Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(home))?;
    Ok(home.join("node_modules/.bin").join(program))
}

/// Calls `install` unless the program exists and was installed from the same inputs. A stamp file next to the program
/// contains the inputs. The stamp is written last, so an interrupted installation is repeated.
pub fn install_if_changed(
    directory: &Path,
    program: &str,
    inputs: &str,
    install: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stamp = directory.join(format!("{program}.stamp"));
    if directory.join(program).is_file() && fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == inputs) {
        return Ok(());
    }
    install()?;
    fs::write(&stamp, inputs).with_context(|| stamp.display().to_string())
}

/// Returns the directory with a program's pinned versions.
fn source_directory(name: &str) -> PathBuf {
    run::root().join("tests/servers").join(name)
}

/// Reads a file with pinned versions.
pub fn read_pins(source: &Path, name: &str) -> Result<String> {
    fs::read_to_string(source.join(name)).with_context(|| source.join(name).display().to_string())
}

/// Returns the linker flags of a Go program. They omit the symbols, and set the version of Kubernetes programs. Without
/// a version, a server reports v0.0.0, which clients treat as an old server.
fn linker_flags(pins: &str, module: &str) -> Result<String> {
    let mut flags = "-s -w".to_owned();
    if module == "kubernetes" {
        let pin = pins.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "));
        let version = pin.and_then(|pin| pin.split_whitespace().next()).context("go.mod pins no k8s.io/kubernetes")?;
        let mut parts = version.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        for (name, value) in [
            ("component-base/version.gitVersion", version),
            ("component-base/version.gitMajor", major),
            ("component-base/version.gitMinor", minor),
            ("client-go/pkg/version.gitVersion", version),
        ] {
            flags += &format!(" -X k8s.io/{name}={value}");
        }
    }
    Ok(flags)
}
