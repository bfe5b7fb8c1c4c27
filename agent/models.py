"""The models and the index, loaded once, in the background while mail is already taken."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from agent.benchmarks import structured_rows, wish_for_measurement
from agent.checks.entailment import judge_at, judged
from agent.checks.hosts import known_places
from agent.draft import Compose, Draft, Evidence, Generation, Question
from agent.drafting import embedded_composer
from agent.errors import HelpdeskError
from agent.llm.client import Client, client_of, preload
from agent.llm.drafting import Parts, Room, model_composer
from agent.llm.live import Live
from agent.llm.purposes import settle_placement
from agent.llm.review import reviewed
from agent.llm.rewriting import search_with_rewrites
from agent.pipeline import Ports
from agent.sentence_vectors import SentenceVectors
from agent.settings import Settings
from agent.triage_model import triage_model_folder
from ingest.mail import parse_mail
from knowledge_base.encoder import SentenceEncoder
from knowledge_base.errors import KnowledgeBaseError
from knowledge_base.index import Index, open_index
from knowledge_base.passage import SearchResult
from knowledge_base.reranker import reranker_at
from knowledge_base.vectors import vector_store
from triage.arbitration import Arbiter
from triage.classifier import Classifier
from triage.doctor.diagnosis import diagnose
from triage.errors import TriageError
from triage.language import DEFAULT, Languages
from triage.result import Request, TriageResult

log = structlog.get_logger()

WAIT_S = 120
SENTENCE_FILE = "sentences.npz"
"""Beside the snapshots of the index that the sentences are from."""


class ModelsNotReadyError(HelpdeskError):
    """The models could not be loaded; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    encoder: SentenceEncoder
    classifier: Classifier
    sentences: SentenceVectors
    compose: Compose


