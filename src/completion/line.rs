//! Parses an incomplete command line as far as completion needs it.

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(feature = "cluster")]
use jobplate_cluster::ClusterOptions;
use jobplate_manifest::select::Target;

#[cfg(feature = "cluster")]
use crate::shared::cluster_args::find_kubeconfig;
use crate::shared::flag_values;
use crate::shared::inputs::expand_home;

/// A command line that is being typed.
pub(crate) struct CommandLine {
    /// The words. The first is the program, the last is being completed.
    pub(crate) words: Vec<OsString>,
}

/// The inputs, targets and cluster flags of an incomplete command line.
#[derive(Default)]
pub(crate) struct LineContext {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) recursive: bool,
    pub(crate) specs: Vec<PathBuf>,
    pub(crate) targets: Vec<Target>,
    #[cfg(feature = "cluster")]
    pub(crate) namespace: Option<String>,
    /// The cluster flags.
    #[cfg(feature = "cluster")]
    pub(crate) cluster: Option<ClusterOptions>,
}

impl CommandLine {
    /// Parses the arguments of the bash script: the line up to the cursor, and the part of its last word that bash
    /// replaces. Also returns the number of bytes at the start of the last word that bash keeps. Returns `None` if the
    /// arguments or the line cannot be parsed.
    pub(crate) fn from_bash(args: &[OsString]) -> Option<(CommandLine, usize)> {
        let [line, fragment] = args else { return None };
        let (line, fragment) = (line.to_str()?, fragment.to_str()?);
        let mut words = shlex::split(line)?;
        if line.ends_with([' ', '\t']) {
            words.push(String::new());
        }
        let last = words.last()?;
        // After splitting at `=` or `:`, bash passes that character as the fragment.
        let fragment = fragment.trim_start_matches(['=', ':']);
        let kept_length = if last.ends_with(fragment) { last.len() - fragment.len() } else { 0 };
        Some((CommandLine { words: words.into_iter().map(OsString::from).collect() }, kept_length))
    }

    /// Parses the line and ignores errors, such as a flag without a value.
    pub(crate) fn parse(&self, command: &clap::Command) -> LineContext {
        let command = command.clone().ignore_errors(true);
        let Ok(matches) = command.try_get_matches_from(&self.words) else { return LineContext::default() };
        let Some((_, matches)) = matches.subcommand() else { return LineContext::default() };
        let last_word = self.words.last().and_then(|word| word.to_str()).unwrap_or_default();
        let values_of = |id: &str| -> Vec<String> {
            let values = matches.try_get_many::<String>(id).ok().flatten();
            values.into_iter().flatten().filter(|value| *value != last_word).cloned().collect()
        };
        let paths_of = |id: &str| -> Vec<PathBuf> {
            let paths = matches.try_get_many::<PathBuf>(id).ok().flatten().into_iter().flatten();
            let paths = paths.filter(|path| Some(path.as_os_str()) != self.words.last().map(OsString::as_os_str));
            paths.map(|path| expand_home(path)).collect()
        };
        let targets =
            values_of("target").iter().filter_map(|text| flag_values::parse_target("--target", text).ok()).collect();
        LineContext {
            inputs: [paths_of("inputs"), paths_of("filename")].concat(),
            recursive: matches.try_get_one::<bool>("recursive").ok().flatten().copied().unwrap_or_default(),
            specs: paths_of("spec"),
            targets,
            #[cfg(feature = "cluster")]
            namespace: values_of("namespace").pop(),
            #[cfg(feature = "cluster")]
            cluster: Some(ClusterOptions {
                kubeconfigs: find_kubeconfig(matches.try_get_one::<PathBuf>("kubeconfig").ok().flatten().cloned()),
                context: values_of("context").pop(),
                cluster: values_of("cluster").pop(),
                user: values_of("user").pop(),
                impersonate: values_of("impersonate").pop(),
                impersonate_groups: values_of("groups"),
                server: values_of("server").pop(),
                token: values_of("token").pop(),
                certificate_authority: matches.try_get_one::<PathBuf>("certificate_authority").ok().flatten().cloned(),
                tls_server_name: values_of("tls_server_name").pop(),
                insecure_skip_tls_verify: matches
                    .try_get_one::<bool>("insecure_skip_tls_verify")
                    .ok()
                    .flatten()
                    .copied()
                    .unwrap_or_default(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_arguments_of_the_bash_script() {
        let parse = |line: &str, fragment: &str| {
            let (line, kept_length) = CommandLine::from_bash(&[line.into(), fragment.into()])?;
            Some((line.words.last().unwrap().to_str().unwrap().to_owned(), kept_length))
        };
        assert_eq!(parse("jobplate render --env ", ""), Some((String::new(), 0)));
        assert_eq!(parse("jobplate render --secret-env A=", "="), Some(("A=".to_owned(), 2)));
        assert_eq!(parse("jobplate render --secret-env A=", ""), Some(("A=".to_owned(), 2)));
        assert_eq!(parse("jobplate render --secret-env A=db", "db"), Some(("A=db".to_owned(), 2)));
        assert_eq!(parse("jobplate render 'a b", "a b"), None);
    }

    fn parse(words: &[&str]) -> LineContext {
        CommandLine { words: words.iter().map(OsString::from).collect() }
            .parse(&crate::commands::command_line("jobplate"))
    }

    #[test]
    fn parses_an_incomplete_line() {
        let context = parse(&["jobplate", "render", "a.yaml", "-f", "b", "--target", "job/x", "--target", ""]);
        assert_eq!(context.inputs, ["a.yaml", "b"].map(PathBuf::from));
        assert_eq!(context.targets.len(), 1);
        assert_eq!(parse(&["jobplate", "render", "a.yaml", "--env"]).inputs, [PathBuf::from("a.yaml")]);
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn parses_cluster_flags_of_an_incomplete_line() {
        let context = parse(&["jobplate", "apply", "a.yaml", "--context=c", "-n", "x", "--user", ""]);
        assert_eq!(context.namespace.as_deref(), Some("x"));
        assert_eq!(context.cluster.unwrap().context.as_deref(), Some("c"));
    }
}
