"""Samples of GPU use in a log: tables, CSV and monitors of nvidia-smi, rocm-smi and amd-smi."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TABLE = re.compile(rb"(\d{1,6})MiB ?/ {1,3}(\d{1,6})MiB ?\|\s{1,8}(\d{1,3})%")
_TABLE_INDEX = re.compile(rb"^\|\s{1,4}(\d{1,2})\s{2,4}[A-Z]")
_CSV = re.compile(rb"^(?:[\d/:\-. ]{10,30}, ?)?(\d{1,2}), ?[^,\n]{0,60}?,? ?(\d{1,3}) ?%")
_CSV_HEAD = re.compile(rb"^\s{0,4}[\w. \[\]%/]{0,200}utilization\.gpu ?\[%\]")
_ROCM_ROW = re.compile(rb"^(\d{1,2})\s.{10,160}?\s(\d{1,3})%\s{1,8}(\d{1,3})%\s*$")
_ROCM_USE = re.compile(rb"^GPU\[(\d{1,2})\]\s{0,8}: GPU use \(%\): {1,3}(\d{1,3})")
_AMD_HEAD = re.compile(rb"^\s{0,4}GPU\s.{0,120}GFX%")
_AMD_ROW = re.compile(rb"^\s{0,6}(\d{1,2})\s.{0,120}?\s(\d{1,3}) %")
_DMON_HEAD = re.compile(rb"^#\s{0,4}gpu\s")
_DMON_ROW = re.compile(rb"^\s{0,8}\d{1,2}(?:\s{1,8}[\d.\-]{1,8}){3,24}\s*$")


@dataclass(slots=True)
class Samples:
    """Use in percent and share of memory by GPU."""

    used: dict[int, list[int]] = field(default_factory=dict)
    memory: dict[int, list[float]] = field(default_factory=dict)
    first_line: int = 0
    _index: int = 0
    _columns: tuple[bytes, ...] = ()
    _amd: bool = False

    @property
    def count(self) -> int:
        return sum(map(len, self.used.values()))

    def read(self, line: bytes, number: int) -> None:
        """Takes what the line holds; any line may come."""
        index = _TABLE_INDEX.match(line)
        self._index = int(index.group(1)) if index else self._index
        if _CSV_HEAD.match(line):
            self._columns = tuple(part.split(b"[")[0].strip() for part in line.split(b","))
        elif _DMON_HEAD.match(line):
            self._columns = tuple(line.lstrip(b"# ").split())
        elif _AMD_HEAD.match(line):
            self._amd = True
        else:
            self._sample(line, number)

    def _sample(self, line: bytes, number: int) -> None:
        table, rocm, use = _TABLE.search(line), _ROCM_ROW.match(line), _ROCM_USE.match(line)
        if table:
            self._add(self._index, table.group(3), int(table.group(1)) / max(1, int(table.group(2))), number)
        elif use:
            self._add(int(use.group(1)), use.group(2), None, number)
        elif self._columns and self._by_column(line, number):
            return
        elif rocm:
            self._add(int(rocm.group(1)), rocm.group(3), int(rocm.group(2)) / 100, number)
        elif self._amd and (row := _AMD_ROW.match(line)):
            self._add(int(row.group(1)), row.group(2), None, number)
        elif (csv := _CSV.match(line)) and (b"MiB" in line or line.count(b",") >= 2):
            self._add(int(csv.group(1)), csv.group(2), None, number)

    def _by_column(self, line: bytes, number: int) -> bool:
        """A row under a CSV or dmon head."""
        dmon = b"sm" in self._columns
        parts = line.split() if dmon and _DMON_ROW.match(line) else line.split(b",")
        if len(parts) != len(self._columns):
            return False
        row = {name: _leading_number(part) for name, part in zip(self._columns, parts, strict=True)}
        percent = row.get(b"sm" if dmon else b"utilization.gpu")
        if percent is None:
            return False
        used, total = row.get(b"memory.used"), row.get(b"memory.total")
        index = row.get(b"gpu" if dmon else b"index") or 0
        self._add(int(index), b"%d" % percent, used / total if used is not None and total else None, number)
        return True

    def _add(self, gpu: int, percent: bytes, memory: float | None, number: int) -> None:
        self.first_line = self.first_line or number
        self.used.setdefault(gpu, []).append(int(percent))
        if memory is not None:
            self.memory.setdefault(gpu, []).append(memory)


def _leading_number(text: bytes) -> float | None:
    match = re.match(rb"\s{0,8}(\d{1,9}(?:\.\d{1,6})?)(?:\s|%|MiB|$)", text)
    return float(match.group(1)) if match else None
