//! The answer to a case: a Job or a failure. Compares two answers.

use crate::json::Json;

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Job(Json),
    /// The error, in the words of the program that failed.
    Failure(String),
    /// Only from jobplate: Prefect may accept the case, but jobplate does not support it.
    Refused(String),
    /// An answer that is never right: half a Job, or an error that does not help.
    Wrong(String),
}

impl Answer {
    /// Returns how another answer differs from this one, which is Prefect's, or `None` if it does not. Two failures
    /// do not differ, and neither does a refusal of ours: the caller counts those.
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
