//! YAML as bytes: split a stream into documents, find nodes with exact spans, edit them, prove the new text.
//!
//! A text is read into a [`NodeArena`], the flat list of its nodes; a [`Document`] is the two together. Edits are made by
//! an [`Editable`], which comes only from a strict check of the node, and become text only through an [`Editor`],
//! which proves that the new text means the document with exactly these edits. Every byte outside of an edit stays.
//! Nothing here knows of Kubernetes' objects, of files or of flags.
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
//! | `characters` | which characters an edited document may hold: no control characters, NEL, LS, PS |
//! | `scan` | what the fast parser reads, and where it steps back |
//! | `fallback` | when granit-parser reads a document, and whether yaml_serde agrees with an edit |
//! | `tree` | how nodes are compared, and how a document is traversed |
//! | `scalar` | the text of a scalar, its type in Kubernetes (string, number, boolean), and when a name is quoted |
//! | `strict` | which nodes may be edited; that duplicate keys, aliases and merge keys are refused |
//! | `edit` | which changes there are |
//! | `editor` | which documents can be edited, how the new text is proven, how an edit that is not proven is reported |
//! | `layout` | how an edit looks in its document |
//! | `decoded_scalar` | how a change inside of a scalar's text is written in the scalar's style |
//! | `splice` | how replacements are applied, and what happens to the final line break |
//! | `verify` | whether an edited document means what was asked |
//! | `de` | how our own files are read into Rust types, and how an unknown key is reported |
//! | `node_kind`, `unsupported` | which kinds of nodes there are, and how a parser says why it does not read a document |

mod characters;
mod de;
mod decoded_scalar;
mod edit;
mod editor;
mod fallback;
mod layout;
mod node_kind;
mod scalar;
mod scan;
mod splice;
mod stream;
mod strict;
mod tree;
mod unsupported;
mod verify;

pub use characters::{ForbiddenCharacter, check_characters};
pub use de::from_node;
pub use decoded_scalar::DecodedScalar;
pub use edit::{Child, Edit, Value};
pub use editor::{Edited, Editor};
pub use fallback::{parse_with_granit, read};
pub use node_kind::NodeKind;
pub use scalar::{ScalarKind, quote_double, quote_name};
pub use scan::scan;
pub use stream::{Documents, RawDocument, StreamError};
pub use strict::{Editable, StrictMap, find_indirection};
pub use tree::{Document, Node, NodeArena};
pub use unsupported::Unsupported;
