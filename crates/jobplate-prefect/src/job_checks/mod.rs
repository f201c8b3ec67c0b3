//! Finds parts of a Job that Kubernetes rejects, or that do not work. Each function takes the values of a Job with their
//! locations, and returns diagnostics.
//!
//! | file | decides |
//! |---|---|
//! | `container` | where the containers of a Job are |
//! | `resources` | whether requests, limits and volume sizes are valid |
//! | `env_from` | whether the sources of `envFrom` are valid |
//! | `references` | whether references are valid: types, required fields, names and keys |
//! | `placeholders` | what the template of a Job says about its parts |
//! | `names` | whether the names of the Job and of its containers are valid |
//! | `labels` | whether labels and annotations are valid |
//! | `container_env` | whether variables are valid: types, names and sources |
//! | `shell` | whether the shell of a container runs its arguments |
//! | `required_objects` | the kinds of the objects that the namespace must have |
//! | `expressions` | which template expressions Prefect leaves in the Job |

mod container;
mod container_env;
mod env_from;
mod expressions;
mod labels;
mod names;
mod placeholders;
mod references;
mod required_objects;
mod resources;
mod shell;

use jobplate_diagnostic::Diagnostic;

use self::container::containers;
use crate::pyvalue::arena::{Arena, ValueId};

pub(crate) use container::{items, pod};
pub(crate) use container_env::{non_string_error, placeholder_in_list_hint};
pub(crate) use expressions::{find as find_expressions, warning as expression_warning};
pub(crate) use placeholders::{NO_PLACEHOLDERS, TemplatePlaceholders};
pub(crate) use references::{find_references, join_words};
pub(crate) use required_objects::find_required_kinds;
pub(crate) use shell::find_swallowed_args;

/// Finds what Kubernetes rejects in a Job, and a shell that does not start the flow.
pub(crate) fn find(arena: &Arena, job: ValueId, placeholders: &TemplatePlaceholders<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    names::check_job(arena, job, &mut found);
    labels::check(arena, job, &mut found);
    let Some(pod) = pod(arena, job) else { return found };
    let containers = containers(arena, pod);
    names::check_containers(arena, &containers, &mut found);
    for container in containers {
        resources::check(arena, &container, &mut found);
        env_from::check(arena, &container, placeholders, &mut found);
        container_env::check(arena, &container, placeholders, &mut found);
        if container.is_flow {
            shell::check(arena, &container, &mut found);
        }
    }
    resources::check_volumes(arena, pod, &mut found);
    found
}
