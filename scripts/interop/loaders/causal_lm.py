"""A folder of safetensors in transformers on the CPU, computing in float32: shared by the loaders of its quantizers."""

import os
from importlib.metadata import version
from pathlib import Path

# Nothing here runs long enough to win back what compiling costs. Read by torch when it is imported.
os.environ["TORCHDYNAMO_DISABLE"] = "1"

import numpy as np
import torch
from transformers import AutoModelForCausalLM


def load_model(folder: Path, **options):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu", **options).eval()
    # bitsandbytes folders keep what is not packed in the dtype of the file, and refuse the model's own float().
    return torch.nn.Module.float(model)


def results(model, packages: list[str]):
    """What a loader returns; `packages` are those whose versions it names beside transformers'."""

    def forward(ids: list[int]) -> np.ndarray:
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0].float().numpy()

    return forward, {name: version(name) for name in ["transformers", *packages]}


def load_causal_lm(folder: Path, packages: list[str], **options):
    return results(load_model(folder, **options), packages)
