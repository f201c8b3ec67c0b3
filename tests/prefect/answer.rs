//! What comes of a case: a Job, or a failure; and whether two answers are the same.

use crate::json::Json;

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Job(Json),
    /// In the words of whoever fails.
    Fails(String),
    /// Our own alone: what Prefect may take, but is not followed.
    Refused(String),
    /// What no answer may be: half a Job, a failure that helps nobody.
    Wrong(String),
}

impl Answer {
    /// How another answer differs from this one, that of Prefect; none where it does not. That both fail is enough,
    /// and so is that ours says it does not know: who asks looks at how often it does.
    pub(crate) fn difference(&self, other: &Answer) -> Option<String> {
        match (self, other) {
            (Answer::Job(own), Answer::Job(other)) => own.difference(other),
            (Answer::Fails(_), Answer::Fails(_)) | (Answer::Job(_) | Answer::Fails(_), Answer::Refused(_)) => None,
            (Answer::Refused(_), _) => Some(": Prefect refuses nothing".to_owned()),
            (Answer::Wrong(what), _) | (_, Answer::Wrong(what)) => Some(format!(": {what}")),
            (Answer::Fails(why), Answer::Job(_)) => Some(format!(": Prefect fails ({why})")),
            (Answer::Job(_), Answer::Fails(why)) => Some(format!(": Prefect makes a Job, this fails:\n{why}")),
        }
    }

    pub(crate) fn print(&self) -> String {
        match self {
            Answer::Job(job) => job.print(),
            Answer::Fails(why) | Answer::Refused(why) => format!("fails: {why}"),
            Answer::Wrong(what) => what.clone(),
        }
    }
}
