"""Markdown of MkDocs and MyST sites."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.anchors import Generator
from knowledge_base.blocks import Kind, Page
from knowledge_base.markdown import parse_markdown
from knowledge_base.site import Site


def read(text: str, root: Path = Path("/nonexistent"), path: str = "page.md") -> Page:
    return parse_markdown(text, root=root, path=path)


def blocks(page: Page) -> list[tuple[str, str]]:
    return [(block.kind.value, block.text) for part in page.parts for block in part.blocks]


def text_of(page: Page) -> str:
    return "\n".join(text for _, text in blocks(page))


def test_front_matter_gives_title_and_systems_and_is_no_text() -> None:
    page = read("---\ntitle: First jobs\nsystems: [lumi-g]\n---\nHello there.\n")
    assert (page.title, page.systems, text_of(page)) == ("First jobs", ("lumi-g",), "Hello there.")


@pytest.mark.parametrize(
    "header", ["title: [unclosed", "date: 2024-99-99", "- a\n- b", "title: \x07", f"a: {'[' * 3000}"]
)
def test_broken_front_matter_is_dropped(header: str) -> None:
    assert text_of(read(f"---\n{header}\n---\nBody of the page.\n")) == "Body of the page."


def test_headings_give_paths_and_anchors() -> None:
    page = read("# Top\na\n## Examine the queue\nb\n### Deep\nc\n## Own {: #mine .x }\nd\n## Examine the queue\ne\n")
    assert [(part.heading, part.anchor) for part in page.parts[1:]] == [
        (("Top",), "top"),
        (("Top", "Examine the queue"), "examine-the-queue"),
        (("Top", "Examine the queue", "Deep"), "deep"),
        (("Top", "Own"), "mine"),
        (("Top", "Examine the queue"), "examine-the-queue_1"),
    ]


def test_sphinx_anchors_follow_docutils() -> None:
    page = parse_markdown(
        "# A & B_c\nx\n# A & B_c\ny\n", root=Path(), path="p.md", site=Site(generator=Generator.SPHINX)
    )
    assert [part.anchor for part in page.parts[1:]] == ["a-b-c", "id1"]


def test_underlined_headings() -> None:
    page = read("Title\n=====\n\nSub\n---\ntext\n")
    assert page.parts[-1].heading == ("Title", "Sub")


def test_admonitions_and_tabs_keep_their_titles_and_bodies() -> None:
    page = read(
        '!!! warning "Specify the account"\n\n    It is mandatory.\n\n=== "Bash"\n\n    ``` bash\n    ls\n    ```\n'
    )
    assert blocks(page) == [
        ("text", "Specify the account:"),
        ("text", "It is mandatory."),
        ("text", "Bash:"),
        ("code", "```bash\nls\n```"),
    ]


def test_a_collapsed_admonition_without_title_is_named_by_its_kind() -> None:
    assert text_of(read("???+ note\n    hidden\n")) == "Note:\nhidden"


def test_code_blocks_are_kept_word_for_word_with_their_title() -> None:
    page = read('```bash title="run.sh" hl_lines="1"\n# no heading\n*stars* <!-- kept --> [x](y)\n```\n')
    assert blocks(page) == [
        ("text", "run.sh:"),
        ("code", "```bash\n# no heading\n*stars* <!-- kept --> [x](y)\n```"),
    ]


def test_an_unclosed_fence_ends_with_the_file() -> None:
    assert blocks(read("```\nabc")) == [("code", "```\nabc\n```")]


def test_tables_stay_readable_row_by_row() -> None:
    page = read("| Command | What |\n|:--|--:|\n| `sbatch` | [submit](x.md) |\n")
    assert blocks(page) == [("table", "| Command | What |\n|---|---|\n| `sbatch` | submit |")]


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("see [the page](a.md){ .btn } and [ref][billing]", "see the page and ref"),
        ("![a plot](p.png) shows", "a plot shows"),
        ("**bold** *em* `a*b*c` snake_case_name", "bold em `a*b*c` snake_case_name"),
        ("a **bold\nphrase** over lines", "a bold\nphrase over lines"),
        ("keep <project_id>, drop <br/> and <kbd>Ctrl</kbd>", "keep <project_id>, drop   and Ctrl"),
        (":material-star: 3 &lt; 4", " 3 < 4"),
        ("{ref}`Spawners <spawners>` and {term}`hub`", "Spawners and hub"),
        ("gone <!-- hidden --> here", "gone  here"),
        ("ends{: .x #y }", "ends"),
    ],
)
def test_markup_inside_lines(markup: str, plain: str) -> None:
    assert text_of(read(markup)) == plain.strip(" ") or text_of(read(markup)) == plain


def test_reference_definitions_and_tables_of_contents_are_no_text() -> None:
    assert text_of(read("[slurm]: https://slurm.schedmd.com/\n\n[TOC]\n\nText.\n")) == "Text."


def test_definition_lists_keep_term_and_text() -> None:
    assert text_of(read("GCD\n:   half of a module\n")) == "GCD\nhalf of a module"


def test_blocks_inside_list_items_are_kept() -> None:
    page = read("- one\n\n    more of one\n\n    ```bash\n    ls\n    ```\n\n- two\n")
    assert blocks(page) == [
        ("list", "- one"),
        ("text", "more of one"),
        ("code", "```bash\nls\n```"),
        ("list", "- two"),
    ]


def test_includes_are_resolved_inside_the_source_only(tmp_path: Path) -> None:
    source = tmp_path / "site"
    (source / "includes").mkdir(parents=True)
    (source / "includes" / "part.md").write_text("Included *text*.\n")
    (tmp_path / "secret.md").write_text("secret")
    page = read('--8<-- "part.md"\n\n--8<-- "../secret.md"\n\n{!includes/part.md!}\n', root=source)
    assert text_of(page) == "Included text.\nIncluded text."


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "loop.md").write_text('again\n\n--8<-- "loop.md"\n')
    assert text_of(read('--8<-- "loop.md"', root=tmp_path)).count("again") == 5


def test_myst_directives() -> None:
    page = read(
        "```{note}\nMind this.\n```\n\n```{toctree}\na\nb\n```\n\n:::{warning}\nHot.\n:::\n\n"
        "```{code-block} python\nx = 1\n```"
    )
    assert blocks(page) == [
        ("text", "Note:"),
        ("text", "Mind this."),
        ("text", "Warning:"),
        ("text", "Hot."),
        ("code", "```\nx = 1\n```"),
    ]


@given(st.text(alphabet=st.sampled_from('#`~!=?|->:*_[](){}<\\&" \n\tab1-8')))
def test_any_text_is_read(text: str) -> None:
    for part in read(text).parts:
        assert all(block.text.strip() and block.kind in Kind for block in part.blocks)


@given(st.lists(st.text(alphabet="abc ", min_size=1).filter(str.strip), min_size=1))
def test_words_are_never_lost(paragraphs: list[str]) -> None:
    page = read("\n\n".join(f"x{paragraph}" for paragraph in paragraphs))
    assert text_of(page).split() == [word for paragraph in paragraphs for word in f"x{paragraph}".split()]


def test_deep_nesting_does_not_overflow() -> None:
    text = "\n".join(f'{"    " * depth}!!! note "n"\n' for depth in range(300))
    assert "n" in text_of(read(text))
