//! Checks single scalars: plain scalars must have the same type as in go-yaml, and quoted scalars must read back equal.

use jobplate_yaml::{Document, NodeArena, ScalarKind};

use crate::goyaml::{self, GoYaml};
use crate::rng::Rng;
use crate::tree::NodeKind;
use crate::{granit, witness};

const PLAIN_SCALARS: usize = 100_000;
const QUOTED_SCALARS: usize = 60_000;

/// Pieces of numbers, dates and keywords, and of strings that only look like them.
const PIECES: &[&str] = &[
    "0",
    "1",
    "7",
    "8",
    "9",
    "00",
    "12",
    "0x",
    "0X",
    "0o",
    "0O",
    "0b",
    "0B",
    "-",
    "+",
    ".",
    "_",
    "__",
    "e",
    "E",
    "e+",
    "e-",
    "E+5",
    "f",
    "F",
    "a",
    ":",
    "-1",
    "+1",
    ".5",
    "1.",
    "inf",
    "Inf",
    ".inf",
    ".Inf",
    ".INF",
    ".nan",
    ".NaN",
    "nan",
    "Infinity",
    "y",
    "Y",
    "n",
    "N",
    "yes",
    "Yes",
    "YES",
    "yEs",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "true",
    "True",
    "TRUE",
    "tRue",
    "false",
    "False",
    "FALSE",
    "null",
    "Null",
    "NULL",
    "nULL",
    "~",
    "T",
    "Z",
    "2001",
    "01",
    "31",
    "-01-01",
    "2001-01-01",
    "2001-01-01T00:00:00Z",
    "1:30",
    "12:30:45",
    "0777",
    "08",
    "0o777",
    "0b101",
    "0x1F",
    "1_000",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "9223372036854775808",
    "1e400",
    "1e308",
    "1e-400",
    "p",
    "p5",
    "0x1p4",
    "=",
    "<<",
    "x",
    " ",
    "é",
    "٣",
    "\u{a0}",
];

fn scan_kind(text: &str) -> Option<ScalarKind> {
    let document = format!("v: {text}\n");
    let mut arena = NodeArena::default();
    jobplate_yaml::scan(&document, &mut arena).ok()?;
    let value = Document::new(&document, &arena).root().get("v").ok()??;
    let is_plain = value.kind() == jobplate_yaml::NodeKind::Plain && value.raw() == text;
    is_plain.then(|| value.scalar_kind())
}

#[test]
fn plain_scalars_have_the_type_of_go_yaml() {
    let Some(mut go) = GoYaml::start() else { return };
    let mut rng = Rng::new(5, 0);
    let mut plain: Vec<String> = PIECES.iter().map(|piece| (*piece).to_owned()).collect();
    while plain.len() < PLAIN_SCALARS {
        let max = if rng.one_in(3) { 7 } else { 3 };
        let pieces = 1 + rng.below(max);
        plain.push((0..pieces).map(|_| *rng.pick(PIECES)).collect());
    }
    plain.retain(|text| scan_kind(text).is_some());
    assert!(plain.len() > PLAIN_SCALARS / 2, "only {} of the texts are plain scalars", plain.len());
    let documents: Vec<String> = plain.iter().map(|text| format!("v: {text}\n")).collect();
    let mut failures = Vec::new();
    for (text, response) in plain.iter().zip(go.parse(&documents)) {
        let expected = match &response {
            Err(error) if error.contains("unsupported value") => ScalarKind::NonFinite,
            Err(_) => continue,
            Ok(json) => {
                let tree = goyaml::to_tree(json);
                match tree.entries().next().map(|(_, value)| value.kind) {
                    Some(NodeKind::Null) => ScalarKind::Null,
                    Some(NodeKind::Bool) => ScalarKind::Bool,
                    Some(NodeKind::Number) => ScalarKind::Number,
                    Some(NodeKind::String) => ScalarKind::String,
                    other => panic!("{text:?} is {other:?} for go-yaml"),
                }
            }
        };
        let actual = scan_kind(text);
        if actual != Some(expected) {
            failures.push(format!("{text:?}: {expected:?} for go-yaml, {actual:?} for us"));
        }
    }
    println!("{} plain scalars compared", plain.len());
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        plain.len(),
        failures[..failures.len().min(40)].join("\n")
    );
}

fn random_text(rng: &mut Rng) -> String {
    const SPECIAL_CHARACTERS: &[char] = &[
        '"',
        '\\',
        '\n',
        '\r',
        '\t',
        ' ',
        '#',
        ':',
        '-',
        '?',
        '\'',
        '%',
        '@',
        '`',
        '{',
        '}',
        '[',
        ']',
        ',',
        '&',
        '*',
        '!',
        '|',
        '>',
        '/',
        '\0',
        '\u{1}',
        '\u{7}',
        '\u{1b}',
        '\u{7f}',
        '\u{80}',
        '\u{85}',
        '\u{9f}',
        '\u{a0}',
        '\u{2028}',
        '\u{2029}',
        '\u{feff}',
        '\u{fffd}',
        '\u{fffe}',
        '\u{ffff}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{1fffe}',
        '\u{10ffff}',
        '😀',
        'é',
        '$',
        '(',
        ')',
    ];
    let max = if rng.one_in(10) { 200 } else { 12 };
    let length = rng.below(max);
    (0..length)
        .map(|_| match rng.below(4) {
            0 | 1 => *rng.pick(SPECIAL_CHARACTERS),
            2 => char::from(b' ' + u8::try_from(rng.below(95)).expect("below 95")),
            _ => char::from_u32(u32::try_from(rng.below(0x11_0000)).expect("in range")).unwrap_or('x'),
        })
        .collect()
}

#[test]
fn quoted_strings_read_back_equal() {
    let mut rng = Rng::new(6, 0);
    let texts: Vec<String> = (0..QUOTED_SCALARS).map(|_| random_text(&mut rng)).collect();
    let documents: Vec<String> = texts
        .iter()
        .map(|text| format!("text: {}\nname: {}\n", jobplate_yaml::quote_double(text), jobplate_yaml::quote_name(text)))
        .collect();
    let responses = GoYaml::start().map(|mut go| go.parse(&documents));
    for (at, (text, document)) in texts.iter().zip(&documents).enumerate() {
        let check_reading = |reader: &str, reading: Result<crate::tree::Tree, String>| {
            let tree = reading.unwrap_or_else(|error| panic!("{reader} does not read {document:?}: {error}"));
            for (key, value) in tree.entries() {
                assert_eq!(&value.text, text, "{reader} reads {} of {document:?}", key.text);
                let is_string = matches!(value.kind, NodeKind::String | NodeKind::DoubleQuoted | NodeKind::Plain);
                assert!(is_string, "{reader} reads {} of {document:?} as {:?}", key.text, value.kind);
            }
        };
        check_reading("granit", granit::read(document).map(|mut documents| documents.remove(0)));
        check_reading("yaml_serde", witness::read(document).map(|mut documents| documents.remove(0)));
        check_reading("the scanner", crate::scanner::scan(document));
        if let Some(responses) = &responses {
            check_reading("go-yaml", responses[at].clone().map(|json| goyaml::to_tree(&json)));
        }
        let json: Result<String, _> = serde_json::from_str(&jobplate_yaml::quote_double(text));
        assert_eq!(json.as_deref().ok(), Some(text.as_str()), "a JSON reader");
    }
}
