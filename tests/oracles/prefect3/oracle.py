"""Prints the Job that the Kubernetes worker of the real Prefect 2 or 3 creates.

Reads cases from standard input, one JSON object per line, and answers each with one line:

    {"template": TEXT, "scenario": TEXT or null}
    {"job": TEXT}  or  {"error": "ValidationError: ..."}

`template` is a base job template, `scenario` has the keys of SCENARIO. Each is JSON, or else YAML as PyYAML parses it.
`job` is the body of the worker's POST to the Kubernetes API. The first line of the output has the versions of Prefect
and its dependencies. Options:

    --fresh     runs each case in a new process, which imports Prefect with the case's environment
    --coverage  prints one more line at the end: the branches of MEASURED, and those that no case covers

Prefect's own code merges, renders, prepares and posts. Only two servers are fakes: Prefect's API, which returns the
flow and the deployment of the run, and the Kubernetes API, which accepts every object. The program uses no network and
reads no file of the user. The eight random digits in the name of a Secret are fixed.

CI runs Prefect 3.8.8 with prefect-kubernetes 0.8.0. The answers of older versions are recorded in
`tests/prefect/worker/expected/`. They are Jobs before their creation, since jobplate does not reproduce how older
versions store values in Secrets. To record the answers again, create these environments next to the others (in
`target/oracles` or JOBPLATE_TEST_ORACLES), each with Python 3.11, and run
`JOBPLATE_PREFECT_UPDATE=1 cargo test --test prefect`, which uses every environment that it finds:

    prefect-3.4.22   prefect==3.4.22 prefect-kubernetes==0.6.5 "pydantic<2.12" "fastapi<0.120" importlib_metadata
    prefect-3.2.9    prefect==3.2.9 prefect-kubernetes==0.5.8 "pydantic<2.12" "fastapi<0.120" importlib_metadata
    prefect-2.20.26  prefect==2.20.26 prefect-kubernetes==0.4.6
    prefect-2.10.21  prefect==2.10.21 prefect-kubernetes==0.2.10 "pydantic<2" "griffe<0.48" "anyio<4" "click<8.2"
                     "cachetools<6"
"""

import asyncio
import contextlib
import fnmatch
import inspect
import io
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import uuid
import warnings

SCENARIO = {"job_variables", "deployment", "flow", "flow_run", "work_pool", "worker"}
WORKER = {"id", "name", "env", "settings"}
SETTING = "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_"

# The functions that create a Job from a template: for each file, patterns of their names.
MEASURED = {
    "prefect/utilities/templating/__init__.py": ["determine_placeholder_type", "find_placeholders", "apply_values"],
    "prefect/utilities/collections.py": ["get_from_dict", "set_in_dict", "deep_merge"],
    "prefect/workers/base.py": [
        "BaseJobConfiguration._coerce_*",
        "BaseJobConfiguration._get_base_config_defaults",
        "BaseJobConfiguration.from_template_and_values",
        "BaseJobConfiguration.resolve_for_flow_run",
        "BaseJobConfiguration.prepare_for_flow_run",
        "BaseJobConfiguration._base_*",
    ],
    "prefect_kubernetes/worker.py": [
        "KubernetesWorkerJobConfiguration.*",
        "KubernetesWorker.run",
        "KubernetesWorker._create_job",
        "KubernetesWorker._replace_*",
        "KubernetesWorker._store_env_as_secret",
        "KubernetesWorker._create_env_secret",
        "KubernetesWorker._upsert_secret",
    ],
    "prefect_kubernetes/utilities.py": ["_slugify_*"],
    "prefect/utilities/dockerutils.py": ["get_prefect_image_name"],
    "prefect/utilities/processutils/__init__.py": ["command_from_string"],
}

# Blocks that no case can reach, as regular expressions of their first lines.
UNREACHABLE = [
    # Needs a cluster that rejects a request, or a caller that waits for the Job.
    r"except kubernetes_asyncio\.client\.exceptions\.ApiException as exc:",
    r"if exc\.status != 404:",
    r"if task_status is not None:",
    # A worker always has a flow, a run, a pool and a name. The fake has no other DNS name for the API.
    r"if (flow|work_pool|worker_name|flow_run) is None:",
    r"if (flow|worker_name) is not None:",
    r"if flow_id := \(",
    r"if flow is not None and getattr\(flow, .name., None\):",
    r"if (labels|flow_run_id):",
    r"if \(api_url := .* and self\._api_dns_name:",
    r"env_var\.get\(.name.\) == .PREFECT_API_URL.",
    # Arguments that no caller in a worker passes.
    r"if (skip_prefixes|warn_on_notset|remove_notset):",
    r"if value is NotSet and warn_on_notset:",
    r"elif not remove_notset:",
    r"if not secret_key:",
    r"if isinstance\(keys, str\):",
    # Runs on Windows only.
    r"if sys\.platform == .win32.:",
]


