//! Random documents whose targets are hidden by escapes, line breaks, anchors, merge keys, tags and lists.
//!
//! The prefilter skips documents by their bytes alone. A document that Kubernetes reads as a target must be edited or
//! refused, and the result must not depend on the prefilter.

use base64::Engine as _;
use jobplate::inject::{Injection, RequestedVariable, VariableSource};
use jobplate::render::to_string;
use jobplate_manifest::env::EnvValue;

use super::rng::Rng;

/// The line breaks of YAML 1.1, which go-yaml follows: NEL, LS and PS among them.
const BREAKS: [&str; 6] = ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"];

/// A comment that contains all keywords, so that the prefilter accepts every document.
const KEYWORDS: &str = "# Job containers\n";

/// A generator of documents. Anchors that aliases need are defined in front of the document's other keys.
struct Generator {
    rng: Rng,
    anchors: String,
    count: usize,
}

const BINARY_TAGS: [&str; 4] =
    ["!!binary", "!!bi%6eary", "!<tag:yaml.org,2002:binary>", "!<tag:yaml.org,2002:%62inary>"];

impl Generator {
    /// Returns a scalar that means `word` in flow style. The second value is whether it can be an implicit key.
    fn scalar(&mut self, word: &str) -> (String, bool) {
        let (before, after) = word.split_at(1 + self.rng.below(word.len() - 1));
        match self.rng.below(60) {
            0 => (format!("'{word}'"), true),
            1 => (format!("\"{word}\""), true),
            2 => (format!("\"{before}\\x{:02x}{}\"", after.as_bytes()[0], &after[1..]), true),
            3 => (format!("\"{before}\\u{:04X}{}\"", after.as_bytes()[0], &after[1..]), true),
            4 | 5 => {
                let indent = " ".repeat(6 + self.rng.below(30));
                (format!("\"{before}\\{}{indent}{after}\"", self.rng.pick(&BREAKS)), false)
            }
            6 => {
                let all: Vec<String> = word.chars().map(String::from).collect();
                (format!("\"{}\"", all.join(&format!("\\{}      ", self.rng.pick(&BREAKS)))), false)
            }
            7 => (format!("!!str {word}"), true),
            8 => (format!("!<tag:yaml.org,2002:str> {word}"), true),
            9 => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(word);
                (format!("{} {encoded}", self.rng.pick(&BINARY_TAGS)), true)
            }
            10 => (format!("&b{} {word}", self.next_number()), true),
            11 => {
                let number = self.next_number();
                self.anchors.push_str(&format!("x{number}: &a{number} {word}\n"));
                (format!("*a{number}"), true)
            }
            _ => (word.to_owned(), true),
        }
    }

    fn next_number(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    /// Returns an entry of a flow mapping. `value` is in flow style.
    fn flow_entry(&mut self, key: &str, value: &str) -> String {
        match self.scalar(key) {
            (key, true) => format!("{key} : {value}"),
            (key, false) => format!("? {key} : {value}"),
        }
    }

    /// Returns an entry of a block mapping. `value` is in flow style.
    fn block_entry(&mut self, key: &str, value: &str) -> String {
        match self.scalar(key) {
            (key, true) => format!("{key} : {value}\n"),
            (key, false) => format!("? {key}\n: {value}\n"),
        }
    }

    /// Returns the `spec` of a Job in flow style.
    fn job_spec(&mut self) -> String {
        let (name, _) = self.scalar("flow");
        let container = format!("[{{name: {name}}}]");
        let containers = self.flow_entry("containers", &container);
        let pod = self.flow_entry("spec", &format!("{{{containers}}}"));
        let template = self.flow_entry("template", &format!("{{{pod}}}"));
        format!("{{{template}}}")
    }

    /// Returns the entries of an object in flow style.
    fn object_entries(&mut self, kind: &str) -> Vec<(&'static str, String)> {
        let (kind, _) = self.scalar(kind);
        let mut entries = vec![("kind", kind), ("spec", self.job_spec())];
        if self.rng.one_in(2) {
            entries.push(("apiVersion", "batch/v1".to_owned()));
        }
        if self.rng.one_in(2) {
            entries.swap(0, 1);
        }
        entries
    }

    fn flow_object(&mut self, kind: &str) -> String {
        let entries = self.object_entries(kind);
        let entries: Vec<String> = entries.iter().map(|(key, value)| self.flow_entry(key, value)).collect();
        format!("{{{}}}", entries.join(", "))
    }

    fn block_object(&mut self, kind: &str) -> String {
        let entries = self.object_entries(kind);
        entries.iter().map(|(key, value)| self.block_entry(key, value)).collect()
    }

    /// Returns a document, and whether it has a target.
    fn document(&mut self) -> (String, bool) {
        let (body, has_target) = match self.rng.below(10) {
            0 | 1 => (self.block_object("Job"), true),
            2 => {
                let object = self.flow_object("Job");
                // Anchors in front of a flow mapping make the document invalid.
                (object + "\n", self.anchors.is_empty())
            }
            3 => {
                let item = self.flow_object("Job");
                let (kind, _) = self.scalar("List");
                (format!("kind: {kind}\nitems:\n- {{kind: Service}}\n- {item}\n"), true)
            }
            4 => {
                let item = self.flow_object("Job");
                let number = self.next_number();
                (format!("x: [&a{number} {item}]\nkind: List\nitems: [*a{number}]\n"), true)
            }
            5 => {
                let (kind, _) = self.scalar("JobList");
                let spec = self.job_spec();
                (format!("kind: {kind}\napiVersion: batch/v1\nitems:\n- {{spec: {spec}}}\n"), true)
            }
            6 => {
                let (kind, spec) = (self.scalar("Job").0, self.job_spec());
                let entry = self.flow_entry("kind", &kind);
                let merged = match self.rng.below(3) {
                    0 => "*k".to_owned(),
                    1 => "[{a: b}, *k]".to_owned(),
                    _ => format!("{{{entry}}}"),
                };
                (format!("x: &k {{{entry}}}\n<<: {merged}\nspec: {spec}\n"), true)
            }
            7 | 8 => {
                // The embedded document has its own anchors.
                let anchors = std::mem::take(&mut self.anchors);
                let object = self.block_object("Job");
                let inner = std::mem::replace(&mut self.anchors, anchors) + &object;
                let (kind, _) = self.scalar("ConfigMap");
                let value = self.embed(&inner);
                (format!("kind: {kind}\nmetadata: {{name: m}}\ndata:\n  job_template.yaml: {value}\n"), true)
            }
            _ => (self.block_object("Service"), false),
        };
        let mut text = self.anchors.clone() + &body;
        // A comment ends at any line break.
        if self.rng.one_in(8) {
            text = format!("# x{}{text}", BREAKS[self.rng.below(BREAKS.len())]);
        }
        if self.rng.one_in(8) && !text.contains("\r\n") {
            text = text.replace('\n', BREAKS[self.rng.below(BREAKS.len())]);
        }
        (text, has_target)
    }

    /// Returns a double-quoted scalar that contains a document, with line breaks at random places.
    fn embed(&mut self, document: &str) -> String {
        let mut text = String::from("\"");
        let mut chars = document.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\u{85}' => text.push_str("\\N"),
                '\u{2028}' => text.push_str("\\L"),
                '\u{2029}' => text.push_str("\\P"),
                _ => text.push(c),
            }
            // Blanks after an escaped line break are not part of the scalar.
            if self.rng.one_in(40) && chars.peek() != Some(&' ') {
                text.push('\\');
                text.push_str(BREAKS[self.rng.below(BREAKS.len())]);
                text.push_str("    ");
            }
        }
        text + "\""
    }
}

