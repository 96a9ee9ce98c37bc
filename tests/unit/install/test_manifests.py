"""The plain manifests, the CRDs in the chart, the kind configuration: no second truth, and usable as is."""

import shutil
from pathlib import Path

import pytest
import yaml
from cluster.binaries import programs
from cluster.errors import ClusterError
from cluster.run import run
from policy import render
from policy.render import CHART, MANIFESTS, ROOT, kubectl, write_manifests

from .chart import Rendered
from .chart import render as render_objects


def kustomize(folder: Path) -> Rendered:
    return Rendered(tuple(yaml.safe_load_all(run([kubectl(), "kustomize", folder]))))


def test_they_are_what_the_chart_renders() -> None:
    write_manifests(check=True)


def test_a_difference_from_the_chart_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (MANIFESTS / "operator.yaml").read_text()
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "operator.yaml").write_text(text.replace("replicas: 2", "replicas: 3"))
    monkeypatch.setattr(render, "ROOT", tmp_path)
    monkeypatch.setattr(render, "MANIFESTS", tmp_path / "manifests")
    with pytest.raises(ClusterError, match=r"manifests/operator\.yaml differs .* hack/policy manifests"):
        write_manifests(check=True)
    write_manifests(check=False)
    assert (tmp_path / "manifests" / "operator.yaml").read_text() == text


def test_they_install_all_of_the_chart_into_a_namespace_of_their_own() -> None:
    applied, chart = kustomize(MANIFESTS), render_objects("--no-hooks")
    assert applied.all("Deployment")[0]["spec"] == chart.all("Deployment")[0]["spec"]
    kinds = {found["kind"] for found in chart.objects}
    assert {found["kind"] for found in applied.objects} == {*kinds, "Namespace"}
    namespaces = {found["metadata"].get("namespace") for found in applied.objects} - {None}
    assert namespaces == applied.names("Namespace")
    # A label of Helm would make Helm take the objects for those of a release.
    assert "Helm" not in run([kubectl(), "kustomize", MANIFESTS])


def test_kustomize_sets_all_images(tmp_path: Path) -> None:
    copy = tmp_path / "manifests"
    shutil.copytree(MANIFESTS, copy)
    kustomization = yaml.safe_load((copy / "kustomization.yaml").read_text())
    for image in kustomization["images"]:
        image.update(newName=image["name"].replace("ghcr.io", "localhost"), newTag="dev")
    (copy / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    (container,) = kustomize(copy).only("Deployment")["spec"]["template"]["spec"]["containers"]
    images = [
        container["image"],
        *(entry["value"] for entry in container["env"] if "_IMAGE_" in entry["name"]),
    ]
    names = ("operator", "services", "postgres", "haproxy", "operator")
    assert images == [f"localhost/ragops/{name}:dev" for name in names]


def test_the_chart_carries_the_same_crds() -> None:
    crds = {path.name: path.read_bytes() for path in (ROOT / "crds").iterdir()}
    assert crds
    assert {path.name: path.read_bytes() for path in (CHART / "crds").iterdir()} == crds


def test_kind_takes_its_configuration() -> None:
    run([programs(["kindcheck"])["kindcheck"].path, ROOT / "kind-config.yaml"])
