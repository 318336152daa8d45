"""KL divergence and perplexity of GGUF files in llama.cpp's kernels for processors, beside what the studio says of their recipes.

    python llama_cpp_kl.py TEXT TOKENS BASE.gguf FILE.gguf…

BASE holds the float model as F16. Windows of 256 tokens under llama.cpp's protocol (second half scored), keys and values cached in
float32, as `npm run quantize -- --protocol llama.cpp --context 256 --max-tokens TOKENS [--inputs llama.cpp]` measures. Prints a JSON line a file.
"""

import json
import sys
from pathlib import Path
from typing import Iterator

import llama_cpp
import numpy as np

LENGTH = 256


def scored(file: str, text: bytes, tokens: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Window by window: log-probabilities [LENGTH / 2 - 1, vocabulary] and the ids that followed."""
    cache = {"type_k": llama_cpp.GGML_TYPE_F32, "type_v": llama_cpp.GGML_TYPE_F32}
    # A build with BLAS would take batches of 32 and more.
    model = llama_cpp.Llama(file, logits_all=True, n_ctx=LENGTH, n_batch=16, n_threads=2, verbose=False, **cache)
    start = [model.token_bos()] if model._model.add_bos_token() else []
    ids = [*start, *model.tokenize(text, add_bos=False)][:tokens]
    for first in range(0, len(ids) - LENGTH + 1, LENGTH):
        window = [*start, *ids[first + len(start) : first + LENGTH]]
        model.reset()
        model.eval(window)
        logits = np.array(model.scores[LENGTH // 2 : LENGTH - 1], dtype=np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        yield logits.astype(np.float32), np.array(window[LENGTH // 2 + 1 :])


def main(text_file: str, tokens: str, base_file: str, *files: str) -> None:
    text = Path(text_file).read_bytes()
    base = list(scored(base_file, text, int(tokens)))
    for file in files:
        divergences, likelihoods = [], []
        for (float_model, ids), (model, _) in zip(base, scored(file, text, int(tokens))):
            divergences.append((np.exp(float_model.astype(np.float64)) * (float_model - model)).sum(axis=1))
            likelihoods.append(model[np.arange(len(ids)), ids])
        divergence, likelihood = np.concatenate(divergences), np.concatenate(likelihoods)
        figures = {
            "file": Path(file).name,
            "scored": len(likelihood),
            "kl": float(divergence.mean()),
            "klError": float(divergence.std() / len(divergence) ** 0.5),
            "perplexity": float(np.exp(-likelihood.mean())),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
