"""A RAGDeployment to start from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ragops.api.rag import RAGDeployment
from ragops.api.validation import parse

EXAMPLES = Path(__file__).parents[3] / "examples"

Raw = dict[str, Any]


@pytest.fixture
def raw() -> Raw:
    """examples/quickstart.yaml as the API server would give it: six services, all defaults."""
    raw: Raw = yaml.safe_load((EXAMPLES / "quickstart.yaml").read_text())
    raw["metadata"] |= {"namespace": "default", "uid": "0d6e", "generation": 1}
    return raw


@pytest.fixture
def rag(raw: Raw) -> Callable[..., RAGDeployment]:
    """Makes the quickstart with fields of some services changed: rag(retrieval={"replicas": 2})."""

    def make(**services: Raw) -> RAGDeployment:
        for service in raw["spec"]["services"]:
            service |= services.pop(service["name"].replace("-", "_"), {})
        raw["spec"]["services"] += [{"name": name, **fields} for name, fields in services.items()]
        return parse(raw)

    return make
