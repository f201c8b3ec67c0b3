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
            (Answer::Wrong(what), _) | (_, Answer::Wrong(what)) => Some(format!(": {what}")),
            (Answer::Failure(why), Answer::Job(_)) => Some(format!(": Prefect fails ({why})")),
            (Answer::Job(_), Answer::Failure(why)) => Some(format!(": Prefect makes a Job, this fails:\n{why}")),
        }
    }

    pub(crate) fn print(&self) -> String {
        match self {
            Answer::Job(job) => job.print(),
            Answer::Failure(why) | Answer::Refused(why) => format!("fails: {why}"),
            Answer::Wrong(what) => what.clone(),
        }
    }
}
