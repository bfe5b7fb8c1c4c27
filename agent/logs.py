"""structlog, set up once: a line an event, ticket number on it, no addresses and no bodies."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog


def _for_people() -> structlog.typing.Processor:
    # Tracebacks without local variables: those would show what people wrote to us.
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


def configure_logs(form: Literal["text", "json"] | str, level: int = logging.INFO) -> None:
    render: structlog.typing.Processor = structlog.processors.JSONRenderer() if form == "json" else _for_people()
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        before.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*before, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries speak through the standard logger; only what needs a person is worth a line.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
