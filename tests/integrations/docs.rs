//! Runs the examples in the documentation that need kubectl or kustomize.

use crate::console;
use crate::programs::find;

#[test]
fn examples_work() {
    const CONSOLE_BLOCKS: &[(&str, &str, usize)] =
        &[("```console kubectl", "kubectl", 4), ("```console kustomize", "kustomize", 4)];
    for &(fence, program, minimum) in CONSOLE_BLOCKS {
        let Some(program) = find(program) else { return };
        let examples = console::run_blocks(&[fence], program.parent().expect("it is in a folder"), Vec::new);
        assert!(examples >= minimum, "only {examples} examples behind {fence}");
    }
}
