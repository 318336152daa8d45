"""Runs model.tflite in TensorFlow Lite Micro's interpreter, as a microcontroller does: every tensor inside one arena.

The arena is what model_settings.h beside the model says. Shorter texts are followed by zeros, as in tflite.py.
"""

import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tflite_micro import runtime

from common import main


def load(folder: Path, expected: dict):
    settings = (folder / "model_settings.h").read_text()
    (arena,) = map(int, re.findall(r"kTensorArenaBytes = (\d+);", settings))
    interpreter = runtime.Interpreter.from_file(str(folder / "model.tflite"), arena_size=arena)
    (length,) = interpreter.get_input_details(0)["shape"]

    def forward(ids: list[int]) -> np.ndarray:
        assert len(ids) <= length, f"the graph reads {length} tokens"
        padded = np.zeros(length, np.int32)
        padded[: len(ids)] = ids
        interpreter.set_input(padded, 0)
        interpreter.invoke()
        return interpreter.get_output(0)[: len(ids)].copy()

    return forward, {"tflite-micro": version("tflite-micro")}


if __name__ == "__main__":
    main(load)
