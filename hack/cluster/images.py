"""Bring images into a node: those of buildah's local storage, and the sandbox image."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import ClusterError
from cluster.inside import run_inside
from cluster.nodeconfig import PAUSE_IMAGE
from cluster.nodeinit import NODE_STATE
from cluster.progress import step
from cluster.run import run
from cluster.state import Place

_LABEL = "ragops.dev/image-id"
_PAUSE_ARCHIVE = "pause.tar"
_CTR = ("ctr", "--namespace", "k8s.io", "images")
_SECONDS = 600.0


def load(place: Place, names: Sequence[str]) -> None:
    """Import images from buildah's local storage, leaving out those the node already has.

    Raises ClusterError for an image that buildah does not have.
    """
    for name in names:
        image_id = _buildah_id(name)
        full_name = _full_name(name)
        if _has(place, full_name, image_id):
            step(f"{full_name} is already there")
            continue
        archive = place.root / f"image-{image_id[:12]}.tar"
        try:
            run(["buildah", "push", "--quiet", image_id, f"docker-archive:{archive}:{full_name}"], timeout=_SECONDS)
            _import(place, archive.name)
        finally:
            archive.unlink(missing_ok=True)
        run_inside(place, [*_CTR, "label", full_name, f"{_LABEL}={image_id}"])
        step(f"{full_name} loaded")


def load_pause(place: Place) -> None:
    """Import the sandbox image, which every pod needs."""
    _import(place, _PAUSE_ARCHIVE)


def write_pause_archive(place: Place, program: Path) -> None:
    """Write the sandbox image, one static program, as a docker-archive."""
    layer = _tar({"pause": program.read_bytes()}, mode=0o755)
    config = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]
    files = {"config.json": config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    (place.root / _PAUSE_ARCHIVE).write_bytes(_tar(files, mode=0o644))


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _buildah_id(name: str) -> str:
    try:
        return run(["buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", name]).strip()
    except ClusterError as error:
        raise ClusterError(f"buildah has no image {name!r}: build it first. {error}") from error


def _full_name(name: str) -> str:
    """The name under which a pod finds the image: with a registry and a tag."""
    registry, slash, rest = name.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        rest = f"localhost/{name}"
    else:
        rest = name
    return rest if ":" in rest.rpartition("/")[2] else f"{rest}:latest"


def _has(place: Place, name: str, image_id: str) -> bool:
    condition = f'name=={name},labels."{_LABEL}"=={image_id}'
    return bool(run_inside(place, [*_CTR, "list", "--quiet", condition]).strip())


def _import(place: Place, archive: str) -> None:
    run_inside(place, [*_CTR, "import", NODE_STATE / archive])
