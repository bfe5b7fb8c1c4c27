"""Features, training, the model's files and the evaluation figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hashing_encoder import HashingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from knowledge_base.encoder import Encoder
from triage.card import train_and_describe
from triage.classifier import Classifier
from triage.cues import load_cues
from triage.dataset import (
    LEVELS,
    NONE,
    TYPES,
    Labelled,
    data_hash,
    load_all,
    load_labelled,
    near_copy_rate,
    parse_labelled,
    parse_request,
)
from triage.errors import ModelFileError, RequestLineError
from triage.evaluation import (
    Judged,
    calibration_error,
    class_figures,
    coverage_at,
    false_alarms,
    macro_f1,
    none_recall,
    reliability,
    risk_coverage,
)
from triage.features import (
    EMBED_ASK,
    EMBED_HEAD,
    digest,
    embedded_part,
    fit_vocabulary,
    letter_terms,
    make_row,
    tfidf,
    word_terms,
)
from triage.model import MODEL_FOLDER, Head, load_model, probabilities
from triage.reasons import advantage, named_pulls
from triage.report import report
from triage.result import Request
from triage.text import read
from triage.training import (
    CHOSEN,
    block_products,
    in_features,
    is_ordinary,
    matrix_of,
    none_threshold,
    prepare,
    spanned,
    train,
)

EVALS = Path(__file__).parents[1] / "evals"
TEXTS = [
    "the job is slow on two nodes",
    "the job crashes",
    "fine-tune a model on two GPUs",
    "a model, a model and a job",
]


def test_tfidf_equals_scikit_learn() -> None:
    vocabulary = fit_vocabulary([word_terms(text) for text in TEXTS], min_documents=1, max_terms=1_000)
    theirs = TfidfVectorizer(analyzer=word_terms, sublinear_tf=True, norm="l2", vocabulary=vocabulary.index).fit(TEXTS)
    for text in [*TEXTS, "unknown words, one job"]:
        columns, values = tfidf(vocabulary, word_terms(text))
        ours = np.zeros(len(vocabulary.index))
        ours[columns] = values
        np.testing.assert_allclose(ours, theirs.transform([text]).toarray()[0], atol=1e-6)


def test_letter_terms_equal_scikit_learn() -> None:
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5)).build_analyzer()
    for text in TEXTS:
        ours = [term for term in letter_terms(text) if len(term) >= 3]
        assert set(ours) <= set(theirs(text))


def labelled() -> list[Labelled]:
    rows = load_all()
    return [row for row in rows if row.voice in {"examples", "plain-de", "plain-es", "inbox-a", "inbox-b", "inbox-c"}]


def test_a_head_scores_as_scikit_learn_does(hashing_encoder: Encoder) -> None:
    """The fit in the space that the rows span is the fit on the features themselves."""
    prepared = prepare([row for row in labelled() if row.in_scope], hashing_encoder)
    matrix = matrix_of(prepared.space, prepared.rows)
    span = spanned((matrix @ matrix.T).toarray().astype(np.float64))
    truth = [LEVELS.index(row.level) for row in prepared.labelled]
    direct = LogisticRegression(C=0.1, max_iter=5_000, tol=1e-8).fit(matrix, truth)
    spanning = LogisticRegression(C=0.1, max_iter=5_000, tol=1e-8).fit(span, truth)
    head = Head(classes=LEVELS, weights=spanning.coef_, bias=spanning.intercept_, temperature=1.0)
    weights = in_features(head, matrix, span, np.ones(matrix.shape[1], dtype=np.float32)).weights
    np.testing.assert_allclose(weights, direct.coef_, atol=2e-3)


def test_at_most_two_in_a_hundred_ordinary_requests_are_turned_away() -> None:
    chances, ordinary = np.linspace(0.0, 1.0, 1_000), np.arange(1_000) < 900
    threshold = none_threshold(chances, ordinary)
    assert (chances[ordinary] >= threshold).mean() <= 0.02
    assert (chances[ordinary] >= threshold - 0.002).mean() > 0.018
    assert none_threshold(chances / 10, ordinary) == 0.5


def test_requests_that_were_written_to_look_like_none_do_not_move_the_threshold() -> None:
    line = '{"id": "1", "body": "Thanks, but it fails again", "level": "L1", "type": "T1", "tags": %s}'
    assert is_ordinary(parse_labelled(line % "[]", "here"))
    assert not is_ordinary(parse_labelled(line % '["near-miss"]', "here"))


def test_products_of_blocks_are_those_of_the_scaled_features(hashing_encoder: Encoder) -> None:
    prepared = prepare([row for row in labelled() if row.in_scope], hashing_encoder)
    matrix, scales = matrix_of(prepared.space, prepared.rows), CHOSEN["level"]
    products = block_products(prepared.space, matrix)
    scaled = matrix.multiply(scales.columns(prepared.space)).tocsr()
    added = sum(scale**2 * product for scale, product in zip(scales.blocks, products, strict=True))
    np.testing.assert_allclose(added, (scaled @ scaled.T).toarray(), rtol=1e-5, atol=1e-4)


def test_training_is_deterministic_and_the_files_give_the_model_back(hashing_encoder: Encoder, tmp_path: Path) -> None:
    first = train(labelled(), hashing_encoder).model
    card = train_and_describe(labelled(), hashing_encoder, tmp_path / "one")
    train_and_describe(labelled(), hashing_encoder, tmp_path / "two")
    for name in ("triage.npz", "triage.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert first.data_hash in card
    loaded = load_model(tmp_path / "one", encoder_name=hashing_encoder.name)
    row = prepare(labelled(), hashing_encoder).rows[0]
    for head, again in ((first.level, loaded.level), (first.type, loaded.type)):
        assert probabilities(again, row) == pytest.approx(probabilities(head, row), abs=5e-3)


def test_probabilities_sum_to_one_and_reasons_are_given(hashing_encoder: Encoder, tmp_path: Path) -> None:
    train_and_describe(labelled(), hashing_encoder, tmp_path)
    placed = Classifier(hashing_encoder, tmp_path).place(
        Request(id="7", channel="slack", subject="", body="LoRA loss is flat, which learning rate?")
    )
    assert sum(placed.level_probabilities.values()) == pytest.approx(1.0)
    assert sum(placed.type_probabilities.values()) == pytest.approx(1.0)
    assert any("for L" in reason for reason in placed.reasons)
    assert placed.reasons[-1].startswith(f"route {placed.route}")


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("model")
    train_and_describe(labelled(), HashingEncoder(), folder)
    return Classifier(HashingEncoder(), folder)


@given(subject=st.text(max_size=60), body=st.text(max_size=400), name=st.text(max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_text_is_placed_among_the_labels(small_model: Classifier, subject: str, body: str, name: str) -> None:
    placed = small_model.place(Request(id="1", channel="email", subject=subject, body=body, attachments=(name,)))
    assert placed.level in {*LEVELS, NONE}
    assert placed.type in {*TYPES, NONE}
    assert (placed.level == NONE) == (placed.type == NONE)
    for shares in (placed.level_probabilities, placed.type_probabilities):
        assert sum(shares.values()) == pytest.approx(1.0)
    assert placed.reasons
    assert len(placed.questions) <= 3


def test_the_pulls_that_are_shown_add_up_to_the_score(small_model: Classifier) -> None:
    """What is given as a reason is what decided: nothing else enters the score but the bias."""
    model, texts = small_model.model, [read(row.request) for row in labelled()[:40]]
    vectors = HashingEncoder().encode([embedded_part(text) for text in texts])
    for text, vector in zip(texts, vectors, strict=True):
        row = make_row(model.space, digest(model.space.cues, text), vector)
        for head in (model.level, model.type):
            scores = head.scores(row) / head.temperature
            label = int(np.argmax(scores))
            lead = scores[label] - np.delete(scores, label).mean()
            bias = (head.bias[label] - np.delete(head.bias, label).mean()) / head.temperature
            pulls = named_pulls(model, row, *advantage(head, head.classes[label], row))
            assert sum(pulls.values()) + bias == pytest.approx(lead, abs=1e-2)


def test_a_request_is_placed_alike_alone_and_in_a_batch(small_model: Classifier) -> None:
    requests = [row.request for row in labelled()[:30]]
    together = small_model.place_many(requests)
    for request, placed in zip(requests, together, strict=True):
        alone = small_model.place(request)
        assert (alone.id, alone.level, alone.type, alone.reasons) == (
            placed.id,
            placed.level,
            placed.type,
            placed.reasons,
        )
    assert small_model.place_many([]) == []


@pytest.mark.parametrize(
    ("body", "embedded"),
    [
        ("How do I load a module?", "How do I load a module?"),
        ("Why?\n```\nRuntimeError: x = f(1)\n```", "Why?"),
        ('RuntimeError: CUDA error\nFile "a.py", line 3', 'RuntimeError: CUDA error File "a.py", line 3'),
    ],
)
def test_the_prose_is_embedded_and_a_log_only_when_it_stands_alone(body: str, embedded: str) -> None:
    assert embedded_part(read(Request(id="1", channel="email", subject="", body=body))) == embedded


def test_of_a_long_mail_the_start_and_what_it_asks_are_embedded() -> None:
    body = "We measure bees. " + "The hive hums all day. " * 60 + "Could you tell us which partition fits? Regards. "
    part = embedded_part(read(Request(id="1", channel="email", subject="Bees", body=body)))
    assert part.startswith("Bees. We measure bees.")
    assert part.endswith("… Could you tell us which partition fits?")
    assert len(part) <= EMBED_HEAD + EMBED_ASK + 3


def test_words_of_other_languages_count_as_their_english() -> None:
    assert "memory" in word_terms("Warum reicht der Speicher nicht?")
    assert word_terms("why is there no memory left") == word_terms("Why is there no memory left")


def test_letters_of_what_is_asked_are_apart_from_the_rest() -> None:
    body = "The container is fine. Which partition fits?"
    told = digest(load_cues(), read(Request(id="1", channel="email", subject="", body=body)))
    assert set(letter_terms("Which partition fits?")) == set(told.asked)
    assert " con" in told.letters
    assert " con" not in told.asked


def test_another_embedding_model_is_refused() -> None:
    with pytest.raises(ModelFileError, match="triage train"):
        load_model(MODEL_FOLDER, encoder_name="another")


@pytest.mark.parametrize("broken", ["missing", "no json", "another format", "other cues"])
def test_broken_model_files_are_named(tmp_path: Path, broken: str) -> None:
    for name in ("triage.npz", "triage.json"):
        (tmp_path / name).write_bytes((MODEL_FOLDER / name).read_bytes())
    told = json.loads((tmp_path / "triage.json").read_text("utf-8"))
    contents = {
        "no json": "{",
        "another format": json.dumps({**told, "format": 99}),
        "other cues": json.dumps({**told, "cues": ["x"]}),
    }
    if broken == "missing":
        (tmp_path / "triage.npz").unlink()
    else:
        (tmp_path / "triage.json").write_text(contents[broken], "utf-8")
    with pytest.raises(ModelFileError, match="triage train"):
        load_model(tmp_path)


def test_committed_model_is_small_and_was_trained_on_the_committed_data() -> None:
    model = load_model()
    assert sum(path.stat().st_size for path in MODEL_FOLDER.iterdir()) < 10_000_000
    assert model.data_hash == data_hash(row for row in load_all() if not row.is_test)


def test_data_are_large_varied_and_complete() -> None:
    rows = load_all()
    cells = {(row.level, row.type) for row in rows if row.in_scope}
    assert len(rows) >= 1_000
    assert len(cells) == len(LEVELS) * len(TYPES)
    assert {"en", "de", "fr", "es", "it"} <= {row.language for row in rows}
    assert {row.request.channel for row in rows} == {"email", "form", "slack"}
    assert sum(not row.in_scope for row in rows) >= 150
    assert near_copy_rate(rows) <= 0.02
    assert len({row.request.id for row in rows}) == len(rows)


def test_blind_sets_share_nothing_with_the_training_data() -> None:
    blind = [row for path in sorted(EVALS.glob("triage_blind*.jsonl")) for row in load_labelled(path)]
    rows = load_all()
    assert len(blind) >= 200
    assert {row.voice for row in blind}.isdisjoint(row.voice for row in rows)
    copies = near_copy_rate([*rows, *blind]) * (len(rows) + len(blind))
    assert copies == pytest.approx(near_copy_rate(rows) * len(rows) + near_copy_rate(blind) * len(blind))


def test_near_copies_are_counted() -> None:
    rows = [labelled_line(f"my job on the big machine does not start today {end}") for end in ("now", "again")]
    assert near_copy_rate(rows) == 1.0
    assert near_copy_rate([*rows, labelled_line("something else altogether is asked here")]) == pytest.approx(2 / 3)


def labelled_line(body: str, level: str = "L1", kind: str = "T1") -> Labelled:
    return parse_labelled(
        json.dumps({"id": "1", "channel": "email", "subject": "", "body": body, "level": level, "type": kind}), "x"
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("broken", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"id": "1", "channel": "email"}', '"body" is missing'),
        ('{"channel": "email", "body": "x"}', '"id" is missing'),
        ('{"id": "1", "channel": "email", "body": 5}', '"body" is no text'),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_request_lines_are_named(line: str, problem: str) -> None:
    with pytest.raises(RequestLineError, match=problem) as caught:
        parse_request(line, "in.jsonl line 3")
    assert "in.jsonl line 3" in str(caught.value)


def test_null_subject_and_number_as_id_are_taken() -> None:
    assert parse_request('{"id": 5, "channel": "slack", "subject": null, "body": "hi"}', "x") == Request(
        id="5", channel="slack", subject="", body="hi"
    )


def test_unknown_labels_are_refused() -> None:
    with pytest.raises(RequestLineError, match="L9"):
        labelled_line("x", "L9")


def judged(truth: str, level: str, confidence: float) -> Judged:
    row = labelled_line(f"body {truth} {level} {confidence}", truth, NONE if truth == NONE else "T1")
    kind = NONE if level == NONE else "T1"
    return Judged(truth=row, level=level, type=kind, level_confidence=confidence, type_confidence=confidence)


SAMPLE = [
    judged("L1", "L1", 0.9),
    judged("L1", "L2", 0.4),
    judged("L2", "L2", 0.8),
    judged(NONE, NONE, 0.9),
    judged("L2", NONE, 0.6),
]


def test_figures() -> None:
    figures = class_figures(["a", "a", "b"], ["a", "b", "b"], ("a", "b", "c"))
    assert [(each.label, each.support) for each in figures] == [("a", 2), ("b", 1)]
    assert macro_f1(figures) == pytest.approx(2 / 3)
    assert none_recall(SAMPLE) == 1.0
    assert false_alarms(SAMPLE) == 0.25


def test_calibration_error_of_a_sample() -> None:
    bins = reliability([0.95, 0.95, 0.15], [True, False, False])
    assert [(each.count, each.accuracy) for each in bins] == [(1, 0.0), (2, 0.5)]
    assert calibration_error(bins) == pytest.approx((0.15 + 2 * 0.45) / 3)


def test_coverage_falls_with_the_precision_wanted() -> None:
    assert coverage_at(SAMPLE, lambda each: each.level_right, 0.95) == pytest.approx(3 / 5)
    assert coverage_at(SAMPLE, lambda each: each.level_right, 0.5) == 1.0
    assert risk_coverage(SAMPLE, lambda each: each.level_right)[-1] == (1.0, 0.6)


def test_report_names_everything() -> None:
    text = report(SAMPLE)
    for part in (
        "level macro-F1",
        "out-of-scope recall",
        "near-copies",
        "ECE",
        "coverage",
        "columns: placed",
        "not English",
    ):
        assert part in text


def test_empty_report() -> None:
    assert "requests             0" in report([])
