"""Makes `config/meaning/graph.onnx`: all-MiniLM-L6-v2 for one text, without its weights.

The weights are named as in `model.safetensors`; who loads the graph hands them over. So the file
that the operator has is the one its authors published, hash and all, and nothing is converted.
Source: Devlin et al., "BERT", 2019; Reimers and Gurevych, "Sentence-BERT", 2019 (mean of the last
layer, brought to length 1).

`python -m bench.semantic_graph`; needs `onnx`.
"""

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GRAPH = Path("config/meaning/graph.onnx")
LAYERS, HEADS, WIDTH, INNER, WORDS, POSITIONS = 6, 12, 384, 1536, 30_522, 512
EPSILON = 1e-12
#: What onnxruntime 1.20 and later read.
OPSET, IR_VERSION = 20, 9


class Graph:
    """Nodes and weights, in the order in which they are asked for."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, to: str = "", **attributes: object) -> str:
        """Add one node; return the name of its output."""
        name = to or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """Return `name`, known from now on as a tensor that comes from outside."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="model.safetensors")
        self.weights.append(tensor)
        return name

    def constant(self, name: str, values: list[int] | float) -> str:
        """Return `name`, known from now on as a constant."""
        kind = np.float32 if isinstance(values, float) else np.int64
        self.weights.append(numpy_helper.from_array(np.array(values, dtype=kind), name))
        return name

    def linear(self, x: str, name: str, rows: int, columns: int) -> str:
        """Return `x` times a weight, plus a bias."""
        weight = self.weight(f"{name}.weight", rows, columns)
        return self.add("Gemm", x, weight, self.weight(f"{name}.bias", rows), transB=1)

    def norm(self, x: str, name: str) -> str:
        """Return `x`, each row brought to one scale."""
        scale, shift = self.weight(f"{name}.weight", WIDTH), self.weight(f"{name}.bias", WIDTH)
        return self.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON)

    def attention(self, x: str, name: str) -> str:
        """Return how each piece is seen in the light of the others."""
        parts = []
        for part, axes in (("query", [1, 0, 2]), ("key", [1, 2, 0]), ("value", [1, 0, 2])):
            flat = self.linear(x, f"{name}.self.{part}", WIDTH, WIDTH)
            parts.append(self.add("Transpose", self.add("Reshape", flat, "by_head"), perm=axes))
        query, key, value = parts
        scores = self.add("Mul", self.add("MatMul", query, key), "scale")
        seen = self.add("MatMul", self.add("Softmax", scores, axis=-1), value)
        together = self.add("Reshape", self.add("Transpose", seen, perm=[1, 0, 2]), "flat")
        return self.linear(together, f"{name}.output.dense", WIDTH, WIDTH)


def build() -> onnx.ModelProto:
    """Return the graph: numbers of pieces in, one vector of length 1 out."""
    graph = Graph()
    graph.constant("by_head", [0, HEADS, WIDTH // HEADS])
    graph.constant("flat", [0, WIDTH])
    graph.constant("scale", 1 / math.sqrt(WIDTH // HEADS))
    graph.constant("first", [0])
    words = graph.weight("embeddings.word_embeddings.weight", WORDS, WIDTH)
    positions = graph.weight("embeddings.position_embeddings.weight", POSITIONS, WIDTH)
    types = graph.weight("embeddings.token_type_embeddings.weight", 2, WIDTH)
    places = graph.add("Slice", positions, "first", graph.add("Shape", "pieces"))
    x = graph.add("Add", graph.add("Gather", words, "pieces"), places)
    x = graph.norm(
        graph.add("Add", x, graph.add("Gather", types, "first")), "embeddings.LayerNorm"
    )
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        seen = graph.attention(x, f"{name}.attention")
        x = graph.norm(graph.add("Add", x, seen), f"{name}.attention.output.LayerNorm")
        inner = graph.add("Gelu", graph.linear(x, f"{name}.intermediate.dense", INNER, WIDTH))
        inner = graph.linear(inner, f"{name}.output.dense", WIDTH, INNER)
        x = graph.norm(graph.add("Add", x, inner), f"{name}.output.LayerNorm")
    mean = graph.add("ReduceMean", x, "first", keepdims=0)
    graph.add("LpNormalization", mean, to="vector", axis=0, p=2)
    made = helper.make_graph(
        graph.nodes,
        "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info("pieces", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [WIDTH])],
        graph.weights,
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(made, opset_imports=opset, ir_version=IR_VERSION)


def main() -> None:
    GRAPH.write_bytes(build().SerializeToString(deterministic=True))
    print(GRAPH, GRAPH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
