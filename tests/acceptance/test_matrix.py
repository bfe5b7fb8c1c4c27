"""A second chat service against a real server: the same engine, another folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from slack_fixture import SUPPORT, light_ports, wait_for
from sqlmodel import select
from synapse_fixture import NoSynapseError, Person, running_synapse

from agent import approval
from agent.chat.delivery import by_way
from agent.chat.runner import Chats
from agent.mail.arrivals import Arrivals
from agent.mail.sender import sender_for
from agent.matrix.channel import MatrixChannel, matrix_service
from agent.settings import Settings
from agent.store import drafts, people, tickets
from agent.store.database import Database, open_database
from agent.store.tables import Draft, Ticket
from agent.workflows import Workflows

ACCOUNT = "How do I get an account on LUMI?"


@dataclass(frozen=True)
class Matrix:
    database: Database
    settings: Settings
    workflows: Workflows
    ada: Person
    alan: Person
    me: str
    room: str

    def notices(self, root: str) -> list[str]:
        """Of ours in a thread, as they read now."""
        ours = [e for e in self.ada.thread(self.room, root) if e["sender"] == self.me and e["content"]]
        return [_body(event) for event in ours]


def _body(event: dict[str, Any]) -> str:
    edit = event.get("unsigned", {}).get("m.relations", {}).get("m.replace", {}).get("content", {})
    return str(edit.get("m.new_content", event["content"])["body"])


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("matrix")
    try:
        with running_synapse(folder) as url:
            yield from connected(folder, url)
    except NoSynapseError as error:
        pytest.skip(str(error))


def connected(folder: Path, url: str) -> Iterator[Matrix]:
    bot, ada, alan = (Person(url, name) for name in ("minerva", "ada", "alan"))
    settings = Settings(data_dir=folder / "var", support_address=SUPPORT, undo_s=0, second_approval="")
    database = open_database(settings.database)
    chats, ports = Chats(database), light_ports()
    send = by_way(sender_for(settings), lambda: chats.by_name)
    workflows = Workflows(database, settings, ports, send, Arrivals(), chats=chats)
    channel = MatrixChannel(url, bot.token)
    chats.add(matrix_service(chats.chat_on(channel, settings, ports, workflows.wake), channel))
    chats.start()
    workflows.start()
    room = ada.room(bot.id, alan.id)
    alan.call("POST", f"join/{room}", {})
    wait_for(lambda: bot.id in ada.members(room), 60)
    yield Matrix(database, settings, workflows, ada, alan, bot.id, room)
    chats.stop()
    workflows.stop()
    for person in (bot, ada, alan):
        person.close()
    database.close()


def ask(matrix: Matrix, text: str, **more: object) -> str:
    return matrix.ada.send(matrix.room, f"{matrix.me}: {text}", **more)


def in_thread(root: str) -> dict[str, object]:
    return {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}


def test_a_mention_is_answered_in_its_thread_and_follow_ups_need_none(matrix: Matrix) -> None:
    root = ask(matrix, ACCOUNT)
    assert "apply for an account on LUMI" in wait_for(lambda: matrix.notices(root))[0]
    assert "[1] Accounts https://docs.example/accounts" in matrix.notices(root)[0]
    matrix.ada.send(matrix.room, "And what is the quota of the scratch folder?", **in_thread(root))
    second = wait_for(lambda: matrix.notices(root)[1:])[0]
    assert "quota of the scratch folder is shared" in second
    assert "apply for an account" not in second


def test_what_is_not_for_us_is_left_alone(matrix: Matrix) -> None:
    root = matrix.alan.send(matrix.room, ACCOUNT)
    told = ask(matrix, ACCOUNT)
    wait_for(lambda: matrix.notices(told))
    assert matrix.notices(root) == []


def test_edits_and_deletions_are_followed(matrix: Matrix) -> None:
    root = ask(matrix, ACCOUNT)
    wait_for(lambda: matrix.notices(root))
    edit = {"msgtype": "m.text", "body": f"{matrix.me}: What is the quota?"}
    matrix.ada.send(
        matrix.room, "* changed", **{"m.new_content": edit, "m.relates_to": {"rel_type": "m.replace", "event_id": root}}
    )
    wait_for(lambda: "quota of the scratch folder" in matrix.notices(root)[0])
    assert len(matrix.notices(root)) == 1
    matrix.ada.redact(matrix.room, root)
    wait_for(lambda: not matrix.notices(root))


def test_a_person_answers_through_the_desk(matrix: Matrix) -> None:
    root = ask(matrix, "Which law holds for my account?")
    assert "!ticket I agree" in wait_for(lambda: matrix.notices(root))[0]
    matrix.ada.send(matrix.room, "!ticket I agree", **in_thread(root))
    assert "is open" in wait_for(lambda: matrix.notices(root)[1:])[0]

    def drafted() -> Draft | None:
        with matrix.database.read() as session:
            ticket = session.exec(select(Ticket).where(Ticket.requester_name == "ada")).first()
            return drafts.latest(session, ticket) if ticket else None

    draft = wait_for(drafted)
    assert draft.recipients[0].endswith("@matrix.invalid")
    with matrix.database.write() as session:
        grace = people.add_engineer(session, name="Grace", email="grace@minerva.example")
        approval.approve(session, matrix.settings, draft.id or 0, engineer=grace, binding=draft.binding)
    matrix.workflows.wake()
    assert "Dear ada" in wait_for(lambda: matrix.notices(root)[2:])[0]
    with matrix.database.read() as session:
        assert tickets.by_id(session, Ticket, draft.ticket_id).status == "answered"


def test_a_script_comes_back_corrected_as_a_file(matrix: Matrix) -> None:
    script = b"#!/bin/bash\n#SBATCH --partition=standard-g\n#SBATCH --gpus-per-node=8\n#SBATCH --time=72:00:00\nsrun python train.py\n"
    root = matrix.ada.share(matrix.room, "What is wrong with my script on LUMI?", "train.sh", script, matrix.me)
    wait_for(lambda: [text for text in matrix.notices(root) if "72:00:00" in text])
    assert wait_for(lambda: [text for text in matrix.notices(root) if text == "train-corrected.sh"])


def test_a_secret_is_pointed_out_where_nobody_else_reads(matrix: Matrix) -> None:
    marks = [str(matrix.ada.call("GET", "sync?timeout=0")["next_batch"])]
    ask(matrix, f"{ACCOUNT} my token is ghp_{'a1B2' * 9}")

    def invited() -> dict[str, Any]:
        news: dict[str, Any] = matrix.ada.call("GET", f"sync?timeout=500&since={marks[-1]}")
        marks.append(str(news["next_batch"]))
        return dict(news.get("rooms", {}).get("invite", {}))

    assert len(wait_for(invited)) == 1
