"""Address lists (RFC 5322) as they are and as they should not be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ingest.encoded_words import decode_words, plain_line
from ingest.message import Address

MAX_LIST_CHARACTERS = 600_000
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,80}\?[bBqQ]\?[^?]*\?=")
_ATOM = re.compile(r"[^\s\",;:<>()]+")
_COMMENT = re.compile(r"\([^()]*\)")


@dataclass(slots=True)
class _Entry:
    """What stands between two commas."""

    words: list[str] = field(default_factory=list)
    glued: list[bool] = field(default_factory=list)
    """Whether a word follows the one before without a space."""
    quoted: list[bool] = field(default_factory=list)
    angle: str | None = None
    comments: list[str] = field(default_factory=list)

    def add(self, word: str, glued: bool, quoted: bool) -> None:
        self.words.append(word)
        self.glued.append(glued and len(self.words) > 1)
        self.quoted.append(quoted)


class _Reader:
    """One pass over a header value; a bracket that is never closed is looked for once only."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.position = 0
        self.entries: list[_Entry] = [_Entry()]
        self._unclosed: set[str] = set()

    def read(self) -> list[_Entry]:
        while self.position < len(self.value):
            self._step()
        return self.entries

    def _step(self) -> None:
        start, character = self.position, self.value[self.position]
        entry = self.entries[-1]
        if character in ",;":
            self.position += 1
            self.entries.append(_Entry())
        elif character == ":" and not any("@" in word for word in entry.words) and entry.angle is None:
            self.position += 1  # what stood before was the name of a group
            self.entries[-1] = _Entry()
        elif character == '"' and (text := self._quoted()) is not None:
            entry.add(text, self._is_glued(start), quoted=True)
        elif character == "(" and (text := self._comment()) is not None:
            entry.comments.append(text)
        elif character == "<" and (text := self._angle()) is not None:
            entry.angle = text if entry.angle is None else entry.angle
        else:
            self._word(entry)

    def _word(self, entry: _Entry) -> None:
        start = self.position
        match = _ENCODED_WORD.match(self.value, start) or _ATOM.match(self.value, start)
        self.position = match.end() if match else start + 1
        if match and entry.angle is None:
            entry.add(match[0], self._is_glued(start), quoted=False)

    def _is_glued(self, start: int) -> bool:
        return start > 0 and not self.value[start - 1].isspace()

    def _quoted(self) -> str | None:
        if '"' in self._unclosed:
            return None
        pieces: list[str] = []
        position = self.position + 1
        while position < len(self.value):
            character = self.value[position]
            if character == '"':
                self.position = position + 1
                return "".join(pieces)
            if character == "\\":
                position += 1
            pieces.append(self.value[position : position + 1])
            position += 1
        self._unclosed.add('"')
        return None

    def _comment(self) -> str | None:
        if "(" in self._unclosed:
            return None
        depth, position = 0, self.position
        while position < len(self.value):
            character = self.value[position]
            depth += (character == "(") - (character == ")")
            position += 2 if character == "\\" else 1
            if depth == 0:
                text = self.value[self.position + 1 : position - 1]
                self.position = position
                return text
        self._unclosed.add("(")
        return None

    def _angle(self) -> str | None:
        end = -1 if "<" in self._unclosed else self.value.find(">", self.position)
        if end < 0:
            self._unclosed.add("<")
            return None
        text = self.value[self.position + 1 : end]
        self.position = end + 1
        return text.strip("<> ")


def read_addresses(value: str) -> tuple[tuple[Address, ...], list[str]]:
    """Addresses in order, names decoded, groups dissolved; and the entries that are no addresses."""
    addresses: list[Address] = []
    defects: list[str] = []
    if len(value) > MAX_LIST_CHARACTERS:
        defects.append(f"address list longer than {MAX_LIST_CHARACTERS} characters, the rest was not read")
    for entry in _Reader(value[:MAX_LIST_CHARACTERS]).read():
        found = _address(entry)
        if found is None:
            continue
        addresses.append(found)
        if not _is_valid(found.address):
            defects.append(f"no valid address: {(found.address or found.name)[:80]!r}")
    return tuple(addresses), defects


def _address(entry: _Entry) -> Address | None:
    if entry.angle is not None:
        name = decode_words(_phrase(entry, range(len(entry.words))))
        if not entry.angle and name and "@" not in name:
            return Address(name=name, address="")
        return _repaired(name, _bare(entry.angle)) if entry.angle or name else None
    if not entry.words:
        return None
    spec, used = _address_words(entry)
    others = [index for index in range(len(entry.words)) if index not in used]
    name = decode_words(_phrase(entry, others)) or decode_words(" ".join(entry.comments))
    return _repaired(name, spec)


def _repaired(name: str, address: str) -> Address:
    """The address taken out of the name where the whole entry was put into an encoded word or into quotes."""
    if not address and "@" in name:
        found = re.search(r"<?([^\s<>]{1,256}@[^\s<>]{1,256})>?", name)
        if found is not None:
            rest = (name[: found.start()] + name[found.end() :]).strip(' "')
            return Address(name=plain_line(rest), address=plain_line(found[1]))
    if not address and name and " " not in name:
        return Address(name="", address=name)
    return Address(name=name, address=plain_line(address))


def _address_words(entry: _Entry) -> tuple[str, set[int]]:
    """The words around the first @ that stands outside quotes."""
    for index, word in enumerate(entry.words):
        if "@" in word and not entry.quoted[index] and not word.startswith("=?"):
            used = {index}
            first = last = index
            if first > 0 and word.startswith("@"):
                first -= 1
            while last + 1 < len(entry.words) and (
                entry.words[last].endswith(("@", ".")) or entry.words[last + 1].startswith(".")
            ):
                last += 1
            used.update(range(first, last + 1))
            return "".join(_raw(entry, item) for item in range(first, last + 1)), used
    return "", set()


def _raw(entry: _Entry, index: int) -> str:
    return f'"{entry.words[index]}"' if entry.quoted[index] else entry.words[index]


def _phrase(entry: _Entry, indices: range | list[int]) -> str:
    return "".join(("" if entry.glued[index] else " ") + entry.words[index] for index in indices).strip()


def _bare(angle: str) -> str:
    """Without comments, spaces and the old source route (`@relay:user@host`)."""
    text = angle
    if "(" in text:
        text = _COMMENT.sub("", text[:1000])
    if not text.startswith('"'):
        text = re.sub(r"\s+", "", text)
    if text.startswith("@") and ":" in text:
        text = text.partition(":")[2]
    return text.removeprefix("mailto:")


def _is_valid(address: str) -> bool:
    local, at, domain = address.rpartition("@")
    return bool(local and at and domain) and not re.search(r"\s", domain)
