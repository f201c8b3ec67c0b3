//! Tests that `argocd-generate` does not reveal what exists outside of the repository.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::run;

const SPEC: &str = "apiVersion: jobplate/v1\nkind: JobPlate\nspec: {env: [{name: A, value: b}]}\n";

/// Creates a repository in which `link` leads to `target`. Returns the exit code and the errors of `argocd-generate`,
/// without the target's path.
fn generate(link: &str, target: &Path, parameters: &str) -> (i32, String) {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    run::write_file(&dir.path().join("jobplate.yaml"), SPEC.as_bytes());
    let link = dir.path().join(link);
    std::fs::create_dir_all(link.parent().expect("a link has a parent")).expect("a directory can be created");
    drop(std::fs::remove_file(&link));
    symlink(target, &link).expect("a link can be created");
    let parameters = [("ARGOCD_APP_PARAMETERS", parameters)];
    let output = run::jobplate_with_env(dir.path(), &parameters, &["argocd-generate"], b"");
    assert!(output.stdout.is_empty());
    (output.status, String::from_utf8(output.stderr).expect("messages are UTF-8"))
}

pub(crate) fn argocd_generate_reveals_nothing_outside_of_the_repository() {
    let outside = tempfile::tempdir().expect("a temporary directory can be created");
    let path = |name: &str| outside.path().join(name);
    run::write_file(&path("file"), b"kind: Job\n");
    std::fs::create_dir(path("directory")).expect("a directory can be created");
    symlink("loop", path("loop")).expect("a link can be created");
    let files = |names: &str| format!(r#"[{{"name": "files", "array": {names}}}]"#);
    for (link, parameters) in [
        ("x.yaml", files(r#"["x.yaml"]"#)),
        ("directory/x.yaml", files(r#"["directory"]"#)),
        ("link", files(r#"["link/job.yaml"]"#)),
        ("jobplate.yaml", files(r#"["job.yaml"]"#)),
        ("kustomization.yaml", "[]".to_owned()),
    ] {
        let answers = ["file", "directory", "loop", "nothing", "file/nothing", "directory/nothing"]
            .map(|target| generate(link, &path(target), &parameters));
        assert_eq!(answers[0].0, 2, "{link}: {answers:?}");
        let is_refused = answers[0].1.contains("does not exist, or is outside of the application's repository");
        assert!(is_refused || link == "kustomization.yaml", "{link}: {answers:?}");
        answers.iter().for_each(|answer| assert_eq!(answer, &answers[0], "{link}"));
    }
}
