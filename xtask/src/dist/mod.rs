//! `cargo xtask dist`: builds the files of a release for this machine's platform.
//!
//! The files are written to one directory, `vVERSION`, which must be served as `BASE_URL/vVERSION/`. The release is
//! reproducible: names are sorted, all times are the commit's time, and no paths of this machine are included. Files
//! that contain URLs are generated from templates in `integrations/`, because the project has no fixed URL.

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

use crate::run::{self, cargo_command};
use archive::Entry;

/// The processor architectures in templates, with Go's names.
const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// The properties of a release.
struct Release {
    version: String,
    base_url: String,
    homepage: String,
    arch: &'static str,
    /// The modification time of every file in an archive, in seconds since 1970.
    time: u64,
    directory: PathBuf,
}

/// Runs `cargo xtask dist`.
pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--allow-dirty"], &["--base-url", "--version", "--out", "--homepage"])?;
    if !args.iter().any(|arg| arg == "--allow-dirty") {
        check_clean()?;
    }
    let release = Release::new(args)?;
    let binary = binary::build(&release.version)?;
    if release.directory.exists() {
        // Files of an earlier run must not be part of the release.
        fs::remove_dir_all(&release.directory).with_context(|| release.directory.display().to_string())?;
    }
    fs::create_dir_all(&release.directory).with_context(|| release.directory.display().to_string())?;

    let licences = [read_top_level_file("LICENSE-APACHE")?, read_top_level_file("LICENSE-MIT")?];
    let program = fs::read(&binary)?;

    let mut entries = vec![
        Entry::program("jobplate", program.clone()),
        read_top_level_file("README.md")?,
        read_top_level_file("CHANGELOG.md")?,
    ];
    entries.extend(licences.clone());
    entries.extend(generate_completions(&binary)?);
    entries.extend(generate_manual_pages(&binary)?);
    let archive = release.archive_name(release.arch);
    release.write(&archive, &archive::pack(entries, release.time)?)?;

    let mut entries = vec![Entry::program("bin/jobplate", program), release.helm_plugin()?];
    entries.extend(licences);
    release.write(&format!("jobplate-helm-{}.tgz", release.version), &archive::pack(entries, release.time)?)?;

    let sbom = sbom::generate(&binary::target()?, release.time)?;
    release.write(&format!("jobplate-{}.cdx.json", release.version), sbom.as_bytes())?;

    let values = release.values(&archive)?;
    for (name, text) in template::fill_all(&run::root().join("integrations"), &values)? {
        release.write(&name, text.as_bytes())?;
    }
    release.write_checksums()?;
    eprintln!("\nrelease {}: {}", release.version, release.directory.canonicalize()?.display());
    Ok(())
}

impl Release {
    fn new(args: &[String]) -> Result<Self> {
        let version = option_value(args, "--version").context("--version V says which version is released")?;
        let package_version = read_package_version()?;
        ensure!(
            version == package_version,
            "the version in Cargo.toml is {package_version}, and the program will say so: {version} can't be it"
        );
        let base_url = option_value(args, "--base-url").context("--base-url URL says where the files will be")?;
        let base_url = parse_url(&base_url)?;
        let homepage = option_value(args, "--homepage").map_or_else(|| Ok(base_url.clone()), |url| parse_url(&url))?;
        let out = option_value(args, "--out").map_or_else(|| run::target().join("dist"), PathBuf::from);
        let arch = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "amd64",
            ("linux", "aarch64") => "arm64",
            (os, arch) => bail!("releases are for Linux on x86_64 or aarch64, and this is {os} on {arch}"),
        };
        let directory = std::path::absolute(out)?.join(format!("v{version}"));
        Ok(Release { version, base_url, homepage, arch, time: release_time()?, directory })
    }

    fn archive_name(&self, arch: &str) -> String {
        format!("jobplate-{}-linux-{arch}.tar.gz", self.version)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.directory.join(name);
        fs::write(&path, bytes).with_context(|| path.display().to_string())
    }

    /// Returns the values of the templates' placeholders. The checksum of a platform that was not built is empty.
    fn values(&self, archive: &str) -> Result<BTreeMap<String, String>> {
        let sha256 = sha256(&self.directory.join(archive))?;
        let mut values: BTreeMap<String, String> = [
            ("BASE_URL", self.base_url.as_str()),
            ("HOMEPAGE", self.homepage.as_str()),
            ("VERSION", self.version.as_str()),
            ("ARCH", self.arch),
            ("ARCHIVE", archive),
            ("SHA256", sha256.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for arch in PLATFORMS {
            let sha256 = if arch == self.arch { sha256.clone() } else { String::new() };
            values.insert(format!("SHA256_LINUX_{}", arch.to_uppercase()), sha256);
        }
        Ok(values)
    }

    /// Returns the repository's Helm plugin, extended to run the included program on the release's platform. On other
    /// platforms, the plugin runs the program in `PATH`.
    fn helm_plugin(&self) -> Result<Entry> {
        let source = "integrations/helm/plugin.yaml";
        let text = fs::read_to_string(run::root().join(source)).context(source)?;
        ensure!(
            text.contains(&format!("\nversion: {}\n", self.version)),
            "{source} is not of version {}",
            self.version
        );
        let (before, after) = text.split_once("  platformCommand:\n").context("no platformCommand").context(source)?;
        let platform_command = format!(
            "    - os: linux\n      arch: {}\n      command: ${{HELM_PLUGIN_DIR}}/bin/jobplate\n      args: [\"post-render\"]\n",
            self.arch
        );
        Ok(Entry::file("plugin.yaml", format!("{before}  platformCommand:\n{platform_command}{after}")))
    }

    /// Writes `SHA256SUMS` in the format of `sha256sum -c`.
    fn write_checksums(&self) -> Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        let mut checksums = String::new();
        for name in names {
            writeln!(checksums, "{}  {name}", sha256(&self.directory.join(&name))?)?;
        }
        self.write("SHA256SUMS", checksums.as_bytes())
    }
}

