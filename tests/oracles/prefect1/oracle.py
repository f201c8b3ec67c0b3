"""Asks the real Prefect 1 which Job its Kubernetes agent makes.

Reads cases from standard input, one JSON object a line, and answers each with one line:

    {"template": TEXT or null, "scenario": TEXT or null, "files": {NAME: TEXT}}
    {"job": TEXT}  or  {"error": "TypeError: ..."}

`template` is the agent's job template (null: Prefect's own); `scenario` is YAML with the keys of SCENARIO, read by
PyYAML; `files` are put into the folder that the agent works in. A text may be {"hex": BYTES} instead. `job` is the
JSON that the client of Kubernetes would send.

The first line that it writes names the versions of what answers. Options:

    --fresh     a process of its own for each case, which imports Prefect with the case's environment
    --coverage  at the end, one more line: the branches of `generate_job_spec`, and those that no case went

All cases share one process otherwise. What importing Prefect makes of environment and configuration (three things:
the configuration, the context, the loggers) is then made anew for each case, by Prefect's own functions.
Nothing is asked of a network, and no file of this machine's user is read.
"""

import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import types
import warnings

import yaml

SCENARIO = {"run_config", "agent", "environ", "user_config", "flow", "flow_run_id", "identifier"}
FLOW = {"id", "core_version", "storage"}

# What Prefect's API would answer to an agent that asks for its tenant.
TENANT = "00000000-0000-0000-0000-00000000d0d0"

# Variables that say where configuration is: the folder of this process, whatever the case says.
CONFIG_PATHS = {"PREFECT__USER_CONFIG_PATH": "config.toml", "PREFECT__BACKEND_CONFIG_PATH": "backend.toml"}


class Case:
    """A case, in two folders: one that the agent works in, one for what Prefect reads before."""

    def __init__(self, given, place):
        self.work = os.path.join(place, "work")
        self.home = os.path.join(place, "home")
        for folder in (self.work, self.home):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        for name, text in (given.get("files") or {}).items():
            self._write(self.work, name, text)
        self.template = None
        if given.get("template") is not None:
            self.template = self._write(self.home, "template.yaml", given["template"])
        scenario = given.get("scenario")
        self.scenario = yaml.safe_load(as_bytes(scenario) if scenario is not None else b"") or {}
        check_keys(self.scenario, SCENARIO, "a scenario")
        self.environ = {"HOME": "/root", **(self.scenario.get("environ") or {})}
        if self.scenario.get("user_config"):
            self._write(self.home, "config.toml", self.scenario["user_config"])

    @staticmethod
    def _write(folder, name, text):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(as_bytes(text))
        return path


def as_bytes(text):
    return bytes.fromhex(text["hex"]) if isinstance(text, dict) else text.encode()


def check_keys(mapping, known, what):
    unknown = [key for key in mapping if key not in known]
    if unknown:
        raise TypeError(f"{what} has no {unknown[0]!r}")


class Machine:
    """The process as Prefect sees it: environment and folder of the case, nobody who listens."""

    def __init__(self, case):
        self.case = case

    def __enter__(self):
        self.before = dict(os.environ), os.getcwd(), os.getenv, sys.stdout, sys.stderr
        os.environ.clear()
        os.environ.update(self.case.environ)
        os.chdir(self.case.work)
        getenv, home = os.getenv, self.case.home

        def own_getenv(name, *default):
            return os.path.join(home, CONFIG_PATHS[name]) if name in CONFIG_PATHS else getenv(name, *default)

        os.getenv = own_getenv
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()

    def __exit__(self, *_):
        environ, folder, os.getenv, sys.stdout, sys.stderr = self.before
        os.environ.clear()
        os.environ.update(environ)
        os.chdir(folder)


