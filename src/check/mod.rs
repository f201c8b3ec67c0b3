//! Checks manifests: reports what will fail, leak or be ignored, with its exact place.
//!
//! A rule examines one document at a time. It is one file in `rules/`, and one line of [`rules::RULES`].
//!
//! | file | decides |
//! |---|---|
//! | `rule` | the parts of a rule |
//! | [`rules`] | which rules exist |
//! | `subject` | what a rule examines: objects, pods, containers and variables |
//! | `expression` | which text is an expression of a template, or an instruction of a patch |
//! | `field_comparison` | which fields do not exist, and which values have a wrong type |
//! | `actual_type` | which type Kubernetes reads for a value |
//! | `findings` | how a rule reports a finding, and how many are kept |
//! | `finding` | the place of a finding in the input, and its path in the manifest |
//! | `checker` | how the documents of an input are read, and which threads check them |
//! | `batch` | which documents are checked together |
//! | `document_checker` | which documents are parsed, and which embedded documents are checked |
//! | `fix` | which fixes of a document are applied together |
//! | `replacement` | the text that a fix replaces, for reports |
//! | `comment` | what an ignore comment is, and where one can be inserted |
//! | `add_ignore` | how ignore comments are added to a document |
//! | `ignore` | which findings the comments of a document suppress |
//! | `embedded_text` | which values of a ConfigMap may be manifests with containers |
//! | `prefect` | which documents are previewed, and how a preview's diagnostics become findings |
//! | `copy` | which nodes a fix can copy |
//! | `splice` | how parts of a string are replaced |
//! | `references` | which Secrets, ConfigMaps and keys a pod refers to |
//! | `benign_literals` | which literals with secret-looking names are probably settings |
//! | `benign_names` | which names with a secret-looking word are not those of secrets |
//! | `evidence` | how sure it is that a value is a secret |
//! | `named_secrets` | which values are secrets because of their names |
//! | `secret_references` | which reference replaces a secret in plain text |
//! | `plain_secrets` | which parts of a document are secrets in plain text |
//! | `prefect1_secrets` | which literals of Prefect 1 secrets a document has |
//! | `described_run` | which kinds of runs the command line describes |
//! | `page` | the page of a rule |

mod actual_type;
mod add_ignore;
mod batch;
mod benign_literals;
mod benign_names;
mod checker;
mod comment;
mod copy;
mod described_run;
mod document_checker;
mod embedded_text;
mod evidence;
mod expression;
mod field_comparison;
mod finding;
mod findings;
mod fix;
mod ignore;
mod named_secrets;
mod page;
mod plain_secrets;
mod prefect;
mod prefect1_secrets;
mod references;
mod replacement;
mod rule;
pub mod rules;
mod secret_references;
mod splice;
mod subject;

pub use self::checker::Checker;
pub use self::comment::CommentPlace;
pub use self::described_run::DescribedRun;
pub use self::document_checker::CheckCounts;
pub use self::finding::{DocumentFix, Finding, SharedFindings};
pub use self::findings::{Confidence, Draft, FindingFilter, Findings, Fix};
pub use self::fix::FixedDocument;
pub use self::page::render_page;
pub use self::prefect::Previewer;
pub use self::replacement::{PlannedReplacement, ReplacementPlanner};
pub use self::rule::{Check, Example, FixDescription, Persona, Rule};
pub use self::secret_references::SecretReferences;
pub use self::subject::{CheckedObject, Container, Embedding, EnvEntry, Pod, Subject};
