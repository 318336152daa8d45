"""Puts what evaluate.py printed side by side.

    python table.py LINES.jsonl STUDIO RIVAL

STUDIO and RIVAL are the folders that hold one folder a recipe. Rows of settings that only one of them has keep a dash. `nearest-…`
of the studio gives the loss that recovering is measured by.
"""

import json
import pathlib
import sys

lines, studio_root, rival_root = sys.argv[1:]
by_root = {}
float_perplexity = None
for line in pathlib.Path(lines).read_text().splitlines():
    figures = json.loads(line)
    path = pathlib.Path(figures["weights"])
    if path.name == "float":
        float_perplexity = figures["perplexity"]
    by_root.setdefault(str(path.parent), {})[path.name] = figures
ours, theirs = by_root.get(str(pathlib.Path(studio_root)), {}), by_root.get(str(pathlib.Path(rival_root)), {})


def nearest_of(name):
    grid = "-".join(part for part in name.split("-")[1:] if part not in ("actorder", "static", "gar"))
    return ours.get(f"nearest-{grid}")


def number(figures, key, digits):
    return "–" if figures is None else f"{figures[key]:.{digits}f}"


print(f"Float: {float_perplexity:.4f}\n")
print("| recipe | studio | rival | studio / rival | KL studio | KL rival | nearest | recovered |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
for name in sorted(set(ours) | set(theirs)):
    if name.startswith("nearest-"):
        continue
    left, right, nearest = ours.get(name), theirs.get(name), nearest_of(name)
    ratio = "–" if left is None or right is None else f"{100 * (left['perplexity'] / right['perplexity'] - 1):+.2f} %"
    recovered = "–"
    if left is not None and nearest is not None and nearest["perplexity"] > 1.002 * float_perplexity:
        recovered = f"{100 * (nearest['perplexity'] - left['perplexity']) / (nearest['perplexity'] - float_perplexity):.0f} %"
    cells = [f"`{name}`", number(left, "perplexity", 4), number(right, "perplexity", 4), ratio, number(left, "kl", 5), number(right, "kl", 5)]
    print(f"| {' | '.join([*cells, number(nearest, 'perplexity', 4), recovered])} |")
