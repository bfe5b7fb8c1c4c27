"""Tokens that a reader may act on: each flag, directive, module, path, address, version, number and name. Pure.

A draft may only hold tokens that its evidence holds: what looks exact and was made up does the most harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.checks.code import prose_of, snippets_of, spans_of
from agent.checks.words import plain

Kind = Literal[
    "address", "mail address", "phone number", "flag", "directive", "module", "path", "variable", "version", "number",
    "article", "date", "person", "code", "encoded text",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str


TOP_LEVEL = (
    "com|org|net|edu|gov|int|info|io|ai|app|dev|cloud|tech|xyz|top|site|online|shop|biz|me|co|cc|tv|ly|gg|ru|cn|su|to|"
    "eu|at|be|bg|ch|cy|cz|de|dk|ee|es|fi|fr|gr|hr|hu|ie|is|it|lt|lu|lv|mt|nl|no|pl|pt|ro|se|si|sk|tr|ua|uk|us|example|test"
)
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}://|\b(?:javascript|data|vbscript|file|mailto):)[^\s<>\"'`]+", re.IGNORECASE
)
_PROTOCOL_RELATIVE = re.compile(r"(?<![\w:/])//[\w-]+\.[\w.-]+[^\s<>\"'`]*")
_DOMAIN = re.compile(rf"(?<![\w@./-])(?:[a-z0-9-]+\.)+(?:{TOP_LEVEL})\b(?:/[^\s<>\"'`]*)?(?![(\w])", re.IGNORECASE)
_DISGUISED = re.compile(
    r"\bhxxps?\b\S*|[\w-]+\s?(?:\[|\(|\{)\s?(?:\.|dot|punkt|punto|point)\s?(?:\]|\)|\})\s?\w+"
    r"|[\w.-]+\s?(?:\[|\(|\{)\s?(?:@|at)\s?(?:\]|\)|\})\s?[\w.-]+",
    re.IGNORECASE,
)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.])(?:\+|00)\d[\d ()/.-]{7,}\d")
_LONG_FLAG = re.compile(r"(?<![\w-])--[A-Za-z][\w-]*(?:=[^\s,;`'\")]+)?")
_DIRECTIVE = re.compile(r"^[ \t]*#(?:SBATCH|PBS|BSUB|OAR)\b[^\n]*", re.MULTILINE)
_MODULE = re.compile(r"\b(?:module[ \t]+(?:load|swap|add)|ml(?:[ \t]+load)?|spack[ \t]+load)((?:[ \t]+[\w./+@-]+)+)")
_PATH = re.compile(r"(?<![\w/.$:<-])(?:~|\.{1,2}|\$\w+|\$\{\w+\})?/[\w.@{}$%+-]+(?:/[\w.@{}$%+-]*)*")
_RELATIVE = re.compile(r"(?<![\w/.$@:-])[\w.-]*\w/[\w.-]+(?:/[\w.-]+)*")
_FILE = re.compile(
    r"(?<![\w/.-])[\w-]+\.(?:py|sh|sbatch|slurm|ya?ml|json|toml|cfg|ini|sif|def|out|err|log|txt|md|csv|ipynb|exe|zip|"
    r"tar|gz|safetensors|gguf|bin|so|conf|env|pem|key)\b"
)
_VARIABLE = re.compile(r"(?<![\w-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?!\w|\.\w)")
_VERSION = re.compile(r"(?<![\w.,-])v?\d+(?:\.\d+){1,3}(?:[-.]?(?:rc|post|dev|alpha|beta|a|b)\d*)?(?![\w])")
_MODEL = re.compile(r"(?<![\w/.-])[A-Za-z]+[A-Za-z0-9.]*(?:-[A-Za-z0-9.]+)*-v?\d[\w.]*(?:-[\w.]+)*")
_ARTICLE = re.compile(r"\bArt(?:icles?|ikel|icolo|ículo|\.)?\s*(\d+[a-z]?)((?:\(\w{1,3}\))*)", re.IGNORECASE)
_ISO_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_BLOB = re.compile(r"(?<![\w/+=-])(?=[A-Za-z0-9+/_=-]*\d)(?=[A-Za-z0-9+/_=-]*[A-Za-z])[A-Za-z0-9+/_-]{28,}={0,2}")
_TITLED = re.compile(
    r"\b(?:Dr|Prof|Mr|Mrs|Ms|Herr|Frau|Mme|Mlle|Monsieur|Madame|Sig|Signora?|Sr|Sra|Señora?|Dott)\b\.?(?: ?Dr\.)?"
    r" (\p+(?: \p+){0,2})".replace(r"\p", "[A-ZÀ-ÖØ-Þ][\\w'-]+")
)
_CONTACT = re.compile(
    r"\b(?:contact|ask|call|phone|e-?mail|write to|reach out to|speak (?:to|with)|talk to|send (?:it|them|this) to|"
    r"kontaktieren Sie|wenden Sie sich an|schreiben Sie(?: an)?|fragen Sie|contactez|écrivez à|demandez à|appelez|"
    r"contatti|contattare|scriva a|chieda a|contacte(?: con)?|escriba a|pregunte a|llame a)"
    r" (?:our colleague |my colleague |colleague )?(\p+ \p+(?: \p+)?)".replace(r"\p", "[A-ZÀ-ÖØ-Þ][\\w'-]+"),
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"[A-ZÀ-ÖØ-Þ]")
_NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100,
    "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "acht": 8, "zehn": 10, "zwölf": 12,
    "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "huit": 8, "dix": 10, "due": 2, "tre": 3, "quattro": 4, "cinque": 5,
    "otto": 8, "dieci": 10, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "ocho": 8, "diez": 10,
}  # fmt: skip
_UNITS = {
    "h": "hours? hrs? h stunden? heures? or[ae] horas?",
    "min": "minutes? mins? min minuten? minut[oi] minutos?",
    "s": "seconds? secs? s sekunden? secondes? second[oi] segundos?",
    "ms": "milliseconds? ms",
    "d": "days? d tag(?:e|en)? jours? giorn[oi] días?",
    "week": "weeks? wochen? semaines? settiman[ae] semanas?",
    "month": "months? monat(?:e|en)? mois mes[ei] mes(?:es)?",
    "year": "years? jahr(?:e|en)? ans? années? ann[oi] años?",
    "GB": "gb gigabytes? go", "GiB": "gib", "TB": "tb terabytes? to", "TiB": "tib", "MB": "mb megabytes?", "MiB": "mib",
    "kB": "kb", "KiB": "kib", "PB": "pb", "PiB": "pib",
    "%": "% percent prozent pour\\s?cent per\\s?cento por\\s?ciento",
    "gpu": "gpus?", "gpuh": "gpu-?\\s?hours? gpu-?h gpu-?stunden heures-?gpu", "node": "nodes? knoten n(?:ou|œ)uds? nodi nodos?",
    "core": "cores? kerne cœurs? cpus?", "task": "tasks? ranks?", "job": "jobs?", "token": "tokens?",
    "tok/s": "tok(?:ens)?/s", "req/s": "req(?:uests)?/s", "gb/s": "gb/s", "w": "watts? w", "kw": "kw", "mw": "mw",
    "€": "€ eur(?:os?)?", "$": "dollars? usd", "b": "b billion milliard(?:en|s)?", "m": "m million(?:en|s)?", "k": "k thousand",
    "bit": "bits?", "ghz": "ghz", "tflops": "tflops?(?:/s)?", "pflops": "pflops?(?:/s)?", "eflops": "eflops?(?:/s)?", "x": "x times",
}  # fmt: skip
_UNIT_OF = [(re.compile(f"(?:{'|'.join(words.split())})", re.IGNORECASE), name) for name, words in _UNITS.items()]
_ANY_UNIT = "|".join(sorted((word for words in _UNITS.values() for word in words.split()), key=len, reverse=True))
_DIGITS = r"\d{1,3}(?:[,.'\u00a0\u202f ]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
"""One number: thousands in groups of three, or none; at most one decimal sign."""
_NUMBER = re.compile(_DIGITS)
_AMOUNT = re.compile(
    rf"(?<![\w.,])({_DIGITS}|{'|'.join(_NUMBER_WORDS)})(?:\s|-|\u00a0|\u202f)?({_ANY_UNIT})(?![\w])",
    re.IGNORECASE,
)
_BARE_NUMBER = re.compile(rf"(?<![\w.,:/#-])(?:{_DIGITS})(?![\w%])")
_MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december|januar|februar|märz|mai|"
    "juni|juli|oktober|dezember|janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre|"
    "gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|dicembre|enero|febrero|abril|mayo|"
    "junio|julio|septiembre|octubre|noviembre|diciembre"
)
_DATE = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|\.|º)? (?:de |d')?({_MONTHS})(?: (?:de )?(\d{{4}}))?", re.IGNORECASE
)
_CODE_WORD = re.compile(r"[^\s=,;|&(){}\[\]<>\"'`:]+")
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .|/-]{0,40}>")
_TRAILING = ".,;:!?)]}>'\"*"


def domains_of(text: str) -> tuple[str, ...]:
    """Host names without a scheme, with the path behind them."""
    return tuple(found[0].rstrip(_TRAILING) for found in _DOMAIN.finditer(_MAIL.sub(" ", _URL.sub(" ", text))))


def encoded_in(text: str) -> tuple[str, ...]:
    """Long runs of letters and digits that are no words: base64, hexadecimal and the like."""
    shown = _URL.sub(" ", plain(text))
    return tuple(found[0] for found in _BLOB.finditer(shown) if not _is_words(found[0]))


def tokens_of(text: str) -> tuple[Token, ...]:
    """Every token once, the kind that tells most about it first. Code gives up all of its words."""
    found: dict[str, Token] = {}
    for token in _tokens(text):
        if token.text:
            found.setdefault(token.text, token)
    return tuple(found.values())


def _tokens(text: str) -> Iterator[Token]:
    code = [snippet.text for snippet in snippets_of(text)] + list(spans_of(text))
    prose = prose_of(text)
    rest = plain(prose)
    yield from _addresses(plain(text))
    rest = _MAIL.sub(" ", _URL.sub(" ", rest))
    for block in code:
        yield from _code_tokens(block)
    yield from _acted_on(prose)
    yield from _figures(rest)
    yield from _persons(rest)


def _addresses(text: str) -> Iterator[Token]:
    for pattern in (_URL, _PROTOCOL_RELATIVE, _DISGUISED):
        yield from (Token("address", found[0].rstrip(_TRAILING)) for found in pattern.finditer(text))
    rest = _URL.sub(" ", text)
    yield from (Token("mail address", found[0].rstrip(_TRAILING)) for found in _MAIL.finditer(rest))
    yield from (Token("address", domain) for domain in domains_of(text))
    yield from (Token("phone number", found[0]) for found in _PHONE.finditer(rest))
    yield from (Token("encoded text", blob) for blob in encoded_in(text))


def _is_words(text: str) -> bool:
    """Names such as `meta-llama-3-instruct-awq` are long, but made of words."""
    return max(map(len, re.split(r"[-_/]", text))) < 20


def _acted_on(text: str) -> Iterator[Token]:
    """What stands in prose and looks like something to type."""
    text = _MAIL.sub(" ", _URL.sub(" ", text))
    yield from (Token("directive", plain(found[0])) for found in _DIRECTIVE.finditer(text))
    for found in _LONG_FLAG.finditer(text):
        flag, _, value = found[0].rstrip(_TRAILING).partition("=")
        yield Token("flag", flag)
        yield Token("code", value)
    for found in _MODULE.finditer(text):
        yield from (
            Token("module", name.rstrip(_TRAILING)) for name in found[1].split() if "/" in name or name[0].isupper()
        )
    for kind, pattern in (("path", _PATH), ("path", _FILE), ("variable", _VARIABLE), ("version", _MODEL)):
        yield from (Token(kind, found[0].rstrip(_TRAILING)) for found in pattern.finditer(text))  # type: ignore[arg-type]
    yield from (Token("path", m[0].rstrip(_TRAILING)) for m in _RELATIVE.finditer(text) if any(map(str.isdigit, m[0])))


def _code_tokens(code: str) -> Iterator[Token]:
    """All words of a command, flags and directives by name."""
    yield from (Token("directive", plain(found[0])) for found in _DIRECTIVE.finditer(code))
    for found in _MODULE.finditer(code):
        yield from (Token("module", name) for name in found[1].split())
    for found in _CODE_WORD.finditer(_PLACEHOLDER.sub(" ", code)):
        word = found[0].rstrip(".,!?\\") if len(found[0]) > 1 else found[0]
        if (word.startswith("-") and len(word) > 1 and word[1:2] != "-" and not word[1].isdigit()) or (
            word.startswith("--") and len(word) > 2
        ):
            yield Token("flag", word)
        elif any(character.isalnum() for character in word):
            yield Token("code", word)


def _figures(text: str) -> Iterator[Token]:
    for found in _ARTICLE.finditer(text):
        yield Token("article", f"Article {found[1]}")
    yield from (Token("date", found[0]) for found in _ISO_DATE.finditer(text))
    yield from (Token("date", found[0]) for found in _DATE.finditer(text))
    text = _DATE.sub(" ", _ISO_DATE.sub(" ", _ARTICLE.sub(" ", _PHONE.sub(" ", text))))
    for found in _AMOUNT.finditer(text):
        yield Token("number", found[0])
    rest = _AMOUNT.sub(" ", text)
    yield from (Token("version", found[0]) for found in _VERSION.finditer(rest))
    yield from (Token("number", m[0]) for m in _BARE_NUMBER.finditer(_VERSION.sub(" ", rest)) if len(m[0]) > 1)


def _persons(text: str) -> Iterator[Token]:
    for pattern in (_TITLED, _CONTACT):
        for found in pattern.finditer(text):
            if all(_CAPITAL.match(word) for word in found[1].split()):
                yield Token("person", found[1].rstrip(_TRAILING))


def amounts_of(text: str) -> frozenset[tuple[float, str]]:
    """(value, unit) of every number with a unit, in one form for all spellings."""
    return frozenset(
        (value, unit)
        for found in _AMOUNT.finditer(plain(text))
        for value in _values(found[1])
        if (unit := _unit_of(found[2]))
    )


def numbers_of(text: str) -> frozenset[float]:
    """Every number, whatever stands behind it; of `100 200` also both parts."""
    shown = plain(text)
    written = {*_NUMBER.findall(shown), *re.findall(r"\d+(?:[.,]\d+)*", shown), *re.findall(r"\d+", shown)}
    return frozenset(value for number in written for value in _values(number))


def _unit_of(word: str) -> str:
    return next((name for pattern, name in _UNIT_OF if pattern.fullmatch(word)), "")


def _values(written: str) -> tuple[float, ...]:
    """What the digits may mean: `50,000` is fifty thousand, or fifty with three decimals where commas are decimal."""
    word = _NUMBER_WORDS.get(written.casefold())
    if word is not None:
        return (float(word),)
    digits = re.sub(r"[\s']", "", written).strip(".,")
    forms = {digits.replace(",", ""), digits.replace(".", "").replace(",", "."), digits.replace(",", ".")}
    return tuple({float(form) for form in forms if re.fullmatch(r"\d+(?:\.\d+)?", form)})
