//! Finds template expressions in a Job: text in double braces that Prefect does not replace.

use jobplate_diagnostic::Diagnostic;

use crate::pyvalue::arena::{Arena, Value, ValueId};

/// Returns the strings of a Job that contain a template expression, with the expression. Ignores annotations and the
/// values of variables, which are often templates of other programs.
pub(crate) fn find(arena: &Arena, job: ValueId) -> Vec<(ValueId, &str)> {
    let mut found = Vec::new();
    let mut pending = vec![job];
    while let Some(id) = pending.pop() {
        match arena.get(id) {
            Value::Str(text) => found.extend(expression(text).map(|expression| (id, expression))),
            Value::List(items) => pending.extend(items.iter().rev()),
            Value::Dict(pairs) => {
                let is_searched = |key: ValueId| !matches!(arena.as_str(key), Some("annotations" | "env"));
                pending.extend(pairs.iter().rev().filter(|(key, _)| is_searched(*key)).map(|(_, value)| *value));
            }
            _ => {}
        }
    }
    found
}

/// Returns the warning about an expression. Shows only the name at its start, because the rest can contain a value.
pub(crate) fn warning(expression: &str) -> Diagnostic {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    let name = &expression[..expression.find(|c| !is_name(c)).unwrap_or(expression.len())];
    let rest = if name.len() < expression.len() { " ..." } else { "" };
    let text = format!("Prefect leaves `{{{{ {name}{rest} }}}}` in the Job unchanged");
    Diagnostic::warning("template-expression", text)
}

/// Returns the first expression of a string: double braces on one line whose content begins with a name. `{{ .Name }}` and
/// `{{- if }}` are templates of Go.
fn expression(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let after = &rest[rest.find("{{")? + 2..];
        let end = after.find("}}")?;
        let inner = after[..end].trim();
        let is_name = inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$'));
        if is_name && !inner.contains('\n') {
            return Some(inner);
        }
        rest = &after[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_expressions() {
        for (text, expected) in [
            ("{{ variables.image | default('x') }}", Some("variables.image | default('x')")),
            ("a {{x}} b", Some("x")),
            ("{{ .Values.image }}", None),
            ("{{- if x }}", None),
            ("{{ .A }} {{ b }}", Some("b")),
            ("{{ a", None),
            ("a }}", None),
            ("{{\n}}", None),
        ] {
            assert_eq!(expression(text), expected, "{text}");
        }
    }
}
