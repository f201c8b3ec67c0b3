//! Validates values against the schemas of variables, like Prefect's server (prefect.utilities.schema_tools.validation):
//! JSON Schema draft 2020-12, after the server has changed the schemas. The server does not check `format` in job
//! variables. `$dynamicRef`, `unevaluatedItems`, `unevaluatedProperties` and references to anything but a path in
//! `variables` are not checked here, so the preview accepts more than the server.
//!
//! No crate replaces this module. jsonschema 0.61, without its default features:
//!
//! - has no limit on comparisons. 22 definitions that each refer twice to the next one take 0.2 s, and each further one
//!   doubles the time; one value and the pattern `^(a{0,300}){0,300}b$` take over 10 s;
//! - reads patterns like ECMAScript: it rejects `é` for `\w`, and schemas with `\Z` or `(?P=name)`, unlike Python;
//! - rejects the whole schema if a `$ref` does not resolve; the server only rejects values that reach the `$ref`;
//! - adds 5.4 MB to a program of 12.7 MB, 32 crates, among them a second num-bigint and a third getrandom, and a
//!   license (MIT-0) that `deny.toml` does not allow.
//!
//! boon 0.6.1 is from January 2025, translates patterns from ECMAScript too, has no limit either, and adds 33 crates,
//! one of them with this license.
//!
//! | file | decides |
//! |---|---|
//! | [`checker`] | the order of the checks of one value, and how many comparisons a preview makes |
//! | `applicators` | which other schemas apply to a value or its parts: `$ref`, `anyOf`, `if`, `items`, `properties` and so on |
//! | `assertions` | whether a value fits the keywords without schemas: `type`, `enum`, limits, `pattern`, `required` and so on |
//! | [`schema_use`] | how the server changes a schema before it checks a value |
//! | `rejection` | how an error describes the part of a value that a schema rejects |

mod applicators;
mod assertions;
pub(super) mod checker;
mod rejection;
pub(super) mod schema_use;
