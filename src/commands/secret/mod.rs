//! `jobplate secret`: prints a Secret manifest with the secrets of Prefect 1 users, or the flags or spec file that
//! refer to it.
//!
//! `prefect1::secrets` interprets names and values like Prefect. Values never come from arguments, and never appear in
//! errors, notes or references.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | how the Secret, the flags and the spec file are printed |
//! | `sources` | where secrets are read from, and how errors name these locations |

mod sources;

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use clap::Args;
use jobplate_diagnostic::suggest::{did_you_mean, quote_key};
use jobplate_diagnostic::{Diagnostic, Error, Result};
use jobplate_manifest::names;
use jobplate_manifest::secret::Secret;
use jobplate_prefect::prefect1::secrets;
use jobplate_yaml::quote_name;

use self::sources::{FoundSecret, SecretValue, SourceArgs};
use super::definition::Command;
use crate::shared::flag_values::parse_namespace;
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct SecretArgs {
    /// The name of the Secret
    #[arg(value_name = "NAME")]
    name: String,
    /// Refused, with what it may have been meant for.
    #[arg(hide = true)]
    more: Vec<String>,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    output: SecretOutputArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Output")]
struct SecretOutputArgs {
    /// The namespace of the Secret
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Make the Secret immutable
    #[arg(long)]
    immutable: bool,
    /// Write the value of the secret NAME so that flows get its exact text, also for a number, a `$NAME` or a dict
    #[arg(long, value_name = "NAME")]
    text: Vec<String>,
    /// Use KEY in the Secret for the secret NAME [default: NAME]
    #[arg(long, value_name = "NAME=KEY")]
    key: Vec<String>,
    /// Print the flags that refer to the Secret, one per line, without values
    #[arg(long, conflicts_with = "print_spec")]
    print_flags: bool,
    /// Print a spec file that refers to the Secret, without values
    #[arg(long)]
    print_spec: bool,
    /// Hide notes; warnings and errors are shown
    #[arg(short, long)]
    quiet: bool,
}

impl Command for SecretArgs {
    const NAME: &'static str = "secret";
    const ABOUT: &'static str = "Print a Secret with the Prefect 1 secrets from config.toml, the environment or files, or the flags that refer to it";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Each key of the Secret is the name of a Prefect secret: Secret(\"TOKEN\") in a flow is the key TOKEN,
without the prefix PREFECT__CONTEXT__SECRETS__, and `{program} render --secret TOKEN=NAME/` refers
to it. --key TOKEN=KEY sets another key. As in Prefect, a `__` in a name is a dict: A__B is B in Secret(\"A\").

Examples:
  # The secrets of ~/.prefect/config.toml, as a Secret in a cluster
  {program} secret prefect-secrets --from-config -n flows \\
    | kubectl apply --server-side -f -

  # The job template with references to that Secret
  {program} render job_template.yaml \\
    $({program} secret prefect-secrets --from-config --print-flags)

  # One token, without a file or the history of the shell
  read -rs TOKEN; printf %s \"$TOKEN\" | {program} secret github \\
    --from-file GITHUB_ACCESS_TOKEN=-

  # An encrypted file, and a spec file with the references for Git
  sops -d flows.env | {program} secret flows --from-env-file - \\
    | kubectl apply --server-side -f -
  sops -d flows.env | {program} secret flows --from-env-file - \\
    --print-spec > flows.yaml

Prefect reads a value as a Python literal: 42 becomes a number, and \"x\" loses its quotes. A warning
reports each secret whose value changes in this way, and --text NAME prevents it.

Exit codes: 0 success; 2 invalid input"
        ))
    }

    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let SecretArgs { name, more, sources, output } = self;
        ui.quiet = output.quiet;
        if !more.is_empty() {
            let error = Error::usage("unexpected argument after NAME");
            return Err(error.hint(if sources.reads_default_config() {
                "write `=` before the file: --from-config=FILE"
            } else {
                "pass a file with its flag: --from-config=FILE, --from-env-file FILE, --from-file NAME=PATH"
            }));
        }
        let hint = "pass the name of the whole Secret, such as prefect-secrets, not of one value in it";
        names::check_object_name("Secret", &name).map_err(|fault| fault.hint(hint).into_error("argument NAME"))?;
        let namespace = parse_namespace(output.namespace)?;
        let found = sources.read(output.print_flags || output.print_spec)?;
        let keys = SecretKeys::parse(&output.key, &found)?;
        let printed = if output.print_flags {
            format_flags(&name, &found, &keys)
        } else if output.print_spec {
            format_spec(&name, &found, &keys)
        } else {
            let (data, notes) = to_secret_data(found, &output.text, &keys)?;
            let data: Vec<_> = data.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
            let secret =
                Secret { name: &name, namespace: namespace.as_deref(), immutable: output.immutable, data: &data };
            let manifest = secret.to_manifest().map_err(|fault| fault.into_error(&name))?;
            ui.report_diagnostics(&notes);
            manifest
        };
        ui.print_text(&printed)
    }
}

