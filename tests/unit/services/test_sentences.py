"""Sentence boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragservices.common.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Lind and Mr. Berg met. They left.", ["Dr. Lind and Mr. Berg met.", "They left."]),
        ("It weighs approx. 5 kg. Lift it.", ["It weighs approx. 5 kg.", "Lift it."]),
        ("Version 3.1 is out. 40 people use it.", ["Version 3.1 is out.", "40 people use it."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("2. Hours of service", ["2. Hours of service"]),
        ("The end of a line. and more", ["The end of a line. and more"]),
        ("  \n ", []),
        ("\u4e00\u4e8c\u3002\u4e09\u3002", ["\u4e00\u4e8c\u3002", "\u4e09\u3002"]),
    ],
)
def test_split(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text())
def test_nothing_is_lost_or_added(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
