"""The models and the CustomResourceDefinition say the same."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
import yaml
from pydantic.fields import FieldInfo

from ragops.api.base import PATTERN_MEANINGS, Model, nested_model
from ragops.api.crd import crd, open_api_schema
from ragops.api.problems import Reserved
from ragops.api.rag import RAGDeployment, RAGSpec
from ragops.api.status import RAGStatus

ROOT = Path(__file__).parents[3]
Schema = dict[str, Any]

# What apiextensions/v1 takes in a structural schema, as far as it is used here.
KEYWORDS = {
    "type", "description", "properties", "required", "items", "default", "enum", "format", "pattern",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip


SCHEMA = open_api_schema()


def fields(model: type[Model], path: str) -> Iterator[tuple[str, str, FieldInfo]]:
    """Every field at any depth: path, wire name, field."""
    for field in model.model_fields.values():
        assert field.alias is not None
        here = f"{path}.{field.alias}"
        yield here, field.alias, field
        if inner := nested_model(field.annotation):
            yield from fields(inner, here)


def schema_of(path: str) -> Schema:
    """The schema at a path; lists are gone into."""
    schema = SCHEMA
    for name in path.split("."):
        schema = schema.get("items", schema)["properties"][name]
    return schema


def schemas(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """The schema and all below it."""
    yield path, schema
    for name, value in schema.get("properties", {}).items():
        yield from schemas(value, f"{path}.{name}")
    if "items" in schema:
        yield from schemas(schema["items"], f"{path}[]")


SPEC = list(fields(RAGSpec, "spec"))
ALL = SPEC + list(fields(RAGStatus, "status"))


def test_schema_has_every_field_of_the_models_and_no_other() -> None:
    """Nothing that the operator reads is pruned, nothing is stored that it does not know."""
    in_schema = {
        path.lstrip(".").replace("[]", "")
        for path, _ in schemas(SCHEMA)
        if path.startswith((".spec.", ".status."))
    }
    assert {path for path, _, _ in ALL} == {path for path in in_schema if path}


@pytest.mark.parametrize(("path", "field"), [pytest.param(p, f, id=p) for p, _, f in ALL])
def test_field_is_described(path: str, field: FieldInfo) -> None:
    """The attribute's docstring is the description that `kubectl explain` shows, on one line."""
    assert field.description is not None, f"{path} has no docstring"
    assert schema_of(path)["description"] == " ".join(field.description.split())


@pytest.mark.parametrize("path", [p for p, _, _ in SPEC])
def test_field_of_spec_is_bounded(path: str) -> None:
    """Texts, numbers and lists end somewhere: the API server prices the CEL rules by these bounds."""
    schema = schema_of(path)
    match schema.get("type", "string"):
        case "string":
            assert "enum" in schema or "maxLength" in schema
        case "integer" | "number":
            assert {"minimum", "maximum"} <= schema.keys()
        case "array":
            assert "maxItems" in schema
        case "object":
            assert schema["properties"] or path.endswith(".api")
        case other:
            assert other == "boolean"


@pytest.mark.parametrize(("path", "field"), [pytest.param(p, f, id=p) for p, _, f in SPEC])
def test_default_of_spec_is_the_models(path: str, field: FieldInfo) -> None:
    """The API server fills in what the model would, and nothing where the model has None."""
    schema = schema_of(path)
    default = field.get_default()
    if field.is_required() or default is None:
        assert "default" not in schema
    else:
        wire = default.to_wire() if isinstance(default, Model) else default
        assert schema["default"] == wire


@pytest.mark.parametrize(("path", "field"), [pytest.param(p, f, id=p) for p, _, f in ALL])
def test_required_is_what_the_model_requires(path: str, field: FieldInfo) -> None:
    """A field without a default must be given; others may be left out, but none is null."""
    parent, _, name = path.rpartition(".")
    above = schema_of(parent)
    assert (name in above.get("items", above).get("required", ())) == field.is_required()
    assert field.is_required() or NoneType in get_args(field.annotation) or field.default is not None


