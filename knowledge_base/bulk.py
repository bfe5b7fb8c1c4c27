"""Embedding of a large corpus by a Slurm job array: texts in shards, one task a shard, vectors merged afterwards."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from knowledge_base.build import text_hash
from knowledge_base.encoder import Encoder, Vectors
from knowledge_base.errors import BulkError, BulkPlanned

SHARD_TEXTS = 2000
"""Some minutes on two cores."""
PLAN = "plan.json"
SCRIPT = "embed.sh"

_JOB = """#!/bin/bash
# Embeds {texts} passages. Add what your site asks for, such as --partition and --account; then: sbatch {script}
#SBATCH --job-name=minerva-embed
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=02:00:00
#SBATCH --output="{folder}/log-%a.txt"
set -eu
exec {python} -m agent kb embed-shard {quoted} "$SLURM_ARRAY_TASK_ID"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    encoder: str
    shards: int


class Bulk:
    """An encoder that plans the job at its first use, and takes the vectors of the job once that has run."""

    def __init__(self, encoder: Encoder, folder: Path, shard_texts: int = SHARD_TEXTS) -> None:
        self.name = encoder.name
        self._encoder, self._folder, self._shard_texts = encoder, folder.absolute(), shard_texts

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Texts that came after the plan are embedded here.

        Raises:
            BulkPlanned: the job was written just now.
            BulkError: it has not run to its end, or the folder cannot be used.
        """
        if not (self._folder / PLAN).is_file():
            shards = [texts[at : at + self._shard_texts] for at in range(0, len(texts), self._shard_texts)]
            raise _planned(self._folder, shards, self.name)
        known = _merged(self._folder, self.name)
        keys = [text_hash(text).tobytes() for text in texts]
        later = [text for text, key in zip(texts, keys, strict=True) if key not in known]
        if later:
            known |= zip([text_hash(text).tobytes() for text in later], self._encoder.encode(later), strict=True)
        return np.stack([known[key] for key in keys])


def _planned(folder: Path, shards: list[Sequence[str]], encoder: str) -> BulkPlanned:
    texts = sum(map(len, shards))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, shard in enumerate(shards):
            lines = "".join(f"{json.dumps(text)}\n" for text in shard)
            _texts(folder, number).write_text(lines, encoding="ascii")
        (folder / SCRIPT).write_text(_script(folder, texts, len(shards)), encoding="utf-8")
        # The plan comes last: with it, the folder is whole.
        (folder / PLAN).write_text(json.dumps(asdict(Plan(encoder=encoder, shards=len(shards)))), encoding="utf-8")
    except OSError as error:
        raise BulkError(f"{folder} cannot be written: {error}") from error
    return BulkPlanned(folder / SCRIPT, texts, len(shards))


def _script(folder: Path, texts: int, shards: int) -> str:
    return _JOB.format(
        texts=texts,
        last=shards - 1,
        folder=folder,
        script=folder / SCRIPT,
        python=shlex.quote(sys.executable),
        quoted=shlex.quote(str(folder)),
    )


def read_plan(folder: Path) -> Plan:
    """Raises BulkError."""
    try:
        return Plan(**json.loads((folder / PLAN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BulkError(f"{folder} holds no plan of `minerva kb sync --bulk` ({error})") from error


def embed_shard(folder: Path, number: int, encoder: Encoder) -> int:
    """What one task of the array does; returns how many texts. A shard that is done stays as it is.

    Raises:
        BulkError: there is no such shard, or it cannot be read or written.
    """
    try:
        texts = _read_texts(folder, number)
        if _vectors(folder, number).is_file():
            return len(texts)
        fresh = _vectors(folder, number).with_suffix(f".{os.getpid()}.npy")
        np.save(fresh, encoder.encode(texts))
        fresh.replace(_vectors(folder, number))
    except OSError as error:
        raise BulkError(f"shard {number} of {folder}: {error}") from error
    return len(texts)


def _merged(folder: Path, encoder: str) -> dict[bytes, Vectors]:
    """The vectors of all shards by the hash of their text."""
    plan = read_plan(folder)
    if plan.encoder != encoder:
        raise BulkError(f"{folder} was planned for the embedding model {plan.encoder!r}, not {encoder!r}")
    missing = [str(number) for number in range(plan.shards) if not _vectors(folder, number).is_file()]
    if missing:
        again = f"sbatch --array={','.join(missing)} {folder / SCRIPT}"
        raise BulkError(
            f"{len(missing)} of {plan.shards} shards are not embedded yet: wait for the job, or run `{again}`"
        )
    known: dict[bytes, Vectors] = {}
    for number in range(plan.shards):
        keys = [text_hash(text).tobytes() for text in _read_texts(folder, number)]
        try:
            known |= zip(keys, np.load(_vectors(folder, number), mmap_mode="r"), strict=True)
        except (OSError, ValueError) as error:
            file = _vectors(folder, number)
            raise BulkError(f"{file} is damaged ({error}): delete it and embed shard {number} again") from error
    return known


def _read_texts(folder: Path, number: int) -> list[str]:
    return [json.loads(line) for line in _texts(folder, number).read_text(encoding="ascii").splitlines()]


def _texts(folder: Path, number: int) -> Path:
    return folder / f"texts-{number:05}.jsonl"


def _vectors(folder: Path, number: int) -> Path:
    return folder / f"vectors-{number:05}.npy"
