//! Recognizes text that Kubernetes never receives: expressions of templates, and instructions of patches.

/// Returns whether a key is an instruction of a strategic merge patch, such as `$patch`, and not a field. Source:
/// kubernetes/apimachinery:pkg/util/strategicpatch/patch.go
pub(super) fn is_patch_directive(key: &str) -> bool {
    key.starts_with('$')
}

/// Returns whether a string contains an expression that Prefect, Helm, envsubst, kustomize or a similar program replaces.
pub(super) fn has_expression(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| matches!(pair, b"{{" | b"${" | b"$("))
}
