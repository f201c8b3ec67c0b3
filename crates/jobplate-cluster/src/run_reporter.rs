//! Reports the rows and failures of a run: each row once, and only the first of many failures with the same cause in
//! full.

use std::collections::{HashMap, HashSet, VecDeque};

use jobplate_diagnostic::{Error, ErrorKind};

use crate::events::EventHandler;
use crate::report::ReportRow;

/// The maximum number of failures with the same cause that are reported in full.
const MAX_EQUAL_FAILURES: usize = 3;

/// Reports the rows and failures of a run.
pub(crate) struct RunReporter<'e> {
    events: &'e dyn EventHandler,
    /// The indexes of the rows that were reported.
    reported_rows: HashSet<usize>,
    /// The causes of the failures so far, in order.
    causes: Vec<FailureCause>,
    /// The positions in `causes`, by the first message with a placeholder for the name of the object.
    cause_positions: HashMap<String, usize>,
    /// The message of the last failure, or `None` if the failure has a location in the input. Consecutive failures with
    /// an equal message, such as a lost connection, are reported once.
    last_unlocated_message: Option<String>,
}

/// A cause that one or more objects have in common.
struct FailureCause {
    first_object: String,
    kind: ErrorKind,
    count: usize,
}

/// The objects of a phase whose rows are not reported yet, in input order.
#[derive(Default)]
pub(crate) struct RowQueue {
    indexes: VecDeque<usize>,
    finished: HashSet<usize>,
}

impl RowQueue {
    /// Adds an object that was sent.
    pub(crate) fn push(&mut self, index: usize) {
        self.indexes.push_back(index);
    }

    /// Marks an object as finished, and returns the objects that can be reported: those that have finished, up to the
    /// first one that has not. So the order of the report does not depend on the order of the responses.
    pub(crate) fn finish(&mut self, index: usize) -> Vec<usize> {
        self.finished.insert(index);
        let mut ready = Vec::new();
        while let Some(first) = self.indexes.front().copied().filter(|first| self.finished.contains(first)) {
            self.indexes.pop_front();
            ready.push(first);
        }
        ready
    }
}

impl<'e> RunReporter<'e> {
    pub(crate) fn new(events: &'e dyn EventHandler) -> Self {
        RunReporter {
            events,
            reported_rows: HashSet::new(),
            causes: Vec::new(),
            cause_positions: HashMap::new(),
            last_unlocated_message: None,
        }
    }

    /// Reports the row of an object, unless it was reported before.
    pub(crate) fn report_row(&mut self, index: usize, row: &ReportRow) {
        if self.reported_rows.insert(index) {
            self.events.on_finished(row);
        }
    }

    /// Reports the failure of an object. Counts it instead if enough failures with the same cause were reported.
    pub(crate) fn report_failure(&mut self, row: &ReportRow, error: &Error) {
        // If the connection fails, all pending requests fail with an equal message, so report the message only once.
        let unlocated_message = error.location().is_none().then(|| error.message().to_owned());
        let is_repeated = unlocated_message.is_some() && self.last_unlocated_message == unlocated_message;
        self.last_unlocated_message = unlocated_message;
        if is_repeated {
            return;
        }
        let name = row.qualified_name();
        let key = error.message().replace(&name, "{object}");
        let position = *self.cause_positions.entry(key).or_insert(self.causes.len());
        if position == self.causes.len() {
            self.causes.push(FailureCause { first_object: name, kind: error.kind(), count: 0 });
        }
        self.causes[position].count += 1;
        if self.causes[position].count <= MAX_EQUAL_FAILURES {
            self.events.on_failure(error);
        }
    }

    /// Reports how many failures were not reported in full.
    pub(crate) fn report_equal_failures(&self) {
        for FailureCause { first_object, kind, count } in &self.causes {
            if let Some(more) = count.checked_sub(MAX_EQUAL_FAILURES).filter(|more| *more > 0) {
                let objects = if more == 1 { "object has" } else { "objects have" };
                let text = format!("{more} more {objects} the same error as {first_object}");
                self.events.on_failure(&Error::new(*kind, text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_rows_in_input_order() {
        let mut queue = RowQueue::default();
        (0..4).for_each(|index| queue.push(index));
        assert!(queue.finish(1).is_empty());
        assert_eq!(queue.finish(0), [0, 1]);
        assert!(queue.finish(3).is_empty());
        assert_eq!(queue.finish(2), [2, 3]);
    }
}
