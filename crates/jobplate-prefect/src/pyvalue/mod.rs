//! Python's values, parsed and formatted like in Python and its libraries. Prefect is a Python program, so the values
//! of a Job depend on these rules. This module does not depend on Prefect or Kubernetes.
//!
//! | file | decides |
//! |---|---|
//! | [`arena`] | which types values have, and how collections share values |
//! | [`dict`] | which keys of a `dict` are the same |
//! | [`duplicate_keys`] | which keys of a file Python drops, and how they are reported |
//! | [`source`] | which line a value is written on, and how errors show it |
//! | [`yaml`] | which values PyYAML's `safe_load` reads from a YAML file |
//! | `json` | which values `json.load` reads from a JSON file, with locations, and which error an invalid file has |
//! | `json_value` | which values `json.loads` reads from a variable, without locations |
//! | `literal` | which value `ast.literal_eval` returns for a string |
//! | `number` | which number `int()` and `float()` parse from a string |
//! | `duration` | which `timedelta` a string represents, and how a `timedelta` is printed |
//! | `timestamp` | which strings PyYAML reads as dates, and how dates are printed |
//! | `pydantic` | which boolean, number or datetime pydantic 2 parses from a string |
//! | [`environ`] | which variables a process has, and how `os.path` expands them |
//! | [`string`] | which strings `str()`, `repr()`, `str.strip()` and `str(Path())` return |
//! | `url` | which scheme a URL has, and which URLs `urlparse` rejects |
//! | `slug` | which slug python-slugify creates from a string |
//! | [`serialize`] | which JSON and YAML a value is serialized to, and which values cannot be serialized |
//! | [`limits`] | how many digits Python accepts, how much an input can multiply, and which hint errors about unsupported input have |

pub mod arena;
pub mod dict;
pub mod duplicate_keys;
pub(crate) mod duration;
pub mod environ;
pub mod json;
pub(crate) mod json_value;
pub mod limits;
pub(crate) mod literal;
pub(crate) mod number;
pub(crate) mod pydantic;
pub mod serialize;
pub(crate) mod slug;
pub mod source;
pub mod string;
pub(crate) mod timestamp;
pub(crate) mod url;
pub mod yaml;
