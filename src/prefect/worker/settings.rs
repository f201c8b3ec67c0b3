//! Stub until the table lands.
use crate::error::Result;
use crate::python::environ::{Environ, Known};
use crate::python::heap::Place;

/// A variable that a worker exports to its flow runs.
#[derive(Debug)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Known,
    /// Where it is written.
    pub place: Option<Place>,
}

/// What a worker hands on.
pub fn export(environ: &Environ) -> Result<Vec<Exported>> {
    let mut out: Vec<Exported> = environ
        .0
        .iter()
        .filter(|v| v.name.starts_with("PREFECT_") && !v.name.starts_with("PREFECT_INTEGRATIONS_"))
        .map(|v| Exported { name: v.name.clone(), value: v.value.clone(), place: v.place.clone() })
        .collect();
    out.push(Exported {
        name: "PREFECT_SERVER_EPHEMERAL_ENABLED".into(),
        value: Known::Text("True".into()),
        place: None,
    });
    Ok(out)
}
