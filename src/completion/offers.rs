//! Determines which values each flag completes. A flag is identified by its field's name in the arguments.

use std::ffi::OsStr;
use std::sync::{Arc, OnceLock};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};
use jobplate_manifest::embedded::{CONFIG_MAP, is_config_map_keyword};
use jobplate_manifest::names::POD_FIELDS;
use jobplate_manifest::workload::canonical_kind;
use jobplate_prefect::variables::secret_name;

#[cfg(feature = "cluster")]
use super::cluster::{list_kubeconfig_names, list_namespaces, list_secrets};
use super::files::{ManifestNames, NameList, Suggestions};
use super::line::{CommandLine, LineContext};
use crate::shared::inputs::MANIFEST_EXTENSIONS;

/// The extensions of the file that is being completed. Unset if no file is being completed; empty for any extension.
pub(crate) type FileExtensions = Arc<OnceLock<&'static [&'static str]>>;

/// Adds a completer to each flag of a command line. The second value is set during completion, if a file is completed.
pub(crate) fn attach_completers(mut command: clap::Command, line: &CommandLine) -> (clap::Command, FileExtensions) {
    let extensions = FileExtensions::default();
    // The line is parsed first: a built command does not pass `ignore_errors` on to its subcommands.
    let context = Arc::new(line.parse(&command));
    // Deferred arguments exist only after `build`.
    command.build();
    let commands: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in &commands {
        let completers = Completers {
            command: name.clone(),
            commands: commands.clone(),
            context: Arc::clone(&context),
            extensions: Arc::clone(&extensions),
        };
        command = command.mut_subcommand(name, move |command| {
            command.mut_args(|arg| match completers.for_flag(arg.get_id().as_str()) {
                Some(completer) => arg.add(completer),
                None => arg,
            })
        });
    }
    (command, extensions)
}

/// The completers of one command's flags.
struct Completers {
    command: String,
    /// The names of all commands.
    commands: Vec<String>,
    context: Arc<LineContext>,
    extensions: FileExtensions,
}

impl Completers {
    /// Returns the completer of a flag, or `None` if its values cannot be completed.
    fn for_flag(&self, flag: &str) -> Option<ArgValueCompleter> {
        let names = self.manifest_names();
        Some(match flag {
            "inputs" | "filename" | "again" if self.command == "post-render" => return None,
            "inputs" | "filename" | "spec" | "agent" | "worker" | "job_variables" | "run_config" | "scenario"
            | "template" | "from_default" => self.file(&MANIFEST_EXTENSIONS, complete_manifests),
            "kubeconfig" | "report" | "from_env_file" | "from_config" => {
                self.file(&[], |typed| without_control_characters(PathCompleter::file().complete(typed)))
            }
            "from_file" => ArgValueCompleter::new(complete_key_and_path),
            "target" => completer(move |typed| spell_kinds_as_typed(typed, names().targets.into_suggestions())),
            "container" => completer(move |_| names().containers.into_suggestions()),
            "unset" => completer(move |_| names().variables.into_suggestions()),
            "env" => completer(move |_| suggest_variables(names())),
            "secret" | "secret_env" | "config_env" | "field_env" => self.assignment(flag.to_owned()),
            "env_from" => self.env_from(),
            "wrap" => completer(|_| vec![("configmap/".to_owned(), String::new())]),
            "api_key" => {
                let context = Arc::clone(&self.context);
                completer(move |typed| suggest_secrets(typed, &context, names()))
            }
            "namespace" => {
                let context = Arc::clone(&self.context);
                completer(move |_| list_namespaces(&context, names().namespaces))
            }
            "command" if self.command == "man" => {
                let commands: Vec<String> = self.commands.iter().filter(|name| *name != "help").cloned().collect();
                completer(move |_| commands.iter().map(|name| (name.clone(), String::new())).collect())
            }
            #[cfg(feature = "cluster")]
            _ => return self.kubeconfig(flag),
            #[cfg(not(feature = "cluster"))]
            _ => return None,
        })
    }

