//! Helm 3 and Helm 4 in a user's environment: `helm`, `kubectl` and `jobplate` on the `PATH`, a kubeconfig, and a
//! directory for charts. Hides the differences between the post-renderer flags of the two versions.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::run;
use crate::servers::{ADMIN, Servers, kubeconfig};

/// The program names of the supported Helm versions.
pub(crate) const VERSIONS: [&str; 2] = ["helm3", "helm4"];

/// A version of Helm with its own namespace and directory.
pub(crate) struct Helm {
    pub(crate) version: &'static str,
    pub(crate) namespace: String,
    pub(crate) admin: Client,
    sandbox: Sandbox,
}

impl Helm {
    /// Creates the environment. Installs the `jobplate` plugin in Helm 4, which accepts only plugins as post-renderers.
    pub(crate) fn new(servers: &Servers, version: &'static str) -> Self {
        let helm = Helm::without_plugin(servers, version);
        if version == "helm4" {
            let plugin = repository().join("integrations/helm");
            helm.run_ok(&["plugin", "install", &plugin.display().to_string()]);
        }
        helm
    }

    /// Creates the environment without any plugin.
    pub(crate) fn without_plugin(servers: &Servers, version: &'static str) -> Self {
        let namespace = servers.create_namespace("helm");
        let sandbox = Sandbox::without_kubeconfig();
        let server = format!("https://127.0.0.1:{}", servers.endpoint().port);
        let context = format!("context: {{namespace: {namespace}, ");
        sandbox.write(
            "kubeconfig",
            kubeconfig(&server, Some(&servers.authority()), ADMIN).replace("context: {", &context),
        );
        let helm = Helm { version, namespace, admin: servers.client(ADMIN), sandbox };
        let bin = helm.directory().join("bin");
        std::fs::create_dir(&bin).expect("a directory can be created");
        for (name, program) in [
            ("helm", servers.program(version)),
            ("kubectl", servers.program("kubectl")),
            ("jobplate", run::binary().into()),
        ] {
            symlink(program, bin.join(name)).expect("a link can be created");
        }
        helm
    }

    /// Returns the directory of charts and other files.
    pub(crate) fn directory(&self) -> &Path {
        self.sandbox.directory()
    }

    /// Writes a file into the directory of charts and other files.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        self.sandbox.write(name, text);
    }

    /// Writes a chart that consists of `Chart.yaml` and `templates`, pairs of a path and its content.
    pub(crate) fn write_chart(&self, name: &str, templates: &[(&str, &str)]) {
        self.write(&format!("{name}/Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n"));
        for (file, text) in templates {
            self.write(&format!("{name}/{file}"), text);
        }
    }

    /// Returns the environment variables of a user's shell.
    pub(crate) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        // Helm installs plugins below `HELM_DATA_HOME`, even if `HELM_PLUGINS` names another directory, so the
        // two variables must agree.
        let homes = [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
            ("HELM_PLUGINS", "data/plugins"),
        ];
        let homes = homes.map(|(name, directory)| (name, self.directory().join("home").join(directory)));
        let path = format!("{}:/usr/bin:/bin", self.directory().join("bin").display());
        [("PATH", path.into()), ("KUBECONFIG", self.directory().join("kubeconfig"))].into_iter().chain(homes).collect()
    }

    /// Returns a command with the user's environment, in the directory of charts.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = run::isolated_command(program, self.directory());
        command.envs(self.environment()).stdin(Stdio::null());
        command
    }

    /// Runs `helm` until it exits.
    pub(crate) fn run(&self, args: &[&str]) -> RunOutput {
        let error_file = self.directory().join("ERROR");
        drop(std::fs::remove_file(&error_file));
        let output = self.command("helm").env("JOBPLATE_ERROR_FILE", &error_file).args(args).output();
        let output = output.expect("helm starts");
        let to_text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        RunOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: to_text(output.stdout),
            stderr: to_text(output.stderr),
            error_file: std::fs::read_to_string(error_file).unwrap_or_default(),
        }
    }

    /// Runs `helm` and returns its standard output. Panics if `helm` fails.
    #[track_caller]
    pub(crate) fn run_ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status, 0, "{} {args:?}: {output:?}", self.version);
        output.stdout
    }

    /// Returns the flags that make jobplate the post-renderer, with `args` for jobplate.
    pub(crate) fn post_renderer_flags(&self, args: &[&str]) -> Vec<String> {
        let mut flags = vec!["--post-renderer=jobplate".to_owned()];
        let subcommand = if self.version == "helm3" { &["post-render"][..] } else { &[] };
        flags.extend(subcommand.iter().chain(args).map(|arg| format!("--post-renderer-args={arg}")));
        flags
    }

    /// Runs `helm` with jobplate as the post-renderer.
    pub(crate) fn run_post_rendered(&self, args: &[&str], jobplate_args: &[&str]) -> RunOutput {
        let flags = self.post_renderer_flags(jobplate_args);
        let flags: Vec<&str> = args.iter().copied().chain(flags.iter().map(String::as_str)).collect();
        self.run(&flags)
    }

    /// Runs `helm` with jobplate as the post-renderer and returns its standard output. Panics if `helm` fails.
    #[track_caller]
    pub(crate) fn run_post_rendered_ok(&self, args: &[&str], jobplate_args: &[&str]) -> String {
        let output = self.run_post_rendered(args, jobplate_args);
        assert_eq!(output.status, 0, "{} {args:?} {jobplate_args:?}: {output:?}", self.version);
        output.stdout
    }

    /// Returns a live object of the namespace, or `None` if it does not exist. `kind` is a path such as
    /// `apis/apps/v1/deployments` or `api/v1/configmaps`.
    pub(crate) fn live_object(&self, kind: &str, name: &str) -> Option<Value> {
        let (group, plural) = kind.rsplit_once('/').expect("a kind has a group and a plural");
        let response = self.admin.get(&format!("/{group}/namespaces/{}/{plural}/{name}", self.namespace));
        (response.status != 404).then(|| response.expect_success())
    }
}

/// Returns the root directory of this repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
