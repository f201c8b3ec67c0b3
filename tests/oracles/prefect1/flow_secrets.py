"""Prints the values that flows of Prefect 1.4 get for their secrets.

Reads a JSON list from standard input. Each item has the environment of a flow run (`env`), its `config.toml` (`config`)
and the names of secrets (`ask`; `A/B` is the key B of the secret A). Prints a list with one object per item, which has
a string for each name: the type and the value, a string as it is and any other value as its `repr`.

    pip install 'prefect==1.4.1' 'marshmallow<4'
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile


def plain(value):
    """Returns the value with plain dicts and lists instead of Prefect's types."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in sorted(value.items())}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def get(names):
    from prefect.client import Secret

    answers = {}
    for name in names:
        secret, *keys = name.split("/")
        value = plain(Secret(secret).get())
        for key in keys:
            value = value[key]
        answers[name] = f"{type(value).__name__} {value if isinstance(value, str) else repr(value)}"
    return answers


def ask(question):
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "config.toml")
        config.write_text(question["config"], encoding="utf-8")
        env = {"PATH": os.environ["PATH"], "HOME": "/home/prefect", "PREFECT__HOME_DIR": folder}
        env |= {"PREFECT__USER_CONFIG_PATH": str(config)} | question["env"]
        command = [sys.executable, "-W", "ignore", __file__, *question["ask"]]
        return json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)


if sys.argv[1:]:
    print(json.dumps(get(sys.argv[1:])))
else:
    print(json.dumps([ask(question) for question in json.load(sys.stdin)]))