class Models:
    """Made with what is quick to check; `start` loads the rest in the background, and whoever needs it waits.

    Raises:
        KnowledgeBaseError: no usable index or no model; the message says what to run.
    """

    def __init__(self, settings: Settings) -> None:
        self.bench_dir = settings.bench_dir
        self._encoder = SentenceEncoder(settings.embedding_model)
        self._encoder.check()
        self._reranker = reranker_at(settings.rerank_model)
        self._judge = judge_at(settings.nli_model)
        self._index_dir = settings.index_dir
        self._vectors = vector_store(settings.vectors_address)
        self._index = open_index(settings.index_dir, self._vectors)
        self._reopening = threading.Lock()
        self._languages_ready = threading.Event()
        self._languages: Languages | None = None
        self._triage_model = triage_model_folder(settings)
        self._sentence_file = settings.index_dir / SENTENCE_FILE
        self.live = Live()
        self.client = client_of(settings)
        self._settings = settings
        self._room = Room(context=settings.llm_context_tokens, reply=settings.llm_reply_tokens)
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._loaded: Loaded | None = None
        self._problem = "the models could not be loaded, see the log"

    def start(self) -> None:
        threading.Thread(target=self._load_and_prepare, name="models", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _load_and_prepare(self) -> None:
        self.load()
        if self._loaded is not None:
            if self.client.is_configured():
                preload()
            self._loaded.sentences.prepare(passages_of(self.index()), self._stopping, gently=True)
            log.info("sentences_prepared", sentences=len(self._loaded.sentences))

    def load(self) -> None:
        begun = time.monotonic()
        try:
            self._languages = Languages()
            self._languages_ready.set()
            self._encoder.load()
            arbiter = arbiter_of(self.client) if self._settings.llm_settle_placings else None
            classifier = Classifier(self._encoder, self._triage_model, languages=self._languages, arbiter=arbiter)
            sentences = SentenceVectors(self._encoder, self._sentence_file)
            self._loaded = Loaded(
                encoder=self._encoder,
                classifier=classifier,
                sentences=sentences,
                compose=self._composer(embedded_composer(sentences)),
            )
            known_places()
            log.info("models_loaded", seconds=round(time.monotonic() - begun, 1))
        except (KnowledgeBaseError, TriageError) as error:
            self._problem = str(error)
            log.error("models_not_loaded", problem=self._problem)  # noqa: TRY400  # it says what to run
        finally:
            self._languages_ready.set()
            self._done.set()

    def _composer(self, embedded: Compose) -> Compose:
        """By a language model as long as one is served, else embedded."""
        with_model = model_composer(
            Parts(
                ask=self.client.ask,
                fallback=embedded,
                language_of=self.language_of,
                room=self._room,
                secret=secrets.token_bytes(32),
                told=self.live.teller,
            )
        )

        def compose(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
            if not self.client.is_configured():
                return self._without_model(embedded(question, evidence, answerable))
            try:
                return with_model(question, evidence, answerable)
            finally:
                self.live.forget(question.ticket)

        return compose

    def _without_model(self, draft: Draft) -> Draft:
        """With the reason, when a model is kept up and does not answer at present; one that sleeps is woken."""
        self.client.wake()
        state = self.client.state()
        return draft if state == "none" else replace(draft, generation=Generation(trouble=state, awaited=True))

    def get(self) -> Loaded:
        """Waits for the models. Raises ModelsNotReadyError."""
        self._done.wait(WAIT_S)
        if self._loaded is None:
            raise ModelsNotReadyError(self._problem)
        return self._loaded

    def index(self) -> Index:
        """The newest snapshot: one that was built meanwhile is opened, and the old one let go."""
        with self._reopening:
            if not self._index.is_current():
                self._index = open_index(self._index_dir, self._vectors)
            return self._index

    def search(self, question: str, k: int) -> SearchResult:
        """Also by a language model's queries, when that is set and one is served."""
        encoder = self.get().encoder

        def search(query: str, most: int) -> SearchResult:
            return self.index().search(query, encoder, k=most, reranker=self._reranker)

        if not (self._settings.llm_rewrite_queries and self.client.is_configured()):
            return search(question, k)
        return search_with_rewrites(self.client.ask, search, question, k)

    def review(self, draft: Draft) -> Draft:
        """With the doubts of a model for inference and of a language model, where they are set and served."""
        draft = judged(self._judge, draft) if self._judge is not None else draft
        if not (self._settings.llm_verify_claims and self.client.is_configured()):
            return draft
        return reviewed(self.client.ask, draft, self._settings.llm_small_timeout_s)

    def language_of(self, text: str) -> str:
        self._languages_ready.wait(WAIT_S)
        return self._languages.of(text) if self._languages is not None else DEFAULT

    @property
    def state(self) -> str:
        """`ready`, `loading`, or what went wrong."""
        if self._loaded is not None:
            return "ready"
        return self._problem if self._done.is_set() else "loading"


def arbiter_of(client: Client) -> Arbiter:
    """Settles unsure placings by a language model, as long as one is served."""

    def settle(request: Request, levels: Sequence[str], types: Sequence[str]) -> tuple[str, str] | None:
        if not client.is_configured():
            return None
        found = settle_placement(client.ask, f"{request.subject}\n{request.body}", levels, types)
        return (found.level, found.type) if found is not None else None

    return settle


def passages_of(index: Index) -> list[tuple[str, str]]:
    """(id, text) of all passages."""
    return [(passage.id, passage.text) for passage in map(index.passages.at, range(len(index)))]


def ports_on(models: Models) -> Ports:
    """The product's own parts behind the pipeline's ports."""

    def place(request: Request) -> TriageResult:
        return models.get().classifier.place(request)

    def compose(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
        return models.get().compose(question, evidence, answerable)

    return Ports(
        read=parse_mail,
        language=models.language_of,
        place=place,
        diagnose=lambda text, attachments: diagnose(text, attachments=attachments),
        search=models.search,
        review=models.review,
        compose=compose,
        rows=lambda text: structured_rows(models.bench_dir, text),
        wish=lambda origin, words, by: wish_for_measurement(models.bench_dir, origin=origin, words=words, by=by),
    )
