//! `cargo xtask servers`: the real programs that tests meet jobplate with, servers and clients of Kubernetes and
//! what runs it in CI. `tests/servers/` pins them: Go modules that are built, packages of Python and Node.js that
//! are installed.
//!
//! Cold this takes about fifteen minutes; later only what changed is made. `JOBPLATE_TEST_SERVERS=DIR` names a
//! folder of ready-made programs, and then nothing is made.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, step};

/// Names a folder of ready-made programs; the tests read it too.
pub const FOLDER: &str = "JOBPLATE_TEST_SERVERS";

/// Where a program is the module's own package, not one of a module that it requires.
const OWN: &str = ".";

/// What a program is made by.
enum Maker {
    /// From a module in `tests/servers/`, this package.
    Go(&'static str, &'static str),
    /// From `requirements.txt` in the folder of its name.
    Pip,
    /// From `package-lock.json` in the folder of its name.
    Npm,
}
use Maker::{Go, Npm, Pip};

const PROGRAMS: [(&str, Maker); 14] = [
    ("etcd", Go("etcd", "go.etcd.io/etcd/server/v3")),
    ("kube-apiserver", Go("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver")),
    ("kube-controller-manager", Go("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager")),
    ("kubectl", Go("kubernetes", "k8s.io/kubernetes/cmd/kubectl")),
    ("helm3", Go("helm3", "helm.sh/helm/v3/cmd/helm")),
    ("helm4", Go("helm4", "helm.sh/helm/v4/cmd/helm")),
    ("yq", Go("yq", "github.com/mikefarah/yq/v4")),
    ("kustomize", Go("kustomize", "sigs.k8s.io/kustomize/kustomize/v5")),
    ("cmp", Go("argocd", OWN)),
    ("act", Go("act", "github.com/nektos/act")),
    ("pre-commit", Pip),
    ("gitlab-ci-local", Npm),
    ("krew", Go("krew", "sigs.k8s.io/krew/cmd/krew")),
    ("validate-krew-manifest", Go("krew", "sigs.k8s.io/krew/cmd/validate-krew-manifest")),
];

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &[], &[])?;
    let folder = folder()?.context("Go is not here, and builds them")?;
    eprintln!("\nservers and clients: {}", folder.display());
    Ok(())
}

/// The folder that holds every program, built where that is needed; none where Go is missing.
pub fn folder() -> Result<Option<PathBuf>> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = run::root().join(folder);
        let is_missing = |(program, _): &&(&str, Maker)| !folder.join(program).is_file();
        if let Some((program, _)) = PROGRAMS.iter().find(is_missing) {
            bail!("{FOLDER}: {} has no {program}", folder.display());
        }
        return Ok(Some(folder));
    }
    let Some(go) = run::first_line("go", &["version"]) else { return Ok(None) };
    let folder = run::target().join("servers");
    fs::create_dir_all(&folder)?;
    for (program, maker) in PROGRAMS {
        match maker {
            Go(module, package) => build(&folder, &go, program, module, package)?,
            Pip => install(&folder, program, "python3", &["requirements.txt"], pip)?,
            Npm => install(&folder, program, "npm", &["package.json", "package-lock.json"], npm)?,
        }
    }
    Ok(Some(folder))
}

/// Builds one program, unless it was built from just this before.
fn build(folder: &Path, go: &str, program: &str, module: &str, package: &str) -> Result<()> {
    let source = source(module);
    let pins = read(&source, "go.mod")?;
    let flags = linker_flags(&pins, module)?;
    let mut made_of = format!("{go}\n{package}\n{flags}\n{pins}\n{}", read(&source, "go.sum")?);
    if package == OWN {
        made_of += &read(&source, "main.go")?;
    }
    make(folder, program, &made_of, || {
        let mut command = Command::new("go");
        // Go stamps a program with the commit of its source, and fails where git refuses to tell it.
        command.args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"]);
        step(program, command.arg(folder.join(program)).arg(package).current_dir(&source))
    })
}

/// Installs one program into a folder of its own, with a link to it, unless that was done from just this before.
/// Where its installer is missing, it is left out, and the tests that need it say so.
fn install(
    folder: &Path,
    program: &str,
    installer: &str,
    pins: &[&str],
    by: fn(&str, &Path, &Path) -> Result<PathBuf>,
) -> Result<()> {
    let Some(version) = run::first_line(installer, &["--version"]) else { return Ok(()) };
    let source = source(program);
    let pins: Vec<String> = pins.iter().map(|name| read(&source, name)).collect::<Result<_>>()?;
    make(folder, program, &format!("{version}\n{}", pins.join("\n")), || {
        let home = folder.join(format!("{program}.d"));
        let link = folder.join(program);
        drop((fs::remove_dir_all(&home), fs::remove_file(&link)));
        let installed = by(program, &source, &home)?;
        symlink(&installed, &link).with_context(|| link.display().to_string())
    })
}

fn pip(program: &str, source: &Path, home: &Path) -> Result<PathBuf> {
    venv(program, "python3", None, &source.join("requirements.txt"), home)?;
    Ok(home.join("bin").join(program))
}

/// Makes a virtual environment of the pinned packages, and of no others; by another pip than Python's own, if one
/// is named.
pub fn venv(what: &str, python: &str, pip: Option<&str>, requirements: &Path, home: &Path) -> Result<()> {
    step(&format!("{what}, its Python"), Command::new(python).args(["-m", "venv"]).arg(home))?;
    let install = || {
        let mut install = Command::new(home.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]);
        install
    };
    if let Some(pip) = pip {
        step(&format!("{what}, its pip"), install().arg(pip))?;
    }
    step(what, install().arg("--requirement").arg(requirements))
}

fn npm(program: &str, source: &Path, home: &Path) -> Result<PathBuf> {
    fs::create_dir_all(home)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), home.join(name)).with_context(|| name.to_owned())?;
    }
    // No script of a package is run.
    step(program, Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(home))?;
    Ok(home.join("node_modules/.bin").join(program))
}

/// Makes a program, unless it was made of just this before.
pub fn make(folder: &Path, program: &str, made_of: &str, how: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = folder.join(format!("{program}.stamp"));
    if folder.join(program).is_file() && fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == made_of) {
        return Ok(());
    }
    how()?;
    fs::write(&stamp, made_of).with_context(|| stamp.display().to_string())
}

/// The folder with the pins of a program.
fn source(name: &str) -> PathBuf {
    run::root().join("tests/servers").join(name)
}

pub fn read(source: &Path, name: &str) -> Result<String> {
    fs::read_to_string(source.join(name)).with_context(|| source.join(name).display().to_string())
}

/// Programs without symbols. Kubernetes knows its own version only if it is told: without it a server calls
/// itself v0.0.0 and clients misjudge it.
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
