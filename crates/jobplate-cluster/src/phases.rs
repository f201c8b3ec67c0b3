//! The order of an apply: which objects are tried or sent, and after which others.

use crate::inventory::{Entry, Turn};

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A dry run on the server.
    DryRun,
    /// The real thing.
    Apply,
}

/// A step of an apply. All of its objects have ended before the next one begins.
#[derive(Debug)]
pub(crate) struct Phase {
    /// What is done.
    pub mode: Mode,
    /// The objects of these turns, both ends included.
    turns: (Turn, Turn),
}

/// All phases, in their order.
///
/// A later dry run can know that it needs something that an earlier phase found missing.
pub(crate) const PHASES: [Phase; 7] = [
    Phase { mode: Mode::DryRun, turns: (Turn::First, Turn::First) },
    Phase { mode: Mode::DryRun, turns: (Turn::Early, Turn::Early) },
    Phase { mode: Mode::DryRun, turns: (Turn::Middle, Turn::Last) },
    Phase { mode: Mode::Apply, turns: (Turn::First, Turn::First) },
    Phase { mode: Mode::Apply, turns: (Turn::Early, Turn::Early) },
    Phase { mode: Mode::Apply, turns: (Turn::Middle, Turn::Middle) },
    Phase { mode: Mode::Apply, turns: (Turn::Last, Turn::Last) },
];

impl Phase {
    /// Returns the first turn whose objects it has.
    pub(crate) fn first_turn(&self) -> Turn {
        self.turns.0
    }

    /// Whether an object is part of it.
    pub(crate) fn includes(&self, entry: &Entry) -> bool {
        let (first, last) = self.turns;
        (first..=last).contains(&entry.turn) && !(self.mode == Mode::DryRun && entry.untriable)
    }
}
