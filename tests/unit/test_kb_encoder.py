"""The packaged embedding model: what is committed is what the export makes, and close to the model it was made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from knowledge_base.encoder import SentenceEncoder, alike, packaged_model_folder
from knowledge_base.errors import ModelMissingError
from knowledge_base.export_model import sha256, write_original

TEXTS = [
    "sbatch --gpus-per-node=4 job.sh fails with AssocGrpGRES",
    "My job stays in the queue because the group's GPU limit is reached.",
    "The cafeteria serves lunch from noon.",
    "word " * 1000,
]


def test_the_committed_files_have_the_hashes_they_were_made_with() -> None:
    told = json.loads((packaged_model_folder() / "model.json").read_text())
    assert {name: sha256(packaged_model_folder() / name) for name in told["sha256"]} == told["sha256"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_export_makes_the_committed_files_again(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "knowledge_base.export_model", tmp_path], check=True, capture_output=True)
    made, committed = (
        json.loads((folder / "model.json").read_text()) for folder in (tmp_path, packaged_model_folder())
    )
    if {name: found.split("+")[0] for name, found in made["made_with"].items()} != {
        name: found.split("+")[0] for name, found in committed["made_with"].items()
    }:
        pytest.skip(f"made with other versions: {made['made_with']}")
    assert made["sha256"] == committed["sha256"]


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours() -> None:
    """Some are padded to the length of others, and what is padded is masked."""
    encoder = SentenceEncoder()
    together = encoder.encode(TEXTS)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.allclose(together, alone, atol=1e-6)
    assert together[0] @ together[1] > together[0] @ together[2] + 0.2
    assert encoder.encode([]).shape == (0, together.shape[1])


def test_texts_of_about_the_same_length_are_computed_together() -> None:
    batches = alike([9, 200, 60, 64, 8, 61, 9, 62])
    assert batches == [[1], [3, 7, 5, 2], [0, 6, 4]]
    assert alike([]) == []


@pytest.mark.slow
def test_the_vectors_are_those_of_the_original(tmp_path: Path) -> None:
    write_original(tmp_path / "original")
    cosines = (SentenceEncoder().encode(TEXTS) * SentenceEncoder(tmp_path / "original").encode(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.9999


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=str(tmp_path)):
        SentenceEncoder(tmp_path).check()


def test_serving_does_not_import_torch() -> None:
    program = (
        "import sys; from knowledge_base.encoder import SentenceEncoder; SentenceEncoder().encode(['a', 'b']); "
        "import agent.models, agent.cli; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
