//! One env var or `envFrom` source as a container has it, apart from any text.

/// The keys below `valueFrom`: the sources that a value can come from, as of Kubernetes 1.37.
pub const VALUE_FROM_SOURCES: [&str; 5] =
    ["secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"];

/// Those of them that name a key of an object, with the object's kind.
pub const KEY_SOURCES: [(&str, &str); 2] = [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")];

/// The keys of an `envFrom` source, with the kind of the object it names.
pub const ENV_FROM_SOURCES: [(&str, &str); 2] = [("secretRef", "Secret"), ("configMapRef", "ConfigMap")];

/// Describes a `valueFrom` in words, such as `Secret gh, key token`.
///
/// `source` finds the mapping under a key of the `valueFrom`, and `text` the string under a key of that mapping.
pub fn describe_source<T: Copy>(
    source: impl Fn(&str) -> Option<T>,
    text: impl Fn(T, &str) -> Option<String>,
) -> String {
    let text = |of, key| text(of, key).unwrap_or_else(|| "?".to_owned());
    for (key, kind) in KEY_SOURCES {
        if let Some(of) = source(key) {
            return format!("{kind} {}, key {}", text(of, "name"), text(of, "key"));
        }
    }
    for (key, field, word) in [("fieldRef", "fieldPath", "field"), ("resourceFieldRef", "resource", "resource")] {
        if let Some(of) = source(key) {
            return format!("{word} {}", text(of, field));
        }
    }
    "a reference".to_owned()
}

/// Which key of which Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// `name` of the Secret or ConfigMap.
    pub name: String,
    /// The key in its data.
    pub key: String,
    /// `optional: true`: the pod starts without it.
    pub optional: bool,
}

/// What an env var is set to: a literal, or where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// `value`
    Literal(String),
    /// `valueFrom.secretKeyRef`
    SecretKey(KeyRef),
    /// `valueFrom.configMapKeyRef`
    ConfigMapKey(KeyRef),
    /// `valueFrom.fieldRef.fieldPath`
    Field(String),
}

/// An entry of `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its `name`.
    pub name: String,
    /// Its `value` or `valueFrom`.
    pub value: EnvValue,
}

/// The kind of object an `envFrom` source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvFromKind {
    /// `secretRef`
    Secret,
    /// `configMapRef`
    ConfigMap,
}

/// An entry of `envFrom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFrom {
    /// Put before each key of the source; empty for none.
    pub prefix: String,
    /// Secret or ConfigMap.
    pub kind: EnvFromKind,
    /// Its `name`.
    pub name: String,
    /// `optional: true`: the pod starts without it.
    pub optional: bool,
}

/// A part of a value, as Kubernetes reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'v> {
    /// What stays as it is.
    Text(&'v str),
    /// `$$`, which is one dollar and begins no name.
    EscapedDollar,
    /// The name in `$(NAME)`.
    Reference(&'v str),
}

/// The parts of a value, in their order.
pub fn segments(value: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let dollar = rest.find('$').unwrap_or(rest.len());
        let (part, behind) = if dollar > 0 {
            (Segment::Text(&rest[..dollar]), &rest[dollar..])
        } else if let Some(behind) = rest.strip_prefix("$$") {
            (Segment::EscapedDollar, behind)
        } else if let Some((name, behind)) = rest.strip_prefix("$(").and_then(|rest| rest.split_once(')')) {
            (Segment::Reference(name), behind)
        } else {
            let (alone, behind) = rest.split_at_checked(1)?;
            (Segment::Text(alone), behind)
        };
        rest = behind;
        Some(part)
    })
}

/// The names that stand in `$(NAME)` in a value.
pub fn referenced_names(value: &str) -> impl Iterator<Item = &str> {
    segments(value).filter_map(|part| if let Segment::Reference(name) = part { Some(name) } else { None })
}

/// Whether Kubernetes expands `$(name)` in a value.
pub fn references(value: &str, name: &str) -> bool {
    referenced_names(value).any(|used| used == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_value() {
        let found: Vec<Segment<'_>> = segments("a$$$(A)$b$(C").collect();
        let text = Segment::Text;
        assert_eq!(
            found,
            [text("a"), Segment::EscapedDollar, Segment::Reference("A"), text("$"), text("b"), text("$"), text("(C")]
        );
        assert_eq!(segments("").next(), None);
    }

    #[test]
    fn expansion_as_kubernetes_does_it() {
        for (value, expands) in [
            ("$(A)", true),
            ("x$(A)y", true),
            ("$$(A)", false),
            ("$$$(A)", true),
            ("$(B)$(A)", true),
            ("$(AB)", false),
            ("$A", false),
            ("$(A", false),
            ("$", false),
        ] {
            assert_eq!(references(value, "A"), expands, "{value}");
        }
    }
}
