//! Checks that the time of parsing and editing grows linearly.

use jobplate_growth::assert_linear;
use jobplate_yaml::{Child, Document, Edit, Editable, Editor, Node, NodeArena, StrictMap, Value, read};

/// Checks that reading a document and applying the edits that `plan` returns takes linear time.
fn assert_linear_edits(n: usize, text: impl Fn(usize) -> String, plan: impl Fn(Document<'_>) -> Vec<Edit>) {
    assert_linear(n, text, |text| {
        let mut arena = NodeArena::default();
        read(text, &mut arena).expect("YAML");
        let document = Document::new(text, &arena);
        let edits = plan(document);
        assert!(!edits.is_empty());
        Editor::default().apply(document, &edits).expect("an edit that is possible");
    });
}

/// Returns the value of a key of the root.
fn value_of<'a>(document: Document<'a>, key: &str) -> Node<'a> {
    document.root().get_first(key).expect("the key")
}

fn editable(node: Node<'_>) -> Editable<'_> {
    Editable::from_node(node, "it").expect("a node that can be edited")
}

/// Returns an entry named `x`.
fn entry() -> Child {
    Child::entry("x", Value::name("y"))
}

fn item() -> Child {
    Child::Item(Value::name("y"))
}

#[test]
fn one_long_line_of_the_fallback_parser() {
    let text = |n: usize| format!("{{? a : '{}', c: [{}]}}\n", " ".repeat(n * 500), "[],".repeat(n));
    assert_linear(8_000, text, |text| {
        read(text, &mut NodeArena::default()).expect("YAML");
    });
}

#[test]
fn edits_of_the_fallback_parser() {
    let text = |n| format!("? k\n: v\nlist:\n{}", "- a: b\n".repeat(n));
    assert_linear_edits(4_000, text, |document| {
        value_of(document, "list").items().map(|item| editable(item).append([entry()])).collect()
    });
}

#[test]
fn empty_flow_collections() {
    let json = |n| format!("{{\"list\": [{}{{}}]}}\n", "{\"env\": []},".repeat(n));
    assert_linear_edits(16_000, json, |document| {
        let lists = value_of(document, "list").items().filter_map(|item| item.get_first("env"));
        lists.map(|env| editable(env).append([item()])).collect()
    });
    // No flow mapping has an entry whose style could be followed.
    let nested = |n| format!("list:\n{}", "- [[]]\n".repeat(n));
    assert_linear_edits(16_000, nested, |document| {
        let lists = value_of(document, "list").items().filter_map(|item| item.items().next());
        lists.map(|list| editable(list).append([item()])).collect()
    });
}

#[test]
fn mappings_without_a_nested_mapping() {
    let text = |n| format!("list:\n{}", "- a: {}\n".repeat(n));
    assert_linear_edits(16_000, text, |document| {
        let nested = || Child::entry("x", Value::map([("y", Value::Null)]));
        value_of(document, "list").items().map(|item| editable(item).append([nested()])).collect()
    });
}

#[test]
fn a_replaced_entry_with_many_lines() {
    let text = |n| format!("map:\n  a: b\n  c:\n{}", "  # d\n  - e\n".repeat(n));
    assert_linear_edits(40_000, text, |document| {
        vec![editable(value_of(document, "map")).change_children(vec![1], vec![(1, entry())])]
    });
}

#[test]
fn many_changes_of_one_collection() {
    let halves = |count: usize| (0..count).step_by(2).collect::<Vec<_>>();
    let change = |document: Document<'_>, child: fn() -> Child| {
        let node = value_of(document, "it");
        let removed = halves(node.items().count() + node.entries().count());
        let inserted = removed.iter().skip(1).map(|position| (*position, child())).collect();
        vec![editable(node).change_children(removed, inserted)]
    };
    let keys = |n| (0..n).map(|number| format!("  k{number}: v\n")).collect::<String>();
    assert_linear_edits(36_000, |n| format!("it:\n{}", "- a\n".repeat(n)), |document| change(document, item));
    assert_linear_edits(36_000, |n| format!("it: [{}a]\n", "a, ".repeat(n)), |document| change(document, item));
    assert_linear_edits(36_000, |n| format!("it:\n{}", keys(n)), |document| change(document, entry));
}

#[test]
fn many_new_items_between_many_comments() {
    let text = |n| format!("it:\n{}- a\n{}", "# c\n".repeat(n), "  # c\n".repeat(n));
    assert_linear_edits(20_000, text, |document| {
        let comments = document.text.lines().count() / 2;
        let inserted = (0..comments).map(|number| (usize::from(number * 2 > comments), item())).collect();
        vec![editable(value_of(document, "it")).change_children(Vec::new(), inserted)]
    });
}

#[test]
fn many_anchors() {
    let text = |n| (0..n).map(|number| format!("k{number}: &a{number} [&b{number} b]\n")).collect::<String>();
    assert_linear(16_000, text, |text| {
        let mut arena = NodeArena::default();
        read(text, &mut arena).expect("YAML");
        for (_, value) in Document::new(text, &arena).root().entries() {
            StrictMap::from_node(value, "it").expect("an anchor without an alias");
        }
    });
    assert_linear_edits(
        20_000,
        |n| format!("it:\n{}- x: y\n", "- &a b\n".repeat(n)),
        |document| {
            let node = value_of(document, "it");
            let removed = (0..node.items().count() - 1).collect();
            vec![editable(node).change_children(removed, Vec::new())]
        },
    );
}

#[test]
fn many_keys_of_one_mapping() {
    let text = |n| (0..n).map(|number| format!("key{number}: v\n")).collect::<String>();
    assert_linear(32_000, text, |text| {
        let mut arena = NodeArena::default();
        read(text, &mut arena).expect("YAML");
        Document::new(text, &arena).root().refuse_duplicate_keys().expect("different keys");
    });
}
