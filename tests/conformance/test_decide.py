"""Every case against the decision function of the operator."""

from collections import Counter
from pathlib import Path

import pytest

from ragops.scaling.decide import decide

from .cases import SCHEMA, Case, schema, topics
from .play import Play

TOPICS = topics()
CASES = [pytest.param(case, id=f"{topic.topic}/{case.name}") for topic in TOPICS for case in topic.cases]


@pytest.mark.parametrize("case", CASES)
def test_decisions_are_as_expected(case: Case) -> None:
    fault = Play(case, decide).fault()
    assert fault is None, f"{fault}\n{case.why}"


def test_the_schema_is_that_of_the_models() -> None:
    assert SCHEMA.read_text() == schema(), f"make it anew: python -m tests.conformance.cases > {SCHEMA.name}"


def test_names_of_cases_are_unique() -> None:
    counted = Counter(case.name for topic in TOPICS for case in topic.cases)
    assert [name for name, count in counted.items() if count > 1] == []


def test_the_readme_lists_every_topic() -> None:
    text = Path(__file__).with_name("README.md").read_text()
    assert [
        t.topic for t in TOPICS if f"| [{t.topic}](topics/{t.topic}.yaml) | {t.about} |" not in text
    ] == []
