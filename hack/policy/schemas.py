"""JSON schemas for kubeconform, made from what is on this machine: no request leaves it.

Kubernetes' own come from the OpenAPI document in the source of the Kubernetes version that the local cluster
runs; those of RAGDeployment from crds/. Both are made strict: an unknown field is an error.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from cluster.binaries import TOOLS_FOLDER, cache_folder
from cluster.errors import ClusterError
from cluster.golang import find_go
from cluster.run import run

Schema = dict[str, Any]

_KUBERNETES = TOOLS_FOLDER / "kubernetes"
_DEFINITIONS = "_definitions.json"
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# OpenAPI calls these strings; the API server takes numbers too.
_NUMBER_OR_STRING = (
    "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
)


def write_schemas(folder: Path, crds: Path) -> None:
    """Write one schema for each kind of object into `folder`, in kubeconform's layout."""
    definitions = {name: strict(schema) for name, schema in _swagger()["definitions"].items()}
    definitions.update({name: {"type": ["string", "number"]} for name in _NUMBER_OR_STRING})
    _write(folder / _DEFINITIONS, {"definitions": definitions})
    for name, schema in definitions.items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            _write(folder / _file_name(**kind), _reference(name))
    for path in sorted(crds.glob("*.yaml")):
        _write_crd(folder, yaml.safe_load(path.read_text()))


def strict(schema: Schema) -> Schema:
    """The same schema without descriptions, and with unknown fields refused wherever fields are listed.

    Goes down only where a schema stands for a whole value: what is below anyOf and its like says something
    about some fields of an object, and nothing about the others.
    """
    result = {key: value for key, value in schema.items() if key != "description"}
    if "properties" in schema:
        result["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            result[key] = strict(schema[key])
    return result


def _write_crd(folder: Path, crd: Schema) -> None:
    spec = crd["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        text = {"type": "string"}
        schema["properties"].update(apiVersion=text, kind=text, metadata=_reference(_OBJECT_META))
        name = _file_name(group=spec["group"], version=version["name"], kind=spec["names"]["kind"])
        _write(folder / name, schema)


def _reference(definition: str) -> Schema:
    return {"$ref": f"{_DEFINITIONS}#/definitions/{definition}"}


def _file_name(group: str, version: str, kind: str) -> str:
    # kubeconform takes only the first label of a group's name.
    parts = (kind, group.split(".")[0], version) if group else (kind, version)
    return "-".join(parts).lower() + ".json"


def _write(path: Path, schema: Schema) -> None:
    path.write_text(json.dumps(schema))


def _swagger() -> Schema:
    """Kubernetes' OpenAPI document, kept in the cache: Go and its module cache are needed only once."""
    kept = cache_folder() / "schemas" / _version() / "swagger.json"
    if not kept.exists():
        go = str(find_go(cache_folder()))
        described = run([go, "mod", "download", "-json", "k8s.io/kubernetes"], cwd=_KUBERNETES, timeout=600)
        module = json.loads(described)
        text = (Path(module["Dir"]) / "api" / "openapi-spec" / "swagger.json").read_text()
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(text)
        partial.replace(kept)
    document: Schema = json.loads(kept.read_text())
    return document


def _version() -> str:
    go_mod = _KUBERNETES / "go.mod"
    pinned = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", go_mod.read_text(), re.MULTILINE)
    if pinned is None:
        raise ClusterError(f"{go_mod} does not require k8s.io/kubernetes")
    return pinned[1]
