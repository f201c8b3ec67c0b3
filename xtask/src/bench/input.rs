//! Generates the inputs. They have the same bytes on every machine and are not kept in memory.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Writes Jobs and Deployments with comments, in both styles of list indentation.
pub fn write_workloads(path: &Path, documents: usize) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for number in 0..documents {
        write_workload(&mut out, number)?;
    }
    Ok(out.flush()?)
}

/// Writes the Jobs of [`write_workloads`] alone.
pub fn write_jobs(path: &Path, documents: usize) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for number in 0..documents {
        write_workload(&mut out, 2 * number)?;
    }
    Ok(out.flush()?)
}

fn write_workload(out: &mut impl Write, number: usize) -> Result<()> {
    let is_job = number.is_multiple_of(2);
    // Alternate between both styles: dashes are indented like the list's key, or by two more spaces.
    let dash = if number.is_multiple_of(4) || number % 4 == 3 { "" } else { "  " };
    let name = if is_job { "nightly-import" } else { "report-service" };
    writeln!(out, "---\n# Source: platform/templates/{name}-{number}.yaml")?;
    if is_job {
        writeln!(out, "apiVersion: batch/v1\nkind: Job")?;
    } else {
        writeln!(out, "apiVersion: apps/v1\nkind: Deployment")?;
    }
    writeln!(
        out,
        "metadata:\n  name: {name}-{number}\n  namespace: team-{}\n  labels:\n    app.kubernetes.io/name: {name}\n    \
         app.kubernetes.io/instance: {name}-{number}   # one for each source\n  annotations:\n    \
         example.com/description: \"Imports what came in over night; see the runbook, chapter {}\"\nspec:",
        number % 17,
        number % 23
    )?;
    if is_job {
        writeln!(out, "  backoffLimit: 2\n  ttlSecondsAfterFinished: 86400   # a day")?;
    } else {
        writeln!(
            out,
            "  replicas: {}\n  selector:\n    matchLabels: {{app.kubernetes.io/instance: {name}-{number}}}",
            1 + number % 5
        )?;
    }
    writeln!(
        out,
        "  template:\n    metadata:\n      labels:\n        app.kubernetes.io/instance: {name}-{number}\n    spec:\n      \
         serviceAccountName: {name}\n      containers:"
    )?;
    for (position, container) in ["main", "sidecar"].iter().enumerate() {
        let item = format!("      {dash}");
        writeln!(
            out,
            "{item}- name: {container}\n{item}  image: \"registry.example.com/platform/{name}:1.{}.{}\"\n{item}  # the arguments of the entry point\n{item}  args: [\"--source\", \"s{number}\", \
             \"--log-level=info\"]\n{item}  env:",
            number % 40,
            position
        )?;
        for variable in 0..7 {
            writeln!(
                out,
                "{item}  {dash}- name: SETTING_{variable}\n{item}  {dash}  value: \"value {variable} of {number}\""
            )?;
        }
        writeln!(
            out,
            "{item}  # comes from the vault\n{item}  {dash}- name: DATABASE_PASSWORD\n{item}  {dash}  valueFrom:\n{item}  {dash}    \
             secretKeyRef:\n{item}  {dash}      name: {name}-database\n{item}  {dash}      key: password\n\n{item}  resources:\n{item}    \
             requests: {{cpu: 100m, memory: 256Mi}}\n{item}    limits:\n{item}      memory: 512Mi"
        )?;
    }
    writeln!(
        out,
        "      restartPolicy: {}\n      volumes:\n      {dash}- name: scratch\n      {dash}  emptyDir: \
         {{}}",
        if is_job { "Never" } else { "Always" }
    )?;
    Ok(())
}

