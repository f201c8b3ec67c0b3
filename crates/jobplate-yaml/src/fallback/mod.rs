//! The fallback parser for documents that the scanner rejects. It builds the same nodes from granit-parser's events.
//!
//! | file | decides |
//! |---|---|
//! | `builder` | where the nodes of granit-parser's events are in the text |
//! | `cross_check` | whether yaml_serde agrees with an edit |

mod builder;
mod cross_check;

use super::json_comment::find_json_comment;
use super::scan::{LEADING_COLON, MULTILINE_KEY, QUESTION_MARK, scan};
use super::tree::NodeArena;
use super::unsupported::Unsupported;

use builder::TOO_MANY_NODES;
pub use builder::parse_with_granit;
pub(super) use cross_check::agrees_with_yaml_serde;

/// The number of nodes that any document may have. In a larger document, nodes must have 4 bytes on average, so that
/// the memory for nodes stays in proportion to that of ordinary documents.
const MAX_DENSE_NODES: usize = 1_000_000;

/// Parses one document: with the scanner, or with granit-parser if the scanner rejects it.
///
/// Afterwards, [`NodeArena::fallback_reason`] is set if granit-parser parsed the document.
///
/// # Errors
///
/// Fails if both parsers reject the text, if it is JSON with comments, or if it has too many nodes. The error contains the scanner's position and reason, unless granit-parser
/// accepts a construct that no reader in use accepts, or the document has too many nodes for it.
pub fn read(text: &str, arena: &mut NodeArena) -> Result<(), Unsupported> {
    if let Some(offset) = find_json_comment(text) {
        return Err(Unsupported { offset, reason: Unsupported::JSON_COMMENT });
    }
    let Err(unsupported) = scan(text, arena) else {
        let is_dense = arena.len() > MAX_DENSE_NODES && arena.len() > text.len() / 4;
        let error =
            Unsupported { offset: 0, reason: "too many nodes: more than 1000000, and more than one for each 4 bytes" };
        return if is_dense { Err(error) } else { Ok(()) };
    };
    parse_with_granit(text, arena).map_err(|error| match error.reason {
        LEADING_COLON | MULTILINE_KEY | QUESTION_MARK => error,
        TOO_MANY_NODES => Unsupported { reason: TOO_MANY_NODES, ..unsupported },
        _ => unsupported,
    })?;
    arena.fallback_reason = Some(unsupported);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Option<&'static str> {
        read(text, &mut NodeArena::default()).err().map(|unsupported| unsupported.reason)
    }

    #[test]
    fn both_parsers_refuse_flow_scalars_that_go_yaml_and_pyyaml_refuse() {
        // An explicit key, so that the scanner stops before the part in question.
        for before in ["", "? k\n: v\n"] {
            for (flow, expected) in [
                ("{b: http://h/?c=1}", Some(QUESTION_MARK)),
                ("{b: c?}", Some(QUESTION_MARK)),
                ("{b: c ? d}", Some(QUESTION_MARK)),
                ("{b?c: d}", Some(QUESTION_MARK)),
                ("[b?c, d]", Some(QUESTION_MARK)),
                ("[[{b: [-?c]}]]", Some(QUESTION_MARK)),
                ("[:b]", Some(LEADING_COLON)),
                ("{b: ::c}", Some(LEADING_COLON)),
                ("{:b: c}", Some(LEADING_COLON)),
                ("{\"b\n  c\": d}", Some(MULTILINE_KEY)),
                ("{b: 'c?d', e: \"f?\", g: h:i}", None),
                ("b?c", None),
                (":b", None),
            ] {
                assert_eq!(reason(&format!("{before}a: {flow}\n")), expected, "{before:?} {flow}");
            }
        }
        for flow in ["{b\n  c: d}", "{b\n  : c}", "{\"b\"\n  : c}"] {
            assert_eq!(reason(&format!("? k\n: v\na: {flow}\n")), Some(MULTILINE_KEY), "{flow}");
        }
        for flow in ["{? b\n  c : d}", "[b\n  c]", "{b:\n  c}", "{b c\n  }"] {
            assert_eq!(reason(&format!("a: {flow}\n")), None, "{flow}");
        }
    }

    #[test]
    fn limits_the_number_of_nodes() {
        let items = |item: &str, count: usize| item.repeat(count);
        for (text, expected) in [
            (format!("[{}]", items("1,", MAX_DENSE_NODES - 1)), None),
            (
                format!("[{}]", items("1,", MAX_DENSE_NODES)),
                Some("too many nodes: more than 1000000, and more than one for each 4 bytes"),
            ),
            (format!("[{}]", items("abcd,", MAX_DENSE_NODES)), None),
            (format!("[? a,{}]", items("1,", MAX_DENSE_NODES)), Some(TOO_MANY_NODES)),
        ] {
            assert_eq!(reason(&text), expected, "{}", &text[..10]);
        }
    }

    #[test]
    fn limits_columns() {
        let indented = |column: usize| format!("a:\n{}b: c\n", " ".repeat(column));
        assert_eq!(reason(&indented(65_535)), None);
        assert_eq!(reason(&indented(65_536)), Some("indentation by more than 65535 columns"));
        let explicit_key = |column: usize| reason(&format!("? k\n: v\n{}", indented(column)));
        assert_eq!((explicit_key(65_535), explicit_key(65_536)), (None, Some("an explicit key (`? `)")));
    }

    #[test]
    fn only_json_has_surrogate_pairs_and_escaped_slashes() {
        for text in [r#"{"a": "\ud83d\uDE00"}"#, " {\n\t\"a\": [\"x\\ud83d\\ude00y\"]}\n", r#"{"a": "b\/c"}"#] {
            let mut arena = NodeArena::default();
            assert_eq!(read(text, &mut arena), Ok(()), "{text}");
            assert!(arena.fallback_reason().is_none());
        }
        for text in [r#"a: "\ud83d\ude00""#, r#"{"a": "\ud83d\ude00", }"#, r#"["\ud83d\ude00"]"#, r#"{a: "b\/c"}"#] {
            let mut arena = NodeArena::default();
            read(text, &mut arena).unwrap();
            // An edit of this document is refused.
            assert!(arena.fallback_reason().is_some(), "{text}");
        }
        for escapes in [r"\ud83d", r"\ude00\ud83d", r"\ud83d\ud83d\ude00", r"\ud83dx\ude00", r"\ud83d\u0041"] {
            let expected = Some("an escape that is not a Unicode character");
            assert_eq!(reason(&format!("{{\"a\": \"{escapes}\"}}")), expected, "{escapes}");
        }
    }
}
