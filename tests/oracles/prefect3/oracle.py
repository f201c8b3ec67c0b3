"""Asks the real Prefect 2 or 3 which Job its Kubernetes worker makes.

Reads cases from standard input, one JSON object a line, and answers each with one line:

    {"template": TEXT, "scenario": TEXT or null}
    {"job": TEXT}  or  {"error": "ValidationError: ..."}

`template` is a base job template, `scenario` has the keys of SCENARIO: each JSON, or else YAML as PyYAML reads it.
`job` is what the worker posts to the Kubernetes API. The first line that it writes names the versions of what answers.
Options:

    --fresh     a process of its own for each case, which imports Prefect with the case's environment
    --coverage  at the end, one more line: the branches of MEASURED, and those that no case went

Prefect merges, renders, prepares and posts; played are only the answers of two servers: Prefect's tells the flow and
the deployment of the run, Kubernetes' says yes. Nothing is asked of a network, and no file of this machine's user is
read. The eight random digits in the name of a Secret are always the same.

It is written for Prefect 3.8.8 with prefect-kubernetes 0.8.0, which CI has. What older ones answer is recorded
(`tests/prefect/worker/expected/`): they end where the Job is prepared, since their own ways with Secrets are not
followed. To record it anew, make these environments beside the others (`target/oracles`, or the folder that
JOBPLATE_TEST_ORACLES names), each with Python 3.11, and let JOBPLATE_PREFECT_UPDATE=1 cargo test --test prefect ask
whatever it finds there:

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

# What makes a Job of a template, by file: all functions whose names match.
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

# What no case can come by, as regular expressions of lines: each leaves out its own block.
LEFT_OUT = [
    # It needs a cluster that refuses, or a caller that waits for the Job.
    r"except kubernetes_asyncio\.client\.exceptions\.ApiException as exc:",
    r"if exc\.status != 404:",
    r"if task_status is not None:",
    # A worker always has a flow, a run, a pool and a name to give, and no other name for the machine it runs on.
    r"if (flow|work_pool|worker_name|flow_run) is None:",
    r"if (flow|worker_name) is not None:",
    r"if flow_id := \(",
    r"if flow is not None and getattr\(flow, .name., None\):",
    r"if (labels|flow_run_id):",
    r"if \(api_url := .* and self\._api_dns_name:",
    r"env_var\.get\(.name.\) == .PREFECT_API_URL.",
    # Arguments that no caller on the way of a worker gives.
    r"if (skip_prefixes|warn_on_notset|remove_notset):",
    r"if value is NotSet and warn_on_notset:",
    r"elif not remove_notset:",
    r"if not secret_key:",
    r"if isinstance\(keys, str\):",
    # Another system.
    r"if sys\.platform == .win32.:",
]


def check_keys(mapping, known, what):
    unknown = [key for key in mapping if key not in known]
    if unknown:
        raise TypeError(f"{what} has no {unknown[0]!r}")


def parse(text):
    """What a text says. PyYAML reads 1e5 as text, so JSON comes first."""
    try:
        return json.loads(text)
    except ValueError:
        import yaml

        return yaml.safe_load(text)


class Case:
    """A template and a scenario, with everything in them as JSON carries it."""

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
        """What a server would tell of a thing, with an id that ends with this number unless it has its own."""
        given = self.scenario.get(key) or {}
        return {"id": str(uuid.UUID(int=number)), **defaults, **given}

    def has_deployment(self):
        return self.scenario.get("deployment", {}) is not None


class Machine:
    """The process as Prefect sees it: the environment of the case, a home that is empty, nobody who listens."""

    def __init__(self, case, place):
        self.case, self.place = case, place

    def __enter__(self):
        self.before = dict(os.environ), sys.stdout, sys.stderr
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        os.environ.clear()
        os.environ.update(self.case.environ)
        # Until Prefect has read its settings.
        os.environ["HOME"] = self.place

    def settle(self):
        """Takes the home of this process away again, which a template may ask for."""
        os.environ.pop("HOME")
        os.environ.update(self.case.environ)

    def __exit__(self, *_):
        environ, sys.stdout, sys.stderr = self.before
        os.environ.clear()
        os.environ.update(environ)


class Kubernetes:
    """Stands for the HTTP layer of the client: notes what is sent, has nothing yet, and says yes to whatever comes."""

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


class Server:
    """Stands for Prefect's API: it knows one flow and one deployment, and no blocks and variables."""

    def __init__(self, flow, deployment):
        self.flow, self.deployment = flow, deployment

    async def read_flow(self, _):
        return self.flow

    async def read_deployment(self, _):
        return self.deployment

    def __getattr__(self, name):
        raise RuntimeError(f"{name}: there is no Prefect API")


