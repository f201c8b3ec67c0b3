//! Copies a node of a manifest into a fix.

use std::borrow::Cow;

use jobplate_yaml::{Node, NodeKind, ScalarKind, Value};

/// Returns a node as a new value, or `None` if it has a tag, an anchor, an alias, a number or a key that is not a scalar.
pub(super) fn to_value(node: Node<'_>) -> Option<Value> {
    if node.tag().is_some() || node.anchor().is_some() {
        return None;
    }
    let to_entry = |(key, value): (Node<'_>, Node<'_>)| {
        let name = key.text().filter(|_| key.is_scalar() && !key.is_merge_key())?;
        Some((Cow::<'static, str>::Owned(name.into_owned()), to_value(value)?))
    };
    match node.kind() {
        NodeKind::Map => Some(Value::Map(node.entries().map(to_entry).collect::<Option<_>>()?)),
        NodeKind::Seq => Some(Value::Seq(node.items().map(to_value).collect::<Option<_>>()?)),
        NodeKind::Alias => None,
        _ if node.is_null() => Some(Value::Null),
        kind => match (node.scalar_kind(), &*node.text()?) {
            (ScalarKind::Bool, "true") => Some(Value::Bool(true)),
            (ScalarKind::Bool, "false") => Some(Value::Bool(false)),
            (ScalarKind::Bool | ScalarKind::Number | ScalarKind::NonFinite, _) => None,
            (_, text) if kind == NodeKind::Plain => Some(Value::name(text)),
            (_, text) => Some(Value::string(text)),
        },
    }
}
