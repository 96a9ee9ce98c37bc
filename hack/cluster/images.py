"""Bring images into a node: those of a local storage, and the sandbox image."""

import hashlib
import io
import json
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import ClusterError
from cluster.inside import require_node, run_inside
from cluster.nodeconfig import PAUSE_IMAGE
from cluster.nodeinit import NODE_STATE
from cluster.progress import step
from cluster.run import run
from cluster.state import Place

_FULL_NAME = re.compile(r"[^/]+[.:][^/]*/.+:[^/]+|localhost/.+:[^/]+")
_INSPECT = {
    "buildah": ("inspect", "--type", "image", "--format", "{{.FromImageID}}"),
    "docker": ("image", "inspect", "--format", "{{.Id}}"),
}
_LABEL = "ragops.dev/image-id"
_PAUSE_ARCHIVE = "pause.tar"
_CTR = ("ctr", "--namespace", "k8s.io", "images")
_SECONDS = 600.0


def load(place: Place, names: Sequence[str]) -> None:
    """Import images from the local storage of buildah or Docker, leaving out those the node already has.

    Raises ClusterError for a name that is not a full one and for an image that is in neither.
    """
    require_node(place)
    for name in names:
        if not _FULL_NAME.fullmatch(name):
            raise ClusterError(f"image {name!r}: give the full name, such as localhost/ragops/services:dev")
        program, image_id = _find(name)
        if _has(place, name, image_id):
            step(f"{name} is already there")
            continue
        archive = place.root / f"image-{image_id[:12]}.tar"
        try:
            _save(program, name, archive)
            _import(place, archive.name)
        finally:
            archive.unlink(missing_ok=True)
        run_inside(place, [*_CTR, "label", name, f"{_LABEL}={image_id}"])
        step(f"{name} loaded")


def load_pause(place: Place) -> None:
    """Import the sandbox image, which every pod needs."""
    _import(place, _PAUSE_ARCHIVE)


def write_pause_archive(place: Place, program: Path) -> None:
    """Write the sandbox image, one static program, as a docker-archive."""
    machine = platform.machine()
    layer = _tar({"pause": program.read_bytes()}, mode=0o755)
    config = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
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


def _find(name: str) -> tuple[str, str]:
    """The program that has an image, and the image's id."""
    for program, inspect in _INSPECT.items():
        if shutil.which(program):
            found = subprocess.run([program, *inspect, name], capture_output=True, text=True, check=False)
            if found.returncode == 0:
                return program, found.stdout.strip().removeprefix("sha256:")
    raise ClusterError(
        f"there is no image {name!r} in the storage of {' or '.join(_INSPECT)}: build it first"
    )


def _save(program: str, name: str, archive: Path) -> None:
    if program == "docker":
        run([program, "save", "--output", archive, name], timeout=_SECONDS)
    else:
        run([program, "push", "--quiet", name, f"docker-archive:{archive}:{name}"], timeout=_SECONDS)


def _has(place: Place, name: str, image_id: str) -> bool:
    condition = f'name=={name},labels."{_LABEL}"=={image_id}'
    return bool(run_inside(place, [*_CTR, "list", "--quiet", condition]).strip())


def _import(place: Place, archive: str) -> None:
    run_inside(place, [*_CTR, "import", NODE_STATE / archive])
