//! The type that Kubernetes reads for a value.

use jobplate_manifest::schema::ValueType;
use jobplate_yaml::{Node, NodeKind, ScalarKind};

use super::expression::has_expression;

/// What a value is in JSON, into which Kubernetes converts YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActualType {
    Map,
    List,
    String,
    Boolean,
    /// A number with a fraction, or one that is not finite.
    Fraction,
    Integer,
    /// An integer that is not between the limits of its type.
    LargeInteger,
}

impl ActualType {
    /// Returns the type in messages, with its article.
    pub(super) fn describe(self) -> &'static str {
        match self {
            ActualType::Map => "a mapping",
            ActualType::List => "a list",
            ActualType::String => "a string",
            ActualType::Boolean => "a boolean",
            ActualType::Fraction | ActualType::Integer | ActualType::LargeInteger => "a number",
        }
    }

    /// Returns what a value is, or `None` if it is null, or if it is not known: a tag, or an expression of a template.
    pub(super) fn new(node: Node<'_>) -> Option<ActualType> {
        if is_expression(node) {
            return None;
        }
        match node.tag() {
            None => {}
            Some("!!str") => return Some(ActualType::String),
            Some(_) => return None,
        }
        match (node.kind(), node.scalar_kind()) {
            (NodeKind::Alias, _) => {
                node.alias_target().filter(|target| target.kind() != NodeKind::Alias).and_then(ActualType::new)
            }
            (NodeKind::Map, _) => Some(ActualType::Map),
            (NodeKind::Seq, _) => Some(ActualType::List),
            (_, ScalarKind::Null) => None,
            (_, ScalarKind::NonFinite) => Some(ActualType::Fraction),
            (_, ScalarKind::Bool) => Some(ActualType::Boolean),
            (_, ScalarKind::String) => Some(ActualType::String),
            (_, ScalarKind::Number) => {
                let is_fraction = number(node).is_some_and(|number| number.fract() != 0.0);
                Some(if is_fraction { ActualType::Fraction } else { ActualType::Integer })
            }
        }
    }

    /// Returns whether Kubernetes accepts the type where it expects `value_type`.
    pub(super) fn matches(self, value_type: ValueType) -> bool {
        match value_type {
            ValueType::Any => true,
            ValueType::String | ValueType::Bytes => self == ActualType::String,
            ValueType::Boolean => self == ActualType::Boolean,
            ValueType::Int32 | ValueType::Int64 => self == ActualType::Integer,
            ValueType::IntOrString => matches!(self, ActualType::String | ActualType::Integer),
            ValueType::Quantity => matches!(self, ActualType::String | ActualType::Integer | ActualType::Fraction),
            ValueType::Object(_) => self == ActualType::Map,
        }
    }

    /// Returns [`ActualType::LargeInteger`] for an integer that is not between the limits of its type.
    pub(super) fn check_limits(self, value_type: ValueType, node: Node<'_>) -> ActualType {
        let limit = match value_type {
            ValueType::Int32 | ValueType::IntOrString => f64::from(i32::MAX) + 1.0,
            // The nearest number to the limit. A difference of one is not found.
            ValueType::Int64 => i64::MAX as f64,
            _ => return self,
        };
        let is_large = number(node).is_some_and(|number| number >= limit || number < -limit);
        if is_large && self == ActualType::Integer { ActualType::LargeInteger } else { self }
    }
}

/// Returns the value of a decimal number.
fn number(node: Node<'_>) -> Option<f64> {
    node.text()?.replace('_', "").parse().ok()
}

/// Returns whether a program will replace a value, such as `{{ name }}`, or `"${NAME}"` and `ENC[...]` in a scalar.
pub(super) fn is_expression(node: Node<'_>) -> bool {
    let raw = node.raw();
    raw.starts_with("{{") || node.is_scalar() && (has_expression(raw) || raw.contains("ENC["))
}
