//! Base job templates: where one is in a text, and its values.

use std::rc::Rc;

use super::values::{as_json, load};
use crate::error::{Error, Result};
use crate::manifest::embedded;
use crate::manifest::object::each_in_text;
use crate::prefect::{base_job_template, block};
use crate::python::heap::{Heap, Id, Place, Text, at};
use crate::python::json;
use crate::yaml::Node;

/// Whether a text is about Prefect 2 or 3: a base job template, what holds one, or a `KubernetesJob` block.
pub fn is_one(text: &str) -> bool {
    // JSON that YAML does not take, such as halves of characters, is a template all the same.
    let mut found = json::is_json(text) && text.contains("job_configuration");
    let looked = each_in_text(text, &mut |_, object| {
        found |= base_job_template::find(object).is_some() || block::find(object).is_some();
        found |= embedded::is_config_map(object) && !in_config_map(object).is_empty();
        Ok(())
    });
    looked.is_ok() && found
}

fn in_config_map<'a>(object: &crate::manifest::object::Object<'a>) -> Vec<Node<'a>> {
    let data = embedded::data(object).ok().flatten();
    let entries = data.into_iter().flat_map(Node::entries);
    entries.filter(|(key, _)| key.is(base_job_template::CONFIG_MAP_KEY)).map(|(_, value)| value).collect()
}

/// The base job template of a text. Fails where there is none, or more than one.
pub fn read(heap: &mut Heap, source: &Rc<Text>) -> Result<Id> {
    let whole = Place { source: Rc::clone(source), span: 0..0 };
    if let Some(template) = json::load(heap, source).and_then(|root| in_value(heap, root)) {
        return as_json(heap, template);
    }
    let mut inner: Vec<Rc<Text>> = Vec::new();
    let mut is_block = false;
    let mut count = 0;
    each_in_text(&source.text, &mut |offset, object| {
        is_block |= block::find(object).is_some();
        count += usize::from(base_job_template::find(object).is_some());
        if embedded::is_config_map(object) {
            inner.extend(in_config_map(object).into_iter().map(|value| text_of(source, offset, value)));
        }
        Ok(())
    })?;
    match (count, inner.as_slice()) {
        (0, [text]) => {
            let text = Rc::clone(text);
            return read(heap, &text);
        }
        (0, []) if is_block => {
            let error = Error::input("this is a KubernetesJob block, which agents of Prefect 2 make Jobs of");
            let hint = "previews are of workers: `publish_as_work_pool()` of Prefect 2 makes a base job template of it";
            return Err(at(error.hint(hint), Some(&whole)));
        }
        (1, []) => {}
        (0, []) => {
            let error = Error::input("no base job template is here");
            return Err(at(error.hint("one has `job_configuration` and `variables`"), Some(&whole)));
        }
        _ => {
            let error = Error::input("there are several base job templates here");
            return Err(at(error.hint("name a file with one of them"), Some(&whole)));
        }
    }
    let root = load(heap, source)?;
    let template = in_value(heap, root).unwrap_or(root);
    as_json(heap, template)
}

/// The base job template that a value is, or has in it.
fn in_value(heap: &Heap, root: Id) -> Option<Id> {
    let is_template = |id: &Id| ["job_configuration", "variables"].iter().all(|key| heap.item(*id, key).is_some());
    let mut found =
        base_job_template::WAYS.iter().filter_map(|way| way.iter().try_fold(root, |at, key| heap.item(at, key)));
    found.find(is_template)
}

/// The text under a key of a ConfigMap. Only a literal block has the lines of its text.
fn text_of(source: &Rc<Text>, offset: usize, value: Node<'_>) -> Rc<Text> {
    let line = source.text[..offset + value.span().start].matches('\n').count();
    let has_lines = value.raw().starts_with('|');
    // The chart also takes a mapping, which Kubernetes refuses as data: it is read as what was meant.
    let text = if value.is_scalar() { value.text().unwrap_or_default().into_owned() } else { value.raw().to_owned() };
    Rc::new(Text {
        name: source.name.clone(),
        first_line: source.first_line + line + usize::from(has_lines),
        has_lines,
        text,
        is_manifest: has_lines,
    })
}
