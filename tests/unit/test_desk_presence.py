from __future__ import annotations

from contextlib import ExitStack

from agent.desk.presence import Presence, Seen


def test_others_are_named_as_long_as_a_page_of_theirs_is_open() -> None:
    presence = Presence()
    with ExitStack() as pages:
        pages.enter_context(presence.at("MIN-1", 1, "Grace"))
        assert presence.others("MIN-1", 1) == [], "not oneself"
        assert presence.others("MIN-1", 2) == [Seen("Grace", typing=False)]
        assert presence.others("MIN-2", 2) == [], "another ticket"
        with presence.at("MIN-1", 1, "Grace"):
            pass
        assert presence.others("MIN-1", 2) == [Seen("Grace", typing=False)], "a second tab was closed"
    assert presence.others("MIN-1", 2) == []


def test_who_writes_is_said_until_the_page_is_left() -> None:
    presence = Presence()
    with presence.at("MIN-1", 1, "Grace"), presence.at("MIN-1", 3, "Ada"):
        presence.types("MIN-1", 1)
        assert presence.others("MIN-1", 2) == [Seen("Ada", typing=False), Seen("Grace", typing=True)]
        assert presence.others("MIN-1", 1) == [Seen("Ada", typing=False)]
    with presence.at("MIN-1", 1, "Grace"):
        assert presence.others("MIN-1", 2) == [Seen("Grace", typing=False)]
