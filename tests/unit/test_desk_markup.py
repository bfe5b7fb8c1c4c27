"""Markdown and mail text as HTML: nothing is lost, nothing gets through, quotes are marked where they stand."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.desk.markup import answer_html, article_html, body_html, mail_html, passage_html, ticked
from agent.desk.pages import browser_of
from agent.sentences import Unit, units_of

PASSAGE = """`AssocGrpGRES` means that **all jobs** of your project use the GPUs. A job starts when *some* of them end.

```bash
squeue -A <project> -t R    # who & what
```

- Ask for fewer GPUs, or use [another partition](https://example.org/partitions).
- Write to the site.

| reason | meaning |
|---|---|
| Priority | others come first |
"""

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](x){onload=alert(1)}",
    "<svg/onload=alert(1)>",
    '"><iframe srcdoc="<script>alert(1)</script>">',
    "`<b onmouseover=alert(1)>`",
    "```html\n<script>alert(1)</script>\n```",
    '<a href="https://example.org" onclick="alert(1)">x</a>',
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "| <style>*{}</style> | [1]<form action=//evil> |\n|---|---|\n| a | b |",
    "[1] <mark class='this' onfocus=alert(1) tabindex=0>",
]

_OPENED = re.compile(r"<([a-z0-9]+)((?:[^<>\"]|\"[^\"]*\")*)>")
_HARMLESS = {"a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "hr", "li", "mark", "ol", "p", "pre"}
_HARMLESS |= {"strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}


def assert_harmless(html: str) -> None:
    for tag, attributes in _OPENED.findall(html):
        assert tag in _HARMLESS, html
        names = set(re.findall(r"([\w-]+)=\"", attributes))
        assert names <= {"href", "title", "id", "start", "rel", "class", "hx-get", "hx-target"}, html
        for address in re.findall(r"(?:href|hx-get)=\"([^\"]*)\"", attributes):
            assert not re.match(r"\s*(?:javascript|data|vbscript):", unescape(address), re.IGNORECASE), html
    assert "<script" not in html.casefold()


def shown(html: str) -> str:
    return unescape(re.sub(r"<(?:[^<>\"]|\"[^\"]*\")*>", "", html))


def marks(html: str) -> list[str]:
    return [shown(found) for found in re.findall(r"<mark[^>]*>(.*?)</mark>", html, re.DOTALL)]


def test_an_answer_is_formatted_and_keeps_its_lines() -> None:
    html = answer_html("Dear Ada,\nwait **longer**. [1]\n\n```\nsqueue <job>\n```\n")
    assert "Dear Ada,<br>" in html
    assert "<strong>longer</strong>. [1]" in html
    assert "squeue &lt;job&gt;" in html


def test_a_picture_from_elsewhere_is_not_loaded_by_a_preview() -> None:
    assert "<img" not in answer_html("![seen](https://tracker.example/pixel.png)")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_but_does_nothing(text: str) -> None:
    for html in (
        passage_html(text, [text, "alert"], [text]),
        article_html(text, {}),
        body_html(text, {1: text}, "/tickets/MIN-2026-000001/drafts/1/evidence"),
        mail_html(text),
        answer_html(text),
    ):
        assert_harmless(html)


@given(st.lists(st.sampled_from([*HOSTILE, "\n", "\n\n", "    ", "- ", "`", "a", "[1]"]), max_size=8).map("".join))
def test_no_mixture_of_hostile_text_gets_through(text: str) -> None:
    assert_harmless(passage_html(text, [text[:20]]))
    assert_harmless(body_html(text, {1: "t"}, "/x"))
    assert_harmless(mail_html(text))
    assert_harmless(answer_html(text))


@given(st.text(alphabet=st.sampled_from("ab <>&\"'`|[]1\n\t-#$é"), max_size=200))
def test_every_character_of_a_mail_is_shown(text: str) -> None:
    assert shown(mail_html(text)) == text
    assert shown(body_html(text, {1: "Title"}, "/evidence")) == text


def test_a_sentence_is_marked_where_it_stands() -> None:
    html = passage_html(PASSAGE, ["A job starts when *some* of them end."])
    assert marks(html) == ["A job starts when", "some", "of them end."]


def test_a_sentence_with_code_in_it_is_marked() -> None:
    html = passage_html(PASSAGE, ["`AssocGrpGRES` means that **all jobs** of your project use the GPUs."])
    assert "".join(marks(html)).replace(" ", "") == "AssocGrpGRESmeansthatalljobsofyourprojectusetheGPUs."


def test_a_sentence_and_its_code_block_are_both_marked() -> None:
    quote = PASSAGE[PASSAGE.index("A job starts") : PASSAGE.index("- Ask")].rstrip()
    html = passage_html(PASSAGE, [quote])
    assert "squeue -A <project> -t R    # who & what" in marks(html)
    assert "</p><mark" not in html


def test_a_list_item_with_a_link_is_marked() -> None:
    html = passage_html(PASSAGE, ["- Ask for fewer GPUs, or use [another partition](https://example.org/partitions)."])
    assert "another partition" in marks(html)
    assert not any("Write" in part for part in marks(html))


def test_a_table_is_marked_cell_by_cell() -> None:
    html = passage_html(PASSAGE, [PASSAGE[PASSAGE.index("| reason") :].rstrip()])
    assert marks(html) == ["reason", "meaning", "Priority", "others come first"]


def test_the_chosen_quote_stands_out_among_the_others() -> None:
    first, second = "Write to the site.", "A job starts when *some* of them end."
    html = passage_html(PASSAGE, [first, second], [first])
    assert '<mark class="this">Write to the site.</mark>' in html
    assert '<mark class="this">A job' not in html


def test_options_keep_their_dashes_and_a_missing_quote_marks_nothing() -> None:
    assert marks(passage_html("Use `--time` here. More.", ["--time"])) == ["--time"]
    assert marks(passage_html("Use this.", ["Something else entirely"])) == []


@pytest.mark.parametrize("unit", units_of(PASSAGE), ids=lambda unit: unit.quote[:20])
def test_whatever_a_draft_can_quote_can_be_marked(unit: Unit) -> None:
    assert marks(passage_html(PASSAGE, [unit.quote]))


def test_citations_count_the_claims_that_cite_the_same_evidence() -> None:
    html = body_html("One. [1]\n\nTwo. [1] [2] and list[1] or [9].\n", {1: 'A "title"', 2: "B"}, "/e")
    assert re.findall(r'href="([^"]*)"', html) == ["/e/1?claim=0", "/e/1?claim=1", "/e/2?claim=0"]
    assert "A &#34;title&#34;" in html


def test_code_and_tables_of_a_mail_keep_their_columns() -> None:
    html = body_html("See:\n\n```bash\nsqueue [1]\n```\n[1]\n\n| a | b |\n|---|---|\n", {1: "t"}, "/e")
    assert html.count('<code class="block">') == 2
    assert html.count('class="cite"') == 1


def test_what_looks_like_a_script_keeps_its_columns_and_a_list_does_not() -> None:
    assert "block" in mail_html("#!/bin/bash\n#SBATCH --time=1:00\n")
    assert "block" in mail_html("JOBID    NAME    STATE\n")
    assert "block" not in mail_html("- one\n  goes on\n\nJust text, with  two spaces.")


def test_headings_have_anchors_and_sources_are_links() -> None:
    html = article_html(
        "## Why is it `pending`?\ntext\nSources: [a, b]\n\n## Why is it pending?\n", {"a": "[A](https://a.example)"}
    )
    assert re.findall(r'id="([^"]*)"', html) == ["why-is-it-pending", "why-is-it-pending_1"]
    assert '<a href="https://a.example"' in html


def test_words_between_backticks_are_code_and_nothing_else_is() -> None:
    assert ticked("write `--gres=gpu:4` <b>, not ` or ``") == "write <code>--gres=gpu:4</code> &lt;b&gt;, not ` or ``"
    assert ticked("`<script>`") == "<code>&lt;script&gt;</code>"


@given(text=st.text())
def test_code_in_a_plain_text_loses_nothing(text: str) -> None:
    assert unescape(re.sub(r"</?code>", "`", str(ticked(text)))) == text


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36, 192.0.2.1",
         "Chrome, Linux, 192.0.2.1"),
        ("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0, 2001:db8::1", "Firefox, Windows, 2001:db8::1"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1, ?", "Safari, iOS, ?"),
        ("Library PC, 192.0.2.1", "Library PC, 192.0.2.1"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_session_is_named_as_people_know_it(client: str, told: str) -> None:
    assert browser_of(client) == told
