//! The fields of Kubernetes' workloads, ConfigMaps and Secrets, and the types of their values.
//!
//! The data is in `fields.txt`. `cargo xtask schema` writes that file from Kubernetes' OpenAPI specification, and
//! `cargo xtask test` fails if it is outdated.
//!
//! ```
//! use jobplate_manifest::schema::{FieldType, ValueType, kind};
//!
//! let job = kind("batch/v1", "Job").expect("a known kind");
//! assert!(matches!(job.field("spec"), Some(FieldType::Value(ValueType::Object(spec))) if spec.name() == "JobSpec"));
//! ```

use std::sync::LazyLock;

/// The types with their fields, after a line with the version of Kubernetes.
const FIELDS: &str = include_str!("fields.txt");

/// The types with their fields, parsed on first use.
static TYPES: LazyLock<Vec<TypeFields>> = LazyLock::new(|| parse(FIELDS));

/// A type whose values are mappings with known fields, such as `Container`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectType {
    /// The position in [`TYPES`].
    index: usize,
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// One value.
    Value(ValueType),
    /// A list of values.
    List(ValueType),
    /// A mapping with arbitrary keys.
    Map(ValueType),
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A value of any type.
    Any,
    /// A string.
    String,
    /// A string in base64.
    Bytes,
    /// A boolean.
    Boolean,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// An integer or a string.
    IntOrString,
    /// A quantity: a number or a string.
    Quantity,
    /// A mapping with known fields.
    Object(ObjectType),
}

/// The name and the fields of a type.
struct TypeFields {
    name: &'static str,
    /// The `apiVersion` of a kind, or `""` for other types.
    api_version: &'static str,
    /// The fields, in the order of their names.
    fields: Vec<(&'static str, FieldType)>,
}

/// Returns the version of Kubernetes whose fields are known, such as `1.37.2`.
pub fn kubernetes_version() -> &'static str {
    let line = FIELDS.lines().next().unwrap_or_default();
    line.split(" v").nth(1).and_then(|rest| rest.split(". ").next()).unwrap_or_default()
}

/// Returns the type of the objects of a kind, or `None` if the fields of the kind are not known.
pub fn kind(api_version: &str, kind: &str) -> Option<ObjectType> {
    named(kind).filter(|found| !api_version.is_empty() && found.data().api_version == api_version)
}

/// Returns the type with a name such as `EnvVar`, or `None` if the name is unknown.
pub fn named(name: &str) -> Option<ObjectType> {
    TYPES.binary_search_by_key(&name, |known| known.name).ok().map(|index| ObjectType { index })
}

impl ObjectType {
    fn data(self) -> &'static TypeFields {
        &TYPES[self.index]
    }

    /// Returns the name in Kubernetes' API, such as `EnvVar`.
    pub fn name(self) -> &'static str {
        self.data().name
    }

    /// Returns the `apiVersion` of a kind such as `Job`, or `""` for other types.
    pub fn api_version(self) -> &'static str {
        self.data().api_version
    }

    /// Returns the type of a field, or `None` if there is no such field. Names are case-sensitive.
    pub fn field(self, name: &str) -> Option<FieldType> {
        self.field_entry(name).map(|(_, field_type)| field_type)
    }

    /// Returns the name and the type of a field, like [`ObjectType::field`].
    pub fn field_entry(self, name: &str) -> Option<(&'static str, FieldType)> {
        // Most names differ in length, which is compared first. A binary search compares the bytes of more names.
        self.data().fields.iter().find(|(field, _)| *field == name).copied()
    }

    /// Returns the fields with their types, in the order of their names.
    pub fn fields(self) -> impl Iterator<Item = (&'static str, FieldType)> {
        self.data().fields.iter().copied()
    }
}

impl FieldType {
    /// Returns the type of the value, of each item or of each value of the mapping.
    pub fn value_type(self) -> ValueType {
        match self {
            FieldType::Value(inner) | FieldType::List(inner) | FieldType::Map(inner) => inner,
        }
    }
}

/// Parses the types, which are in the order of their names.
fn parse(text: &'static str) -> Vec<TypeFields> {
    let lines = || text.lines().filter(|line| !line.starts_with('#'));
    let first_words = lines().filter(|line| !line.starts_with(' ')).map(|line| line.split(' ').next().unwrap_or(line));
    let names: Vec<&str> = first_words.collect();
    let mut types: Vec<TypeFields> = Vec::with_capacity(names.len());
    for line in lines() {
        match line.strip_prefix("  ").map(|field| field.split_once(' ').expect("a field and its type")) {
            Some((field, field_type)) => {
                let current = types.last_mut().expect("a type before the field");
                current.fields.push((field, parse_field_type(field_type, &names)));
            }
            None => {
                let (name, api_version) = line.split_once(' ').unwrap_or((line, ""));
                types.push(TypeFields { name, api_version, fields: Vec::new() });
            }
        }
    }
    types
}

fn parse_field_type(text: &str, names: &[&str]) -> FieldType {
    let inside = |open, close| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    match (inside('[', ']'), inside('{', '}')) {
        (Some(item), _) => FieldType::List(parse_value_type(item, names)),
        (_, Some(value)) => FieldType::Map(parse_value_type(value, names)),
        _ => FieldType::Value(parse_value_type(text, names)),
    }
}

fn parse_value_type(text: &str, names: &[&str]) -> ValueType {
    match text {
        "any" => ValueType::Any,
        "string" => ValueType::String,
        "bytes" => ValueType::Bytes,
        "boolean" => ValueType::Boolean,
        "int32" => ValueType::Int32,
        "int64" => ValueType::Int64,
        "int-or-string" => ValueType::IntOrString,
        "quantity" => ValueType::Quantity,
        name => ValueType::Object(ObjectType { index: names.binary_search(&name).expect("a type of the file") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_types_and_fields() {
        let cron_job = kind("batch/v1", "CronJob").unwrap();
        assert_eq!((cron_job.name(), cron_job.api_version()), ("CronJob", "batch/v1"));
        assert_eq!([kind("batch/v1beta1", "CronJob"), kind("", "Job"), kind("", "EnvVar")], [None; 3]);
        let container = named("Container").unwrap();
        assert_eq!(container.field("env"), Some(FieldType::List(ValueType::Object(named("EnvVar").unwrap()))));
        assert_eq!(container.field("tty"), Some(FieldType::Value(ValueType::Boolean)));
        assert_eq!([container.field("TTY"), container.field("")], [None; 2]);
        assert_eq!(named("Secret").unwrap().field("data"), Some(FieldType::Map(ValueType::Bytes)));
    }

    #[test]
    fn names_are_in_order() {
        assert!(TYPES.len() > 150 && TYPES.is_sorted_by_key(|one| one.name));
        assert!(TYPES.iter().all(|one| !one.fields.is_empty() && one.fields.is_sorted_by_key(|(name, _)| *name)));
    }
}