    /// Returns a function that finds the names in the files on the command line.
    fn manifest_names(&self) -> impl Fn() -> ManifestNames + Send + Sync + 'static {
        let context = Arc::clone(&self.context);
        move || ManifestNames::find(&context)
    }

    /// Returns the completer of a flag whose value is a file with one of the extensions.
    fn file(
        &self,
        extensions: &'static [&'static str],
        complete: fn(&OsStr) -> Vec<CompletionCandidate>,
    ) -> ArgValueCompleter {
        let file_extensions = Arc::clone(&self.extensions);
        ArgValueCompleter::new(move |typed: &OsStr| {
            let _ = file_extensions.set(extensions);
            complete(typed)
        })
    }

    /// Returns the completer of a flag `NAME=REFERENCE`: of the name, then of the reference.
    fn assignment(&self, flag: String) -> ArgValueCompleter {
        let (names, context) = (self.manifest_names(), Arc::clone(&self.context));
        completer(move |typed| match (typed.split_once('='), flag.as_str()) {
            (None, "secret") => suggest_prefect_secrets(names()),
            (None, _) => suggest_variables(names()),
            (Some((name, _)), "config_env") => add_prefix(name, "=", add_suffix("/", names().config_maps)),
            (Some((name, _)), "field_env") => add_prefix(name, "=", suggest_pod_fields()),
            (Some((name, secret)), _) => add_prefix(name, "=", suggest_secrets(secret, &context, names())),
        })
    }

    /// Returns the completer of `--env-from [PREFIX=]KIND/NAME`.
    fn env_from(&self) -> ArgValueCompleter {
        let (names, context) = (self.manifest_names(), Arc::clone(&self.context));
        completer(move |typed| {
            let names = names();
            let config_maps = add_prefix("configmap", "/", names.config_maps.into_suggestions());
            let mut sources = add_prefix("secret", "/", list_secrets(&context, names.secrets));
            sources.extend(config_maps);
            match typed.split_once('=') {
                None => sources,
                Some((prefix, _)) => add_prefix(prefix, "=", sources),
            }
        })
    }

    /// Returns the completer of a flag whose value is a name in the kubeconfig, or `None` for any other flag.
    #[cfg(feature = "cluster")]
    fn kubeconfig(&self, flag: &str) -> Option<ArgValueCompleter> {
        let context = Arc::clone(&self.context);
        Some(match flag {
            "context" => completer(move |_| list_kubeconfig_names(&context, |names| names.contexts)),
            "cluster" => completer(move |_| list_kubeconfig_names(&context, |names| names.clusters)),
            "user" => completer(move |_| list_kubeconfig_names(&context, |names| names.users)),
            _ => return None,
        })
    }
}

/// Completes the path in `NAME=PATH`.
fn complete_key_and_path(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some((key, path)) = typed.to_str().and_then(|typed| typed.split_once('=')) else { return Vec::new() };
    let files = without_control_characters(PathCompleter::file().complete(OsStr::new(path))).into_iter();
    files.map(|file| file.add_prefix(format!("{key}="))).collect()
}

/// Replaces the kind in each `Kind/name` with the spelling that the user typed: another case or a short name.
fn spell_kinds_as_typed(typed: &str, objects: Suggestions) -> Suggestions {
    let is_kind = |spelling: &str, kind: &str| {
        let is_map = kind == CONFIG_MAP && is_config_map_keyword(spelling);
        is_map || spelling.eq_ignore_ascii_case(kind) || canonical_kind(spelling) == Some(kind)
    };
    let spell_kind = |(object, about): (String, String)| {
        let (kind, name) = object.split_once('/').unwrap_or((&object, ""));
        let spelling = match typed.split_once('/') {
            Some((spelling, _)) if is_kind(spelling, kind) => spelling.to_owned(),
            None if typed.starts_with(|c: char| c.is_ascii_lowercase()) => kind.to_ascii_lowercase(),
            _ => kind.to_owned(),
        };
        let slash = if name.is_empty() { "" } else { "/" };
        (format!("{spelling}{slash}{name}"), about)
    };
    objects.into_iter().map(spell_kind).collect()
}

