"""reStructuredText of Sphinx sites."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.blocks import Page
from knowledge_base.rst import parse_rst


def read(text: str, root: Path = Path("/nonexistent")) -> Page:
    return parse_rst(text, root=root, path="page.rst")


def blocks(page: Page) -> list[tuple[str, str]]:
    return [(block.kind.value, block.text) for part in page.parts for block in part.blocks]


def test_heading_levels_come_in_the_order_of_their_adornments() -> None:
    page = read("=====\nTitle\n=====\n\nSub\n---\n\na\n\nDeeper\n~~~~~~\n\nb\n\nSub two\n-------\n\nc\n")
    assert [(part.heading, part.anchor) for part in page.parts if part.blocks] == [
        (("Title", "Sub"), "sub"),
        (("Title", "Sub", "Deeper"), "deeper"),
        (("Title", "Sub two"), "sub-two"),
    ]
    assert page.title == "Title"


def test_directives() -> None:
    page = read(
        ".. note:: Mind the gap\n\n   and more\n\n.. code-block:: bash\n   :caption: run.sh\n\n   srun x\n\n"
        ".. toctree::\n\n   a\n   b\n\n.. image:: x.png\n   :alt: a picture\n\n.. a comment\n   goes\n\nEnd.\n"
    )
    assert blocks(page) == [
        ("text", "Note:"),
        ("text", "Mind the gap"),
        ("text", "and more"),
        ("text", "run.sh:"),
        ("code", "```bash\nsrun x\n```"),
        ("text", "a picture:"),
        ("text", "End."),
    ]


def test_line_blocks_lose_their_bars_and_drawings_keep_them() -> None:
    assert blocks(read("| First line\n| and **second**\n|\n| last\n")) == [("text", "First line\nand second\n\nlast")]
    assert blocks(read("| box |  | box |\n| one |  | two |\n"))[0][1].startswith("| box |")


def test_a_note_whose_text_goes_on_after_its_first_line() -> None:
    assert blocks(read(".. note:: See :doc:`the long\n   guide <guide>` for more.\n")) == [
        ("text", "Note:"),
        ("text", "See the long\nguide for more."),
    ]


def test_literal_blocks() -> None:
    assert blocks(read("Run this::\n\n    ls -l\n\nDone.\n")) == [
        ("text", "Run this:"),
        ("code", "```\nls -l\n```"),
        ("text", "Done."),
    ]


def test_tables() -> None:
    grid = "+---+---+\n| a | b |\n+===+===+\n| 1 | 2 |\n+---+---+\n"
    simple = "=====  =====\nname   value\n=====  =====\nx      1\n=====  =====\n"
    listed = ".. list-table::\n   :header-rows: 1\n\n   * - name\n     - value\n   * - x\n     - 1\n"
    assert blocks(read(grid)) == [("table", "| a | b |\n|---|---|\n| 1 | 2 |")]
    assert blocks(read(simple)) == blocks(read(listed)) == [("table", "| name | value |\n|---|---|\n| x | 1 |")]


def test_tables_of_comma_separated_values(tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_text('"small-g", "3 days"\n"dev-g", "30 min"\n')
    inline = '.. csv-table:: Limits\n   :header: "partition", "see"\n\n   "small-g", ":ref:`jobs <jobs>`"\n'
    assert blocks(read(inline))[-1] == ("table", "| partition | see |\n|---|---|\n| small-g | jobs |")
    filed = parse_rst(
        ".. csv-table::\n   :header: partition, limit\n   :file: limits.csv\n", root=tmp_path, path="a.rst"
    )
    assert [block.text for block in filed.parts[0].blocks] == [
        "| partition | limit |\n|---|---|\n| small-g | 3 days |\n| dev-g | 30 min |"
    ]


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        (":ref:`the page <target>` and :doc:`other`", "the page and other"),
        ("`Slurm <https://x.org>`_ runs ``srun -n 2``", "Slurm runs `srun -n 2`"),
        ("**bold** and *em*", "bold and em"),
        ("a **bold\nphrase** here", "a bold\nphrase here"),
    ],
)
def test_markup_inside_lines(markup: str, plain: str) -> None:
    assert blocks(read(markup)) == [("text", plain)]


def test_includes(tmp_path: Path) -> None:
    (tmp_path / "part.rst").write_text("Included.\n")
    assert blocks(read(".. include:: part.rst\n\n.. include:: /etc/hostname\n", tmp_path)) == [("text", "Included.")]


@given(st.text(alphabet=st.sampled_from("=-~.:`*_|+<> \n\tab1")))
def test_any_text_is_read(text: str) -> None:
    assert all(block.text.strip() for part in read(text).parts for block in part.blocks)


def test_cells_of_a_simple_table_over_several_lines() -> None:
    page = parse_rst(
        "=========  ==========  =====\nPartition  Walltime    Nodes\n=========  ==========  =====\n"
        "gpu        two days,   16\n           at most\nlong                   4\n\ndev        1 h         1\n=========  ==========  =====\n\nAfter.\n",
        root=Path(),
        path="p.rst",
    )
    assert [block.text for part in page.parts for block in part.blocks] == [
        "| Partition | Walltime | Nodes |\n|---|---|---|\n| gpu | two days, at most | 16 |\n| long |  | 4 |\n| dev | 1 h | 1 |",
        "After.",
    ]


def test_a_table_without_end_ends_at_the_first_blank_line() -> None:
    page = parse_rst("====  ====\na     b\n\nMore text of the page.\n", root=Path(), path="p.rst")
    assert [block.text for part in page.parts for block in part.blocks] == [
        "| a | b |\n|---|---|",
        "More text of the page.",
    ]
