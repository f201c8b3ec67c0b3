//! Runs a pod's container on this machine, with the environment that a kubelet would resolve. Mounted ConfigMaps are
//! files in a temporary directory, and the programs come from `bin` instead of an image.
//!
//! Independent of the program that runs. Ignores resources, users and probes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Client;
use crate::run;

/// The environment variables of a container, in order.
pub(crate) type Environment = Vec<(String, String)>;

/// Returns the value of a variable, or `None` if it is not set.
pub(crate) fn find_variable<'e>(environment: &'e Environment, name: &str) -> Option<&'e str> {
    environment.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
}

/// Resolves the environment of a container.
///
/// # Errors
///
/// Returns the message of a kubelet if a required Secret, ConfigMap or key is missing.
pub(crate) fn resolve_environment(client: &Client, pod: &Value, container: &Value) -> Result<Environment, String> {
    let context = PodContext::new(client, pod);
    let mut environment = Environment::new();
    for source in items(&container["envFrom"]) {
        let prefix = source["prefix"].as_str().unwrap_or_default();
        let data = context.read_env_from(source)?;
        data.into_iter().for_each(|(key, value)| set_variable(&mut environment, &format!("{prefix}{key}"), value));
    }
    for entry in items(&container["env"]) {
        let name = entry["name"].as_str().expect("an entry has a name");
        let value = match &entry["valueFrom"] {
            Value::Null => Some(expand_references(&environment, entry["value"].as_str().unwrap_or_default())),
            from => context.resolve_reference(from)?,
        };
        if let Some(value) = value {
            set_variable(&mut environment, name, value);
        }
    }
    Ok(environment)
}

/// A pod, and the client that looks up its references.
struct PodContext<'c> {
    client: &'c Client,
    namespace: &'c str,
    pod: &'c Value,
}

impl<'c> PodContext<'c> {
    fn new(client: &'c Client, pod: &'c Value) -> Self {
        let namespace = pod["metadata"]["namespace"].as_str().expect("a pod is in a namespace");
        PodContext { client, namespace, pod }
    }

    /// Resolves a `valueFrom` reference. Returns `None` if the reference is optional and its target is missing.
    fn resolve_reference(&self, from: &Value) -> Result<Option<String>, String> {
        if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
            let field = path.split('.').fold(self.pod, |value, part| &value[part]);
            return Ok(Some(field.as_str().unwrap_or_default().to_owned()));
        }
        for (field, kind) in [("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")] {
            let reference = &from[field];
            let (Some(name), Some(key)) = (reference["name"].as_str(), reference["key"].as_str()) else { continue };
            let optional = reference["optional"] == true;
            let value = self.read_data(kind, name).and_then(|data| {
                data.get(key).cloned().ok_or_else(|| format!("couldn't find key {key} in {kind} {name}"))
            });
            return if optional { Ok(value.ok()) } else { value.map(Some) };
        }
        Err(format!("{from} is not supported by the fake container"))
    }

    /// Returns the data of the Secret or ConfigMap that an `envFrom` entry names.
    fn read_env_from(&self, source: &Value) -> Result<BTreeMap<String, String>, String> {
        for (field, kind) in [("secretRef", "secret"), ("configMapRef", "configmap")] {
            if let Some(name) = source[field]["name"].as_str() {
                let data = self.read_data(kind, name);
                return if source[field]["optional"] == true { Ok(data.unwrap_or_default()) } else { data };
            }
        }
        Err(format!("{source} is not supported by the fake container"))
    }

    fn read_data(&self, kind: &str, name: &str) -> Result<BTreeMap<String, String>, String> {
        let response = self.client.get(&format!("/api/v1/namespaces/{}/{kind}s/{name}", self.namespace));
        if response.status == 404 {
            return Err(format!("{kind} {name:?} not found"));
        }
        let object = response.expect_success();
        let data = object["data"].as_object().cloned().unwrap_or_default();
        let to_text = |value: &Value| value.as_str().expect("data values are strings").to_owned();
        let decode = |value: &Value| if kind == "secret" { from_base64(&to_text(value)) } else { to_text(value) };
        Ok(data.iter().map(|(key, value)| (key.clone(), decode(value))).collect())
    }
}

/// Sets a variable like a kubelet: a duplicate name replaces the value and keeps the position.
fn set_variable(environment: &mut Environment, name: &str, value: String) {
    match environment.iter_mut().find(|(candidate, _)| candidate == name) {
        Some((_, old)) => *old = value,
        None => environment.push((name.to_owned(), value)),
    }
}

