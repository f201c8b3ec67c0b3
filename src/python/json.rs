//! JSON, as Python's `json` reads it: whole numbers of any size, the last of keys that stand twice.
//!
//! Places come from our own YAML scanner, of whose flow style JSON is a part.

use std::rc::Rc;

use num_bigint::BigInt;
use serde_json::Value;
use serde_json::value::RawValue;

use super::heap::{Data, Heap, Id, Place, Text};
use crate::yaml::{Document, Kind, Node, Tape, read};

/// Loads a text; none where it is no JSON.
pub fn load(heap: &mut Heap, source: &Rc<Text>) -> Option<Id> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let start = source.text.len() - text.len();
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let whole: &RawValue = serde_json::from_str(text).ok()?;
    let mut tape = Tape::default();
    match read(text, &mut tape) {
        Ok(_) => Some(Reader { heap, source, start }.value(Document::new(text, &tape).root())),
        // JSON that YAML does not take, such as halves of characters: it has no places.
        Err(_) => Some(without_places(heap, whole)),
    }
}

struct Reader<'h> {
    heap: &'h mut Heap,
    source: &'h Rc<Text>,
    start: usize,
}

impl Reader<'_> {
    fn put(&mut self, node: Node<'_>, data: Data) -> Id {
        let span = node.span();
        let span = self.start + span.start..self.start + span.end;
        self.heap.put(data, Some(Place { source: Rc::clone(self.source), span }))
    }

    fn value(&mut self, node: Node<'_>) -> Id {
        match node.kind() {
            Kind::Map => {
                let dict = self.put(node, Data::Dict(Vec::new()));
                for (key, value) in node.entries() {
                    let (key, value) = (self.value(key), self.value(value));
                    self.heap.set(dict, key, value);
                }
                dict
            }
            Kind::Seq => {
                let items = node.items().map(|item| self.value(item)).collect();
                self.put(node, Data::List(items))
            }
            _ => {
                let data = scalar(node.raw());
                self.put(node, data)
            }
        }
    }
}

/// A scalar as it is written.
fn scalar(raw: &str) -> Data {
    match raw {
        "null" => Data::None,
        "true" => Data::Bool(true),
        "false" => Data::Bool(false),
        raw if raw.starts_with('"') => Data::Str(serde_json::from_str(raw).unwrap_or_default()),
        raw => match raw.parse::<BigInt>() {
            Ok(whole) => Data::Int(whole),
            // Python takes an overflow for infinity.
            Err(_) => Data::Float(raw.parse().unwrap_or(f64::NAN)),
        },
    }
}

fn without_places(heap: &mut Heap, raw: &RawValue) -> Id {
    fn put(heap: &mut Heap, value: &Value) -> Id {
        let data = match value {
            Value::Array(items) => Data::List(items.iter().map(|item| put(heap, item)).collect()),
            Value::Object(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| (heap.text(key.as_str()), put(heap, value)));
                Data::Dict(pairs.collect())
            }
            scalar_value => scalar(&scalar_value.to_string()),
        };
        heap.put(data, None)
    }
    let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    put(heap, &value)
}
