//! Parses the values of flags.
//!
//! Errors name the flag and the variable, never the text after the `=`: it may be a secret that the user typed in the
//! wrong place.

use jobplate::inject::layer;
use jobplate::inject::{RequestedVariable, VariableSource};
use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::credentials::is_credential;
use jobplate_manifest::embedded::is_config_map_keyword;
use jobplate_manifest::env::{EnvFrom, EnvFromKind, EnvValue, KeyRef};
use jobplate_manifest::names::{self, ValidationError};
use jobplate_manifest::select::Target;
use jobplate_prefect::template_keys;
use jobplate_prefect::worker::version::WorkerVersion;

/// Parses `--secret NAME=SECRET/[KEY][:optional]`. The key is the name if nothing follows the slash.
///
/// # Errors
///
/// Fails if `=` is missing, or if the name or the reference is invalid.
pub(crate) fn parse_secret(flag: &str, text: &str) -> Result<RequestedVariable> {
    let (name, rest) = split_assignment(flag, "NAME=SECRET/[KEY]", text)?;
    if name.is_empty() {
        return Err(Error::usage(format!("`{flag}` must be NAME=SECRET/[KEY]")).hint("add a name before the `=`"));
    }
    let reference = parse_key_ref("Secret", rest, Some(name));
    let reference = reference.map_err(|fault| name_flag(fault, flag, name))?;
    Ok(RequestedVariable {
        name: name.to_owned(),
        source: VariableSource::PrefectSecret { reference, spec_place: None },
    })
}

/// Parses `--secret-env VAR=SECRET/KEY[:optional]`.
///
/// # Errors
///
/// Fails if `=` is missing, or if the name or the reference is invalid.
pub(crate) fn parse_secret_env(flag: &str, text: &str) -> Result<RequestedVariable> {
    parse_env_entry(flag, "VAR=SECRET/KEY", text, |rest| parse_key_ref("Secret", rest, None).map(EnvValue::SecretKey))
}

/// Parses `--config-env VAR=CONFIGMAP/KEY[:optional]`.
///
/// # Errors
///
/// Fails if `=` is missing, or if the name or the reference is invalid.
pub(crate) fn parse_config_env(flag: &str, text: &str) -> Result<RequestedVariable> {
    parse_env_entry(flag, "VAR=CONFIGMAP/KEY", text, |rest| {
        parse_key_ref("ConfigMap", rest, None).map(EnvValue::ConfigMapKey)
    })
}

/// Parses `--field-env VAR=FIELDPATH`.
///
/// # Errors
///
/// Fails if `=` is missing, or if Kubernetes has no such field.
pub(crate) fn parse_field_env(flag: &str, text: &str) -> Result<RequestedVariable> {
    parse_env_entry(flag, "VAR=FIELDPATH", text, |rest| names::normalize_field_path(rest).map(EnvValue::Field))
}

/// Parses `--env VAR=VALUE`.
///
/// # Errors
///
/// Fails if `=` is missing.
pub(crate) fn parse_env(flag: &str, text: &str) -> Result<RequestedVariable> {
    parse_env_entry(flag, "VAR=VALUE", text, |rest| Ok(EnvValue::Literal(rest.to_owned())))
}

/// Parses `--env-from [PREFIX=]secret/NAME[:optional]` or `[PREFIX=]configmap/NAME[:optional]`.
///
/// # Errors
///
/// Fails if the kind is neither `secret` nor `configmap`, or if the name or the prefix is invalid.
pub(crate) fn parse_env_from(flag: &str, text: &str) -> Result<EnvFrom> {
    let (prefix, rest) = text.split_once('=').unwrap_or(("", text));
    let (rest, optional) = strip_optional(rest);
    let (kind, name, what) = match rest.split_once('/') {
        Some(("secret", name)) => (EnvFromKind::Secret, name, "Secret"),
        Some(("configmap", name)) => (EnvFromKind::ConfigMap, name, "ConfigMap"),
        _ => {
            let needs = Error::usage(format!("`{flag}` must be secret/NAME or configmap/NAME"));
            return Err(needs.hint("to add a prefix to the variable names, use PREFIX=secret/NAME"));
        }
    };
    if text.contains('=') {
        names::check_requested_env_name(prefix).map_err(|fault| fault.into_error(&format!("`{flag}`")))?;
    }
    names::check_object_name(what, name).map_err(|fault| fault.into_error(&format!("`{flag}`")))?;
    Ok(EnvFrom { prefix: prefix.to_owned(), kind, name: name.to_owned(), optional })
}

