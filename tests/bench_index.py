"""`make bench`: the index of the knowledge base; prints, neither passes nor fails.

Every figure is of one run on one machine, and ratios are of things measured in turn in that run.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
from hashing_encoder import HashingEncoder
from numpy.typing import NDArray
from packaging.requirements import Requirement

from knowledge_base.build import write_snapshot
from knowledge_base.chunks import indexed_text, passages_of
from knowledge_base.documents import read_tree
from knowledge_base.encoder import PACKAGED_MODEL, SentenceEncoder
from knowledge_base.export_model import PACKAGE, write_original
from knowledge_base.index import open_index
from knowledge_base.passage import Passage
from knowledge_base.sources.config import articles_source
from knowledge_base.sources.sync import sync
from knowledge_base.vectors_faiss import FILE, FaissFiles

TESTS = Path(__file__).parent
ARTICLES = TESTS.parent / "knowledge_base" / "articles"
CHUNKS = 10_000
SIZES = (1_000, 10_000, 100_000, 1_000_000)
ROUNDS = 3
ENCODED = 60
"""Chunks of the comparison of encoders."""
DIMENSION = 384
LATENT = 32
"""Synthetic vectors vary in so many directions, plus noise: their nearest neighbours are about as near as real ones."""
WANTED = 200


class Drawn:
    """Says that it is the packaged model, and draws vectors: what is measured does not depend on their values."""

    name = PACKAGED_MODEL

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        drawn = np.random.default_rng(len(texts)).standard_normal((len(texts), DIMENSION), dtype=np.float32)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def article_passages() -> list[Passage]:
    return [passage for document in read_tree(ARTICLES).documents for passage in passages_of(document)]


def many_pages(folder: Path, pages: int) -> None:
    """Pages of two sections each, made of the sentences of our articles."""
    sentences = [line for passage in article_passages() for line in passage.text.split("\n") if len(line) > 40]
    drawn = np.random.default_rng(1).choice(len(sentences), (pages, 10))
    for number, rows in enumerate(drawn):
        halves = ["\n\n".join(sentences[row].replace("#", "") for row in half) for half in (rows[:5], rows[5:])]
        (folder / f"page-{number}.md").write_text(
            f"# Page {number}\n\n## First part\n\n{halves[0]}\n\n## Second part\n\n{halves[1]}\n", "utf-8"
        )


def milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def both_times(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time, in milliseconds."""
    begun = time.process_time()
    wall = milliseconds(work)
    return wall, (time.process_time() - begun) * 1000


def spread(times: list[float]) -> str:
    ordered = sorted(times)
    return f"p50 {statistics.median(ordered):.1f} ms, p95 {ordered[int(0.95 * len(ordered))]:.1f} ms"


