"""The dependency graph of one RAGDeployment."""

from collections.abc import Mapping, Sequence

from ragops.api.service import ServiceSpec


def start_order(services: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    """The services with every dependency before its dependents; ties in the order of the spec.

    `services` are resolved (`depends_on` filled in) and free of cycles: validation has refused those.
    """
    by_name = {service.name: service for service in services}
    ordered: dict[str, ServiceSpec] = {}

    def visit(service: ServiceSpec) -> None:
        if service.name in ordered:
            return
        for dependency in service.depends_on or ():
            if dependency.name in by_name:
                visit(by_name[dependency.name])
        ordered[service.name] = service

    for service in services:
        visit(service)
    return tuple(ordered.values())


def required(service: ServiceSpec) -> tuple[str, ...]:
    """Names of the services that gate the start of this one."""
    return tuple(dependency.name for dependency in service.depends_on or () if dependency.required)


def optional(services: Sequence[ServiceSpec]) -> frozenset[str]:
    """Names of the services that only optional dependencies lead to: the system is ready without them."""
    by_name = {service.name: service for service in services}
    used = {dependency.name for service in services for dependency in service.depends_on or ()}
    needed = {name for name in by_name if name not in used}
    for top in tuple(needed):
        needed |= upstreams(top, by_name, only_required=True)
    return frozenset(by_name) - needed


def upstreams(name: str, services: Mapping[str, ServiceSpec], only_required: bool = False) -> frozenset[str]:
    """All services that `name` depends on, directly or not; itself not included."""
    found: set[str] = set()
    pending = [name]
    while pending:
        service = services[pending.pop()]
        needed = (d for d in service.depends_on or () if d.required or not only_required)
        new = {d.name for d in needed if d.name in services} - found
        found |= new
        pending.extend(new)
    return frozenset(found - {name})