/// Returns the argument after `option`, or `None` if the option is missing or the last argument.
fn option_value(args: &[String], option: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == option)?;
    args.get(at + 1).cloned()
}

/// Removes trailing slashes from a URL. Fails if the URL does not begin with `http://` or `https://`, or has characters
/// that are special between quotes.
fn parse_url(url: &str) -> Result<String> {
    let is_safe = |c: char| c.is_ascii_graphic() && !"\"'\\@`$".contains(c);
    let has_scheme = url.starts_with("https://") || url.starts_with("http://");
    ensure!(has_scheme && url.chars().all(is_safe), "{url:?} is not an address that begins with https:// or http://");
    Ok(url.trim_end_matches('/').to_owned())
}

/// Builds the static program of a release, with the version in Cargo.toml.
pub fn build_program() -> Result<PathBuf> {
    binary::build(&read_package_version()?)
}

/// Returns the version in Cargo.toml. Cargo has checked that it follows SemVer.
fn read_package_version() -> Result<String> {
    let output = cargo_command(&["pkgid", "--package", "jobplate"]).output()?;
    let id = String::from_utf8(output.stdout)?;
    let version = id.trim_end().rsplit(['#', '@']).next().filter(|version| !version.is_empty());
    version.map(str::to_owned).context("cargo pkgid prints no version")
}

/// Fails if there are uncommitted changes, because the release's files get the commit's time.
fn check_clean() -> Result<()> {
    let output =
        Command::new("git").args(["status", "--porcelain"]).current_dir(run::root()).output().context("git")?;
    ensure!(output.status.success(), "git status fails, so that no commit is known to be what is released");
    ensure!(output.stdout.is_empty(), "there are changes that are not committed (--allow-dirty takes them along)");
    Ok(())
}

/// Returns the time of the release, in seconds since 1970: `SOURCE_DATE_EPOCH` if it is set, or the commit's time.
fn release_time() -> Result<u64> {
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

/// Returns the SHA-256 hash of a file in hexadecimal.
fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        write!(hex, "{byte:02x}")?;
    }
    Ok(hex)
}

/// Returns an archive entry for a file in the project's top directory.
fn read_top_level_file(name: &str) -> Result<Entry> {
    Ok(Entry::file(name, fs::read(run::root().join(name)).with_context(|| name.to_owned())?))
}

/// Runs the program and returns its standard output. Fails if the program fails or its output is empty.
fn run_program(binary: &Path, args: &[&str]) -> Result<String> {
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

/// Returns the completion scripts, with the file names that the shells expect.
fn generate_completions(binary: &Path) -> Result<Vec<Entry>> {
    let shells = [("bash", "jobplate.bash"), ("zsh", "_jobplate"), ("fish", "jobplate.fish")];
    let to_entry =
        |(shell, name)| Ok(Entry::file(&format!("completion/{name}"), run_program(binary, &["completion", shell])?));
    shells.into_iter().map(to_entry).collect()
}

/// Returns the manual pages: jobplate(1) and every page that it refers to.
fn generate_manual_pages(binary: &Path) -> Result<Vec<Entry>> {
    let main = run_program(binary, &["man"])?;
    let text = main.replace("\\-", "-");
    let commands = text.split_whitespace().filter_map(|word| word.strip_prefix("jobplate-")?.strip_suffix("(1)"));
    let mut pages = Vec::new();
    for command in commands {
        let page = run_program(binary, &["man", command])?;
        pages.push(Entry::file(&format!("man/jobplate-{command}.1"), page));
    }
    ensure!(!pages.is_empty(), "jobplate(1) names no page of a command");
    pages.push(Entry::file("man/jobplate.1", main));
    Ok(pages)
}
