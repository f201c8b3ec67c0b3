//! A setting of Prefect: its name, the kind of its value, and its former name.

/// The prefix of every variable that sets a setting.
pub(super) const PREFIX: &str = "PREFECT_";

/// A setting of Prefect or prefect-kubernetes. Names are written without `PREFECT_`.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name of the setting.
    pub name: &'static str,
    /// The kind of the setting's value.
    pub kind: SettingKind,
    /// The name in earlier versions, if it was different. Prefect reads the variable of this name if the variable of
    /// the current name is not set.
    pub former_name: Option<&'static str>,
}

/// The kind of a setting's value. It determines the text that Prefect accepts and the form that Prefect exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Any text.
    Text,
    /// Any text; `SecretStr`, or a URL that can hold a password.
    Secret,
    /// A path.
    Path,
    /// A boolean.
    Bool,
    /// An integer.
    Int(Limits),
    /// A floating-point number.
    Float(Limits),
    /// A level of Python's `logging`.
    LogLevel,
    /// One of the listed values.
    OneOf(&'static [&'static str]),
    /// A `timedelta`.
    TimeDelta,
    /// A `timedelta`, or its number of seconds.
    Seconds(Limits),
    /// A set of names, separated by commas or as a JSON array.
    Names,
    /// A boolean, or a set of names.
    BoolOrNames,
    /// A set of HTTP status codes.
    StatusCodes,
    /// A number of seconds, or a JSON array of numbers.
    RetryDelay,
    /// One or more numbers of seconds, separated by commas or as a JSON array.
    RetryDelays,
    /// Labels and their values.
    LabelFilters,
    /// A JSON object of HTTP headers.
    Headers,
    /// A JSON object of event types and the retention periods of their events.
    RetentionOverrides,
    /// Not a setting, but the name prefix of a group of settings. A variable of this name holds the group's settings as
    /// a JSON object.
    Group,
}

/// The limits of a number. The limits of a `timedelta` are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// No limits.
    Any,
    /// `>=`
    AtLeast(u32),
    /// `>`
    MoreThan(u32),
    /// `>=` the first, and `<=` the second.
    Between(u32, u32),
}

impl Limits {
    /// Returns whether a value is within the limits. `number` converts a limit to the type of the value.
    pub(super) fn allow<T: PartialOrd>(self, value: &T, number: impl Fn(u32) -> T) -> bool {
        match self {
            Limits::Any => true,
            Limits::AtLeast(min) => *value >= number(min),
            Limits::MoreThan(min) => *value > number(min),
            Limits::Between(min, max) => *value >= number(min) && *value <= number(max),
        }
    }
}

/// Returns a setting without a former name.
pub(super) const fn setting(name: &'static str, kind: SettingKind) -> Setting {
    Setting { name, kind, former_name: None }
}

/// Returns a setting with a former name.
pub(super) const fn renamed(name: &'static str, kind: SettingKind, former_name: &'static str) -> Setting {
    Setting { name, kind, former_name: Some(former_name) }
}
