"""The documentation names everything that a reader may meet, and its links lead somewhere."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import ragops.telemetry.health
import ragops.telemetry.metrics
import ragops.telemetry.scaling  # noqa: F401 - they declare metrics
from ragops.api.autoscaling import MetricType, ScalingMode
from ragops.api.status import HealthState
from ragops.health.finding import HealthReason
from ragops.metrics.source import MissingReason
from ragops.scaling.decision import ScalingReason

ROOT = Path(__file__).resolve().parents[2]
AUTOSCALING = (ROOT / "docs" / "autoscaling.md").read_text()
HEALTH = (ROOT / "docs" / "health.md").read_text()
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), ROOT / "tests/conformance/README.md"]


def first_cells(section: str, page: str = AUTOSCALING) -> set[str]:
    """What stands in backquotes in the first cells of the tables under a heading of the page."""
    body = re.split(r"^#+ ", page.partition(f"# {section}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\|([^|]+)\|", body, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("section", "names"),
    [("Modes", ScalingMode), ("Reasons", ScalingReason), ("Missing values", MissingReason)],
)
def test_each_is_in_its_table(section: str, names: Iterable[str]) -> None:
    assert {str(name) for name in names} <= first_cells(section)


def test_no_reason_is_told_that_does_not_exist() -> None:
    assert first_cells("Reasons") == {str(reason) for reason in ScalingReason}


def test_the_source_of_each_metric_is_told() -> None:
    table = AUTOSCALING.partition("# Where values come from\n")[2].partition("\n## ")[0]
    assert all(str(metric) in table for metric in MetricType)


def test_the_metrics_of_the_operator_are_those_in_the_table() -> None:
    families = {family.name for family in REGISTRY.collect() if family.name.startswith("ragops_")}
    told = first_cells("The operator's metrics") | first_cells("Metrics", HEALTH)
    assert {name.removesuffix("_total") for name in told} == families


def test_each_reason_of_health_is_told() -> None:
    assert first_cells("What it is made from", HEALTH) == {str(reason) for reason in HealthReason}
    assert first_cells("Health", HEALTH) == {str(state) for state in HealthState}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        linked = (page.parent / target) if target else page
        assert linked.exists(), f"{page.name}: there is no {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name}: {linked.name} has no #{anchor}"


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub makes links of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
