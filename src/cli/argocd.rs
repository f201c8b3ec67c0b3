//! `jobplate argocd-generate`: render as a config management plugin of Argo CD, which calls it in an application's
//! folder, without standard input, with the application's parameters in the environment.
//!
//! A parameter is the flag of `render` of the same name. An empty output with exit code 0 makes Argo CD delete all
//! that an application has: there is none. What it can't read as an object it quotes to everybody who sees the
//! application: that does not come out either. Files outside of the repository are nobody's to read.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::ColorChoice;
use serde::Deserialize;

use super::args::{self, Manifests};
use super::edits::{self, Told};
use super::no_match::Matching;
use super::render;
use crate::error::{Error, Result};
use crate::manifest::object::objects;
use crate::render::{Pair, Rendering};
use crate::yaml::{self, Document, Tape};

/// The spec file of an application, read if it is there.
const SPECS: [&str; 2] = ["jobplate.yaml", "jobplate.yml"];

/// The parameters that are flags, and what they take.
const PARAMETERS: [(&str, Takes); 19] = [
    ("all-containers", Takes::Boolean),
    ("allow-no-match", Takes::Boolean),
    ("api", Takes::Text),
    ("api-key", Takes::Text),
    ("backend", Takes::Text),
    ("config-env", Takes::Pairs),
    ("container", Takes::Texts),
    ("env", Takes::Pairs),
    ("env-from", Takes::Texts),
    ("field-env", Takes::Pairs),
    ("init-containers", Takes::Boolean),
    ("local-secrets", Takes::Text),
    ("name-hash", Takes::Boolean),
    ("namespace", Takes::Text),
    ("secret", Takes::Pairs),
    ("secret-env", Takes::Pairs),
    ("spec", Takes::Texts),
    ("target", Takes::Texts),
    ("unset", Takes::Texts),
];

/// The parameter that names the inputs.
const FILES: &str = "files";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// `string: "true"`
    Boolean,
    /// `string`
    Text,
    /// `array`, or one `string`
    Texts,
    /// `map`
    Pairs,
}

/// A parameter of an application, as Argo CD hands it over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameter {
    name: String,
    string: Option<String>,
    array: Option<Vec<String>>,
    map: Option<std::collections::BTreeMap<String, String>>,
}

/// Runs the command.
pub(super) fn run(color: ColorChoice) -> Result<ExitCode> {
    let manifests = manifests()?;
    let mut rendering = render::plan(&manifests, Matching::Must, color)?;
    check_objects(&mut rendering)?;
    let edits = edits::find(&mut rendering, &manifests)?;
    let code = render::print_all(&mut rendering)?;
    edits::tell(edits, Told::Made)?;
    Ok(code)
}

/// What the folder and the parameters ask for.
fn manifests() -> Result<Manifests> {
    let given = env::var("ARGOCD_APP_PARAMETERS").unwrap_or_default();
    let words = words(&given, SPECS.into_iter().find(|spec| Path::new(spec).exists()))?;
    let root = repository();
    for word in &words {
        // Read before it is known what is in it.
        if let Some(spec) = word.strip_prefix("--spec=") {
            check_inside(spec, root.as_deref())?;
        }
    }
    let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let manifests = match args::parse(&words) {
        Ok((args::Command::Render(render), _)) => render.manifests,
        Ok(_) => return Err(Error::usage("the parameters make no sense together")),
        Err(args::Exit::Error(error, _)) => {
            return Err(match error.hint_text() {
                None if error.message().starts_with("no input") => {
                    error.hint(format!("name them under `inputs` in {}, or in the parameter `{FILES}`", SPECS[0]))
                }
                _ => error,
            });
        }
        Err(args::Exit::Clap(usage)) => {
            let text = usage.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return Err(Error::usage(first).hint("a parameter is the flag of `jobplate render` of the same name"));
        }
    };
    manifests.inputs.iter().try_for_each(|input| check_inside(input, root.as_deref()))?;
    Ok(manifests)
}

/// The command line of `render` that parameters ask for.
fn words(parameters: &str, spec: Option<&str>) -> Result<Vec<String>> {
    let parameters: Option<Vec<Parameter>> = match parameters {
        "" => None,
        text => serde_json::from_str(text)
            .map_err(|_| Error::usage("ARGOCD_APP_PARAMETERS is no list of parameters, as Argo CD makes it"))?,
    };
    let (mut words, mut files) = (vec!["jobplate".to_owned(), "render".to_owned()], Vec::new());
    words.extend(spec.map(|spec| format!("--spec={spec}")));
    for Parameter { name, string, array, map } in parameters.into_iter().flatten() {
        let wrong = |takes: &str| {
            Error::usage(format!("the parameter `{name}` is no {takes}"))
                .hint(format!("write it as `- {{name: {name}, {takes}: ...}}`"))
        };
        if name == FILES {
            files.extend(array.unwrap_or_default().into_iter().chain(string));
            continue;
        }
        let Some((_, takes)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
            let known = PARAMETERS.map(|(known, _)| known).join(", ");
            return Err(Error::usage("there is a parameter that jobplate does not know")
                .hint(format!("it knows {FILES}, {known}")));
        };
        match (takes, string, array, map) {
            (Takes::Boolean, Some(text), None, None) if text == "true" => words.push(format!("--{name}")),
            (Takes::Boolean, Some(text), None, None) if text == "false" || text.is_empty() => {}
            (Takes::Boolean, ..) => return Err(wrong("string").hint("it is \"true\" or \"false\"")),
            // An announced parameter that nobody filled in.
            (Takes::Text | Takes::Texts, Some(text), None, None) if text.is_empty() => {}
            (_, None, None, None) => {}
            (Takes::Text | Takes::Texts, Some(text), None, None) => words.push(format!("--{name}={text}")),
            (Takes::Texts, None, Some(texts), None) => {
                words.extend(texts.into_iter().map(|text| format!("--{name}={text}")));
            }
            (Takes::Pairs, None, None, Some(pairs)) => {
                words.extend(pairs.into_iter().map(|(key, value)| format!("--{name}={key}={value}")));
            }
            (Takes::Text, ..) => return Err(wrong("string")),
            (Takes::Texts, ..) => return Err(wrong("array")),
            (Takes::Pairs, ..) => return Err(wrong("map")),
        }
    }
    words.push("--".to_owned());
    words.extend(files);
    Ok(words)
}

