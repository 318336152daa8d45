"""GPTQ of single layers of a model on the same float inputs, by the studio (layers.mjs) and by GPTQModel, judged in float64.

    python layers.py prepare MODEL WINDOWS.json FOLDER BLOCK…   inputs and weights of the linears of some blocks
    node layers.mjs FOLDER RECIPE                               the studio's G and its matrices
    python layers.py compare FOLDER SETTING                     GPTQModel's, and a JSON line a linear for all

A model's perplexity hangs on last bits; this does not: each linear starts from the same numbers. `loss` is
trace((W - Q) G (W - Q)^T) / trace(W G W^T) with G in float64; `gram` is the largest error of an entry of G as a share of the
root of the two diagonal entries beside it.
"""

import json
import os
import pathlib
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np
import torch
from gptqmodel_quantize import as_stored, config_of
from model import BlockInputs, linears, load_model, load_windows


@torch.inference_mode()
def prepare(model_folder, windows_file, folder, *blocks):
    folder, wanted = pathlib.Path(folder), {int(block) for block in blocks}
    folder.mkdir(parents=True, exist_ok=True)
    model = load_model(model_folder)
    inputs = BlockInputs(model, load_windows(windows_file, "calibration"))
    entries = []
    for index, layer in enumerate(model.model.layers[: max(wanted) + 1]):
        seen = {name: [] for name in linears(layer)}
        hooks = [module.register_forward_hook(lambda _m, x, _y, name=name: seen[name].append(x[0][0])) for name, module in linears(layer).items()]
        inputs.advance(layer)
        for hook in hooks:
            hook.remove()
        if index not in wanted:
            continue
        for name, module in linears(layer).items():
            rows, columns = module.weight.shape
            values = torch.cat(seen[name])
            entries.append({"name": f"{index}.{name}", "rows": rows, "columns": columns, "tokens": len(values)})
            values.numpy().tofile(folder / f"{index}.{name}.inputs")
            module.weight.numpy().tofile(folder / f"{index}.{name}.weight")
    (folder / "layers.json").write_text(json.dumps(entries))


@torch.inference_mode()
def rival(weight, values, setting):
    from gptqmodel.quantization import GPTQ

    config = config_of(setting)
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight.clone()
    job = GPTQ(layer, qcfg=config)
    job.quantizer.configure(perchannel=True, bits=config.bits, sym=config.sym)
    job.add_batch(values[None], None)
    # Twice G over the number of samples, which it forgets when it is done.
    gram = job.H.double() * (job.nsamples / 2)
    quantized, scale, zero, g_idx, *_ = job.quantize()
    return as_stored(quantized, scale, zero, g_idx, config.bits), gram.numpy()


def compare(folder, setting):
    folder = pathlib.Path(folder)
    for entry in json.loads((folder / "layers.json").read_text()):
        name, rows, columns = entry["name"], entry["rows"], entry["columns"]

        def read(kind, *shape):
            return np.fromfile(folder / f"{name}.{kind}", np.float32).reshape(shape)

        values, weight, ours = read("inputs", -1, columns), read("weight", rows, columns), read("studio", rows, columns)
        theirs, their_gram = rival(torch.from_numpy(weight), torch.from_numpy(values), setting)
        exact = values.astype(np.float64)
        gram = exact.T @ exact
        scale = np.sqrt(np.outer(np.diag(gram), np.diag(gram))) + 1e-300

        def loss(matrix):
            return float(np.sum((matrix @ gram) * matrix))

        def share(quantized):
            return loss(weight.astype(np.float64) - quantized) / loss(weight.astype(np.float64))

        figures = {
            "layer": name,
            "gram": {"studio": float(np.max(np.abs(np.triu(read("gram", columns, columns) - gram)) / scale)), "rival": float(np.max(np.abs(their_gram - gram) / scale))},
            "loss": {"nearest": share(read("nearest", rows, columns)), "studio": share(ours), "rival": share(theirs.numpy())},
            "codesApart": float(np.mean(np.abs(ours - theirs.numpy()) > 1e-6 * np.abs(weight).max())),
        }
        print(json.dumps(figures), flush=True)


{"prepare": prepare, "compare": compare}[sys.argv[1]](*sys.argv[2:])