fn injection() -> Injection {
    let source = VariableSource::Entry(EnvValue::Literal("c".to_owned()));
    Injection { variables: vec![RequestedVariable { name: "B".to_owned(), source }], ..Injection::default() }
}

/// Checks random documents. Returns the number of edited and of refused ones.
pub(crate) fn check_hidden_targets(seed: u64, count: u64) -> [usize; 2] {
    let injection = injection();
    let (mut edited, mut refused) = (0, 0);
    for number in 0..count {
        let mut generator = Generator { rng: Rng::new(seed, number), anchors: String::new(), count: 0 };
        let (text, has_target) = generator.document();
        let filtered = to_string(&text, &injection);
        let unfiltered = to_string(&(KEYWORDS.to_owned() + &text), &injection);
        match (&filtered, &unfiltered) {
            (Ok(filtered), Ok(unfiltered)) => {
                let expected = unfiltered.text.strip_prefix(KEYWORDS).expect("the comment");
                assert_eq!(filtered.text, expected, "{number}: the prefilter changes the result\n{text}");
            }
            (Ok(_), Err(_)) => assert!(!has_target, "{number}: the prefilter skips a target\n{text}\n{text:?}"),
            (Err(error), Ok(_)) => panic!("{number}: only the prefilter's result is an error: {error}\n{text}"),
            (Err(_), Err(_)) => {}
        }
        match &filtered {
            Ok(rendered) => {
                assert!(rendered.targets > 0 || !has_target, "{number}: a target is skipped\n{text}\n{text:?}");
                edited += usize::from(rendered.targets > 0);
            }
            Err(_) => refused += 1,
        }
    }
    [edited, refused]
}
