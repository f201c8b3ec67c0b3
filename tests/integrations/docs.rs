//! The examples in the pages about doors, typed as they stand, with the programs that they name.

use crate::console;
use crate::programs::find;

#[test]
fn examples_hold() {
    const DOORS: &[(&str, &str, usize)] =
        &[("```console kubectl", "kubectl", 4), ("```console kustomize", "kustomize", 4)];
    for &(fence, program, least) in DOORS {
        let Some(program) = find(program) else { return };
        let examples = console::run_blocks(&[fence], program.parent().expect("it is in a folder"), Vec::new);
        assert!(examples >= least, "only {examples} examples behind {fence}");
    }
}
