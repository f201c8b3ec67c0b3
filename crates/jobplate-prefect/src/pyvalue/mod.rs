//! Python's values, and what Python's readers make of text: Prefect is a Python program, and what reaches a Job has
//! gone through them. Knows nothing of Prefect or Kubernetes.
//!
//! | file | decides |
//! |---|---|
//! | [`arena`] | what values are, and which of them are the same |
//! | [`dict`] | which keys of a `dict` are the same |
//! | [`source`] | which line a value is written on, and how errors name the place |
//! | [`yaml`] | what a YAML file means to PyYAML's `safe_load` |
//! | `json` | what a JSON file means to `json.load`, with places; why a text is not JSON |
//! | `json_value` | what JSON in a variable means to `json.loads`, without places |
//! | `literal` | what a text means to `ast.literal_eval` |
//! | `number` | what a text means to `int()` and `float()` |
//! | `duration` | what a text means as a `timedelta`, and how that is written |
//! | `timestamp` | which texts are dates to PyYAML, and how dates are printed |
//! | `pydantic` | what pydantic 2 makes of a text where it wants a number or a boolean |
//! | [`environ`] | which variables a process has, and how `os.path` expands them in a text |
//! | [`string`] | `str()`, `repr()` and `str.strip()` |
//! | `slug` | what python-slugify makes of a text |
//! | [`serialize`] | what a value is as JSON to the API server, and what can't be sent |
//! | `limits` | how many digits Python reads, and the hint on what is not followed |

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
