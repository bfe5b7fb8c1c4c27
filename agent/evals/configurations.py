"""The ways to draft that `minerva eval drafts` compares, on the product's own index, triage and checks."""

from __future__ import annotations

from dataclasses import replace

from agent import pipeline
from agent.draft import Compose, Draft
from agent.drafting import embedded_composer
from agent.evals.drafts import Case, Drafted
from agent.llm.chat import Ask
from agent.llm.drafting import Parts, Room, model_composer
from agent.llm.scripted import ScriptedModel, honest
from agent.models import Models, ports_on
from agent.pipeline import Ports
from agent.settings import Settings
from triage.result import Request


def configurations(settings: Settings) -> list[tuple[str, Drafted]]:
    """Without a model, and with the one that is served; a script where none is. Raises ModelsNotReadyError."""
    models = Models(settings)
    models.load()
    ports, embedded = ports_on(models), embedded_composer(models.get().sentences)
    served = models.client.is_configured()
    ask: Ask = models.client.ask if served else ScriptedModel(honest).ask
    parts = Parts(
        ask=ask,
        fallback=embedded,
        language_of=models.language_of if served else lambda _text: "en",
        room=Room(context=settings.llm_context_tokens, reply=settings.llm_reply_tokens),
        secret=b"evaluation",
    )
    name = settings.llm_model or "the model that is served"
    return [
        ("embedded", _drafted(ports, embedded)),
        (name if served else "script, no model", _drafted(ports, model_composer(parts))),
    ]


def _drafted(ports: Ports, compose: Compose) -> Drafted:
    with_it = replace(ports, compose=compose)

    def drafted(case: Case) -> Draft:
        request = Request(id="", channel="slack", subject="", body=case.question)
        return pipeline.answer(with_it, request).draft

    return drafted
