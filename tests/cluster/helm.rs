//! Helm 3 and Helm 4 as their users have them: `helm`, `kubectl` and `jobplate` on the path, a kubeconfig, a
//! folder with charts. What differs between the two is how a post-renderer is named, and that is here.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::{Ran, Run};
use crate::http::Client;
use crate::run;
use crate::servers::{ADMIN, Servers, kubeconfig};

/// The versions that a chart's user may have.
pub(crate) const VERSIONS: [&str; 2] = ["helm3", "helm4"];

/// One version of Helm, in a namespace of its own.
pub(crate) struct Helm {
    pub(crate) version: &'static str,
    pub(crate) namespace: String,
    pub(crate) admin: Client,
    run: Run,
}

impl Helm {
    /// With our plugin, where it needs one.
    pub(crate) fn new(servers: &Servers, version: &'static str) -> Self {
        let helm = Helm::without_plugin(servers, version);
        if version == "helm4" {
            let plugin = repository().join("integrations/helm");
            helm.run_ok(&["plugin", "install", &plugin.display().to_string()]);
        }
        helm
    }

    /// As it comes.
    pub(crate) fn without_plugin(servers: &Servers, version: &'static str) -> Self {
        let namespace = servers.namespace("helm");
        let run = Run::without_kubeconfig();
        let server = format!("https://127.0.0.1:{}", servers.endpoint().port);
        let context = format!("context: {{namespace: {namespace}, ");
        run.write("kubeconfig", kubeconfig(&server, Some(&servers.authority()), ADMIN).replace("context: {", &context));
        let helm = Helm { version, namespace, admin: servers.client(ADMIN), run };
        let programs = helm.directory().join("bin");
        std::fs::create_dir(&programs).expect("a folder can be made");
        for (name, program) in [
            ("helm", servers.program(version)),
            ("kubectl", servers.program("kubectl")),
            ("jobplate", run::binary().into()),
        ] {
            symlink(program, programs.join(name)).expect("a link can be made");
        }
        helm
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        self.run.directory()
    }

    /// Writes a file of a chart.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        self.run.write(name, text);
    }

    /// Writes a chart of these templates.
    pub(crate) fn write_chart(&self, name: &str, templates: &[(&str, &str)]) {
        self.write(&format!("{name}/Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n"));
        for (file, text) in templates {
            self.write(&format!("{name}/{file}"), text);
        }
    }

    /// The environment that a user's programs have.
    pub(crate) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        // Plugins are installed below the data, wherever they are looked for.
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

    /// A command in its folder.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = run::isolated_command(program, self.directory());
        command.envs(self.environment()).stdin(Stdio::null());
        command
    }

    /// Runs `helm` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let error_file = self.directory().join("ERROR");
        drop(std::fs::remove_file(&error_file));
        let output = self.command("helm").env("JOBPLATE_ERROR_FILE", &error_file).args(args).output();
        let output = output.expect("it was built, so it starts");
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            error_file: std::fs::read_to_string(error_file).unwrap_or_default(),
        }
    }

    /// The same, which must succeed; gives what it prints.
    #[track_caller]
    pub(crate) fn run_ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.status, 0, "{} {args:?}: {ran:?}", self.version);
        ran.stdout
    }

    /// The words that make jobplate the post-renderer, with arguments of its own.
    pub(crate) fn post_renderer(&self, args: &[&str]) -> Vec<String> {
        let mut words = vec!["--post-renderer=jobplate".to_owned()];
        let own = if self.version == "helm3" { &["post-render"][..] } else { &[] };
        words.extend(own.iter().chain(args).map(|arg| format!("--post-renderer-args={arg}")));
        words
    }

    /// Runs `helm` with jobplate as its post-renderer.
    pub(crate) fn run_post_rendered(&self, args: &[&str], own: &[&str]) -> Ran {
        let words = self.post_renderer(own);
        let words: Vec<&str> = args.iter().copied().chain(words.iter().map(String::as_str)).collect();
        self.run(&words)
    }

    /// The same, which must succeed.
    #[track_caller]
    pub(crate) fn run_post_rendered_ok(&self, args: &[&str], own: &[&str]) -> String {
        let ran = self.run_post_rendered(args, own);
        assert_eq!(ran.status, 0, "{} {args:?} {own:?}: {ran:?}", self.version);
        ran.stdout
    }

    /// A live object of its namespace; none where it is not there. `kind`: `apis/apps/v1/deployments`, `api/v1/configmaps`.
    pub(crate) fn live_object(&self, kind: &str, name: &str) -> Option<Value> {
        let (group, plural) = kind.rsplit_once('/').expect("a kind has a group and a plural");
        let answer = self.admin.get(&format!("/{group}/namespaces/{}/{plural}/{name}", self.namespace));
        (answer.status != 404).then(|| answer.done())
    }
}

/// The folder of this repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
