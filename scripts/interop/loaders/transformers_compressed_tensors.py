"""A compressed-tensors folder in transformers."""

import json
from pathlib import Path

from causal_lm import load_causal_lm
from common import main
from transformers import CompressedTensorsConfig


def load(folder: Path, expected: dict):
    groups = json.loads((folder / "config.json").read_text())["quantization_config"]["config_groups"].values()
    # Modules that stay compressed expect packed zero points in the shape of unpacked ones (compressed-tensors 0.20.0), so
    # asymmetric weights are dequantized by the package while they are loaded.
    is_symmetric = all(group["weights"]["symmetric"] for group in groups)
    options = {} if is_symmetric else {"quantization_config": CompressedTensorsConfig(dequantize=True)}
    return load_causal_lm(folder, ["compressed-tensors"], **options)


if __name__ == "__main__":
    main(load)
