//! YAML nodes that can be printed. Random cases are generated and changed as nodes, and then printed.

/// A YAML node.
#[derive(Clone, Debug)]
pub(crate) enum YamlNode {
    /// YAML source on one or more lines, such as a scalar, a flow collection or an alias.
    Raw(String),
    Map(Vec<(String, YamlNode)>),
    List(Vec<YamlNode>),
    /// A tag or an anchor, and its node.
    Prefixed(String, Box<YamlNode>),
}

impl YamlNode {
    pub(crate) fn raw(text: impl Into<String>) -> Self {
        YamlNode::Raw(text.into())
    }

    /// Returns a double-quoted string, which has the same meaning in every version of YAML.
    pub(crate) fn text(text: &str) -> Self {
        YamlNode::Raw(serde_json::Value::String(text.to_owned()).to_string())
    }

    pub(crate) fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, YamlNode)>) -> Self {
        YamlNode::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out, 0);
        out
    }

    fn write_to(&self, out: &mut String, indent: usize) {
        match self {
            YamlNode::Raw(text) => {
                // Continuation lines are indented like the node.
                let mut lines = text.split('\n');
                out.push_str(lines.next().unwrap_or_default());
                for line in lines {
                    out.push('\n');
                    if !line.is_empty() {
                        out.push_str(&" ".repeat(indent));
                        out.push_str(line);
                    }
                }
                out.push('\n');
            }
            YamlNode::Map(pairs) if pairs.is_empty() => out.push_str("{}\n"),
            YamlNode::List(items) if items.is_empty() => out.push_str("[]\n"),
            YamlNode::Map(pairs) => {
                for (position, (key, value)) in pairs.iter().enumerate() {
                    if position > 0 {
                        out.push_str(&" ".repeat(indent));
                    }
                    out.push_str(key);
                    out.push(':');
                    value.print_below(out, indent + 2);
                }
            }
            YamlNode::List(items) => {
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push_str(&" ".repeat(indent));
                    }
                    out.push_str("- ");
                    item.write_to(out, indent + 2);
                }
            }
            YamlNode::Prefixed(prefix, node) => {
                out.push_str(prefix);
                node.print_below(out, indent);
            }
        }
    }

    /// Prints the node after a key, a tag or an anchor.
    fn print_below(&self, out: &mut String, indent: usize) {
        let is_block = match self {
            YamlNode::Map(pairs) => !pairs.is_empty(),
            YamlNode::List(items) => !items.is_empty(),
            _ => false,
        };
        if is_block {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
        } else {
            out.push(' ');
        }
        self.write_to(out, indent);
    }

    /// Returns the number of nodes, including this one.
    pub(crate) fn count(&self) -> usize {
        1 + match self {
            YamlNode::Raw(_) => 0,
            YamlNode::Map(pairs) => pairs.iter().map(|(_, value)| value.count()).sum(),
            YamlNode::List(items) => items.iter().map(YamlNode::count).sum(),
            YamlNode::Prefixed(_, node) => node.count(),
        }
    }

    /// Returns the node with a 0-based number in the order of printing, or `None` if there are fewer nodes.
    pub(crate) fn node(&mut self, number: usize) -> Option<&mut YamlNode> {
        let mut remaining = number;
        self.find(&mut remaining)
    }

    fn find(&mut self, remaining: &mut usize) -> Option<&mut YamlNode> {
        if *remaining == 0 {
            return Some(self);
        }
        *remaining -= 1;
        match self {
            YamlNode::Raw(_) => None,
            YamlNode::Map(pairs) => pairs.iter_mut().find_map(|(_, value)| value.find(remaining)),
            YamlNode::List(items) => items.iter_mut().find_map(|item| item.find(remaining)),
            YamlNode::Prefixed(_, node) => node.find(remaining),
        }
    }

    /// Returns the node at a path of keys, or `None` if it does not exist. In a list, follows the first item.
    pub(crate) fn at(&mut self, path: &[&str]) -> Option<&mut YamlNode> {
        let mut node = self;
        for key in path {
            node = match node {
                YamlNode::List(items) => items.first_mut()?,
                other => other,
            };
            node = match node {
                YamlNode::Map(pairs) => &mut pairs.iter_mut().find(|(own, _)| own == key)?.1,
                _ => return None,
            };
        }
        Some(node)
    }

    /// Sets a key of a mapping and moves it to the end. Does nothing for other nodes.
    pub(crate) fn set(&mut self, key: &str, value: YamlNode) {
        if let YamlNode::Map(pairs) = self {
            pairs.retain(|(own, _)| own != key);
            pairs.push((key.to_owned(), value));
        }
    }
}

#[test]
fn trees_print_as_yaml() {
    let tree = YamlNode::map([
        (
            "a",
            YamlNode::List(vec![
                YamlNode::map([("b", YamlNode::raw("1")), ("c", YamlNode::List(vec![]))]),
                YamlNode::raw("|\n  x\n  y"),
            ]),
        ),
        ("d", YamlNode::Prefixed("&x".to_owned(), Box::new(YamlNode::map([("e", YamlNode::text("\n"))])))),
    ]);
    assert_eq!(tree.to_text(), "a:\n  - b: 1\n    c: []\n  - |\n      x\n      y\nd: &x\n  e: \"\\n\"\n");
    assert_eq!(tree.count(), 9);
    let mut tree = tree;
    assert_eq!(tree.node(3).map(|node| node.to_text()).as_deref(), Some("1\n"));
    assert!(tree.at(&["a", "b"]).is_some());
}
