"""Prints the Job that the Kubernetes agent of the real Prefect 1 creates.

Reads cases from standard input, one JSON object per line, and answers each with one line:

    {"template": TEXT or null, "scenario": TEXT or null, "files": {NAME: TEXT}}
    {"job": TEXT}  or  {"error": "TypeError: ..."}

`template` is the agent's job template (null: Prefect's default). `scenario` is YAML with the keys of SCENARIO, parsed
by PyYAML. `files` are written into the agent's working directory. A TEXT may also be {"hex": BYTES}. `job` is the JSON
that the Kubernetes client would send.

The first line of the output has the versions of Prefect and its dependencies. Options:

    --fresh     runs each case in a new process, which imports Prefect with the case's environment
    --coverage  prints one more line at the end: the branches of `generate_job_spec`, and those that no case covers

Without `--fresh` all cases share one process. Importing Prefect creates three objects from the environment and the
configuration files: the configuration, the context and the loggers. Prefect's own functions create them again for each
case. The program uses no network and reads no file of the user.
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

# The tenant that the fake API returns.
TENANT = "00000000-0000-0000-0000-00000000d0d0"

# Variables with the path of a configuration file. It is always in the case's home directory, whatever the case sets.
CONFIG_PATHS = {"PREFECT__USER_CONFIG_PATH": "config.toml", "PREFECT__BACKEND_CONFIG_PATH": "backend.toml"}


class Case:
    """A case with two directories: the agent's working directory, and a home for Prefect's configuration files."""

    def __init__(self, given, place):
        self.work = os.path.join(place, "work")
        self.home = os.path.join(place, "home")
        for directory in (self.work, self.home):
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory)
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
    def _write(directory, name, text):
        path = os.path.join(directory, name)
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


class CaseEnvironment:
    """A context with the environment and the working directory of a case, and with captured output."""

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
        environ, directory, os.getenv, sys.stdout, sys.stderr = self.before
        os.environ.clear()
        os.environ.update(environ)
        os.chdir(directory)


class Prefect:
    """The imported Prefect, without access to networks and to files of the user."""

    def __init__(self):
        import prefect

        # The module would look for a cluster. The agent needs nothing else from it.
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
        """Returns a fake of the API that knows one tenant. Prefect Cloud requires a key, Prefect Server does not."""
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
        """Creates the objects that importing Prefect creates from the environment and the configuration files."""
        self.configuration.USER_CONFIG = os.getenv("PREFECT__USER_CONFIG_PATH")
        self.configuration.BACKEND_CONFIG = os.getenv("PREFECT__BACKEND_CONFIG_PATH")
        self._replace("config", self.configuration.config, self.configuration.load_default_config())
        self._replace("context", self.context.context, self.context.Context())
        logging.Logger.manager.loggerDict.clear()
        # A name in `extra_loggers` can be that of the root logger.
        logging.root.setLevel(logging.WARNING)
        logger = self.logging.configure_logging()
        self.logging.context.logger = self.logging.prefect_logger = logger
        self.logging.configure_extra_loggers()
        self.logging.create_diagnostic_logger("client.diagnostics")

    def _replace(self, name, old, new):
        for package, module in list(sys.modules.items()):
            if package.split(".")[0] == "prefect" and getattr(module, name, None) is old:
                setattr(module, name, new)

    def job(self, case):
        """Returns the Job of a case as JSON."""
        scenario = case.scenario
        arguments = dict(scenario.get("agent") or {})
        if case.template is not None:
            arguments["job_template_path"] = case.template
        agent = self.agent.KubernetesAgent(**arguments)
        # Logging, which the agent does when it starts, fails with some settings.
        agent.logger.info("Starting")
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
        """Returns a run config as Prefect's API returns it."""
        if given is None:
            return None
        arguments = dict(given or {})
        arguments.pop("__version__", None)
        kind = [arguments.pop("kind", None), arguments.pop("type", None), "KubernetesRun"]
        kind = next(name for name in kind if name)
        return getattr(self.run_configs, kind)(**arguments).serialize()


def answer(case, prefect):
    """Returns the answer to one case. Imports Prefect first if `prefect` is None."""
    try:
        with CaseEnvironment(case):
            if prefect is None:
                prefect = Prefect()
            else:
                prefect.start()
            return {"job": prefect.job(case)}
    except Exception as error:  # the error is the answer
        return {"error": f"{type(error).__name__}: {error}"}


def read_case(line, place):
    """Returns a case and no answer, or no case and an error as the answer."""
    try:
        return Case(json.loads(line), place), None
    except Exception as error:
        return None, {"error": f"{type(error).__name__}: {error}"}


def versions():
    """Returns the versions of Prefect and its dependencies."""
    import importlib.metadata as metadata

    names = {"prefect": "prefect", "pyyaml": "PyYAML", "kubernetes": "kubernetes"}
    found = {name: metadata.version(package) for name, package in names.items()}
    return {**found, "python": ".".join(map(str, sys.version_info[:3]))}


def branches(measured, place):
    """Returns the number of branches of `generate_job_spec`, and those that no case covers."""
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
    with CaseEnvironment(Case({}, place)):
        prefect = Prefect()
    for line in sys.stdin:
        case, failed = read_case(line, place)
        print(json.dumps(failed or answer(case, prefect)), file=own, flush=True)
    if measured:
        measured.stop()
        print(json.dumps(branches(measured, place)), file=own, flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        main(set(sys.argv[1:]), directory)
