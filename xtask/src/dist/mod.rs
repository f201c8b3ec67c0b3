//! `cargo xtask dist`: a release of this machine's platform, as the files that users download.
//!
//! All of them go into one folder, `vVERSION`, and are said to be at `BASE_URL/vVERSION/`. The same sources and
//! tools make the same bytes: names are sorted, times are those of the commit, and no path of this machine is in
//! them. What names an address is made from templates in `integrations/`, since the project has no home of its own.

mod archive;
mod binary;
mod sbom;
mod template;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::run::{self, cargo};
use archive::Entry;

/// The platforms that templates know, as Go names processors.
const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// What the release is called, and where it goes.
struct Release {
    version: String,
    base_url: String,
    homepage: String,
    arch: &'static str,
    /// Seconds since 1970: the time of every file in an archive.
    time: u64,
    folder: PathBuf,
}

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--allow-dirty"], &["--base-url", "--version", "--out", "--homepage"])?;
    if !args.iter().any(|arg| arg == "--allow-dirty") {
        check_clean()?;
    }
    let release = Release::new(args)?;
    let binary = binary::build(&release.version)?;
    if release.folder.exists() {
        // Nothing of an earlier try is to be summed or served.
        fs::remove_dir_all(&release.folder).with_context(|| release.folder.display().to_string())?;
    }
    fs::create_dir_all(&release.folder).with_context(|| release.folder.display().to_string())?;

    let licences = [top("LICENSE-APACHE")?, top("LICENSE-MIT")?];
    let program = fs::read(&binary)?;

    let mut entries = vec![Entry::program("jobplate", program.clone()), top("README.md")?, top("CHANGELOG.md")?];
    entries.extend(licences.clone());
    entries.extend(completions(&binary)?);
    entries.extend(manual(&binary)?);
    let archive = release.archive_name(release.arch);
    release.write(&archive, &archive::pack(entries, release.time)?)?;

    let mut entries = vec![Entry::program("bin/jobplate", program), release.helm_plugin()?];
    entries.extend(licences);
    release.write(&format!("jobplate-helm-{}.tgz", release.version), &archive::pack(entries, release.time)?)?;

    let sbom = sbom::describe(&binary::target()?, release.time)?;
    release.write(&format!("jobplate-{}.cdx.json", release.version), sbom.as_bytes())?;

    let values = release.values(&archive)?;
    for (name, text) in template::filled(&run::root().join("integrations"), &values)? {
        release.write(&name, text.as_bytes())?;
    }
    release.write_sums()?;
    eprintln!("\nrelease {}: {}", release.version, release.folder.canonicalize()?.display());
    Ok(())
}

impl Release {
    fn new(args: &[String]) -> Result<Self> {
        let version = option(args, "--version").context("--version V says which version is released")?;
        let ours = own_version()?;
        ensure!(
            version == ours,
            "the version in Cargo.toml is {ours}, and the program will say so: {version} can't be it"
        );
        let base_url = option(args, "--base-url").context("--base-url URL says where the files will be")?;
        let base_url = address(&base_url)?;
        let homepage = option(args, "--homepage").map_or_else(|| Ok(base_url.clone()), |url| address(&url))?;
        let out = option(args, "--out").map_or_else(|| run::target().join("dist"), PathBuf::from);
        let arch = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "amd64",
            ("linux", "aarch64") => "arm64",
            (os, arch) => bail!("releases are for Linux on x86_64 or aarch64, and this is {os} on {arch}"),
        };
        let folder = std::path::absolute(out)?.join(format!("v{version}"));
        Ok(Release { version, base_url, homepage, arch, time: time()?, folder })
    }

    fn archive_name(&self, arch: &str) -> String {
        format!("jobplate-{}-linux-{arch}.tar.gz", self.version)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, bytes).with_context(|| path.display().to_string())
    }

    /// What templates may name. A platform that was not built has an empty sum.
    fn values(&self, archive: &str) -> Result<BTreeMap<String, String>> {
        let sum = sum(&self.folder.join(archive))?;
        let mut values: BTreeMap<String, String> = [
            ("BASE_URL", self.base_url.as_str()),
            ("HOMEPAGE", self.homepage.as_str()),
            ("VERSION", self.version.as_str()),
            ("ARCH", self.arch),
            ("ARCHIVE", archive),
            ("SHA256", sum.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for arch in PLATFORMS {
            let sum = if arch == self.arch { sum.clone() } else { String::new() };
            values.insert(format!("SHA256_LINUX_{}", arch.to_uppercase()), sum);
        }
        Ok(values)
    }

    /// The Helm plugin of the repository, with its own program where that runs, and the one on the path elsewhere.
    fn helm_plugin(&self) -> Result<Entry> {
        let source = "integrations/helm/plugin.yaml";
        let text = fs::read_to_string(run::root().join(source)).context(source)?;
        ensure!(
            text.contains(&format!("\nversion: {}\n", self.version)),
            "{source} is not of version {}",
            self.version
        );
        let (before, after) = text.split_once("  platformCommand:\n").context("no platformCommand").context(source)?;
        let own = format!(
            "    - os: linux\n      arch: {}\n      command: ${{HELM_PLUGIN_DIR}}/bin/jobplate\n      args: [\"post-render\"]\n",
            self.arch
        );
        Ok(Entry::file("plugin.yaml", format!("{before}  platformCommand:\n{own}{after}")))
    }

    /// `SHA256SUMS`, as `sha256sum -c` reads it.
    fn write_sums(&self) -> Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        let mut sums = String::new();
        for name in names {
            writeln!(sums, "{}  {name}", sum(&self.folder.join(&name))?)?;
        }
        self.write("SHA256SUMS", sums.as_bytes())
    }
}

