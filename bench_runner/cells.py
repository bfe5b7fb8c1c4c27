"""A row of a table, by column. All rows of a table share its header."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

from bench_runner.jsontext import encoded


class Header:
    """Names of columns, each once, two at least."""

    __slots__ = ("_in_order", "_pieces", "_places", "_sorted", "columns", "id")

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.id = hashlib.sha256(encoded(self.columns)).hexdigest()[:12]
        self._places = {name: place for place, name in enumerate(self.columns)}
        self._sorted = sorted(self.columns)
        self._in_order = itemgetter(*map(self.place, self._sorted))
        names = [encoded(name).decode() for name in self._sorted]
        self._pieces = ["{", *(piece for name in names for piece in (f'{name}:"', "", '",'))]
        self._pieces[-1] = '"}'

    def place(self, column: str) -> int:
        return self._places[column]

    def printed(self, cells: Sequence[str]) -> str:
        """A row as compact JSON, in the order of the names: as an encoder writes it, in half of its time."""
        together = "".join(cells)
        if together.isprintable() and '"' not in together and "\\" not in together:
            pieces = self._pieces.copy()
            pieces[2::3] = self._in_order(cells)
            return "".join(pieces)
        return encoded(dict(zip(self._sorted, self._in_order(cells), strict=True))).decode()


class Cells(Mapping[str, str]):
    """As they are printed, one for each column of the header."""

    __slots__ = ("cells", "header")

    def __init__(self, header: Header, cells: Sequence[str]) -> None:
        self.header = header
        self.cells = cells

    def __getitem__(self, column: str) -> str:
        return self.cells[self.header.place(column)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.header.columns)

    def __len__(self) -> int:
        return len(self.header.columns)
