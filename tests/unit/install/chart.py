"""The rendered chart, with its objects found by kind and name."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from policy.render import NAMESPACE, render_chart

Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """The objects that one set of values makes."""

    objects: tuple[Object, ...]

    def all(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def names(self, kind: str) -> set[str]:
        """The names of the objects of a kind."""
        return {found["metadata"]["name"] for found in self.all(kind)}

    def one(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """The one object of this kind and name (and namespace, where that is given)."""
        (found,) = [
            found
            for found in self.all(kind)
            if found["metadata"]["name"] == name and namespace in (None, found["metadata"].get("namespace"))
        ]
        return found

    def only(self, kind: str) -> Object:
        """The one object of this kind."""
        (found,) = self.all(kind)
        return found

    def pods(self) -> list[Object]:
        """Every pod, or template of pods, with its metadata and its spec."""
        return [*self.all("Pod"), *(found["spec"]["template"] for found in self.all("Deployment"))]


@cache
def render(*arguments: str, release: str = "ragops", namespace: str = NAMESPACE) -> Rendered:
    """Render the chart with further arguments for `helm template`."""
    text = render_chart(*arguments, release=release, namespace=namespace)
    return Rendered(tuple(yaml.safe_load_all(text)))
