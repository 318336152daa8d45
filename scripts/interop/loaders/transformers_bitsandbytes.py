"""A bitsandbytes folder in transformers on the CPU."""

from pathlib import Path

from causal_lm import load_causal_lm
from common import main


def load(folder: Path, expected: dict):
    return load_causal_lm(folder, ["bitsandbytes"])


if __name__ == "__main__":
    main(load)
