//! The texts of help that are more than a line: examples, and what a person should know before the first call.

/// Adds examples and exit codes to the commands, for a program that is called by this name.
pub(crate) fn with_examples(command: clap::Command, name: &str) -> clap::Command {
    let examples = format!(
        "Examples:
  # What flow runs get: the token of a Kubernetes Secret, under the name that Prefect 1 reads
  {name} render job_template.yaml --secret GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token

  # What the agent gets, and hands on to them
  {name} render agent.yaml --backend server --api http://prefect-apollo:4200

  # Any object, any variable, in the file itself
  {name} render -i web.yaml --target deployment/web --secret-env DB_PASSWORD=db/password

  # In CI: is what stands in Git what the spec file says?
  {name} render --check k8s/ --spec flows.yaml

Exit codes: 0 done, 1 with --check: a file would change, 2 input, or an edit that was refused"
    );
    let man = format!(
        "Examples:
  {name} man render | man -l -
  {name} man render > ~/.local/share/man/man1/jobplate-render.1"
    );
    let post_render = format!(
        "Changes only what --target names; Prefect's own settings go to agents and workers without it.

Examples:
  # Helm 3
  helm upgrade --install web ./chart --post-renderer {name} \\
    --post-renderer-args post-render \\
    --post-renderer-args --target=deployment/web \\
    --post-renderer-args --secret-env=DB_PASSWORD=db/password

  # Helm 4, as a plugin, which adds post-render itself
  helm upgrade --install web ./chart --post-renderer jobplate \\
    --post-renderer-args --target=deployment/web \\
    --post-renderer-args --secret-env=DB_PASSWORD=db/password

  # What it does, without Helm around it
  helm template web ./chart |
    {name} post-render --target=deployment/web --secret-env=DB_PASSWORD=db/password

Helm 4 shows no error of a post-renderer: JOBPLATE_ERROR_FILE=FILE keeps it.
Neither Helm shows its notes."
    );
    let apply = format!(
        "Examples:
  # A job template's Job, now, and its logs until it ends
  {name} apply job_template.yaml --secret GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token --logs

  # What somebody once wrote as a plain value becomes a reference
  {name} apply cronjob.yaml --secret-env TOKEN=prefect-secrets/token --take-over

  # In CI: a changed Job gets a new name; what became of everything, for programs
  {name} apply k8s/ --spec flows.yaml --on-immutable=new-name --wait -o json

Exit codes: 0 done, 2 input, 3 refused or unreachable, 4 the Job failed, 5 out of time, 130 Ctrl-C"
    );
    let diff = format!(
        "Examples:
  # In CI: would an apply change anything?
  {name} diff k8s/ --spec flows.yaml

Exit codes: 0 nothing differs, 1 something does, 2 input, 3 refused or unreachable, 130 Ctrl-C"
    );
    let preview = format!(
        "Examples:
  # Which Job will run, and what is lost on the way?
  {name} preview job_template.yaml

  # The flow's variables: where each comes from, and what it hides
  {name} preview job_template.yaml --agent agent.yaml --run-config run.yaml -o env

  # The same of a Prefect 2 or 3 work pool, whose worker's manifest is worker.yaml
  {name} preview base_job_template.json --worker worker.yaml -o env

  # Of a template as it will be once references are in it
  {name} render job_template.yaml --secret GITHUB_ACCESS_TOKEN=prefect-secrets/token |
    {name} preview -

Names and ids that Prefect draws are made up: new_id, 0a1b2c3d.
Exit codes: 0 done, 2 input, or Prefect itself would fail"
    );
    let convert = format!(
        "Examples:
  # From the job template of a Prefect 1 agent to a work pool of Prefect 3
  {name} convert job_template.yaml > base_job_template.json
  prefect work-pool create flows --type kubernetes --base-job-template base_job_template.json

  # On the default of the Prefect that you have
  prefect work-pool get-default-base-job-template --type kubernetes > default.json
  {name} convert job_template.yaml --from-default default.json

Notes say what has another name now, what has no place any more, and what to do about it.
Exit codes: 0 done, 2 input, or what can't be converted"
    );
    let secret = format!(
        "A key in the Secret is Prefect's name for the secret: Secret(\"TOKEN\") of a flow is the key TOKEN,
to which `{name} render --secret TOKEN=NAME` refers. The prefix PREFECT__CONTEXT__SECRETS__ is
left out. A `__` in a name leads into a dict, as it does in Prefect: A__B is B in Secret(\"A\").

Examples:
  # What a local agent has in ~/.prefect/config.toml, for a cluster
  {name} secret prefect-secrets --from-config -n flows | kubectl apply --server-side -f -

  # ... and the job template that refers to it
  {name} render job_template.yaml $({name} secret prefect-secrets --from-config --print-flags)

  # One token, which no file and no history of a shell ever holds
  read -rs TOKEN; printf %s \"$TOKEN\" | {name} secret github --from-file GITHUB_ACCESS_TOKEN=-

  # Of an encrypted file; the references, to be kept in Git
  sops -d flows.env | {name} secret flows --from-env-file - | kubectl apply --server-side -f -
  sops -d flows.env | {name} secret flows --from-env-file - --print-spec > flows.yaml

Prefect reads a value as a Python literal: 42 is a number to a flow, and \"x\" loses its quotes. A
warning names each secret to which that happens; --text NAME writes it so that it does not.

Exit codes: 0 done, 2 input"
    );
    let completion = format!(
        "Examples:
  # bash, which loads it by the package bash-completion
  mkdir -p ~/.local/share/bash-completion/completions
  {name} completion bash > ~/.local/share/bash-completion/completions/jobplate

  # zsh, with `fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit` in ~/.zshrc
  mkdir -p ~/.zfunc
  {name} completion zsh > ~/.zfunc/_jobplate

  # fish
  mkdir -p ~/.config/fish/completions
  {name} completion fish > ~/.config/fish/completions/jobplate.fish

Targets, containers and variables are those of the files on the line.
With JOBPLATE_COMPLETE_CLUSTER=1 in the environment the cluster is asked for
namespaces and the names of Secrets, too; for nothing else.

kubectl completes `kubectl jobplate` with a program named kubectl_complete-jobplate:
  ln -s \"$(command -v kubectl-jobplate)\" ~/.local/bin/kubectl_complete-jobplate"
    );
    let top = format!("Begin with: {name} template job > job_template.yaml");
    let command = command
        .bin_name(name)
        .after_help(top)
        .mut_subcommand("render", |command| command.after_help(examples))
        .mut_subcommand("post-render", |command| command.after_help(post_render))
        .mut_subcommand("preview", |command| command.after_help(preview))
        .mut_subcommand("convert", |command| command.after_help(convert))
        .mut_subcommand("secret", |command| command.after_help(secret))
        .mut_subcommand("completion", |command| command.after_help(completion))
        .mut_subcommand("man", |command| command.after_help(man));
    if cfg!(feature = "cluster") {
        let command = command.mut_subcommand("apply", |command| command.after_help(apply));
        return command.mut_subcommand("diff", |command| command.after_help(diff));
    }
    command
}
