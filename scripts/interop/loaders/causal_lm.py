"""A folder of safetensors in transformers on the CPU, computing in float32: shared by the loaders of its quantizers."""

from importlib.metadata import version
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from transformers import AutoModelForCausalLM


def forward_of(model) -> Callable[[list[int]], np.ndarray]:
    model.eval()

    def forward(ids: list[int]) -> np.ndarray:
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0].float().numpy()

    return forward


def load_causal_lm(folder: Path, packages: list[str], **options):
    """`packages` are those whose versions the result names."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu", **options)
    return forward_of(model), {name: version(name) for name in ["transformers", *packages]}
