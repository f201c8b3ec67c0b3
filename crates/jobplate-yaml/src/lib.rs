//! Edits YAML documents and preserves every byte outside the edits.
//!
//! [`Documents`] splits a stream into documents. [`read`] parses one document into a [`NodeArena`], a flat list of
//! nodes with exact byte spans. A [`Document`] combines this text with its nodes. Only an [`Editable`] creates an
//! [`Edit`], and only a strict check of a node returns an [`Editable`]. An [`Editor`] applies edits to the text and
//! verifies that the new text means the original with exactly these edits. This crate does not depend on Kubernetes
//! objects, files or flags.
//!
//! This crate has its own scanner because granit-parser is several times slower and its spans leave out the indicators
//! that an edit needs. It writes edits with its own code because `yaml-edit` and `yamlpatch` do not verify that an
//! edited document means the original with exactly the requested edits.
//!
//! ```
//! use jobplate_yaml::{Child, Document, Editable, Editor, StrictMap, NodeArena, Value, read};
//!
//! let text = "name: flow  # the first container\nenv:\n- {name: TZ, value: UTC}\n";
//! let mut arena = NodeArena::default();
//! read(text, &mut arena).expect("YAML");
//! let document = Document::new(text, &arena);
//!
//! let container = StrictMap::from_node(document.root(), "the container")?;
//! let env = container.get("env")?.expect("`env`");
//! let entry = Value::map([("name", Value::name("LEVEL")), ("value", Value::string("debug"))]);
//! let edit = Editable::from_node(env, "`env`")?.append([Child::Item(entry)]);
//!
//! let mut editor = Editor::default();
//! let edited = editor.apply(document, &[edit])?;
//! assert_eq!(edited.document.text, format!("{text}- name: LEVEL\n  value: \"debug\"\n"));
//! # Ok::<(), jobplate_diagnostic::Error>(())
//! ```
//!
//! | file | decides |
//! |---|---|
//! | `stream` | where a stream is split into documents (`---`) |
//! | `characters` | which characters an edited document may contain: no control characters, NEL, LS, PS |
//! | `scan` | what the scanner supports, and what it rejects |
//! | `fallback` | when granit-parser parses a document, and whether yaml_serde agrees with an edit |
//! | `tree` | how nodes are compared, and how a document is traversed |
//! | `aliases` | which node an alias refers to, and how large a document may be after its aliases are expanded |
//! | `scalar` | the content of a scalar, its type in Kubernetes (string, number, boolean), and when a name is quoted |
//! | `strict` | which nodes may be edited; that duplicate keys, aliases and merge keys are refused |
//! | `key_index` | how many keys of one mapping are looked up |
//! | `path_cursor` | how the paths to many nodes of one document are found |
//! | `edit` | which changes an edit can make |
//! | `editor` | which documents can be edited, which parsers verify the new text, how a failed verification is reported |
//! | `layout` | how an edit is written in its document |
//! | `decoded_scalar` | how a change to a scalar's content is written in the scalar's style |
//! | `splice` | how replacements are applied, and what happens to the final line break |
//! | `verify` | whether an edited document means what was requested |
//! | `de` | how the project's own files are deserialized, and how an unknown key is reported |
//! | `unrendered` | which documents are templates of Helm or Jinja that were not rendered |
//! | `json_comment` | which documents are JSON with comments |
//! | `node_kind`, `unsupported` | which kinds of nodes there are, and how a parser reports why it rejects a document |

mod aliases;
mod characters;
mod de;
mod decoded_scalar;
mod edit;
mod editor;
mod fallback;
mod json_comment;
mod key_index;
mod layout;
mod node_kind;
mod path_cursor;
mod scalar;
mod scan;
mod splice;
mod stream;
mod strict;
mod tree;
mod unrendered;
mod unsupported;
mod verify;

pub use aliases::{MAX_EXPANDED_BYTES, MAX_EXPANDED_NODES};
pub use characters::{ForbiddenCharacter, check_characters};
pub use de::from_node;
pub use decoded_scalar::DecodedScalar;
pub use edit::{Child, Edit, MAX_NEW_TEXT, Value, new_text_error};
pub use editor::{Edited, Editor};
pub use fallback::{parse_with_granit, read};
pub use key_index::{KeyIndex, MAX_COMPARED_KEYS};
pub use node_kind::NodeKind;
pub use path_cursor::{PathCursor, PathStep};
pub use scalar::{ScalarKind, quote_double, quote_name};
pub use scan::scan;
pub use stream::{Documents, RawDocument, StreamError};
pub use strict::{Editable, StrictMap, find_indirection};
pub use tree::{Document, Node, NodeArena};
pub use unrendered::{find_template_expression, template_expression_on_line, unrendered_template_error};
pub use unsupported::Unsupported;
