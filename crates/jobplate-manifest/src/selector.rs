//! Label selectors in kubectl's syntax: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

use super::object::Object;

/// A label selector. An object must meet all its requirements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

/// A requirement for one label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

/// The condition that a label must meet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl LabelSelector {
    /// Parses a selector.
    ///
    /// # Errors
    /// Returns the invalid requirement.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            requirements.push(parse_requirement(part).ok_or_else(|| part.to_owned())?);
        }
        Ok(LabelSelector(requirements))
    }

    /// Returns whether the labels of an object match. A missing label meets every `!=` and `notin`.
    pub fn matches(&self, object: &Object<'_>) -> bool {
        self.0.iter().all(|requirement| {
            let label = object.label(&requirement.key);
            let is_one_of =
                |values: &[String]| label.as_ref().is_some_and(|label| values.iter().any(|value| value == label));
            match &requirement.operator {
                Operator::In(values) => is_one_of(values),
                Operator::NotIn(values) => !is_one_of(values),
                Operator::Exists => label.is_some(),
                Operator::Missing => label.is_none(),
            }
        })
    }
}

/// Splits a selector at the commas outside of parentheses.
fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

/// Parses one requirement. Returns `None` if it is invalid.
fn parse_requirement(part: &str) -> Option<Requirement> {
    let new_requirement = |key: &str, operator| {
        let key = key.trim();
        let is_valid =
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        is_valid.then(|| Requirement { key: key.to_owned(), operator })
    };
    let parse_values = |text: &str| {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|value| value.trim().to_owned()).collect::<Vec<_>>())
    };
    let words: Vec<&str> = part.splitn(3, char::is_whitespace).collect();
    if let [key, operator @ ("in" | "notin"), values] = words[..] {
        let values = parse_values(values)?;
        return new_requirement(key, if operator == "in" { Operator::In(values) } else { Operator::NotIn(values) });
    }
    if let Some((key, value)) = part.split_once("!=") {
        return new_requirement(key, Operator::NotIn(vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return new_requirement(key, Operator::In(vec![value.trim().to_owned()]));
    }
    match part.strip_prefix('!') {
        Some(key) => new_requirement(key, Operator::Missing),
        None => new_requirement(part, Operator::Exists),
    }
}

#[cfg(test)]
mod tests {
    use jobplate_yaml::{Document, NodeArena, scan};

    use super::*;
    use crate::object::objects;

    #[test]
    fn selects_like_kubectl() {
        let text = "kind: Job\nmetadata:\n  labels: {app: flow, tier: \"1\"}\n";
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        let object = &objects(Document::new(text, &arena)).unwrap()[0];
        for (selector, matches) in [
            ("app=flow", true),
            ("app==flow,tier", true),
            ("app!=flow", false),
            ("other!=x", true),
            ("app in (a, flow)", true),
            ("app notin (a,b),!other", true),
            ("other", false),
            ("!app", false),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap().matches(object), matches, "{selector}");
        }
    }

    #[test]
    fn returns_the_invalid_requirement() {
        assert_eq!(LabelSelector::parse("a=b,c d"), Err("c d".to_owned()));
        assert_eq!(LabelSelector::parse(""), Err(String::new()));
    }
}
