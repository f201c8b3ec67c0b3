//! Entries of `env` and `envFrom`, and the references in their values.

/// The keys of `valueFrom` in Kubernetes 1.37.
pub const VALUE_FROM_SOURCES: [&str; 5] =
    ["secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"];

/// The keys of `valueFrom` that refer to a key of an object, with the kind of the object.
pub const KEY_SOURCES: [(&str, &str); 2] = [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")];

/// The keys of an `envFrom` entry that refer to an object, with the kind of the object.
pub const ENV_FROM_SOURCES: [(&str, &str); 2] = [("secretRef", "Secret"), ("configMapRef", "ConfigMap")];

/// Describes a `valueFrom` in words, such as `Secret gh, key token`.
///
/// `get_source` returns the mapping under a key of the `valueFrom`, and `get_text` returns the string under a key of
/// that mapping.
pub fn describe_source<T: Copy>(
    get_source: impl Fn(&str) -> Option<T>,
    get_text: impl Fn(T, &str) -> Option<String>,
) -> String {
    let text_or_placeholder = |source, key| get_text(source, key).unwrap_or_else(|| "?".to_owned());
    for (key, kind) in KEY_SOURCES {
        if let Some(source) = get_source(key) {
            return format!(
                "{kind} {}, key {}",
                text_or_placeholder(source, "name"),
                text_or_placeholder(source, "key")
            );
        }
    }
    for (key, field, word) in [("fieldRef", "fieldPath", "field"), ("resourceFieldRef", "resource", "resource")] {
        if let Some(source) = get_source(key) {
            return format!("{word} {}", text_or_placeholder(source, field));
        }
    }
    "a reference".to_owned()
}

/// A reference to a key of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// The name of the Secret or ConfigMap.
    pub name: String,
    /// The key in the data.
    pub key: String,
    /// Whether the pod starts without the object or key (`optional: true`).
    pub optional: bool,
}

/// The value of an environment variable, or its source.
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
    /// The name of the variable.
    pub name: String,
    /// `value` or `valueFrom`.
    pub value: EnvValue,
}

/// The kind of object that an `envFrom` source refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnvFromKind {
    /// `secretRef`
    Secret,
    /// `configMapRef`
    ConfigMap,
}

/// An entry of `envFrom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFrom {
    /// The prefix of each variable, or `""`.
    pub prefix: String,
    /// The kind of the object.
    pub kind: EnvFromKind,
    /// The name of the object.
    pub name: String,
    /// Whether the pod starts without the object (`optional: true`).
    pub optional: bool,
}

/// A segment of a value, for the expansion of references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'v> {
    /// Literal text.
    Text(&'v str),
    /// `$$`, which expands to one dollar sign.
    EscapedDollar,
    /// The name in a reference `$(NAME)`.
    Reference(&'v str),
}

/// Splits a value into its segments.
pub fn segments(value: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = value;
    // The last `)` is searched for once. A search after each `$(` takes quadratic time.
    let last_close = value.rfind(')').map_or(usize::MAX, |at| value.len() - at);
    std::iter::from_fn(move || {
        let dollar = rest.find('$').unwrap_or(rest.len());
        let (segment, after) = if dollar > 0 {
            (Segment::Text(&rest[..dollar]), &rest[dollar..])
        } else if let Some(after) = rest.strip_prefix("$$") {
            (Segment::EscapedDollar, after)
        } else if rest.len() >= last_close
            && let Some((name, after)) = rest.strip_prefix("$(").and_then(|rest| rest.split_once(')'))
        {
            (Segment::Reference(name), after)
        } else {
            let (dollar, after) = rest.split_at_checked(1)?;
            (Segment::Text(dollar), after)
        };
        rest = after;
        Some(segment)
    })
}

/// Returns the names of the references `$(NAME)` in a value.
pub fn referenced_names(value: &str) -> impl Iterator<Item = &str> {
    segments(value).filter_map(|segment| if let Segment::Reference(name) = segment { Some(name) } else { None })
}

/// Returns whether Kubernetes expands `$(name)` in a value.
pub fn references(value: &str, name: &str) -> bool {
    referenced_names(value).any(|used| used == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_value_into_segments() {
        let found: Vec<Segment<'_>> = segments("a$$$(A)$b$(C").collect();
        let text = Segment::Text;
        assert_eq!(
            found,
            [text("a"), Segment::EscapedDollar, Segment::Reference("A"), text("$"), text("b"), text("$"), text("(C")]
        );
        assert_eq!(segments("").next(), None);
    }

    #[test]
    fn finds_references_like_kubernetes() {
        for (value, is_referenced) in [
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
            assert_eq!(references(value, "A"), is_referenced, "{value}");
        }
    }
}