def check_keys(mapping, known, what):
    unknown = [key for key in mapping if key not in known]
    if unknown:
        raise TypeError(f"{what} has no {unknown[0]!r}")


def parse(text):
    """Parses JSON or YAML. PyYAML parses 1e5 as a string, so JSON is tried first."""
    try:
        return json.loads(text)
    except ValueError:
        import yaml

        return yaml.safe_load(text)


class Case:
    """A template and a scenario, converted to JSON values."""

    def __init__(self, given):
        self.template = json.loads(json.dumps(parse(given["template"])))
        scenario = json.loads(json.dumps(parse(given.get("scenario") or "{}")))
        if scenario is None:
            scenario = {}
        if not isinstance(scenario, dict):
            raise TypeError("a scenario is a mapping")
        check_keys(scenario, SCENARIO, "a scenario")
        self.scenario = scenario
        self.worker = scenario.get("worker") or {}
        check_keys(self.worker, WORKER, "a worker")
        for key, named in [("flow_run", scenario.get("flow_run")), ("worker", self.worker)]:
            if not (named or {}).get("name", True):
                raise ValueError(f"a {key} without a name would be given a random one")
        self.environ = dict(self.worker.get("env") or {})
        for name, value in (self.worker.get("settings") or {}).items():
            self.environ[SETTING + name.upper()] = str(value).lower() if isinstance(value, bool) else str(value)

    def record(self, key, number, **defaults):
        """Returns an object as the API would, with an `id` that ends with `number` if it has none."""
        given = self.scenario.get(key) or {}
        return {"id": str(uuid.UUID(int=number)), **defaults, **given}

    def has_deployment(self):
        return self.scenario.get("deployment", {}) is not None


class CaseEnvironment:
    """A context with the environment of a case, an empty home directory, and captured output."""

    def __init__(self, case, place):
        self.case, self.place = case, place

    def __enter__(self):
        self.before = dict(os.environ), sys.stdout, sys.stderr
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        os.environ.clear()
        os.environ.update(self.case.environ)
        # Needed until Prefect has read its settings.
        os.environ["HOME"] = self.place

    def remove_home(self):
        """Removes the home directory from the environment, since a template may refer to HOME."""
        os.environ.pop("HOME")
        os.environ.update(self.case.environ)

    def __exit__(self, *_):
        environ, sys.stdout, sys.stderr = self.before
        os.environ.clear()
        os.environ.update(environ)


class FakeKubernetes:
    """A fake HTTP layer of the Kubernetes client. It records requests, has no objects and accepts every new one."""

    def __init__(self, refusal):
        self.refusal, self.posted = refusal, []

    async def _request(self, method, url, body=None, **_):
        if method == "GET":
            missing = self.refusal(status=404, reason="Not Found")
            missing.body = b"{}"
            raise missing
        if method == "POST":
            self.posted.append((url, body))
        metadata = body.get("metadata") if isinstance(body, dict) else None
        metadata = metadata if isinstance(metadata, dict) else {}
        name = metadata.get("name") or f"{metadata.get('generateName')}0a1b2"
        made = {"name": name, "namespace": metadata.get("namespace"), "uid": str(uuid.UUID(int=9))}
        text = json.dumps({"metadata": made}).encode()
        headers = {"getheaders": dict, "getheader": lambda name, default=None: default}
        return types.SimpleNamespace(status=201, reason="Created", data=text, **headers)

    def __getattr__(self, method):
        if not method.isupper():
            raise AttributeError(method)
        return lambda url, **others: self._request(method, url, **others)

    async def close(self):
        pass

    def job(self):
        return next(body for url, body in self.posted if url.endswith("/jobs"))


class FakePrefectApi:
    """A fake of Prefect's API. It has one flow and one deployment, and no blocks or variables."""

    def __init__(self, flow, deployment):
        self.flow, self.deployment = flow, deployment

    async def read_flow(self, _):
        return self.flow

    async def read_deployment(self, _):
        return self.deployment

    def __getattr__(self, name):
        raise RuntimeError(f"{name}: there is no Prefect API")


