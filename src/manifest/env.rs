//! One env var or `envFrom` source as a container has it, apart from any text.

/// The keys below `valueFrom`: the sources that a value can come from, as of Kubernetes 1.37.
pub const SOURCES: [&str; 5] = ["secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"];

/// Which key of which Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// `name` of the Secret or ConfigMap.
    pub name: String,
    /// The key in its data.
    pub key: String,
    /// `optional: true`: the pod starts without it.
    pub optional: bool,
}

/// What an env var is set to: a literal, or where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// `value`
    Literal(String),
    /// `valueFrom.secretKeyRef`
    SecretKey(KeyRef),
    /// `valueFrom.configMapKeyRef`
    ConfigMapKey(KeyRef),
    /// `valueFrom.fieldRef.fieldPath`
    Field(String),
}

/// An entry of `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its `name`.
    pub name: String,
    /// Its `value` or `valueFrom`.
    pub value: EnvValue,
}

/// The kind of object an `envFrom` source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// `secretRef`
    Secret,
    /// `configMapRef`
    ConfigMap,
}

/// An entry of `envFrom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFrom {
    /// Put before each key of the source; empty for none.
    pub prefix: String,
    /// Secret or ConfigMap.
    pub kind: SourceKind,
    /// Its `name`.
    pub name: String,
    /// `optional: true`: the pod starts without it.
    pub optional: bool,
}
