"""`ragops plan`: the children of a RAGDeployment, without a cluster."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TextIO

import yaml

from ragops.api.base import ServiceType
from ragops.api.defaults import resolve
from ragops.api.names import credentials_name
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.api.validation import InvalidRAG, parse, problems
from ragops.orchestration.gateway import objects
from ragops.orchestration.graph import required, start_order
from ragops.orchestration.plan import CLUSTER_DOMAIN
from ragops.orchestration.routing import assign_ports
from ragops.orchestration.versions import at_rest
from ragops.resources.child import Manifest, ref_of
from ragops.resources.children import build_children
from ragops.resources.pod import Images


class OutputFormat(StrEnum):
    """What `ragops plan` prints."""

    TEXT = "text"
    YAML = "yaml"


DEFAULT_IMAGES = Images(
    services="ghcr.io/ragops/services:0.1.0",
    postgres="ghcr.io/ragops/postgres:0.1.0",
    haproxy="ghcr.io/ragops/haproxy:0.1.0",
    operator="ghcr.io/ragops/operator:0.1.0",
)


def show_plan(text: str, output: OutputFormat, stream: TextIO) -> None:
    """Prints the plan for the RAGDeployments in a YAML text. Raises ValueError naming each fault."""
    for rag in read_all(text):
        _show(rag, output, stream)


def read_all(text: str) -> Iterator[RAGDeployment]:
    """The RAGDeployments in a YAML text, resolved. Raises ValueError naming each fault of one."""
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ValueError(f"the file is not YAML: {error}") from error
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "RAGDeployment":
            yield _read(document)


def _read(document: dict[str, object]) -> RAGDeployment:
    metadata = document.get("metadata")
    named = {"namespace": "default", **(metadata if isinstance(metadata, dict) else {})}
    try:
        rag = parse({**document, "metadata": named})
    except InvalidRAG as error:
        raise ValueError("\n".join(str(problem) for problem in error.problems)) from error
    if found := problems(rag):
        raise ValueError("\n".join(str(problem) for problem in found))
    return resolve(rag)


def _show(rag: RAGDeployment, output: OutputFormat, stream: TextIO) -> None:
    services = start_order(rag.spec.services)
    if output is OutputFormat.YAML:
        children: Iterable[object] = [*_gateway(rag), *(c for s in services for c in _children(rag, s))]
        yaml.safe_dump_all(children, stream, sort_keys=False)
        return
    if gateway := _gateway(rag):
        stream.write("gateway, at once\n")
        stream.writelines(f"  {ref_of(child)}\n" for child in gateway)
    for service in services:
        after = ", ".join(required(service)) or "nothing"
        stream.write(f"{service.name} ({service.type}), after {after}\n")
        if service.type is ServiceType.VECTOR_STORE:
            stream.write(
                f"  Secret {credentials_name(rag.metadata.name, service.name)}, with a random password\n"
            )
        for child in _children(rag, service):
            stream.write(f"  {ref_of(child)}\n")


def _gateway(rag: RAGDeployment) -> tuple[Manifest, ...]:
    if not rag.spec.gateway.enabled:
        return ()
    http = [s for s in rag.spec.services if s.type is not ServiceType.VECTOR_STORE]
    ports = assign_ports(rag.metadata.name, http, {})
    return objects(rag, ports, {}, {}, DEFAULT_IMAGES, CLUSTER_DOMAIN)[1]


def _children(rag: RAGDeployment, service: ServiceSpec) -> tuple[Manifest, ...]:
    return build_children(rag, service, DEFAULT_IMAGES, at_rest(service, DEFAULT_IMAGES))