/// Returns a completer that offers the values that start with the typed text.
fn completer(values: impl Fn(&str) -> Suggestions + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let Some(typed) = typed.to_str() else { return Vec::new() };
        let values = values(typed).into_iter().filter(|(value, _)| value.starts_with(typed) && is_safe(value));
        let to_candidate = |(value, about): (String, String)| {
            let about = (!about.is_empty()).then(|| jobplate::diagnostic::escape_controls(&about).into());
            CompletionCandidate::new(value).help(about)
        };
        values.map(to_candidate).collect()
    })
}

/// Returns whether a value from an input can be pasted into a shell and is not a flag.
fn is_safe(value: &str) -> bool {
    !value.starts_with('-') && value.chars().all(|c| c.is_ascii_alphanumeric() || "-._/:=@".contains(c))
}

/// Completes directories and files with a manifest extension.
fn complete_manifests(typed: &OsStr) -> Vec<CompletionCandidate> {
    let is_manifest = |path: &std::path::Path| {
        path.is_dir()
            || path.extension().is_some_and(|extension| MANIFEST_EXTENSIONS.iter().any(|known| extension == *known))
    };
    let mut candidates = PathCompleter::any().filter(is_manifest).complete(typed);
    candidates.retain(|path| path.get_value() != ".");
    candidates = without_control_characters(candidates);
    if typed.is_empty() {
        candidates.push(CompletionCandidate::new("-").help(Some("standard input".into())));
    }
    candidates
}

/// Removes paths that contain control characters, such as a line feed.
fn without_control_characters(mut paths: Vec<CompletionCandidate>) -> Vec<CompletionCandidate> {
    paths.retain(|path| !path.get_value().to_string_lossy().contains(char::is_control));
    paths
}

/// Suggests the pod fields of `--field-env`.
fn suggest_pod_fields() -> Suggestions {
    let fields = ["label/", "annotation/"].into_iter().chain(POD_FIELDS);
    fields.map(|field| (field.to_owned(), String::new())).collect()
}

/// Appends `suffix` to each name.
fn add_suffix(suffix: &str, names: NameList) -> Suggestions {
    names.into_suggestions().into_iter().map(|(name, about)| (name + suffix, about)).collect()
}

/// Prepends `prefix` and `separator` to each value.
fn add_prefix(prefix: &str, separator: &str, values: Suggestions) -> Suggestions {
    values.into_iter().map(|(value, about)| (format!("{prefix}{separator}{value}"), about)).collect()
}

/// Suggests `NAME=` for each variable.
fn suggest_variables(names: ManifestNames) -> Suggestions {
    add_suffix("=", names.variables)
}

/// Suggests `NAME=` for each variable of a Prefect 1 secret.
fn suggest_prefect_secrets(names: ManifestNames) -> Suggestions {
    let variables = names.variables.into_suggestions().into_iter();
    variables.filter_map(|(name, about)| Some((format!("{}=", secret_name(&name)?), about))).collect()
}

/// Suggests `NAME/` for each Secret. Keys are not suggested.
fn suggest_secrets(typed: &str, context: &LineContext, names: ManifestNames) -> Suggestions {
    if typed.contains('/') {
        return Vec::new();
    }
    let secrets = list_secrets(context, names.secrets);
    secrets.into_iter().map(|(name, about)| (name + "/", about)).collect()
}

#[cfg(not(feature = "cluster"))]
fn list_secrets(_: &LineContext, names: NameList) -> Suggestions {
    names.into_suggestions()
}

#[cfg(not(feature = "cluster"))]
fn list_namespaces(_: &LineContext, names: NameList) -> Suggestions {
    names.into_suggestions()
}