/// Parses `--api-key SECRET/KEY[:optional]`.
///
/// # Errors
///
/// Fails if the reference is invalid.
pub(crate) fn parse_api_key(flag: &str, text: &str) -> Result<KeyRef> {
    parse_key_ref("Secret", text, None).map_err(|fault| fault.into_error(&format!("`{flag}`")))
}

/// Parses a version of prefect-kubernetes, such as `0.6.5`.
///
/// # Errors
///
/// Fails if `text` is not two or three numbers separated by dots, or is a version of Prefect 2 or 3.
pub(crate) fn parse_worker_version(flag: &str, text: &str) -> Result<WorkerVersion> {
    let numbers: Option<Vec<u32>> = text.split('.').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some([2 | 3, ..]) => {
            Err(Error::usage(format!("`{flag}`: this is a version of Prefect, not of prefect-kubernetes"))
                .hint("use the version that `pip show prefect-kubernetes` prints: 0.5 and later are for Prefect 3"))
        }
        Some(&[major, minor, patch]) => Ok(WorkerVersion([major, minor, patch])),
        Some(&[major, minor]) => Ok(WorkerVersion([major, minor, 0])),
        _ => Err(Error::usage(format!("`{flag}`: invalid version of prefect-kubernetes"))
            .hint("use the version that `pip show prefect-kubernetes` prints, such as 0.6.5")),
    }
}

/// Parses `--target KIND[/NAME][:KEY]`.
///
/// # Errors
///
/// Fails if the kind or a pattern is invalid.
pub(crate) fn parse_target(flag: &str, text: &str) -> Result<Target> {
    let (object, key) = text.split_once(':').map_or((text, None), |(object, key)| (object, Some(key)));
    let (kind, name) = object.split_once('/').map_or((object, None), |(kind, name)| (kind, Some(name)));
    layer::parse_target(kind, name, key, None).map_err(|fault| fault.into_error(&format!("`{flag}`")))
}

/// Parses `--wrap configmap/NAME[:KEY]`. Returns the name and the key.
///
/// # Errors
///
/// Fails if the kind is not a ConfigMap, or if the name or the key is invalid.
pub(crate) fn parse_wrap(flag: &str, text: &str) -> Result<(String, String)> {
    let (object, key) = text.split_once(':').unwrap_or((text, template_keys::JOB_TEMPLATE[0]));
    let name = match object.split_once('/') {
        Some((kind, name)) if is_config_map_keyword(kind) => name,
        _ => return Err(Error::usage(format!("`{flag}` must be configmap/NAME[:KEY]"))),
    };
    names::check_object_name("ConfigMap", name).map_err(|fault| fault.into_error(&format!("`{flag}`")))?;
    names::check_data_key(key).map_err(|fault| fault.into_error(&format!("`{flag}`")))?;
    Ok((name.to_owned(), key.to_owned()))
}

/// Parses a size in bytes: `64MiB`, `512KiB`, `1GiB` or `1000`.
///
/// # Errors
///
/// Fails if `text` is not a size, or if the size is zero.
pub(crate) fn parse_size(flag: &str, text: &str) -> Result<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "kib" => 10,
        "mib" => 20,
        "gib" => 30,
        _ => 64,
    };
    let bytes = number.parse::<usize>().ok().and_then(|number| number.checked_mul(1_usize.checked_shl(shift)?));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        Error::usage(format!("invalid size for `{flag}`"))
            .hint("use a number of bytes, or a size such as 512KiB, 64MiB or 1GiB")
    })
}

/// Checks the value of `--namespace`.
///
/// # Errors
///
/// Fails if the namespace is invalid.
pub(crate) fn parse_namespace(text: Option<String>) -> Result<Option<String>> {
    if let Some(namespace) = &text {
        names::check_label_name("namespace", namespace).map_err(|fault| fault.into_error("`--namespace`"))?;
    }
    Ok(text)
}

fn name_flag(fault: ValidationError, flag: &str, name: &str) -> Error {
    fault.into_error(&format!("`{flag} {name}`"))
}

/// Splits `text` at the first `=`. `form` is the expected form, for the error.
fn split_assignment<'t>(flag: &str, form: &str, text: &'t str) -> Result<(&'t str, &'t str)> {
    text.split_once('=').ok_or_else(|| {
        let (_, rest) = form.split_once('=').unwrap_or_default();
        Error::usage(format!("`{flag}` must be {form}")).hint(format!("add `={rest}` after the name"))
    })
}