class Prefect:
    """Prefect, imported, with what would leave this process taken from it."""

    def __init__(self):
        import prefect
        import prefect.context
        import prefect_kubernetes.worker as worker
        from prefect.client.schemas import objects

        # It is only there to tell one state of Prefect's sources from another.
        import prefect.utilities.dockerutils as dockerutils

        dockerutils.subprocess = types.SimpleNamespace(check_output=self._no_program)
        self.context, self.worker, self.objects = prefect.context, worker, objects
        self.configuration = worker.KubernetesWorkerJobConfiguration
        self.is_followed = hasattr(self.configuration, "resolve_for_flow_run")
        # By environment: they take longer than all the rest, and nothing changes them.
        self.settings = {}
        if self.is_followed:
            self._play_cluster()
        # Its last eight digits are part of a name that is made up.
        worker.uuid = types.SimpleNamespace(uuid4=lambda: types.SimpleNamespace(hex="0a1b2c3d" + "0" * 24))
        logging.disable(logging.CRITICAL)

    @staticmethod
    def _no_program(*_, **__):
        raise FileNotFoundError("git")

    def start(self):
        """Does again what importing Prefect does with the environment."""
        environ = tuple(sorted(os.environ.items()))
        if environ not in self.settings:
            # What an environment that fails leaves behind is not to be taken up.
            self.context.GLOBAL_SETTINGS_CONTEXT = None
            self.settings[environ] = self.context.root_settings_context()
        self.context.GLOBAL_SETTINGS_CONTEXT = self.settings[environ]

    def job(self, case):
        """The Job of a case, as JSON."""
        job = asyncio.run(self._posted(case) if self.is_followed else self._prepared(case))
        return json.dumps(job, allow_nan=False)

    def _flow_and_pool(self, case):
        labels = {"labels": {}} if "labels" in fields(self.objects.Flow) else {}
        flow = self.objects.Flow(**case.record("flow", 2, name="test-flow", **labels))
        pool = {"type": "kubernetes", "default_queue_id": str(uuid.UUID(int=5)), "base_job_template": case.template}
        return flow, self.objects.WorkPool(**case.record("work_pool", 4, name="test-pool", **pool))

    def _play_cluster(self):
        """Has all workers talk to what stands for Kubernetes."""
        import kubernetes_asyncio.client.rest as rest
        from kubernetes_asyncio.client import ApiClient, Configuration
        from kubernetes_asyncio.client.exceptions import ApiException

        self.kubernetes = Kubernetes(ApiException)
        rest.RESTClientObject = lambda configuration: self.kubernetes

        @contextlib.asynccontextmanager
        async def client(worker, configuration):
            yield ApiClient(Configuration(host="http://kubernetes"))

        self.worker.KubernetesWorker._get_configured_kubernetes_client = client

    async def _posted(self, case):
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
            client=Server(flow, deployment),
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

    async def _prepared(self, case):
        """What older workers make, up to where they would ask a cluster."""
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
        worker._work_pool, worker._client = pool, Server(flow, deployment)
        given = {"deployment": deployment} if takes(worker._get_configuration, "deployment") else {}
        return (await worker._get_configuration(run, **given)).job_manifest


def fields(model):
    return getattr(model, "model_fields", None) or model.__fields__


def takes(function, argument):
    return argument in inspect.signature(function).parameters


def describe(error):
    """`Type: message`. What pydantic says also holds the input, so of that only places and messages."""
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        parts = [[".".join(map(str, part["loc"])), part["msg"]] for part in error.errors()]
        return "ValidationError: " + "; ".join(": ".join(filter(None, part)) for part in parts)
    return f"{type(error).__name__}: {error}"


def answer(line, prefect, place):
    """The answer to one case, from a Prefect that is imported already, or (none) one that is imported now."""
    try:
        case = Case(json.loads(line))
        machine = Machine(case, place)
        with machine:
            if prefect is None:
                prefect = Prefect()
            else:
                prefect.start()
            machine.settle()
            return {"job": prefect.job(case)}
    except Exception as error:  # which one it is, is the answer
        return {"error": describe(error)}


def versions():
    """What answers here."""
    import importlib.metadata as metadata

    names = ["prefect", "prefect-kubernetes", "pydantic", "jsonpatch", "python-slugify", "text-unidecode"]
    found = {name: metadata.version(name) for name in names}
    return {**found, "python": ".".join(map(str, sys.version_info[:3]))}


def branches(measured, place):
    """How many branches the functions of MEASURED have, and which lines have one that no case went."""
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
        for line in LEFT_OUT:
            measured.exclude(line)
        measured.start()
    with Machine(Case({"template": "{}"}), place):
        prefect = Prefect()
    for line in sys.stdin:
        print(json.dumps(answer(line, prefect, place)), file=own, flush=True)
    if measured:
        measured.stop()
        print(json.dumps(branches(measured, place)), file=own, flush=True)


def only_within(place):
    """Folders are made in this one place alone, whatever the settings of a case say."""
    make = pathlib.Path.mkdir

    def mkdir(self, *arguments, **others):
        if not str(self.absolute()).startswith(place):
            raise PermissionError(str(self))
        return make(self, *arguments, **others)

    pathlib.Path.mkdir = mkdir


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        only_within(folder)
        main(set(sys.argv[1:]), folder)
