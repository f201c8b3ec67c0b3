//! Writes a Secret manifest from keys and values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jobplate_yaml::{quote_double, quote_name};

use super::names::ValidationError;

/// The maximum size of all values of a Secret in bytes. Source: `MaxSecretSize` in `kubernetes:pkg/apis/core/types.go`.
const MAX_SECRET_BYTES: usize = 1 << 20;

/// A Secret.
pub struct Secret<'a> {
    /// The name of the Secret.
    pub name: &'a str,
    /// The namespace, or `None` to leave it out of the manifest.
    pub namespace: Option<&'a str>,
    /// Whether the Secret is immutable.
    pub immutable: bool,
    /// The keys and values.
    pub data: &'a [(&'a str, &'a [u8])],
}

impl Secret<'_> {
    /// Returns the manifest. Values are in `stringData`, or in base64 in `data` if they are not UTF-8.
    ///
    /// # Errors
    /// Fails if the values are larger than Kubernetes accepts.
    pub fn to_manifest(&self) -> Result<String, ValidationError> {
        if self.data.iter().map(|(_, value)| value.len()).sum::<usize>() > MAX_SECRET_BYTES {
            return Err(
                ValidationError::new("the values exceed 1 MiB, the limit of a Secret").hint("use several Secrets")
            );
        }
        let mut out = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n", quote_name(self.name));
        if let Some(namespace) = self.namespace {
            out.push_str(&format!("  namespace: {}\n", quote_name(namespace)));
        }
        out.push_str("type: Opaque\n");
        if self.immutable {
            out.push_str("immutable: true\n");
        }
        let (mut string_data, mut data) = (String::new(), String::new());
        for (key, value) in self.data {
            let key = quote_name(key);
            match std::str::from_utf8(value) {
                Ok(value) => string_data.push_str(&format!("  {key}: {}\n", quote_double(value))),
                Err(_) => data.push_str(&format!("  {key}: \"{}\"\n", STANDARD.encode(value))),
            }
        }
        for (field, entries) in [("stringData", string_data), ("data", data)] {
            if !entries.is_empty() {
                out.push_str(&format!("{field}:\n{entries}"));
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use jobplate_yaml::{Document, NodeArena, read};

    use super::*;

    #[test]
    fn values_read_back_equal() {
        let special_characters = "a\"\\b\n\t\r\0\u{7f}\u{85}\u{feff}\u{2028}: # é 😀 ";
        let data: &[(&str, &[u8])] =
            &[("B", b"yes"), ("123", special_characters.as_bytes()), ("y", b"\xff\0"), ("A", b"")];
        let secret = Secret { name: "1", namespace: Some("no"), immutable: true, data };
        let text = secret.to_manifest().unwrap();
        let head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"1\"\n  namespace: \"no\"\ntype: Opaque\nimmutable: true\nstringData:\n  B: \"yes\"\n";
        assert!(text.starts_with(head) && text.ends_with("  A: \"\"\ndata:\n  \"y\": \"/wA=\"\n"), "{text}");
        let mut arena = NodeArena::default();
        read(&text, &mut arena).unwrap();
        let values = Document::new(&text, &arena).root().get_first("stringData").unwrap();
        assert_eq!(values.get_first("123").unwrap().text().unwrap(), special_characters);
    }

    #[test]
    fn refuses_values_over_the_limit() {
        let write = |value: &[u8]| {
            Secret { name: "s", namespace: None, immutable: false, data: &[("A", b"1"), ("B", value)] }.to_manifest()
        };
        assert!(write(&vec![b'x'; MAX_SECRET_BYTES - 1]).is_ok());
        assert!(write(&vec![b'x'; MAX_SECRET_BYTES]).unwrap_err().to_string().contains("1 MiB"));
    }
}
