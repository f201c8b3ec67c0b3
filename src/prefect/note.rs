//! Remarks on a preview.

use crate::python::heap::Place;

/// One remark, and what it is about.
#[derive(Debug)]
pub struct Note {
    /// One sentence.
    pub text: String,
    /// Where it is written.
    pub place: Option<Place>,
}
