//! The literals of Prefect 1 secrets in a document: in job templates, and in Secrets.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jobplate_prefect::variables::secret_name;
use jobplate_yaml::Node;

use super::subject::{CheckedObject, Subject};

/// The literal of a Prefect 1 secret.
#[derive(Debug)]
pub(super) struct SecretLiteral<'a> {
    /// The value.
    pub node: Node<'a>,
    /// The name of the secret, without the prefix of its variable.
    pub name: String,
    /// The decoded value.
    pub text: Cow<'a, str>,
}

/// Returns the literals of variables `PREFECT__CONTEXT__SECRETS__NAME` in job templates, and of keys with such a name in
/// Secrets.
pub(super) fn secret_literals<'a>(subject: &Subject<'a>) -> Vec<SecretLiteral<'a>> {
    let of_template = subject.prefect1_flow_containers().flat_map(|container| &container.env).filter_map(|entry| {
        let (node, text) = entry.literal()?;
        Some(SecretLiteral { node, name: secret_name(&entry.text)?.to_owned(), text })
    });
    let is_secret = |object: &&CheckedObject<'a>| object.object.kind == "Secret" && !object.is_encrypted;
    let of_secrets = subject.objects.iter().filter(is_secret).flat_map(|object| {
        let entries = |field| object.object.node.get_first(field).into_iter().flat_map(Node::entries);
        let plain = entries("stringData").map(|(key, node)| (key, node, node.text()));
        let encoded = entries("data").map(|(key, node)| (key, node, node.text().and_then(|text| decode(&text))));
        plain.chain(encoded).filter_map(|(key, node, text)| {
            let name = secret_name(&key.text()?)?.to_owned();
            Some(SecretLiteral { node, name, text: text? })
        })
    });
    of_template.chain(of_secrets).collect()
}

/// Decodes a value in the `data` of a Secret. Returns `None` if it is not UTF-8 in Base64.
fn decode(text: &str) -> Option<Cow<'static, str>> {
    let bytes = STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
