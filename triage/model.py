"""The trained model as it lies on disk, and its scoring with numpy alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triage.cues import Lexicon, load_cues
from triage.errors import ModelFileError
from triage.features import FeatureSpace, Floats, Row, Vocabulary

MODEL_FOLDER = Path(__file__).parent / "model"
WEIGHTS_NAME = "triage.npz"
DESCRIPTION_NAME = "triage.json"
FORMAT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """One linear model: a row of weights and a bias for each class, and the temperature that calibrates it."""

    classes: tuple[str, ...]
    weights: Floats
    """Shape (classes, features); in Fortran order, as a request needs a few hundred of the columns."""
    bias: Floats
    temperature: float

    def scores(self, row: Row) -> Floats:
        dense = self.weights[:, : len(row.dense)] @ row.dense
        return np.asarray(dense + self.weights[:, row.indices] @ row.values + self.bias, dtype=np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class TriageModel:
    version: str
    encoder: str
    """Name of the embedding model that it was trained with."""
    data_hash: str
    space: FeatureSpace
    scope: Head
    """Classes `in` and `none`: is it a request for support at all?"""
    level: Head
    type: Head
    none_threshold: float
    """Probability of `none` from which a text is taken for no request; chosen for at most 2 % false alarms."""


def softmax(scores: NDArray[Any]) -> NDArray[np.float64]:
    shifted = np.exp(np.asarray(scores, dtype=np.float64) - np.max(scores, axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def probabilities(head: Head, row: Row) -> dict[str, float]:
    shares = softmax(head.scores(row) / head.temperature)
    return {name: float(share) for name, share in zip(head.classes, shares, strict=True)}


def save_model(model: TriageModel, folder: Path) -> None:
    """Writes weights as npz (16-bit) and everything else as JSON; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"{name}_idf": vocabulary.idf for name, vocabulary in vocabularies(model.space).items()}
    for name, head in heads(model).items():
        arrays[f"{name}_weights"] = head.weights.astype(np.float16)
        arrays[f"{name}_bias"] = head.bias
    np.savez(folder / WEIGHTS_NAME, allow_pickle=False, **arrays)
    text = json.dumps(description(model), ensure_ascii=False, indent=0)
    (folder / DESCRIPTION_NAME).write_text(text + "\n", "utf-8")


def vocabularies(space: FeatureSpace) -> dict[str, Vocabulary]:
    return {"words": space.words, "letters": space.letters, "asked": space.asked}


def heads(model: TriageModel) -> dict[str, Head]:
    return {"scope": model.scope, "level": model.level, "type": model.type}


def description(model: TriageModel) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": model.version,
        "encoder": model.encoder,
        "data_hash": model.data_hash,
        "none_threshold": model.none_threshold,
        "heads": {
            name: {"classes": head.classes, "temperature": head.temperature} for name, head in heads(model).items()
        },
        "dimension": model.space.dimension,
        "cues": [cue.name for cue in model.space.cues],
        **{name: list(vocabulary.terms) for name, vocabulary in vocabularies(model.space).items()},
    }


def load_model(folder: Path = MODEL_FOLDER, *, encoder_name: str | None = None) -> TriageModel:
    """The model of a folder; `encoder_name` is the embedding model that will serve it.

    Raises:
        ModelFileError: files are missing or broken, or the model does not fit the cue lexicon or the embedding model.
    """
    try:
        told = json.loads((folder / DESCRIPTION_NAME).read_text("utf-8"))
        if told["format"] != FORMAT:
            raise ModelFileError(folder, f"has format {told['format']}, expected {FORMAT}")
        with np.load(folder / WEIGHTS_NAME, allow_pickle=False) as arrays:
            model = model_from(told, {name: arrays[name] for name in arrays.files}, load_cues())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(folder, f"cannot be read ({error})") from error
    check_fits(folder, told, model, encoder_name)
    return model


def model_from(told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], cues: Lexicon) -> TriageModel:
    space = FeatureSpace(
        cues=cues,
        **{name: Vocabulary.of(told[name], arrays[f"{name}_idf"]) for name in ("words", "letters", "asked")},
        dimension=int(told["dimension"]),
    )
    made = {name: head_from(name, told["heads"][name], arrays) for name in ("scope", "level", "type")}
    return TriageModel(
        version=str(told["version"]),
        encoder=str(told["encoder"]),
        data_hash=str(told["data_hash"]),
        none_threshold=float(told["none_threshold"]),
        space=space,
        **made,
    )


def head_from(name: str, told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Head:
    return Head(
        classes=tuple(told["classes"]),
        weights=np.asfortranarray(arrays[f"{name}_weights"], dtype=np.float32),
        bias=arrays[f"{name}_bias"].astype(np.float32),
        temperature=float(told["temperature"]),
    )


def check_fits(folder: Path, told: Mapping[str, Any], model: TriageModel, encoder_name: str | None) -> None:
    if told["cues"] != [cue.name for cue in model.space.cues]:
        raise ModelFileError(folder, "was trained with another cue lexicon")
    if encoder_name is not None and encoder_name != model.encoder:
        raise ModelFileError(folder, f"was trained with the embedding model {model.encoder}, not {encoder_name}")
    if any(head.weights.shape != (len(head.classes), model.space.size) for head in heads(model).values()):
        raise ModelFileError(folder, "has weights of the wrong shape")
