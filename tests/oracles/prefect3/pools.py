"""Asks the real Prefect 3 what it thinks of base job templates, one JSON object a line on standard input.

`{"template": "JSON", "values": {...}}`: whether the server takes the template for a work pool, whether the defaults of
its variables and the values fit, and which Job a worker makes with these values. Answers `{"job": {...}}`, or
`{"refused": text}` of the server, or `{"fails": text}` of the worker. `{"settings": [names]}`: those of the names that
are no settings, as `{"unknown": [names]}`. The first line says which Prefect this is, and has its own default.
"""
import asyncio
import copy
import json
import os
import sys
import tempfile
import uuid

for name in [name for name in os.environ if name.startswith("PREFECT_")]:
    del os.environ[name]
# A port where nobody listens: whoever asks an API fails.
os.environ.update(
    PREFECT_HOME=tempfile.mkdtemp(), PREFECT_API_URL="http://127.0.0.1:9/api", PREFECT_API_KEY="plain-of-the-worker",
    PREFECT_LOGGING_LEVEL="ERROR", PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1",
)

import prefect
import pydantic
from prefect.client.schemas.objects import FlowRun
from prefect.server.schemas.actions import WorkPoolCreate
from prefect.settings import Settings
from prefect.utilities.schema_tools import validate
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration as Configuration

RUN = FlowRun(id=uuid.UUID(int=1), flow_id=uuid.UUID(int=2), name="test-run")


class NoApi:
    def __getattr__(self, name):
        raise RuntimeError("asks the API: " + name)


def defaults(variables):
    properties = variables.get("properties", {}).items()
    return {name: schema["default"] for name, schema in properties if schema.get("default") is not None}


def answer(asked):
    if "settings" in asked:
        return {"unknown": sorted(set(asked["settings"]) - known_settings())}
    template, values = json.loads(asked["template"]), asked.get("values", {})
    try:
        WorkPoolCreate(name="pool", type="kubernetes", base_job_template=copy.deepcopy(template))
        for own in (defaults(template["variables"]), values):
            validate(own, template["variables"], raise_on_error=True, preprocess=True, ignore_required=True,
                     allow_none_with_default=True)
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}

    async def make():
        made = await Configuration.from_template_and_values(
            copy.deepcopy(template), copy.deepcopy(values), client=NoApi())
        made.prepare_for_flow_run(RUN)
        return made.job_manifest

    try:
        return {"job": asyncio.run(make())}
    except Exception as error:
        return {"fails": f"{type(error).__name__}: {error}"}


def known_settings(model=Settings):
    """The names of all variables that a setting is read from."""
    names = set()
    prefix = model.model_config.get("env_prefix", "")
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, pydantic.BaseModel):
            names |= known_settings(inner)
            continue
        names.add((prefix + name).upper())
        choices = getattr(field.validation_alias, "choices", [field.validation_alias])
        names |= {choice.upper() for choice in choices if isinstance(choice, str)}
    return names


print(json.dumps({"prefect": prefect.__version__, "stock": KubernetesWorker.get_default_base_job_template()}), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
