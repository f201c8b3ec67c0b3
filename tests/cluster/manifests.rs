//! Manifests that several test modules send to the API server, as macros, so that constants can be built from them.

/// Expands to a Job. Its arguments are YAML: the value of `metadata`, one line of `spec`, and the only container.
macro_rules! job {
    ($metadata:literal, $spec:literal, $container:literal) => {
        concat!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: ",
            $metadata,
            "\nspec:\n  ",
            $spec,
            "\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - ",
            $container,
            "\n"
        )
    };
}

/// Expands to a suspended CronJob with the container `flow`. Its arguments are YAML: the value of `metadata`, and the
/// entries of `env`.
macro_rules! cron_job {
    ($metadata:literal, $($entry:literal),+) => {
        concat!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: ",
            $metadata,
            "\nspec:\n  schedule: '0 0 1 1 *'\n  suspend: true\n  jobTemplate:\n    spec:\n      template:\n        \
             spec:\n          restartPolicy: Never\n          containers:\n          - name: flow\n            \
             image: none\n            env:\n",
            $("            - ", $entry, "\n"),+
        )
    };
}

/// Expands to a ConfigMap. Its arguments are YAML: the name, and the value of `data`.
macro_rules! config_map {
    ($name:literal, $data:literal) => {
        concat!("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ", $name, "}\ndata: ", $data, "\n")
    };
}

pub(crate) use {config_map, cron_job, job};
