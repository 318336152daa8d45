"""Opens model.tflite in LiteRT's interpreter and runs its graph of fixed length.

Shorter texts are followed by zeros: attention is causal, so their logits do not see them. TFLITE_KERNELS=plain runs the
operators without the XNNPACK delegate.
"""

import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from common import main


def load(folder: Path, expected: dict):
    plain = os.environ.get("TFLITE_KERNELS") == "plain"
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else OpResolverType.AUTO
    interpreter = Interpreter(str(folder / "model.tflite"), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    (length,) = source["shape"]

    def forward(ids: list[int]) -> np.ndarray:
        assert len(ids) <= length, f"the graph reads {length} tokens"
        padded = np.zeros(length, np.int32)
        padded[: len(ids)] = ids
        interpreter.set_tensor(source["index"], padded)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])[: len(ids)]

    return forward, {"ai-edge-litert": version("ai-edge-litert")}


if __name__ == "__main__":
    main(load)
