//! Which values each flag can have. A flag is known by the name of its field in the arguments.

use std::ffi::OsStr;
use std::sync::{Arc, OnceLock};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};
use jobplate_manifest::embedded::{CONFIG_MAP, is_config_map_keyword};
use jobplate_manifest::names::POD_FIELDS;
use jobplate_manifest::workload::canonical_kind;
use jobplate_prefect::variables::secret_name;

use super::files::{Found, Names};
use super::line::{Line, Said};
use crate::shared::inputs::MANIFEST_EXTENSIONS;

type Pairs = Vec<(String, String)>;

/// The extensions of the file that stands where something is completed, if one does; none stands for any.
pub(crate) type WantsFile = Arc<OnceLock<&'static [&'static str]>>;

/// Gives the flags of a command line what they can be completed with; with a place that tells, once it is
/// completed, whether that was a file.
pub(crate) fn attach(mut command: clap::Command, line: &Line) -> (clap::Command, WantsFile) {
    let wants_file = WantsFile::default();
    // A command that is built passes `ignore_errors` on to none of its subcommands.
    let said = Arc::new(line.said(&command));
    // Flags are there only once the commands are built.
    command.build();
    let commands: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in &commands {
        let (said, all, own, file) = (Arc::clone(&said), commands.clone(), name.clone(), Arc::clone(&wants_file));
        command = command.mut_subcommand(name, move |command| {
            command.mut_args(|arg| match completer(&own, arg.get_id().as_str(), &said, &all, &file) {
                Some(completer) => arg.add(completer),
                None => arg,
            })
        });
    }
    (command, wants_file)
}

fn completer(
    command: &str,
    flag: &str,
    said: &Arc<Said>,
    commands: &[String],
    wants_file: &WantsFile,
) -> Option<ArgValueCompleter> {
    let found = {
        let said = Arc::clone(said);
        move || Found::in_files(&said)
    };
    let said = Arc::clone(said);
    Some(match flag {
        "inputs" | "filename" | "again" if command == "post-render" => return None,
        "inputs" | "filename" | "spec" | "agent" | "worker" | "job_variables" | "run_config" | "scenario"
        | "template" | "from_default" => {
            let wants_file = Arc::clone(wants_file);
            ArgValueCompleter::new(move |typed: &OsStr| {
                let _ = wants_file.set(&MANIFEST_EXTENSIONS);
                manifests(typed)
            })
        }
        "kubeconfig" | "report" | "from_env_file" | "from_config" => {
            let wants_file = Arc::clone(wants_file);
            ArgValueCompleter::new(move |typed: &OsStr| {
                let _ = wants_file.set(&[]);
                readable(PathCompleter::file().complete(typed))
            })
        }
        "target" => plain(move |typed| in_the_spelling_of(typed, found().targets.into_pairs())),
        "container" => plain(move |_| found().containers.into_pairs()),
        "unset" => plain(move |_| found().variables.into_pairs()),
        "env" => plain(move |_| variables(found())),
        "secret" => plain(move |typed| match typed.split_once('=') {
            None => prefect_secrets(found()),
            Some((name, secret)) => behind(name, "=", secrets(secret, &said, found())),
        }),
        "secret_env" => plain(move |typed| match typed.split_once('=') {
            None => variables(found()),
            Some((name, secret)) => behind(name, "=", secrets(secret, &said, found())),
        }),
        "config_env" => plain(move |typed| match typed.split_once('=') {
            None => variables(found()),
            Some((name, _)) => behind(name, "=", ending("/", found().config_maps)),
        }),
        "field_env" => plain(move |typed| match typed.split_once('=') {
            None => variables(found()),
            Some((name, _)) => behind(name, "=", fields()),
        }),
        "env_from" => plain(move |typed| {
            let found = found();
            let maps = behind("configmap", "/", found.config_maps.into_pairs());
            let mut secrets = behind("secret", "/", secret_names(&said, found.secrets));
            secrets.extend(maps);
            match typed.split_once('=') {
                None => secrets,
                Some((prefix, _)) => behind(prefix, "=", secrets),
            }
        }),
        "wrap" => plain(|_| vec![("configmap/".to_owned(), String::new())]),
        "api_key" => plain(move |typed| secrets(typed, &said, found())),
        "namespace" => plain(move |_| namespaces(&said, found().namespaces)),
        #[cfg(feature = "cluster")]
        "context" => plain(move |_| kubeconfig(&said, |names| names.contexts)),
        #[cfg(feature = "cluster")]
        "cluster" => plain(move |_| kubeconfig(&said, |names| names.clusters)),
        #[cfg(feature = "cluster")]
        "user" => plain(move |_| kubeconfig(&said, |names| names.users)),
        "from_file" => ArgValueCompleter::new(|typed: &OsStr| {
            let Some((key, path)) = typed.to_str().and_then(|typed| typed.split_once('=')) else { return Vec::new() };
            let files = readable(PathCompleter::file().complete(OsStr::new(path))).into_iter();
            files.map(|file| file.add_prefix(format!("{key}="))).collect()
        }),
        "command" if command == "man" => {
            let commands: Vec<String> = commands.iter().filter(|command| *command != "help").cloned().collect();
            plain(move |_| commands.iter().map(|command| (command.clone(), String::new())).collect())
        }
        _ => return None,
    })
}

