"""Every reason that status can show has a page in docs/runbooks, and every page is about one."""

import ast
import re
from pathlib import Path

import pytest

from ragops.api.problems import Reason
from ragops.health.finding import HealthReason
from ragops.orchestration.diagnosis import StartReason
from ragops.scaling.decision import ScalingReason

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "runbooks"
CODE = ROOT / "operator" / "ragops" / "orchestration"
ENUMS = {str(reason) for enum in (Reason, HealthReason, StartReason, ScalingReason) for reason in enum}
NO_REASON = {"Unknown"}
"""Constants in the modules below that look like a reason: the status of a condition."""
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.stem != "README")


def written(module: Path) -> set[str]:
    """The words in camel case among the constants of a module."""
    constants = (
        node.value for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Constant)
    )
    return {text for text in constants if isinstance(text, str) and re.fullmatch(r"([A-Z][a-z]+)+", text)}


def reasons() -> set[str]:
    """All of them: of the enumerations, of conditions and of rollouts."""
    modules = (CODE / "conditions.py", *CODE.glob("rollout*.py"))
    return (ENUMS | set().union(*map(written, modules))) - NO_REASON


def test_each_reason_has_a_page_and_each_page_a_reason() -> None:
    assert {page.stem for page in PAGES} == reasons()


def test_the_index_names_all() -> None:
    links = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(name for name, _ in links) == [page.stem for page in PAGES]
    assert all(name == target for name, target in links)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_each_page_says_what_to_do(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    assert parts[::2] == ["What it means", "See more", "What to do"]
    assert all(part.strip() for part in parts)
    assert re.search(r"```\n(kubectl|ragops|curl) ", parts[3])
