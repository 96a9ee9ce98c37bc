"""The two workloads that a service may have while a new version of it is tried, and which of them serves."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ragops.api.names import VARIANT_LABEL, selector_labels


class Variant(StrEnum):
    """A workload of a service, as the label of its pods says."""

    STABLE = "stable"
    """The service's own workload, which is always there."""
    CANDIDATE = "candidate"
    """The second workload, with the new version, which is there for the time of a rollout."""


class Traffic(StrEnum):
    """Whose pods the stable Service selects."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    BOTH = "both"

    def reaches(self, variant: Variant) -> bool:
        """Whether the pods of a variant get requests."""
        return self is Traffic.BOTH or self.value == variant.value


def variant_labels(rag: str, service: str, variant: Variant) -> dict[str, str]:
    """The labels that select the pods of one variant."""
    return {**selector_labels(rag, service), VARIANT_LABEL: variant.value}


def traffic_selector(rag: str, service: str, traffic: Traffic) -> dict[str, str]:
    """The selector of the stable Service."""
    own = selector_labels(rag, service)
    return own if traffic is Traffic.BOTH else {**own, VARIANT_LABEL: traffic.value}


def traffic_of(service: Mapping[str, Any] | None) -> Traffic:
    """Whose pods a live Service selects. Of none, or with a foreign selector: the own workload's."""
    if service is None:
        return Traffic.STABLE
    label = ((service.get("spec") or {}).get("selector") or {}).get(VARIANT_LABEL)
    if label is None:
        return Traffic.BOTH
    return Traffic.CANDIDATE if label == Traffic.CANDIDATE else Traffic.STABLE


def variant_of(labels: Mapping[str, str]) -> Variant:
    """The variant that a pod with these labels is of."""
    candidate = labels.get(VARIANT_LABEL) == Variant.CANDIDATE
    return Variant.CANDIDATE if candidate else Variant.STABLE
