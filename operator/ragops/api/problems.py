"""What is wrong with a RAGDeployment, told to people: the field, the fault and the mend."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something is refused: one word for programs."""

    INVALID = "Invalid"
    NOT_IMPLEMENTED = "NotImplemented"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a RAGDeployment."""

    path: str
    """The field, such as spec.services[retrieval].loadBalancing; list items by name. Empty for the object."""
    message: str
    """The fault and the mend, in one sentence."""
    reason: Reason = Reason.INVALID
    """Invalid: the object contradicts the API. NotImplemented: this version cannot do it yet."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidRAG(ValueError):
    """The object is not a RAGDeployment that can be read."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Reserved:
    """Marks a field (as metadata of its annotation) that this version does not act on, so that setting it is
    refused instead of being ignored."""

    mend: str
    """What to do instead, as the end of a sentence."""
    values: tuple[object, ...] | None = None
    """Only these values are refused. None: any value is."""

    def refuses(self, value: object) -> bool:
        """Whether this value needs a later version."""
        return value is not None if self.values is None else value in self.values
