//! Python's values, and what Python's readers make of text: Prefect 1 is a Python program, and what reaches a
//! Job has gone through them.
//!
//! `literal` is `ast.literal_eval`, `yaml` is PyYAML's `safe_load`, `environ` is `os.path`'s expansion, `text` is
//! `str()` and `repr()`, `number` is `int()` and `float()`, `send` is what can be sent to an API server, `slug` is python-slugify, `pydantic` is what that
//! makes of texts. Knows nothing of Prefect or Kubernetes.

pub(crate) mod duration;
pub mod environ;
pub mod heap;
pub(crate) mod json;
pub(crate) mod json_value;
pub(crate) mod literal;
pub(crate) mod number;
pub(crate) mod pydantic;
pub mod send;
pub(crate) mod slug;
pub mod text;
pub(crate) mod time;
pub mod yaml;

/// What is said of the few things that Python reads and this does not: they are refused.
pub const NOT_FOLLOWED: &str = "Prefect may take this, but it is not followed here: write it in another way";

/// Digits of a whole number that Python reads from a text: there are none with more.
pub const MOST_DIGITS: usize = 4300;
