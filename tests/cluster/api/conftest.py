"""The cases of invalid.yaml and valid.yaml, and an API server that knows the CRD."""

import copy
import json
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from ragops.api.names import GROUP, PLURAL, VERSION

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NAMES = (GROUP, VERSION)

Object = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One object, and what is to come of it."""

    name: str
    raw: Object
    stored: Object | None
    """What is in the cluster before; None where the object is new."""
    wanted: Object
    """The rest of the case as it stands in the file."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case in the file that the argument is named after."""
    for argument in ("invalid", "valid"):
        if argument in metafunc.fixturenames:
            cases = [_case(entry) for entry in yaml.safe_load((HERE / f"{argument}.yaml").read_text())]
            metafunc.parametrize(argument, cases, ids=[case.name for case in cases])


def _case(entry: Object) -> Case:
    changes = entry.get("refusedBy") == "change" or "stored" in entry
    return Case(
        name=entry["name"],
        raw=_changed(entry),
        stored=_changed(entry.get("stored", {})) if changes else None,
        wanted=entry,
    )


def _changed(change: Object) -> Object:
    """examples/quickstart.yaml with a change."""
    raw: Object = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())
    raw["metadata"]["name"] = f"case-{uuid.uuid4().hex[:6]}"
    services = {service["name"]: service for service in raw["spec"]["services"]}
    new = {name: {"name": name} for name in change.get("services", {}) if name not in services}
    services = _merged(services | new, change.get("services", {}))
    raw["spec"]["services"] = [*services.values(), *change.get("append", [])]
    return _merged(raw, {key: change[key] for key in ("metadata", "spec") if key in change})


def _merged(target: Object, patch: Object) -> Object:
    """RFC 7396: null removes."""
    result = copy.deepcopy(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = _merged(result[key], value) if both else copy.deepcopy(value)
    return result


class Refused(Exception):
    """The API server said no; the text is its message."""


@dataclass(frozen=True)
class Server:
    """The API server, for RAGDeployments in one namespace."""

    api: client.CustomObjectsApi
    namespace: str

    def create(self, raw: Object, dry_run: bool = True) -> Object:
        """The object as it is, or would be, stored. Raises Refused."""
        return self._call(
            self.api.create_namespaced_custom_object, body=raw, dry_run="All" if dry_run else None
        )

    def change(self, before: Object, raw: Object) -> Object:
        """The object as it would be stored over `before`, which is stored for as long as it takes."""
        stored = self.create(before, dry_run=False)
        meta = {**stored["metadata"], "name": stored["metadata"]["name"]}
        try:
            return self._call(
                self.api.replace_namespaced_custom_object,
                name=meta["name"],
                body={**raw, "metadata": meta},
                dry_run="All",
            )
        finally:
            self._call(self.api.delete_namespaced_custom_object, name=meta["name"])

    def _call(self, operation: Any, **arguments: Any) -> Object:
        given = {key: value for key, value in arguments.items() if value is not None}
        if "body" in given:
            given["field_validation"] = "Strict"
        try:
            result: Object = operation(*NAMES, self.namespace, PLURAL, **given)
        except ApiException as error:
            raise Refused(json.loads(error.body)["message"]) from None
        return result


@pytest.fixture(scope="session")
def server(cluster: Any) -> Iterator[Server]:
    """The cluster's API server with the CRD of this checkout and a namespace of its own."""
    kubectl = [str(cluster.kubectl), "--kubeconfig", str(cluster.kubeconfig)]
    crds = str(ROOT / "crds")
    subprocess.run([*kubectl, "apply", "--server-side", "--force-conflicts", "-f", crds], check=True)
    wait = ["wait", "--for", "condition=Established", "--timeout=60s", "-f", crds]
    subprocess.run([*kubectl, *wait], check=True)
    api_client = config.new_client_from_config(str(cluster.kubeconfig))
    core = client.CoreV1Api(api_client)
    namespace = f"api-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": namespace}})
    yield Server(client.CustomObjectsApi(api_client), namespace)
    core.delete_namespace(namespace)
    api_client.close()
