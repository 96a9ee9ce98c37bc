"""Parsers: places of text in good documents, clear errors for bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.services.bad_documents import BAD_DOCUMENTS, EXAMPLES, protected_pdf, zip_of

from ragservices.documents.parsing import Block, DocumentError, Kind, ParsedDocument, detect_kind, parse
from ragservices.documents.parsing.pdf import paragraphs


def parsed(path: Path) -> ParsedDocument:
    return parse(path, path.name, detect_kind(path.name, None))


def parsed_text(tmp_path: Path, name: str, text: str) -> tuple[Block, ...]:
    path = tmp_path / name
    path.write_text(text)
    return parsed(path).blocks


def test_pdf_knows_the_page_of_every_paragraph() -> None:
    document = parsed(EXAMPLES / "operations-handbook.pdf")
    assert document.pages == 6
    pages = {block.page for block in document.blocks}
    assert pages == {1, 2, 3, 4, 5, 6}
    (wind,) = [block for block in document.blocks if "harbour bridge is suspended" in block.text]
    assert wind.page == 4
    # The lines of the page are one paragraph again.
    assert wind.text.startswith("In wind of more than 90 kilometres per hour")
    assert wind.text.endswith("bring the vehicles off the bridge.")


def test_pdf_that_anybody_may_read_is_read_though_it_is_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "open.pdf"
    path.write_bytes(protected_pdf(""))
    assert parsed(path) == parsed(EXAMPLES / "operations-handbook.pdf")


def test_pdf_lines_become_paragraphs() -> None:
    page = (
        "A heading\n"
        "This is the first line of a paragraph that goes on and is there-\n"
        "fore broken here, and at its end there is a short\n"
        "line.\n"
        "The next one follows at once.\n"
    )
    assert paragraphs(page) == [
        "A heading",
        "This is the first line of a paragraph that goes on and is therefore broken here, "
        "and at its end there is a short line.",
        "The next one follows at once.",
    ]


def test_docx_gives_headings_as_sections_and_tables_as_sentences() -> None:
    document = parsed(EXAMPLES / "driver-training.docx")
    assert document.pages is None
    (rest,) = [block for block in document.blocks if "at least eleven hours" in block.text]
    assert rest.section == (
        "Training and Duty Rules for Tram Drivers",
        "Duty and rest",
        "Rest between duties",
    )
    (plan,) = [block for block in document.blocks if "fault finding" in block.text]
    assert plan.section[-1] == "Course plan"
    assert "Weeks: 3 to 4; Subject: Vehicle technology and fault finding; Place: Main workshop" in plan.text


def test_html_leaves_out_what_is_not_content() -> None:
    document = parsed(EXAMPLES / "fares-and-tickets.html")
    text = "\n".join(block.text for block in document.blocks)
    for left_out in ("analytics", "sans-serif", "Timetable", "newsletter", "Imprint"):
        assert left_out not in text
    (app,) = [block for block in document.blocks if "check-in function" in block.text]
    assert app.section == ("Fares and tickets", "Where to buy", "The app")
    assert "Ticket: Day ticket, adult; Zone A: 95; Zones A and B: 130" in text


def test_markdown_sections_tables_lists_and_code(tmp_path: Path) -> None:
    source = (
        "---\nauthor: nobody\n---\n# Guide\nHello *dear* [reader](https://example.org)\nof this.\n\n"
        "## Steps\n1. First\n2. Second\n\n```sh\nmake all\nmake test\n```\n\n"
        "# Data\n| Name | Size |\n|---|---|\n| Box | 5 |\n\n<p>Plain <b>HTML</b></p>\n"
    )
    assert parsed_text(tmp_path, "guide.md", source) == (
        Block("Hello dear reader of this.", section=("Guide",)),
        Block("First", section=("Guide", "Steps")),
        Block("Second", section=("Guide", "Steps")),
        Block("    make all\n    make test", section=("Guide", "Steps")),
        Block("Name: Box; Size: 5", section=("Data",)),
        Block("Plain HTML", section=("Data",)),
    )


def test_html_running_text_around_blocks_is_kept(tmp_path: Path) -> None:
    source = (
        "<body>Before <b>bold</b> text<p>A<br>B</p>after<!-- not this --><div hidden>nor this</div>"
        "<h2>Part</h2><ul><li>one<ul><li>inner</li></ul></li></ul><pre>x = 1\n  y = 2</pre></body>"
    )
    assert parsed_text(tmp_path, "page.html", source) == (
        Block("Before bold text"),
        Block("A B"),
        Block("after"),
        Block("one", section=("Part",)),
        Block("inner", section=("Part",)),
        Block("    x = 1\n    y = 2", section=("Part",)),
    )


def test_text_paragraphs_and_control_characters(tmp_path: Path) -> None:
    blocks = parsed_text(tmp_path, "notes.txt", "\ufeffOne\nline\x07.\n\n\n  Two.\r\n\r\nThree.")
    assert blocks == (Block("One line."), Block("Two."), Block("Three."))


def test_utf16_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes("Größe 5".encode("utf-16"))
    assert parsed(path).blocks == (Block("Größe 5"),)


@pytest.mark.parametrize(
    ("name", "content", "code", "said"), BAD_DOCUMENTS, ids=[bad[0] for bad in BAD_DOCUMENTS]
)
def test_bad_documents_are_refused_with_a_reason(
    tmp_path: Path, name: str, content: bytes, code: str, said: str
) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        parse(path, name, detect_kind(name, "application/octet-stream"))
    assert caught.value.code == code
    assert name in caught.value.message
    assert said in caught.value.message


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.docx"
    path.write_bytes(zip_of(**{"word/document.xml": bytes(300 << 20)}))
    with pytest.raises(DocumentError, match="unpacks to") as caught:
        parsed(path)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("a.PDF", None, Kind.PDF),
        ("a.htm", "text/plain", Kind.HTML),
        ("README", "text/markdown; charset=utf-8", Kind.MARKDOWN),
    ],
)
def test_the_name_decides_the_kind_then_the_media_type(name: str, media_type: str | None, kind: Kind) -> None:
    assert detect_kind(name, media_type) is kind
