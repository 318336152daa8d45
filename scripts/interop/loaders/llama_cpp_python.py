"""GGUF in llama.cpp through llama-cpp-python, as a device runs it: its kernels round the inputs of quantized matrices to 8 bits.

Keys and values are cached in float32, not in halves as llama.cpp does unless told otherwise: what is compared is the inputs.
"""

from pathlib import Path

import llama_cpp
import numpy as np
from common import main


def open_model(folder: Path, **options) -> llama_cpp.Llama:
    file = str(next(folder.glob("*.gguf")))
    cache = {"type_k": llama_cpp.GGML_TYPE_F32, "type_v": llama_cpp.GGML_TYPE_F32}
    return llama_cpp.Llama(file, logits_all=True, n_ctx=512, n_threads=2, verbose=False, **cache, **options)


def results(model: llama_cpp.Llama, shortest: int, runtime: str):
    """What a loader returns. Texts with fewer than `shortest` ids are padded on the right, which no earlier position sees."""

    def forward(ids: list[int]) -> np.ndarray:
        model.reset()
        model.eval([*ids, *ids[-1:] * (shortest - len(ids))])
        return np.array(model.scores[: len(ids)], dtype=np.float32)

    return forward, {runtime: llama_cpp.__version__}


def load(folder: Path, expected: dict):
    # A build with BLAS would take batches of 32 and more.
    return results(open_model(folder, n_batch=16), 1, "llama-cpp-python")


if __name__ == "__main__":
    main(load)