/// The top of the repository that the application's folder is in: Argo CD copies it whole.
fn repository() -> Option<PathBuf> {
    let own = env::current_dir().ok()?.canonicalize().ok()?;
    let path = env::var_os("ARGOCD_APP_SOURCE_PATH").unwrap_or_default();
    let depth = Path::new(&path).components().filter(|part| matches!(part, std::path::Component::Normal(_))).count();
    let top = own.ancestors().nth(depth)?;
    (top.join(&path).canonicalize().ok()? == own).then(|| top.to_owned()).or(Some(own))
}

/// Refuses a file outside of the repository: the plugin's container is somebody else's.
fn check_inside(file: &str, root: Option<&Path>) -> Result<()> {
    let outside = || Error::usage("is outside of the application's repository").in_file(file);
    if file == super::input::STDIN {
        return Err(Error::usage("Argo CD gives a plugin no standard input").hint("name files"));
    }
    match Path::new(file).canonicalize() {
        // That it is not there is told when it is opened.
        Err(_) if !Path::new(file).is_absolute() && !file.split('/').any(|part| part == "..") => Ok(()),
        Ok(path) if root.is_some_and(|root| path.starts_with(root)) => Ok(()),
        _ => Err(outside()),
    }
}

/// Refuses documents that are no objects: Argo CD would quote them.
fn check_objects(rendering: &mut Rendering) -> Result<()> {
    let mut documents = rendering.documents(None);
    let mut tape = Tape::default();
    while let Some(Pair { input, line, after, .. }) = documents.next()? {
        let fault = match yaml::read(after, &mut tape) {
            Err(step_back) => Some((step_back.offset, "this can't be read as YAML")),
            Ok(_) => {
                let document = Document::new(after, &tape);
                let root = document.root();
                let objects = objects(document).unwrap_or_default();
                let is_one = !objects.is_empty() && objects.iter().all(|object| !object.kind.is_empty());
                // An empty List is one, too, and an empty document is nothing.
                let is_fine = is_one || root.is_null() || root.entries().any(|(key, _)| key.is("items"));
                (!is_fine).then(|| (root.span().start, "this is no object of Kubernetes"))
            }
        };
        if let Some((at, what)) = fault {
            let line = line + after[..at].matches('\n').count();
            // Without the line itself: what it is nobody knows, and so not whether there is a value in it.
            return Err(Error::input(format!("{what}, and Argo CD takes nothing else"))
                .in_file(format!("{input}, line {line}"))
                .hint("name only files with manifests"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(parameters: &str) -> Result<String, String> {
        words(parameters, None).map(|words| words[2..].join(" ")).map_err(|error| error.to_string())
    }

    #[test]
    fn parameters_are_flags() {
        for none in ["", "null", "[]"] {
            assert_eq!(asked(none), Ok("--".to_owned()));
        }
        let parameters = r#"[
            {"name": "secret", "map": {"B": "s/b", "A": "s/a"}}, {"name": "target", "array": ["job/x", "deployment"]},
            {"name": "api", "string": "http://x"}, {"name": "skip", "string": ""}, {"name": "files", "array": ["-x", "b"]}
        ]"#;
        assert!(asked(parameters).unwrap_err().contains("does not know"));
        assert_eq!(
            asked(&parameters.replace("skip", "unset")).unwrap(),
            "--secret=A=s/a --secret=B=s/b --target=job/x --target=deployment --api=http://x -- -x b"
        );
        assert_eq!(
            asked(r#"[{"name": "all-containers", "string": "true"}, {"name": "secret"}]"#).unwrap(),
            "--all-containers --"
        );
        for wrong in [
            r#"[{"name": "secret", "string": "A=s/a"}]"#,
            r#"[{"name": "api", "array": ["x"]}]"#,
            r#"[{"name": "all-containers", "string": "yes"}]"#,
            r#"[{"name": "report", "string": "/tmp/x"}]"#,
            "{}",
        ] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_parameter_is_a_flag_of_render() {
        let command = args::command("jobplate");
        let mut render = command.find_subcommand("render").unwrap().clone();
        render.build();
        for (name, _) in PARAMETERS {
            assert!(render.get_arguments().any(|arg| arg.get_long() == Some(name)), "{name}");
        }
    }
}
