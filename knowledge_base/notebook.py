"""Jupyter notebooks as Markdown: what was written and what was run, without what it printed."""

from __future__ import annotations

import json
from typing import Any

from knowledge_base.errors import UnreadableError


def notebook_markdown(text: str) -> str:
    """The cells in order, code fenced (nbformat 3 and 4: https://nbformat.readthedocs.io/en/latest/format_description.html).

    Raises:
        UnreadableError: no notebook.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"broken notebook: {error}") from error
    if not isinstance(content, dict):
        raise UnreadableError("broken notebook: no object")
    sheets = content.get("worksheets")
    old = sheets[0].get("cells") if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict) else None
    cells = content.get("cells", old)
    if not isinstance(cells, list):
        raise UnreadableError("broken notebook: no list of cells")
    language = _language(content.get("metadata"))
    return "\n\n".join(_cell(cell, language) for cell in cells if isinstance(cell, dict))


def _cell(cell: dict[str, Any], language: str) -> str:
    source = cell.get("source", cell.get("input", ""))
    text = "".join(str(line) for line in source) if isinstance(source, list) else str(source)
    if cell.get("cell_type") == "heading":
        return f"{'#' * min(int(cell.get('level') or 1), 6)} {text}"
    if cell.get("cell_type") != "code":
        return text
    fence = "~~~~" if "```" in text else "```"
    return f"{fence}{language}\n{text}\n{fence}" if text.strip() else ""


def _language(metadata: object) -> str:
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) and name.isalnum() else "python"