/// Writes workloads in the form in which Helm pipes them to a post-renderer. Every fourth workload, starting with the
/// first, is followed by a ConfigMap with a job template.
pub fn write_chart(path: &Path, documents: usize, job_template: &str) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for number in 0..documents {
        write_workload(&mut out, number)?;
        if number.is_multiple_of(4) {
            writeln!(
                out,
                "---\n# Source: platform/templates/flows-{number}.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \
                 flows-{number}\ndata:\n  job_template.yaml: |"
            )?;
            for line in job_template.lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    Ok(out.flush()?)
}

/// Writes CronJobs without a namespace, named `nightly-0`, `nightly-1` and so on.
pub fn write_cron_jobs(path: &Path, documents: usize) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for number in 0..documents {
        writeln!(
            out,
            "---\n# Source: platform/templates/nightly-{number}.yaml\napiVersion: batch/v1\nkind: CronJob\nmetadata:\n  \
             name: nightly-{number}\n  labels:\n    app.kubernetes.io/name: nightly   # one for each source\nspec:\n  \
             schedule: \"{} 3 1 1 *\"\n  concurrencyPolicy: Forbid\n  jobTemplate:\n    spec:\n      backoffLimit: 2\n      \
             template:\n        spec:\n          restartPolicy: Never\n          containers:\n          - name: main\n            \
             image: \"registry.example.com/platform/nightly:1.{}\"\n            args: [\"--source\", \"s{number}\"]\n            env:",
            number % 60,
            number % 40
        )?;
        for variable in 0..7 {
            writeln!(
                out,
                "            - name: SETTING_{variable}\n              value: \"value {variable} of {number}\""
            )?;
        }
    }
    Ok(out.flush()?)
}

/// Writes Services, ConfigMaps and custom resources, none of which has a pod template.
pub fn write_without_targets(path: &Path, documents: usize) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for number in 0..documents {
        match number % 3 {
            0 => {
                writeln!(
                    out,
                    "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: service-{number}\n  labels: {{app: a{number}}}\nspec:\n  ports:"
                )?;
                for port in 0..40 {
                    writeln!(
                        out,
                        "  - name: port-{port}\n    port: {}\n    targetPort: http-{port}   # as it is named",
                        8000 + port
                    )?;
                }
            }
            1 => {
                writeln!(
                    out,
                    "---\n# settings\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-{number}\ndata:\n  settings.ini: |"
                )?;
                for line in 0..60 {
                    writeln!(out, "    setting.{line} = \"value {line} of {number}\"")?;
                }
            }
            _ => {
                writeln!(
                    out,
                    "---\napiVersion: example.com/v1\nkind: Route\nmetadata:\n  name: route-{number}\nspec:\n  rules:"
                )?;
                for rule in 0..25 {
                    writeln!(
                        out,
                        "    - match: {{path: \"/v1/items/{rule}\"}}\n      to:\n        host: h{number}.example.com\n        weight: {rule}"
                    )?;
                }
            }
        }
    }
    Ok(out.flush()?)
}

/// Writes the content of a file to another file several times.
pub fn repeat(from: &Path, to: &Path, times: usize) -> Result<()> {
    let mut out = File::create(to)?;
    for _ in 0..times {
        std::io::copy(&mut File::open(from)?, &mut out)?;
    }
    Ok(())
}

/// Writes a kustomization that makes the benchmark's edit with one JSON patch for each kind. Returns the
/// kustomization's directory.
pub fn write_kustomization(parent: &Path, stream: &Path) -> Result<PathBuf> {
    let directory = parent.join("kustomization");
    fs::create_dir_all(&directory)?;
    fs::copy(stream, directory.join("workloads.yaml"))?;
    let mut text = String::from("resources: [workloads.yaml]\npatches:\n");
    for kind in ["Job", "Deployment"] {
        text += &format!("- target: {{kind: {kind}}}\n  patch: |-\n");
        for container in 0..2 {
            text += &format!(
                "    - op: add\n      path: /spec/template/spec/containers/{container}/env/-\n      value: {{name: BENCH_TOKEN, valueFrom: \
                 {{secretKeyRef: {{name: bench, key: token}}}}}}\n"
            );
        }
    }
    fs::write(directory.join("kustomization.yaml"), text)?;
    Ok(directory)
}
