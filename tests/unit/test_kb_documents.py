"""Trees of documents, and how they are cut into passages."""

from __future__ import annotations

import inspect
import os
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge_base.anchors import anchor_of
from knowledge_base.blocks import Block, Kind
from knowledge_base.chunks import MAX_CHARS, indexed_text, passages_of
from knowledge_base.documents import Document, Section, read_tree
from knowledge_base.errors import SourceMissingError
from knowledge_base.tree import MAX_BYTES


def put(root: Path, name: str, content: str | bytes) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def document(*blocks: Block) -> Document:
    section = Section(heading=("Guide", "Queue"), anchor="queue", blocks=blocks)
    return Document(path="a/b.md", title="Guide", revision="0", sections=(section,))


def test_a_tree_in_the_order_of_its_paths(tmp_path: Path) -> None:
    put(tmp_path, "b.md", "# Bee\n\nA text about bees and their hives.\n")
    put(tmp_path, "a/x.rst", "Exes\n====\n\nA text about exes, long enough.\n")
    put(tmp_path, ".git/c.md", "# Hidden\n\nhidden text\n")
    put(tmp_path, "notes.txt", "no documentation")
    reading = read_tree(tmp_path)
    assert [(found.path, found.title) for found in reading.documents] == [("a/x.rst", "Exes"), ("b.md", "Bee")]
    assert reading.skipped == []


def test_a_document_without_heading_is_named_after_its_file(tmp_path: Path) -> None:
    put(tmp_path, "storage/index.md", "Some text about where files lie.\n")
    assert [found.title for found in read_tree(tmp_path).documents] == ["storage"]


def test_what_cannot_be_read_is_skipped_with_a_reason(tmp_path: Path) -> None:
    put(tmp_path, "binary.md", b"\x7fELF\0\0\0")
    put(tmp_path, "noise.md", bytes(range(128, 256)) * 20)
    put(tmp_path, "huge.md", b"x" * (MAX_BYTES + 1))
    put(tmp_path, "empty.md", "")
    put(tmp_path, "nav.md", "# Contents\n\n- [One page](one.md)\n- [Another page](two.md)\n- [A third one](three.md)\n")
    put(tmp_path, "good.md", "# Good\n\nThis page can be read.\n")
    reading = read_tree(tmp_path)
    assert [found.path for found in reading.documents] == ["good.md"]
    assert {item.path: item.reason.split(":")[0] for item in reading.skipped} == {
        "binary.md": "binary, not text",
        "noise.md": "binary or in an unknown encoding",
        "huge.md": "too big",
        "empty.md": "nothing to read",
        "nav.md": "only navigation",
    }


def test_a_page_that_our_reader_fails_on_does_not_end_the_build(tmp_path: Path) -> None:
    """The fault is a real one: there is no room on the stack for what is nested."""
    put(tmp_path, "a.md", "# Good\n\nThis page can be read.\n")
    put(tmp_path, "b.md", "# Bad\n\n" + "".join(f"{'    ' * depth}!!! note\n" for depth in range(28)))
    put(tmp_path, "c.md", "# Also good\n\nThis page can be read too.\n")
    usual, depth = sys.getrecursionlimit(), len(inspect.stack())
    sys.setrecursionlimit(depth + 45)
    try:
        reading = read_tree(tmp_path)
    finally:
        sys.setrecursionlimit(usual)
    assert [found.path for found in reading.documents] == ["a.md", "c.md"]
    (fault,) = reading.skipped
    assert fault.path == "b.md"
    assert fault.reason.startswith("our reader failed, please report it (RecursionError")


@pytest.mark.parametrize(
    ("said", "systems"),
    [("[lumi-g]", ("lumi-g",)), ("[lumi-g, Linux]", ("lumi-g",)), ("[]", ()), ("[Linux, 1, {a: b}]", ("vega",))],
)
def test_only_systems_of_the_facts_are_taken_from_front_matter(
    tmp_path: Path, said: str, systems: tuple[str, ...]
) -> None:
    put(tmp_path, "p.md", f"---\nsystems: {said}\n---\n# Jobs on Vega\n\nText of the page.\n")
    (found,) = read_tree(tmp_path).documents
    assert found.sections[0].systems == systems


def test_other_encodings_are_read_and_reported(tmp_path: Path) -> None:
    put(tmp_path, "latin.md", "# Café\n\nLes données sont gardées.\n".encode("cp1252"))
    put(tmp_path, "wide.md", "# Weite\n\nEin Text in UTF-16.\n".encode("utf-16"))
    put(tmp_path, "bom.md", "# Mark\n\nWith a byte order mark.\n".encode("utf-8-sig"))
    reading = read_tree(tmp_path)
    assert [found.title for found in reading.documents] == ["Mark", "Café", "Weite"]
    assert [item.path for item in reading.repaired] == ["latin.md", "wide.md"]


