"""Where a mail came from, by the `Received` fields of our own servers and in spite of those that it brings along."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mail_path import Origin, is_foreign, origin_of

OWN = [ipaddress.ip_network("131.130.1.0/24")]
DATE = "; Mon, 23 Nov 2026 09:30:00 +0100"
POSTFIX = f"from mail.uni.example (unknown [93.184.216.34])\r\n by mx.example.eu (Postfix) with ESMTPS id 1{DATE}"
EXIM = f"from mail.uni.example ([93.184.216.34]:4711 helo=mail.uni.example) by mx.example.eu with esmtps (Exim){DATE}"
EXIM_BARE = f"from [93.184.216.34] (helo=mail.uni.example) by mx.example.eu with esmtp (Exim 4.96){DATE}"
EXCHANGE = f"from mail.uni.example (93.184.216.34) by mx.example.eu (10.0.0.2) with Microsoft SMTP Server{DATE}"
IPV6 = f"from mail.uni.example (mail.uni.example [IPv6:2606:2800:220:1::1]) by mx.example.eu with ESMTPS{DATE}"
INNER = f"from mx.example.eu (mx.example.eu [10.0.0.2]) by store.example.eu with LMTP id 2{DATE}"
INNER_PUBLIC = f"from gate.example.eu (gate.example.eu [131.130.1.9]) by mx.example.eu with ESMTP{DATE}"
LOCAL = f"by desk.example.eu (Postfix, from userid 1000) id 3{DATE}"
DESK = f"from desk (desk.example.eu [10.0.0.7]) by mx.example.eu with ESMTP{DATE}"
FORGED = f"from ours (ours [10.0.0.9]) by mx.example.eu with ESMTP{DATE}"


@pytest.mark.parametrize(
    ("received", "client"),
    [
        ([POSTFIX], "93.184.216.34"),
        ([EXIM], "93.184.216.34"),
        ([EXIM_BARE], "93.184.216.34"),
        ([EXCHANGE], "93.184.216.34"),
        ([IPV6], "2606:2800:220:1::1"),
        ([INNER, POSTFIX], "93.184.216.34"),
        ([INNER, LOCAL, INNER_PUBLIC, POSTFIX, FORGED], "93.184.216.34"),
    ],
)
def test_the_first_machine_that_is_not_ours_is_found(received: list[str], client: str) -> None:
    origin = origin_of(received, "127.0.0.1", "localhost", OWN)
    assert (origin.client, origin.outside) == (client, True)


@pytest.mark.parametrize("received", [[], [LOCAL], [DESK], [INNER, LOCAL], [INNER, DESK, LOCAL]])
@pytest.mark.parametrize("client", ["127.0.0.1", "10.0.0.2", "::1", "", "uid 1000", "131.130.1.7", "::ffff:10.0.0.1"])
def test_what_was_never_outside_is_ours(received: list[str], client: str) -> None:
    assert origin_of(received, client, "x", OWN) == Origin(client="", helo="", outside=False)


@pytest.mark.parametrize("client", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_who_connects_to_us_from_outside_is_believed_nothing(client: str) -> None:
    assert origin_of([FORGED, LOCAL], client, "ours", OWN) == Origin(client=client, helo="ours", outside=True)


@pytest.mark.parametrize(
    "said",
    [
        f"from [10.0.0.9] (unknown [93.184.216.34]) by mx.example.eu with SMTP{DATE}",
        f"from [93.184.216.34] (helo=[10.0.0.9]) by mx.example.eu with smtp{DATE}",
        f"from by (unknown [93.184.216.34]) by mx.example.eu with SMTP{DATE}",
    ],
)
def test_a_client_cannot_call_itself_one_of_ours(said: str) -> None:
    assert origin_of([said, FORGED], "127.0.0.1", "", OWN).client == "93.184.216.34"


@pytest.mark.parametrize(
    "said",
    [
        f"from [8.8.8.8] (unknown [93.184.216.34]) by mx.example.eu with SMTP{DATE}",
        f"from mail.uni.example by mx.example.eu with SMTP{DATE}",
        f"from mail.uni.example (unknown [999.1.1.1]) by mx.example.eu with SMTP{DATE}",
    ],
)
def test_where_the_client_is_not_sure_it_is_outside_all_the_same(said: str) -> None:
    assert origin_of([said, FORGED], "127.0.0.1", "", OWN) == Origin(client="", helo="", outside=True)


@given(st.lists(st.text(max_size=80) | st.sampled_from([FORGED, LOCAL, DESK, POSTFIX]), max_size=5))
def test_nothing_below_our_own_field_changes_the_result(brought: list[str]) -> None:
    assert origin_of([INNER, POSTFIX, *brought], "127.0.0.1", "", OWN) == origin_of(
        [INNER, POSTFIX], "127.0.0.1", "", OWN
    )


@given(st.lists(st.text(max_size=200)), st.text(max_size=50), st.text(max_size=20))
def test_any_path_is_read(received: list[str], client: str, helo: str) -> None:
    origin = origin_of(received, client, helo, OWN)
    assert not origin.client or is_foreign(origin.client, OWN)
