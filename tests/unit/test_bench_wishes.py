"""A request that only a measurement answers becomes a wish that waits for people; and which rows answer first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlmodel import select

from agent import pipeline
from agent.benchmarks import structured_rows, wish_for_measurement
from agent.draft import Citation, Claim, Draft, Evidence, Question
from agent.pipeline import Ports
from agent.rows import answered_from_rows, evidence_of_row
from agent.settings import Settings
from agent.store import inbound
from agent.store.database import Database
from agent.store.tables import Event
from bench_runner.importing import import_paths
from bench_runner.reruns import runs
from bench_runner.reruns.runs import RunState
from bench_runner.store.database import open_store
from ingest.mail import parse_mail
from knowledge_base.passage import SearchResult
from triage.doctor.diagnosis import diagnose
from triage.result import Request, Route, TriageResult

MAIL = b"""From: Ada <ada@example.org>
To: support@minerva.example
Subject: Throughput of Foo-7B on LUMI with vLLM?
Message-ID: <1@example.org>

What throughput does vLLM reach for Foo-7B on LUMI?
"""


def ports(route: Route, folder: Path) -> Ports:
    def place(request: Request) -> TriageResult:
        return TriageResult(
            id=request.id, level="L2", level_confidence=0.9, type="T1", type_confidence=0.9, level_probabilities={},
            type_probabilities={}, language="en", urgency="normal", route=route, reasons=(),
        )  # fmt: skip

    def compose(question: Question, evidence: tuple[Evidence, ...], answerable: float) -> Draft:
        return Draft(
            outcome="escalate", claims=(), unanswered=(question.subject,), questions=(), evidence=evidence,
            answerable=answerable, model="embedded",
        )  # fmt: skip

    return Ports(
        read=parse_mail,
        language=lambda text: "en",
        place=place,
        diagnose=lambda text, attachments: diagnose(text, attachments=attachments),
        search=lambda question, k: SearchResult(hits=(), answerable=0.0),
        compose=compose,
        rows=lambda text: structured_rows(folder, text),
        wish=lambda origin, words, by: wish_for_measurement(folder, origin=origin, words=words, by=by),
    )


def drafted(database: Database, settings: Settings, made: Ports, times: int = 1) -> list[str]:
    """What the ticket's history says after the mail was filed and drafted."""
    with database.write() as session:
        stored = inbound.store_mail(
            session,
            MAIL,
            channel="smtp",
            peer="x",
            envelope_from="ada@example.org",
            envelope_to=["support@minerva.example"],
        )
    message = pipeline.file_request(database, settings, made, stored.id or 0)
    for attempt in range(1, times + 1):
        pipeline.draft_answer(database, made, message or 0, attempt=attempt)
    with database.read() as session:
        return [event.what for event in session.exec(select(Event))]


def test_a_request_for_a_measurement_is_listed_once_and_starts_nothing(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    history = drafted(database, settings, ports("benchmark", tmp_path), times=2)
    assert history.count("measurement asked for") == 1
    with open_store(tmp_path).read() as connection:
        (wish,) = runs.runs(connection)
    assert (wish.state, wish.requested_by, wish.script) == (RunState.REQUESTED, "ada@example.org", "")
    assert wish.origin.startswith("MIN-") and wish.title.startswith("Throughput of Foo-7B")


def test_other_requests_make_no_wish(database: Database, settings: Settings, tmp_path: Path) -> None:
    assert "measurement asked for" not in drafted(database, settings, ports("answer", tmp_path))
    assert not (tmp_path / "benchmarks.sqlite").exists()


HEADER = "Supercomputer,Model,Dataset,Framework,Output Throughput (tokens/s),Request Throughput (requests/s)\n"


def test_stored_runs_answer_before_published_figures_and_an_empty_store_says_nothing(tmp_path: Path) -> None:
    question = "What throughput does vLLM reach with Llama-3.1-8B on MareNostrum 5?"
    before = structured_rows(tmp_path, question)
    assert not any(row.id.startswith("bench:") for row in before)
    (tmp_path / "t.csv").write_text(HEADER + "MareNostrum5,Llama-3.1-8B-Instruct,sharegpt,vllm,1234.0,6.0\n")
    import_paths(open_store(tmp_path), [tmp_path / "t.csv"])
    (row,) = structured_rows(tmp_path, question)
    assert row.known and "1,234 output tok/s" in row.text and "SUSPECT" in row.text
    (row,) = structured_rows(tmp_path, "What throughput does vLLM reach with Foo-7B on LUMI?")
    assert not row.known and row.text.startswith("Not measured")


def test_that_nobody_measured_it_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(HEADER + "MareNostrum5,Llama-3.1-8B-Instruct,sharegpt,vllm,1234.0,6.0\n")
    import_paths(open_store(tmp_path), [tmp_path / "t.csv"])
    question = "How fast is vLLM with Llama-3.1-8B on JUPITER?"
    rows = [replace(evidence_of_row(row), number=1) for row in structured_rows(tmp_path, question)]
    other = Claim(text="On MareNostrum 5 it was 94 ms.", citations=(Citation(evidence=2, quote="94 ms"),))
    found = Draft(
        outcome="answer", claims=(other,), unanswered=(), questions=(), evidence=(), answerable=0.9, model="embedded"
    )
    answered = answered_from_rows(found, rows, known=False, text=question)
    assert [claim.text for claim in answered.claims] == [rows[0].text] and answered.outcome == "caveat"
    assert answered.claims[0].text.startswith("Not measured")
