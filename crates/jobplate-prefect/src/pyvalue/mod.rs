//! Python's values, parsed and formatted like in Python and its libraries. Prefect is a Python program, so the values
//! of a Job depend on these rules. This module does not depend on Prefect or Kubernetes.
//!
//! | file | decides |
//! |---|---|
//! | [`arena`] | which types values have, and how collections share values |
//! | [`dict`] | which keys of a `dict` are the same |
//! | [`source`] | which line a value is written on, and how errors show it |
//! | [`yaml`] | which values PyYAML's `safe_load` reads from a YAML file |
//! | `json` | which values `json.load` reads from a JSON file, with locations; why a file is not JSON |
//! | `json_value` | which values `json.loads` reads from a variable, without locations |
//! | `literal` | which value a string has to `ast.literal_eval` |
//! | `number` | which number a string is to `int()` and `float()` |
//! | `duration` | which `timedelta` a string is, and how it is printed |
//! | `timestamp` | which strings are dates to PyYAML, and how dates are printed |
//! | `pydantic` | which boolean, number or datetime a string is to pydantic 2 |
//! | [`environ`] | which variables a process has, and how `os.path` expands them |
//! | [`string`] | `str()`, `repr()` and `str.strip()` |
//! | `slug` | which slug python-slugify makes of a string |
//! | [`serialize`] | which JSON and YAML a value becomes, and what cannot be serialized |
//! | `limits` | how many digits Python accepts, and the hint on unsupported input |

pub mod arena;
pub mod dict;
pub(crate) mod duration;
pub mod environ;
pub(crate) mod json;
pub(crate) mod json_value;
pub(crate) mod limits;
pub(crate) mod literal;
pub(crate) mod number;
pub(crate) mod pydantic;
pub mod serialize;
pub(crate) mod slug;
pub mod source;
pub mod string;
pub(crate) mod timestamp;
pub mod yaml;