def test_links_that_loop_or_lead_outside(tmp_path: Path) -> None:
    source = tmp_path / "site"
    put(source, "docs/page.md", "# Page\n\nText of the page itself.\n")
    put(tmp_path, "outside/other.md", "# Other\n\nsecret text of another place\n")
    (source / "docs" / "loop").symlink_to(source)
    (source / "away").symlink_to(tmp_path / "outside")
    (source / "away.md").symlink_to(tmp_path / "outside" / "other.md")
    (source / "self.md").symlink_to(source / "self.md")
    reading = read_tree(source)
    assert [found.path for found in reading.documents] == ["docs/page.md"]
    assert {item.path for item in reading.skipped} == {"docs/loop", "away", "away.md", "self.md"}


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.md"
    with open(name, "wb") as file:  # noqa: PTH123  # Path takes no bytes
        file.write(b"# Name\n\nA page with a strange name.\n")
    assert [found.path for found in read_tree(tmp_path).documents] == ["caf?.md"]


def test_a_missing_source() -> None:
    with pytest.raises(SourceMissingError, match="--source"):
        read_tree(Path("/nonexistent"))


def test_small_blocks_share_a_passage_and_sections_do_not(tmp_path: Path) -> None:
    put(tmp_path, "p.md", "# T\n\none one\n\ntwo two\n\n## S\n\nthree three\n")
    (found,) = read_tree(tmp_path).documents
    assert [passage.text for passage in passages_of(found)] == ["one one\n\ntwo two", "three three"]


def test_long_tables_and_code_are_cut_between_lines() -> None:
    rows = "\n".join(f"| row {number} | {'x' * 40} |" for number in range(60))
    passages = list(passages_of(document(Block(Kind.TABLE, rows))))
    assert len(passages) > 2
    assert all(line.startswith("| row") and line.endswith(" |") for p in passages for line in p.text.split("\n"))


def test_each_part_of_a_big_table_begins_with_its_header(tmp_path: Path) -> None:
    rows = "".join(
        f"| part-{number} | {number}:00:00 | at most {number} nodes of {'x' * 30} |\n" for number in range(60)
    )
    put(tmp_path, "p.md", f"# Limits\n\n| partition | walltime | nodes |\n|:--|--:|---|\n{rows}\nAfter the table.\n")
    (found,) = read_tree(tmp_path).documents
    passages = list(passages_of(found))
    assert len(passages) > 3
    for passage in passages:
        assert passage.text.startswith("| partition | walltime | nodes |\n|---|---|---|\n| part-")
        assert passage.text.endswith(found.text[passage.start : passage.end])
        assert len(passage.text) <= MAX_CHARS * 1.15
    assert passages[-1].text.endswith("After the table.")
    told = "".join(passage.text for passage in passages)
    assert [told.count(f"| part-{number} |") for number in range(60)] == [1] * 60


def test_a_header_as_long_as_a_passage_is_not_repeated(tmp_path: Path) -> None:
    names = " | ".join(f"a rather long name of column {number}" for number in range(12))
    rows = "".join(f"| {' | '.join('value' for _ in range(12))} |\n" for _ in range(40))
    put(tmp_path, "p.md", f"# Wide\n\n| {names} |\n|{'---|' * 12}\n{rows}")
    first, *others = passages_of(read_tree(tmp_path).documents[0])
    assert "column 11" in first.text
    assert others
    assert all(passage.text.startswith("| value") for passage in others)


def test_a_code_block_that_fits_is_not_cut() -> None:
    code = "```\n" + "\n".join(f"line {number}" for number in range(60)) + "\n```"
    passages = list(passages_of(document(Block(Kind.TEXT, "word " * 150), Block(Kind.CODE, code))))
    assert [passage.text for passage in passages][-1] == code


blocks = st.builds(
    Block,
    st.sampled_from(Kind),
    st.text(alphabet="ab. \n", min_size=1, max_size=3000).map(lambda text: text.strip("\n")).filter(str.strip),
)


@settings(max_examples=60)
@given(st.lists(blocks, min_size=1, max_size=6))
def test_passages_are_slices_in_order_and_lose_no_letter(parts: list[Block]) -> None:
    found = document(*parts)
    passages = list(passages_of(found))
    assert all(passage.text == found.text[passage.start : passage.end] for passage in passages)
    assert all(before.end <= after.start for before, after in pairwise(passages))
    assert all(len(passage.text) <= MAX_CHARS * 1.15 for passage in passages)
    letters = "".join("".join(part.text.split()) for part in parts)
    assert "".join("".join(passage.text.split()) for passage in passages) == letters
    assert len({passage.id for passage in passages}) == len(passages)


def test_the_indexed_text_names_the_place_once() -> None:
    (passage,) = passages_of(document(Block(Kind.CODE, "```bash\nsqueue --me\n```")))
    assert indexed_text(passage).split() == ["Guide", ">", "Queue", "squeue", "--me"]


def test_ids_depend_on_path_heading_and_text_only(tmp_path: Path) -> None:
    put(tmp_path, "p.md", "# T\n\nfirst text\n")
    (before,) = passages_of(read_tree(tmp_path).documents[0])
    put(tmp_path, "p.md", "---\ntitle: T\n---\n# T\n\nfirst text\n\n## More\n\nmore text\n")
    after = list(passages_of(read_tree(tmp_path).documents[0]))
    assert before.id == after[0].id
    assert before.revision != after[0].revision


def test_anchors_are_those_of_mkdocs() -> None:
    taken: dict[str, int] = {}
    assert [anchor_of(text, taken) for text in ("Hello, World!", "Hello World", "Où ça?", "???", "NCCL_X")] == [
        "hello-world",
        "hello-world_1",
        "ou-ca",
        "_1",
        "nccl_x",
    ]
