"""A W8A8 folder with dynamic inputs in transformers, inputs rounded as vLLM's kernels do.

vLLM's int8 kernel steps by the largest of a token over 127, as the studio's simulation; the package's own simulation over 127.5.
"""

from pathlib import Path

import torch
from causal_lm import load_causal_lm
from common import main
from compressed_tensors.quantization.lifecycle import forward as lifecycle


def scales_of_vllm(value, args, module, global_scale=None):
    scale = value.abs().amax(dim=-1, keepdim=True).clamp(min=1e-10) / 127
    return scale, torch.zeros_like(scale, dtype=torch.int8)


def load(folder: Path, expected: dict):
    lifecycle.compute_dynamic_scales_and_zp = scales_of_vllm
    return load_causal_lm(folder, ["compressed-tensors"])


if __name__ == "__main__":
    main(load)
