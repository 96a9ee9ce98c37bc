"""Versions of a service: the fields that make its pods what they are, and the service as it was with others.

A version is kept in status, so that the old one can be built while a new one is tried. What is not part of it
(replicas, dependencies, time limits, the strategy itself) is always as in spec.
"""

import hashlib
import json
from typing import Any, Final

from pydantic import ValidationError

from ragops.api.service import BLOCKS, ServiceSpec
from ragops.api.status import VersionStatus
from ragops.resources.children import Build, Variants
from ragops.resources.pod import Images, image_of

_PROBE: Final = ("path", "periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold")
"""The fields of `health` that are in the pods."""


KEPT_BYTES: Final = 16 * 1024
"""Of a version that status keeps beside the stable one. An object has room for 1.5 MiB, spec included."""


def version_of(service: ServiceSpec, images: Images) -> VersionStatus:
    """The version that the spec asks for. `service` is resolved."""
    wire = service.to_wire()
    health = {field: wire["health"][field] for field in _PROBE if field in wire["health"]}
    fields = ("resources", "env", BLOCKS[service.type])
    kept = {field: wire[field] for field in fields if wire.get(field)}
    spec = {"image": image_of(service, images), "health": health, **kept}
    text = json.dumps(spec, sort_keys=True)
    return VersionStatus(revision=hashlib.sha256(text.encode()).hexdigest()[:10], spec=spec)


def at_version(service: ServiceSpec, version: VersionStatus) -> ServiceSpec | None:
    """The service with the fields of a stored version; None where another operator stored what this one
    cannot read.
    """
    wire: dict[str, Any] = service.to_wire()
    health = {k: v for k, v in wire["health"].items() if k not in _PROBE} | version.spec.get("health", {})
    for field in ("resources", "env", BLOCKS[service.type]):
        wire.pop(field, None)
    try:
        return ServiceSpec.model_validate({**wire, **version.spec, "health": health})
    except ValidationError:
        return None


def reread(service: ServiceSpec, version: VersionStatus, images: Images) -> VersionStatus | None:
    """A stored version in the words of this operator: a field that an older one did not know has its default,
    and does not make another version of it.
    """
    read = at_version(service, version)
    return version_of(read, images) if read else None


def kept(version: VersionStatus | None) -> VersionStatus | None:
    """A version that can be done without, unless it would make status too large to be written."""
    if version is None or len(json.dumps(version.spec)) > KEPT_BYTES:
        return None
    return version


def at_rest(service: ServiceSpec, images: Images) -> Variants:
    """The workloads of a service of which no version is being rolled out."""
    return Variants(own=Build(service, version_of(service, images).revision))