/// Returns the error for a flag with the name of a secret that is not one of `names`.
fn unknown_secret(flag: &str, name: &str, names: &[&str]) -> Error {
    let hint = did_you_mean(name, names.iter().copied()).unwrap_or_else(|| format!("use one of {}", names.join(", ")));
    // A name that is not valid may be the value of a secret.
    let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let shown = if is_name { format!(" {}", quote_key(name)) } else { String::new() };
    Error::usage(format!("`{flag}`: unknown secret{shown}")).hint(hint)
}

/// The keys of the Secret: those of `--key`, keyed by Prefect's name for the secret.
struct SecretKeys<'k>(HashMap<&'k str, &'k str>);

impl<'k> SecretKeys<'k> {
    /// Parses the values of `--key`. Fails if a name was not found, if a key is invalid, or if two secrets have the same
    /// key.
    fn parse(flags: &'k [String], found: &[FoundSecret]) -> Result<Self> {
        let names: HashSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let mut keys = HashMap::new();
        for flag in flags {
            let Some((name, key)) = flag.split_once('=') else {
                return Err(Error::usage("`--key` must be NAME=KEY").hint("write NAME=KEY"));
            };
            names::check_data_key(key).map_err(|fault| fault.into_error("`--key`"))?;
            if !names.contains(name) {
                let names: Vec<_> = found.iter().map(|found| found.name.as_str()).collect();
                return Err(unknown_secret("--key", name, &names));
            }
            if keys.insert(name, key).is_some() {
                return Err(Error::usage(format!("duplicate `--key {name}`")).hint("remove one of the two"));
            }
        }
        let keys = SecretKeys(keys);
        let mut used = HashMap::new();
        for name in found.iter().map(|found| found.name.as_str()) {
            if let Some(other) = used.insert(keys.key_of(name), name) {
                return Err(Error::usage(format!("`--key`: the secrets {other} and {name} have the same key"))
                    .hint("choose a different key for each secret"));
            }
        }
        Ok(keys)
    }

    /// Returns the key of a secret.
    fn key_of<'n>(&'n self, name: &'n str) -> &'n str {
        self.0.get(name).copied().unwrap_or(name)
    }
}

/// Returns the flags that refer to the Secret, one per line. They need no quotes in any shell.
fn format_flags(secret: &str, found: &[FoundSecret], keys: &SecretKeys<'_>) -> String {
    let names = found.iter().map(|found| found.name.as_str());
    names.map(|name| format!("--secret={name}={secret}/{}\n", keys.key_of(name))).collect()
}

/// Returns a spec file that refers to the Secret.
fn format_spec(secret: &str, found: &[FoundSecret], keys: &SecretKeys<'_>) -> String {
    let secret = quote_name(secret);
    let names = found.iter().map(|found| (quote_name(&found.name), quote_name(keys.key_of(&found.name))));
    let entries: String = names.map(|(name, key)| format!("    {name}: {{secret: {secret}, key: {key}}}\n")).collect();
    format!("apiVersion: jobplate/v1\nkind: JobPlate\nspec:\n  secrets:\n{entries}")
}

/// The keys and values of a Secret.
type SecretData = Vec<(String, Vec<u8>)>;

