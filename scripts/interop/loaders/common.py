"""What every loader shares: compares a runtime's logits with the studio's own simulation and prints one JSON line.

expected-INPUTS.json: prompt (ids), logits (a file beside it, float32 [len(prompt), vocabulary]), greedy (ids that follow the prompt),
windows (lists of ids), perplexity (over all tokens of the windows but their first). The third argument is the tolerance of a logit:
a number, or a share of the range of the expected logits (0.2%).
"""

import json
import sys
from pathlib import Path
from typing import Callable

import numpy as np

Forward = Callable[[list[int]], np.ndarray]


def log_likelihood(logits: np.ndarray, ids: list[int]) -> float:
    """Natural logarithm, summed over ids[1:]; logits [len(ids), vocabulary]."""
    rows = logits[: len(ids) - 1].astype(np.float64)
    largest = rows.max(axis=1)
    normal = largest + np.log(np.exp(rows - largest[:, None]).sum(axis=1))
    return float((rows[np.arange(len(ids) - 1), ids[1:]] - normal).sum())


def continue_greedily(forward: Forward, prompt: list[int], count: int) -> list[int]:
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(forward(ids)[-1].argmax()))
    return ids[len(prompt) :]


def first_close_call(forward: Forward, prompt: list[int], greedy: list[int], made: list[int], tolerance: float) -> str | None:
    """Why greedy texts may differ rightly: at their first difference both tokens are within the tolerance of each other."""
    at = next(index for index, (left, right) in enumerate(zip(greedy, made)) if left != right)
    row = forward([*prompt, *greedy[:at]])[-1]
    gap = float(row[made[at]] - row[greedy[at]])
    return f"a tie at token {at + 1}: {gap:.2g} apart" if gap <= 2 * tolerance else None


def compare(forward: Forward, expected: dict, logits: np.ndarray) -> dict:
    prompt, greedy, tolerance = expected["prompt"], expected["greedy"], expected["tolerance"]
    found = forward(prompt)
    assert found.shape == logits.shape, (found.shape, logits.shape)
    made = continue_greedily(forward, prompt, len(greedy))
    tie = None if made == greedy else first_close_call(forward, prompt, greedy, made, tolerance)
    total = sum(log_likelihood(forward(window), window) for window in expected["windows"])
    scored = sum(len(window) - 1 for window in expected["windows"])
    perplexity = float(np.exp(-total / scored))
    return {
        "maxLogitDifference": float(np.abs(found - logits).max()),
        "greedyEqual": made == greedy,
        "tie": tie,
        "perplexity": perplexity,
        "perplexityRatio": perplexity / expected["perplexity"],
    }


def tolerance_of(text: str, logits: np.ndarray) -> float:
    return float(text[:-1]) / 100 * float(logits.max() - logits.min()) if text.endswith("%") else float(text)


def main(load: Callable[[Path, dict], tuple[Forward, dict[str, str]]]) -> None:
    folder, file = Path(sys.argv[1]), Path(sys.argv[2])
    expected = json.loads(file.read_text())
    logits = np.fromfile(file.parent / expected["logits"], dtype="<f4").reshape(len(expected["prompt"]), -1)
    expected["tolerance"] = tolerance_of(sys.argv[3], logits)
    forward, versions = load(folder, expected)
    result = compare(forward, expected, logits)
    holds = (
        result["maxLogitDifference"] <= expected["tolerance"]
        and (result["greedyEqual"] or result["tie"] is not None)
        and abs(result["perplexityRatio"] - 1) <= 0.01
    )
    print(json.dumps({"holds": holds, **result, "tolerance": expected["tolerance"], "versions": versions}))
    sys.exit(0 if holds else 1)
