"""The ONNX decoder in onnxruntime on the processor: the whole prompt at once, and token by token through the cache."""

from pathlib import Path

import numpy as np
import onnxruntime
from common import main


def load(folder: Path, expected: dict):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    file = next((folder / "onnx").glob("*.onnx"))
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    caches = [value for value in session.get_inputs() if value.name.startswith("past_key_values")]
    outputs = [value.name for value in session.get_outputs()]
    takes_positions = any(value.name == "position_ids" for value in session.get_inputs())

    def run(ids: list[int], past: dict) -> tuple[np.ndarray, dict]:
        seen = next(iter(past.values())).shape[2]
        feeds = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, seen + len(ids)), np.int64),
            **past,
        }
        if takes_positions:
            feeds["position_ids"] = np.arange(seen, seen + len(ids), dtype=np.int64)[None]
        logits, *present = session.run(outputs, feeds)
        names = [name.replace("present.", "past_key_values.") for name in outputs[1:]]
        return logits[0], dict(zip(names, present))

    def empty() -> dict:
        kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
        return {cache.name: np.zeros((1, cache.shape[1], 0, cache.shape[3]), kinds[cache.type]) for cache in caches}

    def forward(ids: list[int]) -> np.ndarray:
        logits, _ = run(ids, empty())
        return logits.astype(np.float32)

    # What is computed at once and what the cache makes of it must be the same.
    prompt = expected["prompt"]
    past = empty()
    stepwise = []
    for token in prompt:
        logits, past = run([token], past)
        stepwise.append(logits[0])
    difference = float(np.abs(np.array(stepwise) - forward(prompt)).max())
    assert difference <= expected["tolerance"], f"the cache changes logits by {difference}"
    return forward, {"onnxruntime": onnxruntime.__version__}


if __name__ == "__main__":
    main(load)
