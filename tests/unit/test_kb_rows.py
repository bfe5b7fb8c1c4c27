"""Rows say what they are from, how sure they are, and when they know nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.draft import Citation, Claim, Draft, Evidence
from agent.rows import answered_from_rows, evidence_of_row
from knowledge_base.rows.answer import rows_for
from knowledge_base.rows.question import asked_of
from knowledge_base.rows.row import BenchmarkRow
from knowledge_base.tables import (
    access_modes,
    as_of,
    data_sets,
    model_rows,
    recipes,
    system_rows,
    text_sizes,
    trainings,
)


def test_a_walltime_with_its_row_status_and_note() -> None:
    (row,) = rows_for("What is the maximum walltime of small-g on LUMI?")
    assert row.id == "systems/lumi-g/partitions/small-g"
    assert row.text.startswith(
        "Maximum walltime 3-00:00:00 on LUMI (LUMI-G), partition small-g (at most 4 nodes; small jobs)"
    )
    assert "(verified, as of 2026-11-23)" in row.text
    assert "October 2024" in row.text
    assert row.url == "https://docs.lumi-supercomputer.eu"


def test_secondary_rows_say_that_they_are() -> None:
    (row,) = rows_for("How many GPUs per node does MareNostrum 5 have?")
    assert "4 GPUs per node" in row.text
    assert "status secondary" in row.text
    assert row.known


def test_two_systems_of_one_name_give_two_rows() -> None:
    rows = rows_for("How many GPUs per node on Adastra?")
    assert {row.systems for row in rows} == {("adastra-mi250x",), ("adastra-mi300a",)}


@pytest.mark.parametrize("system", ["Alice Recoque", "Leonardo LISA"])
def test_what_is_not_confirmed_is_not_claimed(system: str) -> None:
    rows = rows_for(f"How many GPUs per node does {system} have?")
    assert any(not row.known and "no confirmed number" in row.text for row in rows)


def test_models_of_a_licence_that_fit() -> None:
    (row,) = rows_for("Which models under an MIT licence fit into 40 GB?")
    assert "CroissantLLM" in row.text
    assert "MIT, cited" in row.text
    assert "EuroLLM" not in row.text
    (none,) = rows_for("Which models with a licence MIT fit into 2 GB?")
    assert not none.known


def test_stored_results_stand_beside_published_ones_best_first() -> None:
    stored = BenchmarkRow(
        id="r-1", model="mistralai/Mistral-7B-Instruct-v0.3", system="mn5-acc", tokens_per_s=20000.0,
        setting="vLLM 0.11, 4 GPUs", date="2026-10-01", status="verified",
    )  # fmt: skip
    rows = rows_for("Throughput of Mistral 7B on MareNostrum 5?", lambda: [stored])
    assert [row.id for row in rows] == ["r-1", "recipes/measured_by_minerva/mn5_serving/5"]


def test_a_model_that_was_not_measured_there() -> None:
    (row,) = rows_for("Which throughput has Llama 3.1 8B on Vega?")
    assert not row.known
    assert "hold no throughput of Llama-3.1-8B-Instruct on Vega" in row.text
    assert rows_for("Which throughput has Foo 9B on Vega?") == ()


@pytest.mark.parametrize(
    ("text", "hours"),
    [("50,000", 50_000), ("50 000", 50_000), ("50.000", 50_000), ("50k", 50_000), ("1 million", 1_000_000)],
)
def test_amounts(text: str, hours: int) -> None:
    asked = asked_of(f"Which access mode gives {text} node hours?")
    assert asked is not None
    assert (asked.hours, asked.unit) == (hours, "node")


def test_a_long_mail_is_no_structured_question() -> None:
    assert (
        rows_for(
            "We train a model on LUMI.\n" * 20 + "How many GPUs per node should we ask for to keep the loader busy"
        )
        == ()
    )


def test_a_data_set_by_its_name_with_licence_size_and_caveats() -> None:
    (row,) = rows_for("Under which licence is fineweb-2, and may we use it commercially?")
    assert row.id == "datasets/fineweb2"
    assert "ODC-By 1.0" in row.text
    assert "commercial use: yes" in row.text
    assert "8 TB (compressed)" in row.text
    assert "(verified, as of 2026-11-23)" in row.text
    assert row.url == "https://huggingface.co/datasets/HuggingFaceFW/fineweb-2"


@pytest.mark.parametrize("name", ["HPLT v3", "HPLT 3.0", "hplt3", "hplt-v3", "HPLT/HPLT3.0"])
def test_names_of_data_sets_as_people_write_them(name: str) -> None:
    assert [row.id for row in rows_for(f"What is the licence of {name}?")] == ["datasets/hplt-v3"]


def test_the_longer_name_wins() -> None:
    assert [row.id for row in rows_for("Licence of FineWeb-Edu?")] == ["datasets/fineweb-edu"]
    assert [row.id for row in rows_for("Licences of FineWeb and FineWeb2?")] == [
        "datasets/fineweb",
        "datasets/fineweb2",
    ]


def test_data_sets_by_use_and_licence_the_surest_first() -> None:
    (row,) = rows_for("Which instruction data sets are under Apache-2.0?")
    names = [part.split(" (")[0] for part in row.text.split(": ", 2)[2].split("; ")]
    assert names[0] == "Aya Dataset"
    assert "OpenAssistant OASST1" in names
    assert "Dolly 15k" not in row.text, "CC-BY-SA"
    (none,) = rows_for("Which speech data sets are under an MIT licence?")
    assert not none.known


def test_cc_by_is_neither_share_alike_nor_non_commercial() -> None:
    (row,) = rows_for("Which benchmark data sets are CC-BY?")
    assert "CC-BY-SA" not in row.text
    assert "CC-BY-NC" not in row.text


def test_a_size_that_nobody_reported_is_said_to_be_missing() -> None:
    (row,) = rows_for("How much Spanish text is in FineWeb2?")
    assert "FineWeb2 not reported, HPLT v2 1,843 GiB" in row.text


def test_gpu_hours_are_those_of_the_table_of_the_facts() -> None:
    (row,) = rows_for("How many GPU hours for a 7B model on 1T tokens?")
    for hours in (
        "83,100 hours on A100",
        "31,000 hours on H100",
        "31,000 hours on GH200",
        "190,000 hours on MI250X GCD",
    ):
        assert hours in row.text
    (lumi,) = rows_for("How many GPU hours for a 7B model on 140B tokens on LUMI-G?")
    assert "26,700" in lumi.text
    assert "H100" not in lumi.text


def test_learning_rates_of_one_stage_or_all() -> None:
    assert len(rows_for("Which learning rates did Tulu 3 use?")) == 4
    (row,) = rows_for("Which learning rate did Tulu 3 70B use for DPO?")
    assert "2e-07, batch 128 (status cited" in row.text
    assert [row.id for row in rows_for("learning rate of Llama 2 7B?")] == [
        "recipes/learning_rate_and_batch/pretraining/Llama 2 7B/13B"
    ]
    assert rows_for("learning rate of Llama 2 8B?") == ()


@pytest.mark.parametrize(
    "text",
    [
        "Nach QLoRA antwortet das Modell nur noch Englisch, zu hohe Lernrate?",
        "Is the learning rate of Llama 2 7B too high for us?",
        "La taille du checkpoint d'un modèle de 7B est trop grande, que faire ?",
        "Which data sets did the last audit look at?",
        "The tutorial says FSDP, what is that?",
    ],
)
def test_questions_for_help_are_no_questions_for_a_row(text: str) -> None:
    assert rows_for(text) == ()


WORDS = st.sampled_from(
    [
        "which",
        "what",
        "how",
        "much",
        "many",
        "gpu",
        "hours",
        "learning",
        "rate",
        "of",
        "checkpoint",
        "size",
        "data",
        "sets",
        "licence",
        "text",
        "qlora",
        "lora",
        "memory",
        "for",
        "on",
        "7B",
        "70B",
        "1.5T",
        "0B",
        "999999999B",
        "tokens",
        "tokens?",
        "H100",
        "LUMI",
        "FineWeb2",
        "HPLT",
        "German",
        "Deutsch",
        "workshop",
        "minerva",
        "offers",
        "next",
        "?",
        "walltime",
        "small-g",
        "64",
        "GB",
        "models",
        "fit",
        "apache",
        "llama",
        "2",
        "tulu",
        "3",
        "8b",
    ]
)


@given(st.lists(WORDS | st.text(max_size=8), max_size=14))
def test_no_question_breaks_the_rows_and_each_row_can_be_cited(words: list[str]) -> None:
    for row in rows_for(" ".join(words)):
        assert row.id
        assert row.text.strip().endswith((".", ")"))
        assert row.heading


def test_trainings_say_that_no_coming_one_is_on_record() -> None:
    coming, *past = rows_for("When is the next workshop?")
    assert "no date of a coming training" in coming.text
    assert len(past) == len(trainings()) == 3
    (one,) = rows_for("Where are the slides of the GCPR tutorial?")
    assert one.url == "https://github.com/TuebingenAICenter/agent-tutorial"


def evidence(number: int, text: str) -> Evidence:
    return Evidence(
        number=number,
        kind="passage",
        id=f"p{number}",
        title="T",
        heading=(),
        path="a.md",
        anchor="",
        url=None,
        text=text,
        score=1.0,
    )


def test_the_row_is_the_answer_and_other_claims_stay_when_more_was_asked() -> None:
    (row,) = rows_for("Maximum walltime of small-g on LUMI?")
    of_row = replace(evidence_of_row(row), number=1)
    claim = Claim(text="Else.", citations=(Citation(evidence=2, quote="Else."),))
    draft = Draft(
        outcome="escalate", claims=(claim,), unanswered=("x",), questions=(), evidence=(of_row, evidence(2, "Else.")),
        answerable=0.9, model="m",
    )  # fmt: skip
    alone = answered_from_rows(draft, [of_row], known=True, text="Maximum walltime of small-g on LUMI?")
    assert [claim.text for claim in alone.claims] == [row.text]
    assert (alone.outcome, alone.unanswered) == ("answer", ())
    more = answered_from_rows(draft, [of_row], known=True, text="Maximum walltime? And how do I restart?")
    assert [claim.text for claim in more.claims] == [row.text, "Else."]
    assert more.outcome == "caveat"
    assert answered_from_rows(draft, [], known=True, text="") is draft


def test_the_tables_hold_what_the_facts_hold() -> None:
    assert len(system_rows()) == 18
    assert len(model_rows()) == 63
    assert len(access_modes()) == 9
    assert len(data_sets()) == 55
    assert len(recipes()) > 60
    assert len(text_sizes()) == 36
    lumi = next(system for system in system_rows() if system.id == "lumi-g")
    assert lumi.nodes[0].gpus == 8
    assert {partition.name for partition in lumi.partitions} == {"standard-g", "small-g", "dev-g", "bench"}
    assert as_of("systems") == as_of("models") == "2026-11-23"
