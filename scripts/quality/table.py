"""Puts what evaluate.py printed side by side.

    python table.py STUDIO RIVAL LINES.jsonl…

STUDIO and RIVAL are the names of the folders that hold one folder a recipe, `-` for no rival; every LINES file is one seed. With
several, figures are means ± standard deviations over seeds. With one, `studio / rival` has the standard error of the difference over
evaluation windows, which says what another evaluation text may change, not what another calibration text may. Rows of settings that
only one of them has keep a dash. `nearest-…` of the studio gives the loss that recovering is measured by.
"""

import json
import math
import pathlib
import statistics
import sys

studio_name, rival_name, *files = sys.argv[1:]


def read(file):
    """{(folder, recipe): figures}; float is ("", "float")."""
    lines = [json.loads(line) for line in pathlib.Path(file).read_text().splitlines()]
    paths = [pathlib.Path(line["weights"]) for line in lines]
    return {(path.parent.name, path.name): line for path, line in zip(paths, lines)}


seeds = [read(file) for file in files]


def nearest_of(recipe):
    """Transforms, orders and the like are words before and after the grid; nearest rounding has the grid alone."""
    words = [word for word in recipe.split("-")[1:] if word not in ("plain", "linears", "noclip", "actorder", "static", "gar", "cross")]
    return f"nearest-{'-'.join(words)}"


def of_seeds(figure):
    """`figure(seed)` of the seeds that have one."""
    return [value for value in map(figure, seeds) if value is not None]


def spread(values, digits, suffix=""):
    if not values:
        return "–"
    text = f"{statistics.mean(values):.{digits}f}"
    return text + (f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 and statistics.stdev(values) > 0 else "") + suffix


def own(folder, recipe, key):
    return of_seeds(lambda seed: seed[folder, recipe][key] if (folder, recipe) in seed else None)


def ratio(recipe):
    """Per cent that the studio's perplexity is above the rival's."""
    pairs = of_seeds(lambda seed: (seed[studio_name, recipe], seed[rival_name, recipe]) if {(studio_name, recipe), (rival_name, recipe)} <= seed.keys() else None)
    changes = [100 * (left["perplexity"] / right["perplexity"] - 1) for left, right in pairs]
    if len(pairs) != 1:
        return spread(changes, 2, " %")
    left, right = pairs[0]
    windows = [a - b for a, b in zip(left["losses"], right["losses"])]
    error = 100 * statistics.stdev(windows) * math.sqrt(len(windows)) / left["tokens"] if len(windows) > 1 else math.nan
    return f"{changes[0]:+.2f} % (± {error:.2f})"


def recovered(folder, recipe):
    """Per cent of nearest rounding's loss, where that is more than 0.2 %."""

    def share(seed):
        if not {(studio_name, nearest_of(recipe)), (folder, recipe)} <= seed.keys():
            return None
        exact, nearest, this = (math.log(seed[key]["perplexity"]) for key in (("", "float"), (studio_name, nearest_of(recipe)), (folder, recipe)))
        return 100 * (nearest - this) / (nearest - exact) if nearest > exact + 0.002 else None

    return spread(of_seeds(share), 0, " %")


print(f"Float: {spread(own('', 'float', 'perplexity'), 4)}\n")
print("| recipe | studio | rival | studio / rival | KL studio | KL rival | nearest | recovered: studio | rival |")
print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
for recipe in sorted({recipe for seed in seeds for folder, recipe in seed if folder in (studio_name, rival_name)}):
    if recipe.startswith("nearest-"):
        continue
    cells = [f"`{recipe}`"]
    cells += [spread(own(folder, recipe, "perplexity"), 4) for folder in (studio_name, rival_name)]
    cells += [ratio(recipe)]
    cells += [spread(own(folder, recipe, "kl"), 5) for folder in (studio_name, rival_name)]
    cells += [spread(own(studio_name, nearest_of(recipe), "perplexity"), 4)]
    cells += [recovered(folder, recipe) for folder in (studio_name, rival_name)]
    print(f"| {' | '.join(cells)} |")
