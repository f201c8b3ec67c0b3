"""Checks base job templates with the real Prefect 3. Reads one JSON object per line from standard input.

`{"template": "JSON", "values": {...}}`: creates a work pool with the template, validates the defaults of its variables
and the values, and creates the Job of a worker with these values. The answer is `{"job": {...}}`, `{"refused": TEXT}`
with the error of the server, or `{"fails": TEXT}` with the error of the worker. `{"settings": [NAMES]}`: the answer is
`{"unknown": [NAMES]}` with the names that are not settings. The first line of the output has the version of Prefect and
its default template.
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
# No server listens at this port, so every request to an API fails.
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


def answer(request):
    if "settings" in request:
        return {"unknown": sorted(set(request["settings"]) - known_settings())}
    template, values = json.loads(request["template"]), request.get("values", {})
    try:
        WorkPoolCreate(name="pool", type="kubernetes", base_job_template=copy.deepcopy(template))
        for own in (defaults(template["variables"]), values):
            validate(own, template["variables"], raise_on_error=True, preprocess=True, ignore_required=True,
                     allow_none_with_default=True)
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}

    async def create_job():
        configuration = await Configuration.from_template_and_values(
            copy.deepcopy(template), copy.deepcopy(values), client=NoApi())
        configuration.prepare_for_flow_run(RUN)
        return configuration.job_manifest

    try:
        return {"job": asyncio.run(create_job())}
    except Exception as error:
        return {"fails": f"{type(error).__name__}: {error}"}


def known_settings(model=Settings):
    """Returns the names of all variables that a setting is read from."""
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
