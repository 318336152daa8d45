"""GGUF in llama.cpp through llama-cpp-python."""

from pathlib import Path

import llama_cpp
import numpy as np
from common import main


def load(folder: Path, expected: dict):
    model = llama_cpp.Llama(str(next(folder.glob("*.gguf"))), logits_all=True, n_ctx=512, n_threads=2, verbose=False)

    def forward(ids: list[int]) -> np.ndarray:
        model.reset()
        model.eval(ids)
        return np.array(model.scores[: len(ids)], dtype=np.float32)

    return forward, {"llama-cpp-python": llama_cpp.__version__}


if __name__ == "__main__":
    main(load)