class Prefect:
    """The imported Prefect, without access to networks, other programs and files of the user."""

    def __init__(self):
        import prefect
        import prefect.context
        import prefect_kubernetes.worker as worker
        from prefect.client.schemas import objects

        # Prefect runs git only to identify the commit of its own sources.
        import prefect.utilities.dockerutils as dockerutils

        dockerutils.subprocess = types.SimpleNamespace(check_output=self._no_program)
        self.context, self.worker, self.objects = prefect.context, worker, objects
        self.configuration = worker.KubernetesWorkerJobConfiguration
        self.is_current = hasattr(self.configuration, "resolve_for_flow_run")
        # Cached by environment, since reading the settings takes longer than everything else.
        self.settings = {}
        if self.is_current:
            self._use_fake_kubernetes()
        # Eight of its digits become part of a generated name.
        worker.uuid = types.SimpleNamespace(uuid4=lambda: types.SimpleNamespace(hex="0a1b2c3d" + "0" * 24))
        logging.disable(logging.CRITICAL)

    @staticmethod
    def _no_program(*_, **__):
        raise FileNotFoundError("git")

    def start(self):
        """Creates the settings that importing Prefect creates from the environment."""
        environ = tuple(sorted(os.environ.items()))
        if environ not in self.settings:
            # Discards what an environment with invalid settings left behind.
            self.context.GLOBAL_SETTINGS_CONTEXT = None
            self.settings[environ] = self.context.root_settings_context()
        self.context.GLOBAL_SETTINGS_CONTEXT = self.settings[environ]

    def job(self, case):
        """Returns the Job of a case as JSON."""
        job = asyncio.run(self._posted_job(case) if self.is_current else self._prepared_job(case))
        return json.dumps(job, allow_nan=False)

    def _flow_and_pool(self, case):
        labels = {"labels": {}} if "labels" in fields(self.objects.Flow) else {}
        flow = self.objects.Flow(**case.record("flow", 2, name="test-flow", **labels))
        pool = {"type": "kubernetes", "default_queue_id": str(uuid.UUID(int=5)), "base_job_template": case.template}
        return flow, self.objects.WorkPool(**case.record("work_pool", 4, name="test-pool", **pool))

    def _use_fake_kubernetes(self):
        """Connects all workers to the fake Kubernetes API."""
        import kubernetes_asyncio.client.rest as rest
        from kubernetes_asyncio.client import ApiClient, Configuration
        from kubernetes_asyncio.client.exceptions import ApiException

        self.kubernetes = FakeKubernetes(ApiException)
        rest.RESTClientObject = lambda configuration: self.kubernetes

        @contextlib.asynccontextmanager
        async def client(worker, configuration):
            yield ApiClient(Configuration(host="http://kubernetes"))

        self.worker.KubernetesWorker._get_configured_kubernetes_client = client

    async def _posted_job(self, case):
        from prefect.client.schemas.responses import DeploymentResponse

        flow, pool = self._flow_and_pool(case)
        deployment = None
        if case.has_deployment():
            deployment = DeploymentResponse(flow_id=flow.id, **case.record("deployment", 3, name="test-deployment"))
        run = self.objects.FlowRun(
            flow_id=flow.id,
            deployment_id=deployment.id if deployment else None,
            job_variables=case.scenario.get("job_variables"),
            **case.record("flow_run", 1, name="test-run"),
        )
        check_keys(case.worker.get("settings") or {}, self._settings(), "a worker's settings")
        self.kubernetes.posted.clear()
        worker = self._worker(case, pool)
        configuration = await self.configuration.resolve_for_flow_run(
            run,
            client=FakePrefectApi(flow, deployment),
            work_pool=pool,
            worker_name=worker.name,
            worker_id=case.worker.get("id"),
        )
        await worker.run(flow_run=run, configuration=configuration)
        return self.kubernetes.job()

    def _worker(self, case, pool):
        return self.worker.KubernetesWorker(work_pool_name=pool.name, name=case.worker.get("name", "test-worker"))

    def _settings(self):
        from prefect_kubernetes.settings import KubernetesWorkerSettings

        return KubernetesWorkerSettings.model_fields

    async def _prepared_job(self, case):
        """Returns the Job of an older worker, before its first request to a cluster."""
        if case.worker.get("settings"):
            raise NotImplementedError("settings of a worker are only followed in the newest version")
        flow, pool = self._flow_and_pool(case)
        deployment = None
        if case.has_deployment():
            given = case.record("deployment", 3, name="test-deployment")
            deployment = types.SimpleNamespace(**{"updated": None, "job_variables": {}, **given})
            deployment.infra_overrides = deployment.job_variables
        record = case.record("flow_run", 1, name="test-run")
        record["deployment_id"] = deployment.id if deployment else str(uuid.UUID(int=3))
        if "job_variables" in fields(self.objects.FlowRun):
            record["job_variables"] = case.scenario.get("job_variables")
        elif case.scenario.get("job_variables"):
            raise NotImplementedError("runs have no job variables of their own in this version")
        run = self.objects.FlowRun(flow_id=flow.id, **record)
        worker = self._worker(case, pool)
        worker._work_pool, worker._client = pool, FakePrefectApi(flow, deployment)
        given = {"deployment": deployment} if has_parameter(worker._get_configuration, "deployment") else {}
        return (await worker._get_configuration(run, **given)).job_manifest


