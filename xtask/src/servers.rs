//! `cargo xtask servers`: real servers and clients of Kubernetes for the tests, built from the Go modules that
//! `tests/servers/` pins.
//!
//! Cold this takes about ten minutes; later only what changed is built. `JOBPLATE_TEST_SERVERS=DIR` names a
//! folder of ready-made programs, and then nothing is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, step};

/// Names a folder of ready-made programs; the tests read it too.
pub const FOLDER: &str = "JOBPLATE_TEST_SERVERS";

/// Where a program is the module's own package, not one of a module that it requires.
const OWN: &str = ".";

/// Program, module in `tests/servers/`, package.
const PROGRAMS: [(&str, &str, &str); 11] = [
    ("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    ("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
    ("helm3", "helm3", "helm.sh/helm/v3/cmd/helm"),
    ("helm4", "helm4", "helm.sh/helm/v4/cmd/helm"),
    ("yq", "yq", "github.com/mikefarah/yq/v4"),
    ("kustomize", "kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    ("cmp", "argocd", OWN),
    ("krew", "krew", "sigs.k8s.io/krew/cmd/krew"),
    ("validate-krew-manifest", "krew", "sigs.k8s.io/krew/cmd/validate-krew-manifest"),
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
        let is_missing = |(program, ..): &&(&str, &str, &str)| !folder.join(program).is_file();
        if let Some((program, ..)) = PROGRAMS.iter().find(is_missing) {
            bail!("{FOLDER}: {} has no {program}", folder.display());
        }
        return Ok(Some(folder));
    }
    let Some(go) = run::first_line("go", &["version"]) else { return Ok(None) };
    let folder = run::target().join("servers");
    fs::create_dir_all(&folder)?;
    for (program, module, package) in PROGRAMS {
        build(&folder, &go, program, module, package)?;
    }
    Ok(Some(folder))
}

/// Builds one program, unless it was built from just this before.
fn build(folder: &Path, go: &str, program: &str, module: &str, package: &str) -> Result<()> {
    let source = run::root().join("tests/servers").join(module);
    let read = |name: &str| fs::read_to_string(source.join(name)).with_context(|| format!("{module}/{name}"));
    let pins = read("go.mod")?;
    let flags = linker_flags(&pins, module)?;
    let (output, stamp) = (folder.join(program), folder.join(format!("{program}.stamp")));
    let mut made_of = format!("{go}\n{package}\n{flags}\n{pins}\n{}", read("go.sum")?);
    if package == OWN {
        made_of += &read("main.go")?;
    }
    if output.is_file() && fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == made_of) {
        return Ok(());
    }
    let mut command = Command::new("go");
    // Go stamps a program with the commit of its source, and fails where git refuses to tell it.
    command.args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"]);
    step(program, command.arg(&output).arg(package).current_dir(&source))?;
    fs::write(&stamp, made_of).with_context(|| stamp.display().to_string())
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