def questions() -> list[str]:
    lines = (TESTS / "evals" / "retrieval_dev.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines][:200]


def searching(folder: Path) -> None:
    """10,000 passages with real words and drawn vectors, questions with the real model."""
    (folder / "pages").mkdir()
    many_pages(folder / "pages", CHUNKS)
    passages = [passage for document in read_tree(folder / "pages").documents for passage in passages_of(document)]
    passages = passages[:CHUNKS]
    write_snapshot(folder / "index", passages, Drawn(), documents=CHUNKS, source="bench")
    opening = [milliseconds(lambda: open_index(folder / "index")) for _ in range(5)]
    print(f"open a snapshot of {len(passages)} passages: {statistics.median(opening):.0f} ms")
    opened, encoder = open_index(folder / "index"), SentenceEncoder()
    opened.search("warm up", encoder)
    cpu = time.process_time()
    whole = [milliseconds(lambda q=question: opened.search(q, encoder)) for question in questions()]
    cpu = (time.process_time() - cpu) / len(whole) * 1000
    alone = [milliseconds(lambda q=question: encoder.encode([q])) for question in questions()]
    print(f"search among {len(passages)} passages, embedding included: {spread(whole)}; {cpu:.1f} ms of CPU")
    print(f"  of which embedding the question: {spread(alone)}")


def building(folder: Path) -> None:
    """The index of some passages from nothing, beside encoding them alone, in turn."""
    passages = article_passages()[:ENCODED]
    texts = [indexed_text(passage) for passage in passages]
    write_original(folder / "original")
    ours, theirs = SentenceEncoder(), SentenceEncoder(folder / "original")
    times: dict[str, list[tuple[float, float]]] = {"build": [], "encode": [], "sentence-transformers": []}
    for encoder in (ours, theirs):
        encoder.encode(texts[:4])
    for number in range(ROUNDS):
        build = partial(write_snapshot, folder / f"build-{number}", passages, ours, documents=1, source="bench")
        times["build"].append(both_times(build))
        times["encode"].append(both_times(lambda: ours.encode(texts)))
        times["sentence-transformers"].append(both_times(lambda: theirs.encode(texts)))
    print(f"index of {len(texts)} passages from nothing, {ROUNDS} rounds in turn:")
    for name, values in times.items():
        wall, cpu = (statistics.median(value[part] for value in values) for part in (0, 1))
        print(f"  {name:22} {len(texts) / wall * 1000:5.1f} a second, {len(texts) / cpu * 1000:5.1f} a CPU second")
    for name in ("encode", "sentence-transformers"):
        of_wall, of_cpu = (
            statistics.median(a[part] / b[part] for a, b in zip(times["build"], times[name], strict=True))
            for part in (0, 1)
        )
        print(f"  build to {name} alone: {of_wall:.2f} of its time, {of_cpu:.2f} of its CPU time")


def keeping_in_step(folder: Path) -> None:
    (folder / "thousand").mkdir()
    many_pages(folder / "thousand", 1000)
    sources, index, cache = [articles_source(folder / "thousand")], folder / "sync", folder / "cache"

    def once() -> float:
        return milliseconds(lambda: sync(sources, index, cache, HashingEncoder()))

    first = once()
    unchanged = once()
    (folder / "thousand" / "page-7.md").write_text("# Page 7\n\nAnother text, long enough to be a page.\n")
    print(f"sync of 1,000 documents: first {first:.0f} ms, unchanged {unchanged:.0f} ms, one changed {once():.0f} ms")


def synthetic(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`count` vectors and 100 questions, each near one of them."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((LATENT, DIMENSION), dtype=np.float32) / np.sqrt(LATENT, dtype=np.float32)
    latent = rng.standard_normal((count, LATENT), dtype=np.float32)

    def made(values: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors = values @ mixing
        vectors += 0.5 * rng.standard_normal(vectors.shape, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    asked = latent[rng.integers(0, count, 100)] + 0.6 * rng.standard_normal((100, LATENT), dtype=np.float32)
    return np.concatenate([made(latent[at : at + 50_000]) for at in range(0, count, 50_000)]), made(asked)


def grown(folder: Path, count: int) -> None:
    """One process writes the vectors and the exact answers, another one opens and searches."""
    vectors, asked = synthetic(count, seed=7)
    exact = np.argpartition(-(asked @ vectors.T), 10, axis=1)[:, :10]
    cpu = time.process_time()
    wall = milliseconds(lambda: FaissFiles().write(folder, vectors)) / 1000
    np.savez(folder / "asked.npz", asked=asked, exact=exact)
    print(f"{count:9,}  {wall:7.1f} s ({time.process_time() - cpu:.1f} s CPU)", end="  ", flush=True)


def searched(folder: Path) -> None:
    stored = np.load(folder / "asked.npz")
    before = resident_mb()
    opening = milliseconds(lambda: FaissFiles().open(folder))
    opened = FaissFiles().open(folder)
    found = []

    def ask(vector: NDArray[np.float32]) -> None:
        rows = opened.nearest(vector, WANTED)
        found.append(set(rows[np.argsort(-(opened.at(rows) @ vector))][:10].tolist()))

    times = [milliseconds(lambda v=vector: ask(v)) for vector in stored["asked"]]
    recall = np.mean([len(rows & set(best)) / 10 for rows, best in zip(found, stored["exact"].tolist(), strict=True)])
    size = (folder / FILE).stat().st_size / 1e6
    kind = "exact" if opened.is_exact else "HNSW"
    print(f"{kind:5}  {size:7.0f} MB  open {opening:5.1f} ms  {spread(times)}  recall@10 {recall:.3f}  "
          f"resident +{resident_mb() - before:.0f} MB")  # fmt: skip


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def growth(sizes: Sequence[int]) -> None:
    print(
        "synthetic vectors: build, type, file, opening, search of 200 with their exact cosines, recall of the ten best"
    )
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for step in (["grown", folder, str(count)], ["searched", folder]):
                subprocess.run([sys.executable, __file__, *step], check=True, env={**os.environ, "PYTHONPATH": here()})


def here() -> str:
    return os.pathsep.join([str(TESTS.parent), str(TESTS)])


LOADING = """
import re, sys, time
begun, cpu = time.perf_counter(), time.process_time()
from knowledge_base.encoder import SentenceEncoder
SentenceEncoder(sys.argv[1]).encode(["How do I submit a job?"])
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1000
print(f"{time.perf_counter() - begun:.1f} s ({time.process_time() - cpu:.1f} s CPU), {peak:.0f} MB")
"""


def loading(folder: Path) -> None:
    """`folder` holds the original model, from `building`."""
    for name, model, packages in (
        ("onnxruntime", PACKAGED_MODEL, ["onnxruntime", "tokenizers", "numpy"]),
        ("sentence-transformers", str(folder / "original"), ["sentence-transformers", PACKAGE]),
    ):
        command = [sys.executable, "-c", LOADING, model]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": here()}
        )
        print(f"first vector with {name}: {done.stdout.strip()}; installed {installed_mb(packages):.0f} MB")
    model = sum(file.stat().st_size for file in (TESTS.parent / "knowledge_base" / "model").iterdir()) / 1e6
    print(f"  (the packaged model is {model:.0f} MB more)")


def installed_mb(names: Sequence[str]) -> float:
    """Files of these distributions and of all that they need."""
    waiting, seen, total = list(names), set(), 0
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        needs = [Requirement(line) for line in found.requires or ()]
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
        total += sum(path.stat().st_size for file in found.files or () if (path := Path(str(file.locate()))).is_file())
    return total / 1e6


def parts() -> None:
    with tempfile.TemporaryDirectory() as name:
        for part in (searching, building, keeping_in_step):
            part(Path(name))
        loading(Path(name))


def main() -> None:
    parts()
    growth(SIZES)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["grown", folder, count]:
            grown(Path(folder), int(count))
        case ["searched", folder]:
            searched(Path(folder))
        case ["parts"]:
            parts()
        case ["growth", *sizes]:
            growth([int(size) for size in sizes] or SIZES)
        case _:
            main()