/// The value behind an option.
fn option(args: &[String], option: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == option)?;
    args.get(at + 1).cloned()
}

/// An address that is safe to write between quotes.
fn address(url: &str) -> Result<String> {
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"'\\@`$".contains(c);
    let has_scheme = url.starts_with("https://") || url.starts_with("http://");
    ensure!(has_scheme && url.chars().all(is_plain), "{url:?} is not an address that begins with https:// or http://");
    Ok(url.trim_end_matches('/').to_owned())
}

/// Builds the program of a release: static, with the version in Cargo.toml.
pub fn program() -> Result<PathBuf> {
    binary::build(&own_version()?)
}

/// The version in Cargo.toml, which cargo has found to be SemVer.
fn own_version() -> Result<String> {
    let output = cargo(&["pkgid", "--package", "jobplate"]).output()?;
    let id = String::from_utf8(output.stdout)?;
    let version = id.trim_end().rsplit(['#', '@']).next().filter(|version| !version.is_empty());
    version.map(str::to_owned).context("cargo pkgid prints no version")
}

/// Refuses sources that no commit has: the files of a release bear its time.
fn check_clean() -> Result<()> {
    let output =
        Command::new("git").args(["status", "--porcelain"]).current_dir(run::root()).output().context("git")?;
    ensure!(output.status.success(), "git status fails, so that no commit is known to be what is released");
    ensure!(output.stdout.is_empty(), "there are changes that are not committed (--allow-dirty takes them along)");
    Ok(())
}

/// The time of the release: that of the commit, unless `SOURCE_DATE_EPOCH` says another.
fn time() -> Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => {
            let mut git = Command::new("git");
            let output = git.args(["log", "-1", "--format=%ct"]).current_dir(run::root()).output().context("git")?;
            String::from_utf8(output.stdout)?
        }
    };
    text.trim().parse().context("no commit tells the time of the release, and SOURCE_DATE_EPOCH does not either")
}

fn sum(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        write!(hex, "{byte:02x}")?;
    }
    Ok(hex)
}

/// A file at the top of the project.
fn top(name: &str) -> Result<Entry> {
    Ok(Entry::file(name, fs::read(run::root().join(name)).with_context(|| name.to_owned())?))
}

/// What the program prints; it must print something.
fn printed(binary: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new(binary).args(args).stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success() && !output.stdout.is_empty(),
        "jobplate {}: {}\n{}",
        args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Scripts for shells, under the names that the shells look for.
fn completions(binary: &Path) -> Result<Vec<Entry>> {
    let shells = [("bash", "jobplate.bash"), ("zsh", "_jobplate"), ("fish", "jobplate.fish")];
    let script =
        |(shell, name)| Ok(Entry::file(&format!("completion/{name}"), printed(binary, &["completion", shell])?));
    shells.into_iter().map(script).collect()
}

/// jobplate(1), and every page that it names.
fn manual(binary: &Path) -> Result<Vec<Entry>> {
    let main = printed(binary, &["man"])?;
    let words = main.replace("\\-", "-");
    let named = words.split_whitespace().filter_map(|word| word.strip_prefix("jobplate-")?.strip_suffix("(1)"));
    let mut pages = Vec::new();
    for command in named {
        let page = printed(binary, &["man", command])?;
        pages.push(Entry::file(&format!("man/jobplate-{command}.1"), page));
    }
    ensure!(!pages.is_empty(), "jobplate(1) names no page of a command");
    pages.push(Entry::file("man/jobplate.1", main));
    Ok(pages)
}
