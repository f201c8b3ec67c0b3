//! The ConfigMap keys that hold a template for flow runs by default. The ConfigMap's name does not matter.

/// The keys of a Prefect 1 job template. The first key is the default.
pub const JOB_TEMPLATE: [&str; 2] = ["job_template.yaml", "job_template.yml"];

/// The key of a base job template in the ConfigMap of the chart `prefect-worker`.
pub const BASE_JOB_TEMPLATE: &str = "baseJobTemplate.json";

/// Returns whether a key holds a template of any generation of Prefect.
pub fn is_template_key(key: &str) -> bool {
    key == BASE_JOB_TEMPLATE || JOB_TEMPLATE.contains(&key)
}
