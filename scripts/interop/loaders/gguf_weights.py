"""GGUF by the gguf package's own dequantizer, the weights run by transformers in float32: what any exact runtime computes.

llama.cpp itself rounds the inputs of quantized matrices to 8 bits, so its logits differ by more than the file does.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from common import main

sys.path.append(str(Path(__file__).resolve().parent.parent))
from reference import gguf_weights  # noqa: E402


def load(folder: Path, expected: dict):
    source = Path(expected["model"])
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    weights = gguf_weights(next(folder.glob("*.gguf")), json.loads((source / "config.json").read_text()))
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    model.eval()

    def forward(ids: list[int]) -> np.ndarray:
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0].numpy()

    return forward, {"gguf": importlib.metadata.version("gguf"), "transformers": transformers.__version__}


if __name__ == "__main__":
    main(load)
