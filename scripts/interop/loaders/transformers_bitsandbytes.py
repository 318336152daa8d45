"""A bitsandbytes folder in transformers on the CPU."""

from pathlib import Path

import numpy as np
import torch
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from causal_lm import load_model, results
from common import main


def token_by_token(model):
    """Outlier columns of LLM.int8() are those of one call, and the studio's simulation calls with one token at a time."""

    def forward(ids: list[int]) -> np.ndarray:
        rows, cache = [], None
        with torch.no_grad():
            for id in ids:
                out = model(torch.tensor([[id]]), past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                rows.append(out.logits[0, -1].float().numpy())
        return np.stack(rows)

    return forward


def load(folder: Path, expected: dict):
    model = load_model(folder)
    forward, versions = results(model, ["bitsandbytes"])
    # The folder asks for bfloat16, and processors that have it multiply in it; here everything is float32, as in the studio's simulation.
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.compute_dtype = torch.float32
            module.compute_type_is_set = True
            module.support_avx512bf16_for_cpu = False
    is_int8 = any(isinstance(module, Linear8bitLt) for module in model.modules())
    return (token_by_token(model) if is_int8 else forward), versions


if __name__ == "__main__":
    main(load)