def fields(model):
    return getattr(model, "model_fields", None) or model.__fields__


def has_parameter(function, argument):
    return argument in inspect.signature(function).parameters


def describe(error):
    """Returns `Type: message`. For an error of pydantic it omits the input and returns locations and messages."""
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        parts = [[".".join(map(str, part["loc"])), part["msg"]] for part in error.errors()]
        return "ValidationError: " + "; ".join(": ".join(filter(None, part)) for part in parts)
    return f"{type(error).__name__}: {error}"


def answer(line, prefect, place):
    """Returns the answer to one case. Imports Prefect first if `prefect` is None."""
    try:
        case = Case(json.loads(line))
        context = CaseEnvironment(case, place)
        with context:
            if prefect is None:
                prefect = Prefect()
            else:
                prefect.start()
            context.remove_home()
            return {"job": prefect.job(case)}
    except Exception as error:  # the error is the answer
        return {"error": describe(error)}


def versions():
    """Returns the versions of Prefect and its dependencies."""
    import importlib.metadata as metadata

    names = ["prefect", "prefect-kubernetes", "pydantic", "jsonpatch", "python-slugify", "text-unidecode"]
    found = {name: metadata.version(name) for name in names}
    return {**found, "python": ".".join(map(str, sys.version_info[:3]))}


def branches(measured, place):
    """Returns the number of branches of the functions in MEASURED, and those that no case covers."""
    report = os.path.join(place, "coverage.json")
    measured.json_report(outfile=report)
    with open(report) as file:
        files = json.load(file)["files"]
    total = {"branches": 0, "covered": 0, "missing": []}
    for name, patterns in MEASURED.items():
        (of_file,) = (found for path, found in files.items() if path.endswith(name))
        for pattern in patterns:
            functions = [own for own in of_file["functions"] if own and fnmatch.fnmatchcase(own, pattern)]
            if not functions:
                raise LookupError(f"{name} has no {pattern}")
            for function in functions:
                found = of_file["functions"][function]
                total["branches"] += found["summary"]["num_branches"]
                total["covered"] += found["summary"]["covered_branches"]
                total["missing"] += [f"{name}:{start}>{end}" for start, end in found["missing_branches"]]
    return total


def main(options, place):
    warnings.simplefilter("ignore")
    logging.raiseExceptions = False
    own, program = sys.stdout, os.path.abspath(__file__)
    os.chdir(place)
    if "--one" in options:
        print(json.dumps(answer(sys.stdin.read(), None, place)), file=own)
        return
    print(json.dumps(versions()), file=own, flush=True)
    if "--fresh" in options:
        for line in sys.stdin:
            one = [sys.executable, program, "--one"]
            print(subprocess.run(one, input=line, capture_output=True, text=True).stdout, end="", file=own, flush=True)
        return
    measured = None
    if "--coverage" in options:
        import coverage

        files = ["*/" + name for name in MEASURED]
        measured = coverage.Coverage(branch=True, data_file=None, include=files)
        for line in UNREACHABLE:
            measured.exclude(line)
        measured.start()
    with CaseEnvironment(Case({"template": "{}"}), place):
        prefect = Prefect()
    for line in sys.stdin:
        print(json.dumps(answer(line, prefect, place)), file=own, flush=True)
    if measured:
        measured.stop()
        print(json.dumps(branches(measured, place)), file=own, flush=True)


def restrict_directories(place):
    """Makes pathlib refuse to create directories outside of `place`, whatever the settings of a case are."""
    make = pathlib.Path.mkdir

    def mkdir(self, *arguments, **others):
        if not str(self.absolute()).startswith(place):
            raise PermissionError(str(self))
        return make(self, *arguments, **others)

    pathlib.Path.mkdir = mkdir


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        restrict_directories(directory)
        main(set(sys.argv[1:]), directory)