/// Objects, `Kind/name`, with the kind as it is typed: any case will do, and a short name.
fn in_the_spelling_of(typed: &str, objects: Pairs) -> Pairs {
    let is_kind = |own: &str, kind: &str| {
        let is_map = kind == CONFIG_MAP && is_config_map_keyword(own);
        is_map || own.eq_ignore_ascii_case(kind) || canonical_kind(own) == Some(kind)
    };
    let spelled = |(object, about): (String, String)| {
        let (kind, name) = object.split_once('/').unwrap_or((&object, ""));
        let own = match typed.split_once('/') {
            Some((own, _)) if is_kind(own, kind) => own.to_owned(),
            None if typed.starts_with(|c: char| c.is_ascii_lowercase()) => kind.to_ascii_lowercase(),
            _ => kind.to_owned(),
        };
        let slash = if name.is_empty() { "" } else { "/" };
        (format!("{own}{slash}{name}"), about)
    };
    objects.into_iter().map(spelled).collect()
}

/// Offers those of the values that begin with what is typed.
fn plain(values: impl Fn(&str) -> Pairs + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let Some(typed) = typed.to_str() else { return Vec::new() };
        let values = values(typed).into_iter().filter(|(value, _)| value.starts_with(typed) && is_safe(value));
        let candidate = |(value, about): (String, String)| {
            let about = (!about.is_empty()).then(|| jobplate::diagnostic::escape_controls(&about).into());
            CompletionCandidate::new(value).help(about)
        };
        values.map(candidate).collect()
    })
}

/// Names of a stranger's file come into a shell, and into a command line: only those that both take as they are.
fn is_safe(value: &str) -> bool {
    !value.starts_with('-') && value.chars().all(|c| c.is_ascii_alphanumeric() || "-._/:=@".contains(c))
}

/// Folders, and files that manifests are in.
fn manifests(typed: &OsStr) -> Vec<CompletionCandidate> {
    let is_manifest = |path: &std::path::Path| {
        path.is_dir() || path.extension().is_some_and(|own| MANIFEST_EXTENSIONS.iter().any(|known| own == *known))
    };
    let mut offered = PathCompleter::any().filter(is_manifest).complete(typed);
    offered.retain(|path| path.get_value() != ".");
    offered = readable(offered);
    if typed.is_empty() {
        offered.push(CompletionCandidate::new("-").help(Some("standard input".into())));
    }
    offered
}

/// Without names that would be two lines.
fn readable(mut paths: Vec<CompletionCandidate>) -> Vec<CompletionCandidate> {
    paths.retain(|path| !path.get_value().to_string_lossy().contains(char::is_control));
    paths
}

/// What a variable can have of its pod.
fn fields() -> Pairs {
    let fields = ["label/", "annotation/"].into_iter().chain(POD_FIELDS);
    fields.map(|field| (field.to_owned(), String::new())).collect()
}

fn ending(mark: &str, names: Names) -> Pairs {
    names.into_pairs().into_iter().map(|(name, about)| (name + mark, about)).collect()
}

fn behind(word: &str, mark: &str, values: Pairs) -> Pairs {
    values.into_iter().map(|(value, about)| (format!("{word}{mark}{value}"), about)).collect()
}

fn variables(found: Found) -> Pairs {
    ending("=", found.variables)
}

/// The Prefect 1 secrets that are there, by Prefect's names.
fn prefect_secrets(found: Found) -> Pairs {
    let variables = found.variables.into_pairs().into_iter();
    variables.filter_map(|(name, about)| Some((format!("{}=", secret_name(&name)?), about))).collect()
}

/// Names of Secrets, as long as no key is being typed.
fn secrets(typed: &str, said: &Said, found: Found) -> Pairs {
    if typed.contains('/') {
        return Vec::new();
    }
    let names = secret_names(said, found.secrets);
    names.into_iter().map(|(name, about)| (name + "/", about)).collect()
}

#[cfg(feature = "cluster")]
use super::cluster::{kubeconfig, namespaces, secret_names};

#[cfg(not(feature = "cluster"))]
fn secret_names(_: &Said, found: Names) -> Pairs {
    found.into_pairs()
}

#[cfg(not(feature = "cluster"))]
fn namespaces(_: &Said, found: Names) -> Pairs {
    found.into_pairs()
}
