"""Prints whether the server of the real Prefect 3 accepts values of variables.

Reads cases from standard input, one JSON object per line, and answers each with one line:

    {"variables": SCHEMA, "job_variables": {...}}   job variables of a flow run
    {"variables": SCHEMA}                           a base job template with defaults
    null  or  the reason for the rejection, as JSON
"""

import asyncio
import json
import sys

from prefect.server.api.validation import _validate_work_pool_job_variables
from prefect.utilities.schema_tools import ValidationError


async def answer(case):
    template = {"variables": case["variables"]}
    variables = [case["job_variables"]] if "job_variables" in case else []
    # `validate_job_variables_for_deployment_flow_run` and `validate_job_variable_defaults_for_work_pool`.
    options = {"ignore_required": not variables, "ignore_invalid_defaults": bool(variables)}
    try:
        await _validate_work_pool_job_variables(None, "pool", template, *variables, **options)
    except ValidationError as error:
        return str(error)
    return None


async def main():
    for line in sys.stdin:
        print(json.dumps(await answer(json.loads(line))))


asyncio.run(main())
