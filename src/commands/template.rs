//! `jobplate template`: prints the manifests in `templates/` as a starting point.

use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use jobplate_diagnostic::{Error, Result, suggest};

use super::definition::Command;
use crate::ui::Ui;

/// The built-in templates: name, description, content.
const TEMPLATES: [(&str, &str, &str); 4] = [
    (
        "job",
        "the Job that a Prefect 1 agent makes for each flow run",
        include_str!("../../templates/job_template.yaml"),
    ),
    ("cronjob", "a CronJob that runs a Prefect 1 flow without an agent", include_str!("../../templates/cronjob.yaml")),
    ("agent", "a Prefect 1 agent with all that it needs", include_str!("../../templates/agent.yaml")),
    (
        "base-job-template",
        "the base job template of a Prefect 3 work pool, with references to Secrets",
        include_str!("../../templates/base_job_template.json"),
    ),
];

/// Returns the templates as completion candidates.
fn template_candidates() -> Vec<CompletionCandidate> {
    TEMPLATES.iter().map(|(name, about, _)| CompletionCandidate::new(*name).help(Some((*about).into()))).collect()
}

#[derive(Args)]
pub(crate) struct TemplateArgs {
    /// Name of the template; if omitted, the templates are listed
    #[arg(add = ArgValueCandidates::new(template_candidates))]
    name: Option<String>,
}

impl Command for TemplateArgs {
    const NAME: &'static str = "template";
    const ABOUT: &'static str = "Print a built-in template to start from: job, cronjob, agent, base-job-template";

    /// Prints a template, or the list of templates without a name.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        match self.name {
            None => {
                let lines = TEMPLATES.iter().map(|(name, about, _)| format!("{name:18} {about}\n"));
                ui.print_text(&lines.collect::<String>())
            }
            Some(name) => ui.print_text(find_template(&name)?),
        }
    }
}

fn find_template(name: &str) -> Result<&'static str> {
    if let Some((_, _, text)) = TEMPLATES.iter().find(|(known, ..)| *known == name) {
        return Ok(text);
    }
    let names = TEMPLATES.map(|(known, ..)| known);
    let error = Error::usage(format!("unknown template `{name}`; choose one of {}", names.join(", ")));
    Err(match suggest::did_you_mean(name, names) {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_template_or_suggests_a_name() {
        for (name, _, text) in TEMPLATES {
            assert_eq!(find_template(name).unwrap(), text);
        }
        let error = find_template("jbo").unwrap_err();
        assert_eq!(error.hint_message(), Some(&"did you mean `job`?".into()));
        assert!(find_template("x").unwrap_err().hint_message().is_none());
    }
}