class Prefect:
    """Prefect, imported, with what would leave this process taken from it."""

    def __init__(self):
        import prefect

        # It would look for a cluster. The module is needed for nothing else.
        clients = types.ModuleType("prefect.utilities.kubernetes")
        clients.get_kubernetes_client = lambda *_, **__: None
        sys.modules[clients.__name__] = clients

        import prefect.agent.kubernetes.agent as agent
        import prefect.configuration as configuration
        import prefect.run_configs as run_configs
        import prefect.utilities.context as context
        import prefect.utilities.logging as prefect_logging
        from kubernetes.client import ApiClient
        from prefect.utilities.graphql import GraphQLResult

        self.version = prefect.__version__
        self.agent, self.configuration, self.run_configs = agent, configuration, run_configs
        self.context, self.logging, self.result = context, prefect_logging, GraphQLResult
        self.sender = ApiClient()
        prefect_logging.LOG_MANAGER.enqueue = lambda message: None
        client = prefect.Client
        client.graphql = self._graphql()
        client.load_auth_from_disk = self._no_file("_auth_file")
        if hasattr(client, "_load_local_settings"):
            client._load_local_settings = self._no_file("_api_token_settings_path")
            client._save_local_settings = lambda client, settings: None

    def _graphql(self):
        """Stands for the API, which tells its tenant to whoever has a key, and to everybody if it is a server."""
        tenant = self.result(id=TENANT)
        answer = self.result(data=self.result(auth_info=self.result(tenant_id=TENANT), tenant=[tenant]))

        def graphql(client, *_, **__):
            import prefect

            if prefect.config.backend == "cloud" and not client.api_key:
                raise prefect.exceptions.AuthorizationError("nobody's token")
            return answer

        return graphql

    @staticmethod
    def _no_file(attribute):
        def load(client):
            getattr(client, attribute).exists()
            return {}

        return load

    def start(self):
        """Does again what importing Prefect does with environment and configuration."""
        self.configuration.USER_CONFIG = os.getenv("PREFECT__USER_CONFIG_PATH")
        self.configuration.BACKEND_CONFIG = os.getenv("PREFECT__BACKEND_CONFIG_PATH")
        self._replace("config", self.configuration.config, self.configuration.load_default_config())
        self._replace("context", self.context.context, self.context.Context())
        logging.Logger.manager.loggerDict.clear()
        logger = self.logging.configure_logging()
        self.logging.context.logger = self.logging.prefect_logger = logger
        self.logging.configure_extra_loggers()
        self.logging.create_diagnostic_logger("client.diagnostics")

    def _replace(self, name, old, new):
        for package, module in list(sys.modules.items()):
            if package.split(".")[0] == "prefect" and getattr(module, name, None) is old:
                setattr(module, name, new)

    def job(self, case):
        """The Job of a case, as JSON."""
        scenario = case.scenario
        arguments = dict(scenario.get("agent") or {})
        if case.template is not None:
            arguments["job_template_path"] = case.template
        agent = self.agent.KubernetesAgent(**arguments)
        flow = scenario.get("flow") or {}
        check_keys(flow, FLOW, "a flow")
        storage = flow.get("storage") or {
            "type": "Local",
            "directory": "/flows",
            "flows": {},
            "path": None,
            "secrets": [],
            "stored_as_script": False,
            "__version__": self.version,
        }
        flow_run = self.result(
            id=scenario.get("flow_run_id", "new_id"),
            run_config=self._run_config(scenario.get("run_config")),
            flow=self.result(
                id=flow.get("id", "new_id"), core_version=flow.get("core_version", "1.4.1"), storage=storage
            ),
        )
        letters = (scenario.get("identifier") or "0a1b2c3d") + "00000000"
        self.agent.uuid = types.SimpleNamespace(uuid4=lambda: types.SimpleNamespace(hex=letters))
        job = agent.generate_job_spec(flow_run)
        return json.dumps(self.sender.sanitize_for_serialization(job), allow_nan=False)

    def _run_config(self, given):
        """A run config as Prefect's API hands it on."""
        if given is None:
            return None
        arguments = dict(given or {})
        arguments.pop("__version__", None)
        kind = [arguments.pop("kind", None), arguments.pop("type", None), "KubernetesRun"]
        kind = next(name for name in kind if name)
        return getattr(self.run_configs, kind)(**arguments).serialize()


def answer(case, prefect):
    """The answer to one case, from a Prefect that is imported already, or (none) one that is imported now."""
    try:
        with Machine(case):
            if prefect is None:
                prefect = Prefect()
            else:
                prefect.start()
            return {"job": prefect.job(case)}
    except Exception as error:  # which one it is, is the answer
        return {"error": f"{type(error).__name__}: {error}"}


def read_case(line, place):
    """A case, or the answer where it is none."""
    try:
        return Case(json.loads(line), place), None
    except Exception as error:
        return None, {"error": f"{type(error).__name__}: {error}"}


def versions():
    """What answers here."""
    import importlib.metadata as metadata

    names = {"prefect": "prefect", "pyyaml": "PyYAML", "kubernetes": "kubernetes"}
    found = {name: metadata.version(package) for name, package in names.items()}
    return {**found, "python": ".".join(map(str, sys.version_info[:3]))}


def branches(measured, place):
    """How many branches `generate_job_spec` has, and which lines have one that no case went."""
    report = os.path.join(place, "coverage.json")
    measured.json_report(outfile=report)
    with open(report) as file:
        (of_file,) = json.load(file)["files"].values()
    name = next(name for name in of_file["functions"] if name.endswith("generate_job_spec"))
    function = of_file["functions"][name]
    summary = function["summary"]
    return {
        "branches": summary["num_branches"],
        "covered": summary["covered_branches"],
        "missing": function["missing_branches"],
    }


def main(options, place):
    warnings.simplefilter("ignore")
    logging.raiseExceptions = False
    own = sys.stdout
    if "--one" in options:
        case, failed = read_case(sys.stdin.read(), place)
        print(json.dumps(failed or answer(case, None)), file=own)
        return
    print(json.dumps(versions()), file=own, flush=True)
    if "--fresh" in options:
        for line in sys.stdin:
            one = [sys.executable, __file__, "--one"]
            print(subprocess.run(one, input=line, capture_output=True, text=True).stdout, end="", file=own, flush=True)
        return
    measured = None
    if "--coverage" in options:
        import coverage

        measured = coverage.Coverage(branch=True, data_file=None, include=["*/prefect/agent/kubernetes/agent.py"])
        measured.start()
    with Machine(Case({}, place)):
        prefect = Prefect()
    for line in sys.stdin:
        case, failed = read_case(line, place)
        print(json.dumps(failed or answer(case, prefect)), file=own, flush=True)
    if measured:
        measured.stop()
        print(json.dumps(branches(measured, place)), file=own, flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(set(sys.argv[1:]), folder)
