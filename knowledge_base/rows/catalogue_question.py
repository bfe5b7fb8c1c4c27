"""Questions for data sets, recipes and trainings; the sentence is in lower case."""

from __future__ import annotations

import re
from functools import cache

from knowledge_base.catalogue import language_names
from knowledge_base.rows import catalogue_words as words
from knowledge_base.rows.asked import Asked, Intent
from knowledge_base.tables import DataSetRow, data_sets, learning_rates

PLAIN_WORDS = frozenset({"include", "sonnet", "opus"})
"""Names of data sets that mean something else in most sentences."""


def asked_of_catalogue(sentence: str, systems: frozenset[str]) -> Asked | None:
    if words.TROUBLE.search(sentence):
        return None
    intent = _intent(sentence)
    return None if intent is None else Asked(
        intent=intent,
        sentence=sentence,
        systems=systems,
        params_b=_billions(words.PARAMS.search(sentence)),
        tokens_b=_billions(words.TOKENS.search(sentence)),
    )  # fmt: skip


def _intent(sentence: str) -> Intent | None:
    if words.TRAININGS.search(sentence) and (words.OFFERED.search(sentence) or words.ABOUT_EVENT.search(sentence)):
        return Intent.TRAININGS if words.LIST.search(sentence) or words.ABOUT_EVENT.search(sentence) else None
    if words.LEARNING_RATE.search(sentence) and models_with_rates(sentence):
        return Intent.LEARNING_RATE
    return _of_sizes(sentence) or _of_data(sentence)


def _of_sizes(sentence: str) -> Intent | None:
    if not words.HOW_MUCH.search(sentence) or not words.PARAMS.search(sentence):
        return None
    if words.GPU_HOURS.search(sentence):
        return Intent.GPU_HOURS if words.TOKENS.search(sentence) else None
    if words.CHECKPOINT.search(sentence):
        return Intent.CHECKPOINT_SIZE
    tuned = any(pattern.search(sentence) for pattern in words.TUNING.values())
    return Intent.TUNING_MEMORY if tuned and words.MEMORY.search(sentence) else None


def _of_data(sentence: str) -> Intent | None:
    amount = words.HOW_MUCH.search(sentence) and words.TEXT.search(sentence) and words.COLLECTIONS.search(sentence)
    if amount and language_named(sentence):
        return Intent.TEXT_SIZE
    about = (words.LICENCE, words.COMMERCIAL, words.SIZE, words.LANGUAGES)
    if data_sets_named(sentence):
        return Intent.DATA_SET if any(pattern.search(sentence) for pattern in about) else None
    plural = words.DATA_SET.search(sentence) and words.LIST.search(sentence)
    narrow = [*words.USES.values(), *words.MODALITIES.values()]
    return Intent.DATA_SETS if plural and any(pattern.search(sentence) for pattern in narrow) else None


def language_named(sentence: str) -> str | None:
    """As the facts call it."""
    ending = r"(?:[nre]|es|e[nrs])?(?!\w)"
    found = [name for name in language_names() if re.search(rf"(?<!\w){re.escape(name)}{ending}", sentence)]
    return language_names()[max(found, key=len)] if found else None


def data_sets_named(sentence: str) -> list[DataSetRow]:
    """The longest name wins where one holds another."""
    found: dict[tuple[int, int], DataSetRow] = {}
    for pattern, row in _names():
        for match in pattern.finditer(sentence):
            found[match.span()] = row
    longest = [span for span in found if not any(_holds(other, span) for other in found)]
    return list({found[span].id: found[span] for span in sorted(longest)}.values())


def _holds(other: tuple[int, int], span: tuple[int, int]) -> bool:
    return other != span and other[0] <= span[0] and span[1] <= other[1]


@cache
def _names() -> list[tuple[re.Pattern[str], DataSetRow]]:
    """`HPLT v3` is also named by hplt3, hplt-v3 and HPLT 3.0."""
    names = [(name, row) for row in data_sets() for name in (row.id, row.name, *_on_the_hub(row))]
    return [(_spelled(name), row) for name, row in names if name.lower() not in PLAIN_WORDS]


def _on_the_hub(row: DataSetRow) -> list[str]:
    return [row.hub_name.rsplit("/", 1)[-1], row.hub_name] if row.hub_name else []


def _spelled(name: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in re.findall(r"[^\W\d_]+|\d+", name.lower()) if part != "v"]
    return re.compile(r"(?<![\w/-])" + r"[\W_]*v?".join(parts) + r"(?:\.0)?(?!\w|-\d)")


def models_with_rates(sentence: str) -> list[str]:
    """Names of the models in the tables of learning rates that the sentence names."""
    return [rate.model for rate in learning_rates() if _is_model(rate.model, sentence)]


def _is_model(model: str, sentence: str) -> bool:
    """`Llama 2 34B/70B` is named by "llama 2 70b", and by "llama 2" where no size is named."""
    tokens = re.findall(r"[a-z]+\d*(?![\w.])|[\w.]+", model.lower())
    sizes = {token for token in tokens if re.fullmatch(r"\d+(?:\.\d+)?[bm]", token)}
    stem = [re.escape(token) for token in tokens if token not in sizes and not re.match(r"a\d+b", token)]
    said = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?[bm]\b", sentence))
    named = re.search(r"(?<!\w)" + r"[\W_]*".join(stem) + r"(?![\w.]*\d)", sentence)
    return bool(named and stem and (not said or said & sizes))


def _billions(found: re.Match[str] | None) -> float | None:
    if found is None:
        return None
    number = float(found.group(1).replace(",", "."))
    scale = found.group(2) if found.re is words.TOKENS else "b"
    return number * 1000 if scale.startswith("t") else number
