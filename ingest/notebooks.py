"""Jupyter notebooks (nbformat 3 and 4) as text: sources, printed output and tracebacks, no pictures. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

_COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}m")
_MAX_CELLS = 2_000


def notebook_text(text: str) -> str | None:
    """None when the text is no notebook."""
    try:
        book = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(book, dict):
        return None
    sheets = book.get("worksheets")
    cells = book.get("cells") or (
        sheets[0].get("cells") if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict) else None
    )
    if not isinstance(cells, list):
        return None
    return "\n\n".join(filter(None, (_cell(cell) for cell in cells[:_MAX_CELLS] if isinstance(cell, dict))))


def _cell(cell: dict[str, Any]) -> str:
    source = _joined(cell.get("source", cell.get("input", ""))).rstrip()
    outputs = cell.get("outputs")
    printed = [_output(item) for item in outputs if isinstance(item, dict)] if isinstance(outputs, list) else []
    return "\n".join(part for part in (source, *printed) if part.strip())


def _output(output: dict[str, Any]) -> str:
    data = output.get("data")
    plain = data.get("text/plain", "") if isinstance(data, dict) else ""
    trace = output.get("traceback")
    text = "\n".join(map(str, trace)) if isinstance(trace, list) else _joined(output.get("text", "")) or _joined(plain)
    return _COLOURS.sub("", text).rstrip()


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")
