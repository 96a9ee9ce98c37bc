"""The page of the benchmarks: sections are replaced, what is written by hand stays."""

import pytest
from bench.page import PAGE, replaced, table

TEXT = (
    "by hand\n<!-- speed: begin -->\nold\n<!-- speed: end -->\nmore\n<!-- cost: begin --><!-- cost: end -->"
)


def test_a_section_is_replaced_and_nothing_else() -> None:
    assert replaced(TEXT, "speed", "new\n") == TEXT.replace("old", "new")


@pytest.mark.parametrize("page", ["", "<!-- speed: begin -->", "<!-- speed: end -->\n<!-- speed: begin -->"])
def test_a_page_without_the_section_is_told(page: str) -> None:
    with pytest.raises(ValueError, match="no section speed; add the lines <!-- speed: begin -->"):
        replaced(page, "speed", "new")


@pytest.mark.parametrize("name", ["scaling", "forecast", "speed", "startup", "cost"])
def test_the_page_has_each_section(name: str) -> None:
    assert replaced(PAGE.read_text(), name, "new") != PAGE.read_text()


def test_a_table_is_aligned() -> None:
    assert table(("who", "s"), [("we", 1)]) == "| who | s |\n| --- | ---: |\n| we | 1 |"
