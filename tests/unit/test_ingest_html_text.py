"""HTML to readable text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.html_text import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two<br>lines</p>", "One\n\nTwo\nlines"),
        ("<pre>#!/bin/bash\n  srun   x &gt; y\n\ndone</pre>", "#!/bin/bash\n  srun   x > y\n\ndone"),
        ("<ul><li>a</li><li>b<ol><li>c</li><li>d</li></ol></li></ul>", "- a\n- b\n  1. c\n  2. d"),
        ("<table><tr><th>node</th><th>state</th></tr><tr><td>n1</td><td>idle</td></tr></table>", "node | state\nn1 | idle"),
        ('see <a href="https://docs.example.org/slurm">the guide</a>', "see the guide (https://docs.example.org/slurm)"),
        ('<a href="https://x.example/">https://x.example</a>', "https://x.example"),
        ('<a href="javascript:alert(1)">press</a>', "press"),
        ("<style>p{}</style><script>if (a<b) {}</script>text<!-- no -->", "text"),
        ('<div style="display: none"><p>preheader</div>shown', "shown"),
        ('<blockquote type="cite"><p>old</p><p>older</p></blockquote>new', "> old\n>\n> older\n\nnew"),
        ('<blockquote style="margin:0 0 0 40px;border:none">indented</blockquote>', "    indented"),
        ('<img src="cid:plot@x"> <img src="t.gif"> <img alt="A plot" src="p.png">', "[image: plot@x] [image: A plot]"),
        ("a &lt; b &amp; c &nbsp;d", "a < b & c d"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<p class=MsoNormal>one</p><p class=MsoNormal>two</p><p class=MsoNormal>&nbsp;</p><p class=MsoNormal>three</p>",
         "one\ntwo\n\nthree"),
        ('<a title="a > b" href="https://x.example/1">t</a>', "t (https://x.example/1)"),
    ],
)  # fmt: skip
def test_html_becomes_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


@given(st.lists(st.sampled_from(["<table>", "<tr>", "<td>", "</td>", "</table>", "<a href='http://x'>", "</a>", "<p", "<pre>",
                                 "</pre>", "<ul>", "<li>", "</ul>", "<blockquote>", "</blockquote>", "x", "\n", "<!--", "&#0;"])))  # fmt: skip
def test_any_tags_in_any_order_are_read(pieces: list[str]) -> None:
    assert isinstance(html_to_text("".join(pieces)), str)


def test_nested_elements_beyond_the_limit_are_named() -> None:
    assert html_to_text("<div>" * 200_000 + "core") == "\n[the rest of this HTML was not read]"
