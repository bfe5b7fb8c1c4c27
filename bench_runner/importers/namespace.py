"""The line `Namespace(...)` in which Python clients print their arguments."""

from __future__ import annotations

import ast
import re

LONGEST = 65_536
"""Characters of a line that is still looked at."""

_PAIR = re.compile(r"\b(\w+)=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^,()\[\]{}'\"]+)(?=,|\)|$)")
_NAMES = {"inf": float("inf"), "nan": None, "None": None, "True": True, "False": False}


def parse_namespace(line: str) -> dict[str, object]:
    """Arguments by name; of what Python cannot read back (`<function ...>`), the pairs that can be told apart.

    >>> parse_namespace("Namespace(backend='vllm', request_rate=inf)")
    {'backend': 'vllm', 'request_rate': inf}
    """
    start = line.find("Namespace(")
    if start < 0 or len(line) > LONGEST:
        return {}
    call = line[start:].strip()
    try:
        tree = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _pairs(call)
    if not isinstance(tree, ast.Call):
        return _pairs(call)
    return {word.arg: _value(word.value) for word in tree.keywords if word.arg}


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Name):
        return _NAMES.get(node.id, node.id)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return _source(node)


def _source(node: ast.expr) -> str | None:
    """An expression that is no literal as Python writes it; None for one too deep to write."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return None


def _pairs(call: str) -> dict[str, object]:
    return {name: _scalar(raw.strip()) for name, raw in _PAIR.findall(call.removeprefix("Namespace("))}


def _scalar(raw: str) -> object:
    if raw in _NAMES:
        return _NAMES[raw]
    try:
        value: object = ast.literal_eval(raw)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return raw
    return value