/// Replaces `$(NAME)` with the value of an earlier variable, and `$$` with `$`. Keeps `$(NAME)` if there is no such
/// variable.
///
/// See <https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>.
fn expand_references(environment: &Environment, text: &str) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('(').and_then(|after_paren| after_paren.split_once(')'));
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((value, after)) =
            name.and_then(|(name, after)| Some((find_variable(environment, name)?, after)))
        {
            expanded.push_str(value);
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

fn from_base64(text: &str) -> String {
    let bytes = STANDARD.decode(text).expect("the server writes base64");
    String::from_utf8(bytes).expect("values of variables are UTF-8")
}

/// A container that is ready to start.
pub(crate) struct Container {
    /// The environment that the pod spec defines.
    pub(crate) environment: Environment,
    args: Vec<String>,
    /// The mount paths in the container. On this machine they are below `directory`.
    mounts: Vec<String>,
    /// The working directory, as a path in the container.
    working_dir: String,
    directory: TempDir,
}

impl Container {
    /// Resolves the environment and the mounts of a container.
    ///
    /// # Errors
    ///
    /// Returns the reason why a kubelet could not start the container.
    pub(crate) fn new(client: &Client, pod: &Value, container: &Value) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let environment = resolve_environment(client, pod, container)?;
        let arguments = items(&container["command"]).chain(items(&container["args"]));
        let args = arguments
            .map(|argument| expand_references(&environment, argument.as_str().expect("arguments are strings")))
            .collect();
        let mut mounts = Vec::new();
        for mount in items(&container["volumeMounts"]) {
            let (name, path) =
                (mount["name"].as_str().expect("it has a name"), mount["mountPath"].as_str().expect("it has a path"));
            let volume = items(&pod["spec"]["volumes"]).find(|volume| volume["name"] == name);
            let map = match volume.and_then(|volume| volume["configMap"]["name"].as_str()) {
                Some(map) => PodContext::new(client, pod).read_data("configmap", map)?,
                None => BTreeMap::new(),
            };
            let path_on_host = host_path(directory.path(), path);
            match mount["subPath"].as_str().map(|key| (key, map.get(key))) {
                Some((_, Some(text))) => run::write_file(&path_on_host, text.as_bytes()),
                Some((key, None)) => return Err(format!("no {key} to mount at {path}")),
                None => {
                    std::fs::create_dir_all(&path_on_host).expect("a directory can be created");
                    map.iter().for_each(|(key, text)| run::write_file(&path_on_host.join(key), text.as_bytes()));
                }
            }
            mounts.push(path.to_owned());
        }
        let working_dir = container["workingDir"].as_str().unwrap_or_default().to_owned();
        Ok(Container { environment, args, mounts, working_dir, directory })
    }

    /// Runs the container until it exits. Prefers programs in `bin` to programs of the host, appends `more_args` to
    /// the command line, and adds `more_env` to the environment.
    pub(crate) fn run(&self, bin: &Path, more_args: &[&str], more_env: &[(&str, &Path)]) -> Output {
        let mut args = self.args.iter().map(|argument| self.to_host_path(argument));
        let program = args.next().expect("the container has a command");
        // `Command` would search the `PATH` of this process, so the path is resolved here.
        let program = Some(bin.join(&program)).filter(|path| path.is_file()).unwrap_or_else(|| program.into());
        let mut command = Command::new(program);
        let directory = Path::new(&self.to_host_path(&self.working_dir)).to_owned();
        let directory =
            Some(directory).filter(|directory| directory.is_dir()).unwrap_or_else(|| self.directory.path().to_owned());
        command.args(args).args(more_args).env_clear().current_dir(directory);
        command.env("HOME", self.directory.path()).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        command.envs(self.environment.iter().map(|(name, value)| (name, self.to_host_path(value))));
        command.envs(more_env.iter().copied()).stdin(Stdio::null());
        command.output().expect("the program starts")
    }

    /// Translates a path at or below a mount to its path on this machine. Leaves other strings unchanged.
    fn to_host_path(&self, text: &str) -> String {
        let is_mounted = |mount: &String| {
            text.strip_prefix(mount.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.mounts.iter().any(is_mounted) {
            true => host_path(self.directory.path(), text).display().to_string(),
            false => text.to_owned(),
        }
    }
}

/// Returns the path below `directory` that a path in the container refers to.
fn host_path(directory: &Path, path: &str) -> PathBuf {
    directory.join("root").join(path.trim_start_matches('/'))
}

/// Iterates over the items of a JSON array. A missing array counts as empty.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
