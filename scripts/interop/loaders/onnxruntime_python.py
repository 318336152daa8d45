"""The ONNX decoder in onnxruntime on the processor: the whole prompt at once, token by token through the cache, and in a batch
beside a shorter text that is padded on the left."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from common import main


def load(folder: Path, expected: dict):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if "CLIPS_SUMS" in os.environ:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    file = next((folder / "onnx").glob("*.onnx"))
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    caches = [value for value in session.get_inputs() if value.name.startswith("past_key_values")]
    outputs = [value.name for value in session.get_outputs()]
    takes_positions = any(value.name == "position_ids" for value in session.get_inputs())

    def run(ids: np.ndarray, mask: np.ndarray, past: dict) -> tuple[np.ndarray, dict]:
        """ids [batch, length], mask [batch, length with the cache]; logits [batch, length, vocabulary] and the longer cache."""
        feeds = {"input_ids": ids.astype(np.int64), "attention_mask": mask.astype(np.int64), **past}
        if takes_positions:
            positions = np.where(mask == 0, 1, np.cumsum(mask, axis=1) - 1)
            feeds["position_ids"] = positions[:, -ids.shape[1] :].astype(np.int64)
        logits, *present = session.run(outputs, feeds)
        names = [name.replace("present.", "past_key_values.") for name in outputs[1:]]
        return logits.astype(np.float32), dict(zip(names, present))

    def empty(batch: int) -> dict:
        kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
        return {cache.name: np.zeros((batch, cache.shape[1], 0, cache.shape[3]), kinds[cache.type]) for cache in caches}

    def forward(ids: list[int]) -> np.ndarray:
        logits, _ = run(np.array([ids]), np.ones((1, len(ids))), empty(1))
        return logits[0]

    def must_equal(found: np.ndarray, wanted: np.ndarray, cause: str) -> None:
        difference = float(np.abs(found - wanted).max())
        # Both may be a tolerance away from what is exact.
        assert difference <= 2 * expected["tolerance"], f"{cause} changes logits by {difference}"

    prompt = expected["prompt"]
    alone = forward(prompt)
    past, stepwise = empty(1), []
    for count, token in enumerate(prompt, start=1):
        logits, past = run(np.array([[token]]), np.ones((1, count)), past)
        stepwise.append(logits[0, 0])
    must_equal(np.array(stepwise), alone, "the cache")

    # A batch of a longer and a shorter text, all but the last token first.
    padding = len(prompt) // 2
    short = prompt[: len(prompt) - padding]
    ids = np.array([prompt, [0] * padding + short])
    mask = np.array([[1] * len(prompt), [0] * padding + [1] * len(short)])
    first, past = run(ids[:, :-1], mask[:, :-1], empty(2))
    last, _ = run(ids[:, -1:], mask, past)
    batch = np.concatenate([first, last], axis=1)
    must_equal(batch[0], alone, "a shorter neighbour")
    must_equal(batch[1, padding:], forward(short), "padding on the left")
    return forward, {"onnxruntime": onnxruntime.__version__}


if __name__ == "__main__":
    main(load)