fn parse_env_entry(
    flag: &str,
    form: &str,
    text: &str,
    value: impl FnOnce(&str) -> Result<EnvValue, ValidationError>,
) -> Result<RequestedVariable> {
    let (name, rest) = split_assignment(flag, form, text)?;
    let value = value(rest).map_err(|fault| name_flag(fault, flag, name))?;
    Ok(RequestedVariable { name: name.to_owned(), source: VariableSource::Entry(value) })
}

fn strip_optional(text: &str) -> (&str, bool) {
    text.strip_suffix(":optional").map_or((text, false), |rest| (rest, true))
}

/// Parses `NAME/KEY[:optional]`. The key may be empty if a default is given. The slash is required: without it, the text
/// may be a value that was passed by mistake.
fn parse_key_ref(kind: &str, text: &str, default_key: Option<&str>) -> Result<KeyRef, ValidationError> {
    let (rest, optional) = strip_optional(text);
    let form = kind.to_ascii_uppercase();
    let full_form_hint = format!("use {form}/KEY: the name of the {kind} and its key, never the value");
    let Some((name, key)) = rest.split_once('/') else {
        let hint = match default_key {
            Some(key) => {
                format!("use {key}={form}/ for the key `{key}`, or {key}={form}/KEY; do not pass the value itself")
            }
            None => full_form_hint,
        };
        return Err(ValidationError::new(format!("missing `/` after the name of the {kind}")).hint(hint));
    };
    let key = default_key.filter(|_| key.is_empty()).unwrap_or(key);
    names::check_object_name(kind, name)?;
    if key.is_empty() {
        return Err(ValidationError::new("missing key after the `/`").hint(full_form_hint));
    }
    if is_credential("", key) {
        return Err(
            ValidationError::new(format!("the key of the {kind} looks like the secret itself")).hint(full_form_hint)
        );
    }
    names::check_data_key(key).map_err(|fault| match key.contains(':') {
        true => fault.hint("only `optional` can follow a `:`"),
        false if key.contains('/') => fault.hint(format!(
            "use {form}/KEY without a namespace: a reference reaches only a {kind} in the pod's own namespace"
        )),
        false => fault,
    })?;
    Ok(KeyRef { name: name.to_owned(), key: key.to_owned(), optional })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(variable: RequestedVariable) -> String {
        let reference =
            |what, r: KeyRef| format!("{what} {} {}{}", r.name, r.key, if r.optional { " optional" } else { "" });
        let value = match variable.source {
            VariableSource::PrefectSecret { reference: r, .. } => reference("prefect", r),
            VariableSource::Entry(EnvValue::SecretKey(r)) => reference("secret", r),
            VariableSource::Entry(EnvValue::ConfigMapKey(r)) => reference("config", r),
            VariableSource::Entry(EnvValue::Field(path)) => path,
            VariableSource::Entry(EnvValue::Literal(text)) => format!("{text:?}"),
        };
        format!("{} = {value}", variable.name)
    }

    type ParseFlag = fn(&str, &str) -> Result<RequestedVariable>;

    #[test]
    fn parses_variables() {
        let cases: [(ParseFlag, &str, &str); 12] = [
            (parse_secret, "T=s/", "T = prefect s T"),
            (parse_secret, "T=s/:optional", "T = prefect s T optional"),
            (parse_secret, "T=s/k", "T = prefect s k"),
            (parse_secret, "T=s.a/k_1:optional", "T = prefect s.a k_1 optional"),
            (parse_secret_env, "T=s/k", "T = secret s k"),
            (parse_config_env, "T=s/k:optional", "T = config s k optional"),
            (parse_field_env, "T=label/a", "T = metadata.labels['a']"),
            (parse_env, "T=", "T = \"\""),
            (parse_env, "T=a=b", "T = \"a=b\""),
            (parse_env, "T=a:optional", "T = \"a:optional\""),
            (parse_env, "=a", " = \"a\""),
            (parse_env, "T= a ", "T = \" a \""),
        ];
        for (parse, text, expected) in cases {
            assert_eq!(show(parse("--flag", text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn errors_name_the_flag_and_the_variable_but_never_the_value() {
        let cases: [(ParseFlag, &str, &str); 17] = [
            (parse_secret, "canary", "`--flag` must be NAME=SECRET/[KEY]"),
            (parse_secret, "=canary/k", "`--flag` must be NAME=SECRET/[KEY]"),
            (parse_secret_env, "T=s/k:canary", "`--flag T`: invalid Secret or ConfigMap key"),
            (parse_secret, "T=", "`--flag T`: missing `/` after the name of the Secret use T=SECRET/ for the key `T`"),
            (parse_secret, "T=canary", "`--flag T`: missing `/` after the name of the Secret use T=SECRET/ for"),
            (parse_secret, "T=canary:optional", "`--flag T`: missing `/` after the name of the Secret"),
            (parse_secret, "T=/k", "`--flag T`: the name of the Secret is missing"),
            (parse_secret, "T=CANARY1/k", "`--flag T`: the name of the Secret must not contain upper-case letters"),
            (parse_secret, "T=canary!/k", "`--flag T`: invalid Secret name"),
            (parse_secret, "T=canary:opt", "`--flag T`: missing `/`"),
            (parse_secret, "T=s/canary/x", "`--flag T`: invalid Secret or ConfigMap key"),
            (parse_secret, "a b=canary/", "`--flag a b`: invalid Secret or ConfigMap key"),
            (parse_secret_env, "T=canary", "`--flag T`: missing `/` after the name of the Secret use SECRET/KEY"),
            (parse_secret_env, "T=canary/", "`--flag T`: missing key after the `/` use SECRET/KEY: the name"),
            (parse_config_env, "T=canary:optional", "`--flag T`: missing `/` after the name of the ConfigMap"),
            (parse_field_env, "T=canary", "`--flag T`: unsupported field"),
            (parse_env, "canary", "`--flag` must be VAR=VALUE"),
        ];
        for (parse, text, expected) in cases {
            let error = parse("--flag", text).unwrap_err();
            let actual = format!(
                "{} {}",
                error.message(),
                error.hint_message().map(|hint| hint.with_program("jobplate")).unwrap_or_default()
            );
            assert!(actual.starts_with(expected), "{text}: {actual}");
            assert!(!actual.to_lowercase().contains("canary"), "{text}: {actual}");
        }
    }

    #[test]
    fn parses_env_from_sources() {
        let show =
            |source: EnvFrom| format!("{:?} {:?} {} {}", source.prefix, source.kind, source.name, source.optional);
        for (text, expected) in [
            ("secret/s", "\"\" Secret s false"),
            ("configmap/c:optional", "\"\" ConfigMap c true"),
            ("DB_=secret/s:optional", "\"DB_\" Secret s true"),
        ] {
            assert_eq!(show(parse_env_from("--env-from", text).unwrap()), expected);
        }
        for text in [
            "canary",
            "deployment/canary",
            "secret/",
            "Secret/a",
            "=secret/a",
            "é=secret/a",
            "secret/CANARY1",
            "secret/a/b",
        ] {
            let error = parse_env_from("--env-from", text).unwrap_err();
            assert!(error.message().starts_with("`--env-from`"), "{text}");
            assert!(!format!("{error} {:?}", error.hint_message()).contains("canary"), "{text}");
        }
    }

    #[test]
    fn parses_api_keys_and_targets() {
        assert_eq!(
            parse_api_key("--api-key", "s/k").unwrap(),
            KeyRef { name: "s".into(), key: "k".into(), optional: false }
        );
        assert!(parse_api_key("--api-key", "canary").is_err());

        let target = parse_target("--target", "job/etl-*").unwrap();
        assert!(
            target.kind.matches("Job")
                && target.name.is_some_and(|name| name.matches("etl-1") && !name.matches("ETL-1"))
        );
        assert!(parse_target("--target", "*").unwrap().name.is_none());
        let key = parse_target("--target", "cm/a:job_*.yaml").unwrap();
        assert_eq!(key.display(), "ConfigMap/a:job_*.yaml");
        for text in ["", "/a", "Job/", "ConfigMap/a:", "Secret/a:b", "[", "Job/["] {
            assert!(parse_target("--target", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn parses_sizes() {
        for (text, bytes) in [("1", 1), ("10b", 10), ("2KiB", 2048), ("64MiB", 64 << 20), ("1gib", 1 << 30)] {
            assert_eq!(parse_size("--size", text).unwrap(), bytes);
        }
        for text in ["", "0", "MiB", "-1", "1.5MiB", "1MB", "99999999999999GiB", "99999999999999999999"] {
            assert!(parse_size("--size", text).is_err(), "{text}");
        }
    }
}
