//! `jobplate template`: manifests to start from, as they stand in `templates/`.

use std::io::Write;

use jobplate_diagnostic::{Error, Result, suggest};

use crate::render::write_error;

/// Name, what it is, text.
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

/// The templates: their names, and what they are.
pub(crate) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    TEMPLATES.iter().map(|(name, about, _)| (*name, *about))
}

/// Prints a template, or the list of them.
pub(crate) fn run(name: Option<&str>, out: &mut dyn Write) -> Result<()> {
    let text = match name {
        None => list().map(|(name, about)| format!("{name:17} {about}\n")).collect(),
        Some(name) => find(name)?.to_owned(),
    };
    out.write_all(text.as_bytes()).map_err(|error| write_error(&error))
}

fn find(name: &str) -> Result<&'static str> {
    if let Some((_, _, text)) = TEMPLATES.iter().find(|(known, ..)| *known == name) {
        return Ok(text);
    }
    let names = TEMPLATES.map(|(known, ..)| known);
    let error = Error::usage(format!("no template `{name}`; there are {}", names.join(", ")));
    Err(match suggest::hint(name, names) {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_by_name() {
        for (name, _, text) in TEMPLATES {
            let mut out = Vec::new();
            run(Some(name), &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        let error = run(Some("jbo"), &mut Vec::new()).unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean `job`?"));
        assert!(run(Some("x"), &mut Vec::new()).unwrap_err().hint_text().is_none());
    }
}
