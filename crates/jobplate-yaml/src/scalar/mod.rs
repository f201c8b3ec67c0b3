//! Scalars: their decoded content, their type in Kubernetes, and the quoting of new strings.
//!
//! Kubernetes reads YAML with sigs.k8s.io/yaml, which is based on go-yaml 2 and supports the booleans, octal numbers
//! and binary numbers of YAML 1.1.
//!
//! | file | decides |
//! |---|---|
//! | `decode` | the content of a scalar: escapes, line folding, block scalar indentation and chomping |
//! | `resolve` | the type that a plain scalar is resolved to |
//! | `quote` | when a new string is quoted, and how |

mod decode;
mod quote;
mod resolve;

pub(super) use decode::{
    Chomping, DecodeSink, SURROGATE_PAIR_BYTES, ScalarSource, chomping, decode, decode_into, simple_escape,
    surrogate_pair,
};
pub use quote::{quote_double, quote_name};
pub use resolve::ScalarKind;
pub(super) use resolve::resolve;
