//! A container of a pod, run on this machine: the environment that a kubelet works out, what the pod mounts as
//! folders, and the container's command, with the programs that its image would bring.
//!
//! Knows nothing of what runs in it. Resources, users and probes are not played.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Client;
use crate::run;

/// Variables in the order in which a container gets them.
pub(crate) type Environment = Vec<(String, String)>;

/// The value of a variable.
pub(crate) fn find_variable<'e>(environment: &'e Environment, name: &str) -> Option<&'e str> {
    environment.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// The environment of a container; why it can't start, where something that it refers to is missing.
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

/// What a pod can refer to.
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

    /// The value of a reference; none for one that is optional and leads nowhere.
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
        Err(format!("{from} is not played"))
    }

    /// What an `envFrom` source holds.
    fn read_env_from(&self, source: &Value) -> Result<BTreeMap<String, String>, String> {
        for (field, kind) in [("secretRef", "secret"), ("configMapRef", "configmap")] {
            if let Some(name) = source[field]["name"].as_str() {
                let data = self.read_data(kind, name);
                return if source[field]["optional"] == true { Ok(data.unwrap_or_default()) } else { data };
            }
        }
        Err(format!("{source} is not played"))
    }

    fn read_data(&self, kind: &str, name: &str) -> Result<BTreeMap<String, String>, String> {
        let answer = self.client.get(&format!("/api/v1/namespaces/{}/{kind}s/{name}", self.namespace));
        if answer.status == 404 {
            return Err(format!("{kind} {name:?} not found"));
        }
        let object = answer.done();
        let data = object["data"].as_object().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().expect("data are text").to_owned();
        let plain = |value: &Value| if kind == "secret" { from_base64(&text(value)) } else { text(value) };
        Ok(data.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
    }
}

/// Of two entries of one name the last one counts, where the first one stands.
fn set_variable(environment: &mut Environment, name: &str, value: String) {
    match environment.iter_mut().find(|(own, _)| own == name) {
        Some((_, old)) => *old = value,
        None => environment.push((name.to_owned(), value)),
    }
}

/// `$(NAME)` of variables that are set before; `$$` is a dollar.
fn expand_references(environment: &Environment, text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((value, after)) =
            name.and_then(|(name, after)| Some((find_variable(environment, name)?, after)))
        {
            out.push_str(value);
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

fn from_base64(text: &str) -> String {
    let bytes = STANDARD.decode(text).expect("the server writes base64");
    String::from_utf8(bytes).expect("what goes into a variable is text")
}

/// A container that is ready to start.
pub(crate) struct Container {
    /// Its environment, as the pod says it.
    pub(crate) environment: Environment,
    args: Vec<String>,
    /// Paths in the container that something is mounted at; here they are below `directory`.
    mounts: Vec<String>,
    /// Where it starts, in the container.
    working_dir: String,
    directory: TempDir,
}

impl Container {
    /// Works out all that a container of a pod needs; why it can't start, if it can't.
    pub(crate) fn new(client: &Client, pod: &Value, container: &Value) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        let environment = resolve_environment(client, pod, container)?;
        let words = items(&container["command"]).chain(items(&container["args"]));
        let args = words.map(|word| expand_references(&environment, word.as_str().expect("words are text"))).collect();
        let mut mounts = Vec::new();
        for mount in items(&container["volumeMounts"]) {
            let (name, path) = (mount["name"].as_str().expect("a name"), mount["mountPath"].as_str().expect("a path"));
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
                    std::fs::create_dir_all(&path_on_host).expect("a folder can be made");
                    map.iter().for_each(|(key, text)| run::write_file(&path_on_host.join(key), text.as_bytes()));
                }
            }
            mounts.push(path.to_owned());
        }
        let working_dir = container["workingDir"].as_str().unwrap_or_default().to_owned();
        Ok(Container { environment, args, mounts, working_dir, directory })
    }

    /// Runs it to its end, with the programs in `bin`, which its image would bring, and what is added here: words
    /// behind its own, variables beside its own.
    pub(crate) fn run(&self, bin: &Path, more_args: &[&str], more_env: &[(&str, &Path)]) -> Output {
        let mut args = self.args.iter().map(|word| self.on_host(word));
        let program = args.next().expect("the image's own program is not played");
        // By its path: the caller's own is looked through otherwise.
        let program = Some(bin.join(&program)).filter(|path| path.is_file()).unwrap_or_else(|| program.into());
        let mut command = Command::new(program);
        let directory = Path::new(&self.on_host(&self.working_dir)).to_owned();
        let directory =
            Some(directory).filter(|directory| directory.is_dir()).unwrap_or_else(|| self.directory.path().to_owned());
        command.args(args).args(more_args).env_clear().current_dir(directory);
        command.env("HOME", self.directory.path()).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        command.envs(self.environment.iter().map(|(name, value)| (name, self.on_host(value))));
        command.envs(more_env.iter().copied()).stdin(Stdio::null());
        command.output().expect("it starts")
    }

    /// A path under a mount, where it is here.
    fn on_host(&self, text: &str) -> String {
        let is_inside = |mount: &String| {
            text.strip_prefix(mount.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.mounts.iter().any(is_inside) {
            true => host_path(self.directory.path(), text).display().to_string(),
            false => text.to_owned(),
        }
    }
}

/// A path of the container, below the folder that is its root here.
fn host_path(directory: &Path, path: &str) -> PathBuf {
    directory.join("root").join(path.trim_start_matches('/'))
}

/// The items of a list, which may not be there.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
