"""JSON as the store keeps it: compact, in UTF-8, without infinities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import msgspec
import orjson


def encoded(value: object, *, sort: bool = False) -> bytes:
    """`value` must be `finite`; what JSON has no form for becomes its text."""
    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_SORT_KEYS if sort else 0)
    try:
        return orjson.dumps(value, default=str, option=option)
    except TypeError:  # half of a surrogate pair, or a whole number over 64 bits
        text = json.dumps(value, sort_keys=sort, default=str, separators=(",", ":"), allow_nan=False)
        return text.encode("ascii")


_STRUCTS = msgspec.json.Encoder()


def packed(value: object) -> str:
    """A struct of ours, or several, as JSON. What holds foreign values must be `finite`."""
    return _STRUCTS.encode(value).decode()


def finite(value: object) -> object:
    """The same with infinity and NaN as text, tuples as lists and names as text."""
    if isinstance(value, dict):
        if set(map(type, value.values())) == {str}:
            return value
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, Mapping):
        return finite(dict(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