def test_status_has_no_defaults() -> None:
    """The API server invents no readings."""
    assert [path for path, schema in schemas(SCHEMA["properties"]["status"]) if "default" in schema] == []


def test_schema_is_structural() -> None:
    """No keyword that apiextensions/v1 refuses, a type everywhere, a kind for every list."""
    for path, schema in schemas(SCHEMA):
        assert set(schema) <= KEYWORDS, path
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path
        if schema.get("type") == "array":
            keys = schema.get("x-kubernetes-list-map-keys", [])
            assert (schema["x-kubernetes-list-type"] == "map") == bool(keys), path
            assert set(keys) <= set(schema["items"].get("required", ())), path


def test_lists_with_keys() -> None:
    """Server-side apply merges these item by item; all other lists change as a whole."""
    keys = {
        path: schema["x-kubernetes-list-map-keys"]
        for path, schema in schemas(SCHEMA)
        if schema.get("x-kubernetes-list-type") == "map"
    }
    assert keys == {
        ".spec.services": ["name"],
        ".spec.services[].env": ["name"],
        ".spec.services[].dependsOn": ["name"],
        ".spec.services[].autoscaling.metrics": ["type"],
        ".spec.imagePullSecrets": ["name"],
        ".status.conditions": ["type"],
        ".status.services": ["name"],
    }


def test_every_pattern_has_words_for_people() -> None:
    """The native message shows a regular expression; a rule beside it says what it means."""
    for path, schema in schemas(SCHEMA):
        if "pattern" in schema:
            messages = [rule["message"] for rule in schema["x-kubernetes-validations"]]
            assert f"must be {PATTERN_MEANINGS[schema['pattern']]}" in messages, path


@pytest.mark.parametrize(
    "path", [p for p, _, f in SPEC if any(isinstance(mark, Reserved) for mark in f.metadata)]
)
def test_reserved_field_says_so(path: str) -> None:
    """`kubectl explain` tells beforehand what the operator will refuse."""
    assert "eserved for a later version" in schema_of(path)["description"]


def test_columns_of_kubectl_get() -> None:
    """What the reader of `kubectl get rag` sees, and with `-o wide`."""
    (version,) = crd()["spec"]["versions"]
    columns = version["additionalPrinterColumns"]
    assert [column["name"] for column in columns if "priority" not in column] == [
        "Ready", "Services", "Health", "Scaling", "Age",
    ]  # fmt: skip
    for column in columns:
        path = column["jsonPath"].replace('[?(@.type=="Ready")]', "").lstrip(".")
        if not path.startswith("metadata."):
            assert schema_of(path)["type"] == "string"


def test_generated_files_are_up_to_date() -> None:
    """Whoever changes a model runs `make generate`."""
    check = subprocess.run(
        [sys.executable, str(ROOT / "hack" / "generate"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_check_names_the_file_that_differs(tmp_path: Path) -> None:
    """`--check` writes nothing, and fails by name."""
    for part in ("hack/generate", "operator/ragops/api", "crds", "charts/ragops/crds", "docs/reference"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", str(ROOT / part), str(tmp_path / part)], check=True)
    stale = tmp_path / "crds" / "ragops.dev_ragdeployments.yaml"
    stale.write_text(stale.read_text().replace("maximum: 1000", "maximum: 999"))
    before = stale.read_text()
    command = [sys.executable, str(tmp_path / "hack" / "generate"), "--check"]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == 1
    assert check.stdout.splitlines() == [
        "crds/ragops.dev_ragdeployments.yaml is out of date; run `make generate`"
    ]
    assert stale.read_text() == before


def test_written_crd_is_the_generated_one() -> None:
    """The YAML reads back as the very object: no text has become a number or a date."""
    text = (ROOT / "crds" / "ragops.dev_ragdeployments.yaml").read_text()
    assert yaml.safe_load(text) == crd()
    assert "&id" not in text


def test_root_is_what_the_model_reads() -> None:
    """apiVersion, kind and metadata belong to the API server."""
    schema = SCHEMA
    assert set(schema["properties"]) == {field.alias for field in RAGDeployment.model_fields.values()}
    assert schema["properties"]["metadata"] == {"type": "object"}
