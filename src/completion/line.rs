//! A command line that is being typed, and what of it counts for what may come next.

use std::ffi::OsString;
#[cfg(feature = "cluster")]
use std::path::PathBuf;

#[cfg(feature = "cluster")]
use jobplate_cluster::ClusterOptions;
use jobplate_manifest::select::Target;

#[cfg(feature = "cluster")]
use crate::shared::cluster_args::find_kubeconfig;
use crate::shared::flag_values;

/// A line.
pub(crate) struct Line {
    /// Its words: the program first, the one to complete last.
    pub(crate) words: Vec<OsString>,
}

/// What is said on the line so far.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) inputs: Vec<String>,
    pub(crate) recursive: bool,
    pub(crate) specs: Vec<String>,
    pub(crate) targets: Vec<Target>,
    #[cfg(feature = "cluster")]
    pub(crate) namespace: Option<String>,
    /// Which cluster, and as whom.
    #[cfg(feature = "cluster")]
    pub(crate) cluster: Option<ClusterOptions>,
}

impl Line {
    /// From what the script for bash sends: the line up to the cursor, and the part of its last word that bash
    /// replaces. Also gives how many bytes of that word it does not.
    pub(crate) fn of_bash(sent: &[OsString]) -> Option<(Line, usize)> {
        let [line, fragment] = sent else { return None };
        let (line, fragment) = (line.to_str()?, fragment.to_str()?);
        let mut words = shlex::split(line)?;
        if line.ends_with([' ', '\t']) {
            words.push(String::new());
        }
        let last = words.last()?;
        // Where it cuts, bash hands over the character itself.
        let fragment = fragment.trim_start_matches(['=', ':']);
        let kept = if last.ends_with(fragment) { last.len() - fragment.len() } else { 0 };
        Some((Line { words: words.into_iter().map(OsString::from).collect() }, kept))
    }

    /// Reads what is there, however incomplete the line is.
    pub(crate) fn said(&self, command: &clap::Command) -> Said {
        let command = command.clone().ignore_errors(true);
        let Ok(matches) = command.try_get_matches_from(&self.words) else { return Said::default() };
        let Some((_, matches)) = matches.subcommand() else { return Said::default() };
        let being_typed = self.words.last().and_then(|word| word.to_str()).unwrap_or_default();
        let all = |id: &str| -> Vec<String> {
            let values = matches.try_get_many::<String>(id).ok().flatten();
            values.into_iter().flatten().filter(|value| *value != being_typed).cloned().collect()
        };
        // The shell has not been asked yet what `~` is.
        let home = std::env::var("HOME").unwrap_or_default();
        let paths = |id: &str| -> Vec<String> {
            let expand = |path: String| path.strip_prefix("~/").map(|rest| format!("{home}/{rest}")).unwrap_or(path);
            all(id).into_iter().map(expand).collect()
        };
        let targets =
            all("target").iter().filter_map(|text| flag_values::parse_target("--target", text).ok()).collect();
        Said {
            inputs: [paths("inputs"), paths("filename")].concat(),
            recursive: matches.try_get_one::<bool>("recursive").ok().flatten().copied().unwrap_or_default(),
            specs: paths("spec"),
            targets,
            #[cfg(feature = "cluster")]
            namespace: all("namespace").pop(),
            #[cfg(feature = "cluster")]
            cluster: Some(ClusterOptions {
                kubeconfigs: find_kubeconfig(matches.try_get_one::<PathBuf>("kubeconfig").ok().flatten().cloned()),
                context: all("context").pop(),
                cluster: all("cluster").pop(),
                user: all("user").pop(),
                impersonate: all("impersonate").pop(),
                impersonate_groups: all("groups"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bash_sends() {
        let sent = |line: &str, fragment: &str| {
            let (line, kept) = Line::of_bash(&[line.into(), fragment.into()])?;
            Some((line.words.last().unwrap().to_str().unwrap().to_owned(), kept))
        };
        assert_eq!(sent("jobplate render --env ", ""), Some((String::new(), 0)));
        assert_eq!(sent("jobplate render --secret-env A=", "="), Some(("A=".to_owned(), 2)));
        assert_eq!(sent("jobplate render --secret-env A=", ""), Some(("A=".to_owned(), 2)));
        assert_eq!(sent("jobplate render --secret-env A=db", "db"), Some(("A=db".to_owned(), 2)));
        assert_eq!(sent("jobplate render 'a b", "a b"), None);
    }

    fn said(words: &[&str]) -> Said {
        Line { words: words.iter().map(OsString::from).collect() }.said(&crate::commands::command_line("jobplate"))
    }

    #[test]
    fn an_unfinished_line_is_read() {
        let said_so_far = said(&["jobplate", "render", "a.yaml", "-f", "b", "--target", "job/x", "--target", ""]);
        assert_eq!(said_so_far.inputs, ["a.yaml", "b"]);
        assert_eq!(said_so_far.targets.len(), 1);
        assert_eq!(said(&["jobplate", "render", "a.yaml", "--env"]).inputs, ["a.yaml"]);
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn the_cluster_of_an_unfinished_line() {
        let said = said(&["jobplate", "apply", "a.yaml", "--context=c", "-n", "x", "--user", ""]);
        assert_eq!(said.namespace.as_deref(), Some("x"));
        assert_eq!(said.cluster.unwrap().context.as_deref(), Some("c"));
    }
}