/// Returns the data of the Secret, and the notes and warnings about it. `as_text` lists the names given to `--text`.
fn to_secret_data(
    found: Vec<FoundSecret>,
    as_text: &[String],
    keys: &SecretKeys<'_>,
) -> Result<(SecretData, Vec<Diagnostic>)> {
    let names: HashSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
    if let Some(unknown) = as_text.iter().find(|wanted| !names.contains(wanted.as_str())) {
        let names: Vec<_> = found.iter().map(|found| found.name.as_str()).collect();
        return Err(unknown_secret("--text", unknown, &names));
    }
    let as_text: HashSet<&str> = as_text.iter().map(String::as_str).collect();
    let (mut data, mut notes) = (SecretData::new(), secrets::dict_notes(found.iter().map(|found| found.name.as_str())));
    for FoundSecret { name, location, value } in found {
        if value.is_empty() {
            let text = format!("the value of `{name}` is empty");
            notes.push(Diagnostic::warning("empty-secret", text).help(format!("check its source: {location}")));
        }
        if matches!(&value, SecretValue::File(bytes) if bytes.ends_with(b"\n")) {
            let text = format!("the value of `{name}` ends with a line break, which is kept");
            notes.push(
                Diagnostic::info("final-line-break", text).help("write the file with `printf %s` instead of `echo`"),
            );
        }
        let value = if as_text.contains(name.as_str()) {
            encode_text(&name, &location, value)?
        } else {
            keep_value(&name, value, &mut notes).map_err(|error| error.in_file(&location))?
        };
        data.push((keys.key_of(&name).to_owned(), value));
    }
    Ok((data, notes))
}

/// Returns a value unchanged. Adds a warning if a flow gets a different value. Fails if a value is a literal with too
/// many values.
fn keep_value(name: &str, value: SecretValue, notes: &mut Vec<Diagnostic>) -> Result<Vec<u8>> {
    let (string, value, is_cast_already) = match value {
        SecretValue::Variable(text) => (Some(text.clone()), text.into_bytes(), false),
        SecretValue::Config { string, value } => (string, value.into_bytes(), true),
        SecretValue::File(bytes) => (String::from_utf8(bytes.clone()).ok(), bytes, false),
        SecretValue::Unread => return Ok(Vec::new()),
    };
    let is_text = std::str::from_utf8(&value).is_ok_and(|text| !text.contains('\0'));
    let string = string.as_deref().filter(|_| is_text);
    let cast_type = match string {
        Some(string) if !is_cast_already => secrets::describe_cast(name, string)?,
        _ => None,
    };
    let suggest_text = |warning: Diagnostic| {
        warning.help(match string.is_none_or(|string| secrets::to_string_literal(name, string).is_some()) {
            true => format!("keep the exact text: pass --text {name}"),
            false => rename_hint(name),
        })
    };
    if cast_type.is_some() && string.is_some_and(secrets::may_expand) {
        let text = format!("Prefect expands `$NAME`, `${{...}}` or a leading `~` in the value of `{name}`");
        let help = "to keep a `$`, write it as `\\u0024` in the JSON string";
        notes.push(Diagnostic::warning("secret-expansion", text).help(help));
    }
    let warning = if !is_text {
        let text = format!("the value of `{name}` is not text, so it cannot be a variable");
        Some(Diagnostic::warning("binary-secret", text).help("mount the Secret as a file"))
    } else if let Some(cast_type) = cast_type {
        let text = match cast_type.as_str() {
            secrets::UNQUOTED => format!("Prefect removes the quotes around the value of `{name}`"),
            _ => format!("Prefect converts the value of `{name}` to {cast_type}"),
        };
        Some(suggest_text(Diagnostic::warning("secret-type-cast", text)))
    } else if string.is_some_and(secrets::may_expand) {
        let text = format!("Prefect expands `$NAME`, `${{...}}` or a leading `~` in the value of `{name}`");
        Some(suggest_text(Diagnostic::warning("secret-expansion", text)))
    } else {
        None
    };
    notes.extend(warning);
    Ok(value)
}

/// Returns the hint for a secret whose text cannot be kept.
fn rename_hint(name: &str) -> String {
    format!("rename `{name}`: a name with `__` makes the secret a value in a dict, and Prefect expands these values")
}

/// Encodes a value so that a flow gets its exact text.
fn encode_text(name: &str, location: &str, value: SecretValue) -> Result<Vec<u8>> {
    let string = match value {
        SecretValue::Variable(text) => Some(text),
        SecretValue::Config { string, .. } => string,
        SecretValue::File(bytes) => String::from_utf8(bytes).ok(),
        SecretValue::Unread => None,
    };
    let string = string.ok_or_else(|| {
        Error::input(format!("`--text {name}`: the value of `{name}` is not a string"))
            .in_file(location)
            .hint(format!("put the value in quotes, or remove `--text {name}`"))
    })?;
    let text = secrets::to_string_literal(name, &string).ok_or_else(|| {
        Error::refused(format!("Prefect expands `${{...}}` in `{name}`, and `--text` cannot prevent it"))
            .in_file(location)
            .hint(rename_hint(name))
    })?;
    Ok(text.into_bytes())
}
