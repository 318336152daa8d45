"""A GPTQ or AWQ folder in transformers with GPTQModel's kernels in plain torch, which need no compiler."""

import json
from pathlib import Path

from causal_lm import load_causal_lm
from common import main
from transformers import AwqConfig, GPTQConfig


def setting_of(folder: Path):
    setting = json.loads((folder / "config.json").read_text())["quantization_config"]
    if setting["quant_method"] == "awq":
        return AwqConfig(bits=setting["bits"], group_size=setting["group_size"], backend="torch_awq")
    return GPTQConfig(bits=setting["bits"], backend="gptq_torch")


def load(folder: Path, expected: dict):
    return load_causal_lm(folder, ["gptqmodel", "optimum"], quantization_config=setting_of(folder))


if __name__ == "__main__":
    main(load)
