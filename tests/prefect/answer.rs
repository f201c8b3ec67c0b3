//! Answers to cases: a Job or a failure. Compares two answers.

use crate::json::Json;

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Job(Json),
    /// The error message of the program that failed.
    Failure(String),
    /// A refusal by jobplate: Prefect may accept the case, but jobplate does not support it.
    Refused(String),
    /// An answer that is always wrong: incomplete output, or an error that does not help the user.
    Wrong(String),
}

impl Answer {
    /// Compares Prefect's answer (`self`) with jobplate's answer. Returns a description of the difference, or `None`
    /// if the answers are equal. Two failures are equal. A refusal by jobplate is not a difference: the caller counts
    /// refusals.
    pub(crate) fn difference(&self, other: &Answer) -> Option<String> {
        match (self, other) {
            (Answer::Job(own), Answer::Job(other)) => own.difference(other),
            (Answer::Failure(_), Answer::Failure(_)) | (Answer::Job(_) | Answer::Failure(_), Answer::Refused(_)) => {
                None
            }
            (Answer::Refused(_), _) => Some(": Prefect refuses nothing".to_owned()),
            (Answer::Wrong(problem), _) | (_, Answer::Wrong(problem)) => Some(format!(": {problem}")),
            (Answer::Failure(error), Answer::Job(_)) => Some(format!(": Prefect fails ({error})")),
            (Answer::Job(_), Answer::Failure(error)) => Some(format!(": Prefect makes a Job, this fails:\n{error}")),
        }
    }

    pub(crate) fn to_text(&self) -> String {
        match self {
            Answer::Job(job) => job.to_text(),
            Answer::Failure(error) | Answer::Refused(error) => format!("fails: {error}"),
            Answer::Wrong(problem) => problem.clone(),
        }
    }
}
