"""Paragraphs for the terminal."""

import io

from rich.console import Console
from rich.text import Text

from ragops.cli.output import show
from ragops.cli.text import told, wrapped


def test_commands_stay_on_one_line() -> None:
    text = "next: kubectl rag rollout promote demo generation, or kubectl rag rollout abort demo generation"
    assert wrapped(text, 45) == [
        "next:",
        "kubectl rag rollout promote demo generation,",
        "or kubectl rag rollout abort demo generation",
    ]
    assert wrapped("see kubectl rag explain demo, which is longer than the line", 10)[1] == (
        "kubectl rag explain demo,"
    )


def test_paragraphs_are_indented_and_cut() -> None:
    assert wrapped("one two three four five six seven eight nine", 22, "  ", max_lines=2) == [
        "  one two three four",
        "  five six seven ...",
    ]


def test_a_reason_is_told_once() -> None:
    assert told("CrashLoop", "it ends") == "CrashLoop: it ends"
    assert told("CrashLoop", "given up (CrashLoop: it ends)") == "given up (CrashLoop: it ends)"
    assert told("CrashLoop", None) == "CrashLoop"
    assert told(None, None) == ""


def test_without_unicode_the_tree_is_in_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    show(Console(file=stream), [Text("│  ├─ a ↑"), Text("└┄ b")])
    assert raw.getvalue().decode() == "|  |- a +\n`. b\n"
