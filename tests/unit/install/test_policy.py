"""`python hack/policy check`: a finding fails it and is told by the name of the object and the field."""

import subprocess
import sys
from typing import Any

import pytest
import yaml
from policy.render import ROOT
from policy.schemas import strict

from .chart import render


def check(*objects: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "hack" / "policy", "check", "-"],
        input=yaml.safe_dump_all(objects),
        capture_output=True,
        text=True,
        check=False,
    )


def test_good_objects_pass() -> None:
    done = check(*render().objects)
    assert (done.returncode, done.stdout) == (0, "ok   kubeconform\nok   kube-score\n")


def test_an_unknown_field_is_told() -> None:
    done = check(*({**found, "spec": {"replica": 1}} for found in render().all("Deployment")))
    assert done.returncode == 1
    assert "Deployment ragops is invalid" in done.stdout
    assert "at '/spec': additional properties 'replica' not allowed" in done.stdout


def test_a_critical_finding_is_told() -> None:
    copy = yaml.safe_load(yaml.safe_dump(render().only("Deployment")))
    del copy["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    done = check(copy)
    assert done.returncode == 1
    assert (
        "Deployment ragops: container-resources: container operator: Memory limit is not set." in done.stdout
    )


@pytest.mark.parametrize("kind", ["RAGDeploymnt", "ConfigMapp"])
def test_an_unknown_kind_is_told(kind: str) -> None:
    done = check({"apiVersion": "ragops.dev/v1alpha1", "kind": kind, "metadata": {"name": "demo"}})
    assert done.returncode == 1
    assert f"could not find schema for {kind}" in done.stdout


def test_a_ragdeployment_is_checked_against_the_crd() -> None:
    services = [{"name": "store", "type": "VectorStore"}, {"name": "embeddings", "type": "Embedding"}]
    done = check(
        {
            "apiVersion": "ragops.dev/v1alpha1",
            "kind": "RAGDeployment",
            "metadata": {"name": "demo"},
            "spec": {"services": services},
        }
    )
    assert done.returncode == 1
    assert "at '/spec/services/1/type': value must be one of 'VectorStore'" in done.stdout


def test_nothing_to_check_is_an_error() -> None:
    done = check()
    assert done.returncode == 1
    assert "there is no object to check" in done.stdout


def test_strict_refuses_fields_only_where_the_schema_lists_all_of_them() -> None:
    text = {"type": "string"}
    listed = {"type": "object", "description": "gone", "properties": {"a": text}}
    assert strict(listed) == {"type": "object", "properties": {"a": text}, "additionalProperties": False}
    assert strict({"type": "array", "items": listed})["items"]["additionalProperties"] is False
    assert strict({"type": "object", "additionalProperties": listed})["additionalProperties"] == strict(
        listed
    )
    # Fields may be named like the keywords of a schema, as in the schema of CustomResourceDefinition.
    named = {"type": "object", "properties": {"properties": {"type": "object"}, "additionalProperties": {}}}
    assert strict(named)["properties"] == named["properties"]
    kept = {**listed, "x-kubernetes-preserve-unknown-fields": True}
    assert "additionalProperties" not in strict(kept)
    partial = {"type": "object", "properties": {"a": text}, "anyOf": [{"properties": {"a": {"enum": ["x"]}}}]}
    assert strict(partial)["anyOf"] == partial["anyOf"]
