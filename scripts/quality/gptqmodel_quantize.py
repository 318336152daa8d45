"""Quantizes a model with the GPTQ class of GPTQModel on the CPU, in float32, on the token windows that the studio drew.

    python gptqmodel_quantize.py MODEL WINDOWS.json OUT SETTING…

SETTING is the studio's recipe id without `gptq-` in front: 4bit-g128, 4bit-g128-sym, 4bit-g128-sym-static,
4bit-g128-sym-actorder-static, 4bit-g128-sym-actorder; `OUT/gptq-SETTING/model.safetensors` gets the matrices as a GPTQ file holds them: codes times scales
rounded to halves. Blocks are walked here as GPTQModel's looper does it (inputs of a block from the quantized blocks before it,
q/k/v, then o, then gate/up, then down, each group after the one before is quantized), because its own entry refuses rows that
are not whole groups, and its packing needs rows of 32; H, factor, scales and sweep are the package's.
"""

import os
import sys
import time

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch
from gptqmodel.quantization import GPTQ, QuantizeConfig
from model import GROUPS, BlockInputs, linears, load_model, load_windows, save_weights

DAMPING = 0.01


def config_of(setting):
    bits, group, *flags = setting.split("-")
    unknown = set(flags) - {"sym", "actorder", "static"}
    if unknown:
        raise SystemExit(f"{setting}: {', '.join(unknown)} is not known here")
    return QuantizeConfig(
        bits=int(bits.removesuffix("bit")),
        group_size=int(group.removeprefix("g")),
        sym="sym" in flags,
        desc_act="actorder" in flags,
        static_groups="static" in flags,
        damp_percent=DAMPING,
        lm_head=False,
    )


def as_stored(quantized, scale, zero, g_idx, bits):
    """Codes of float scales, values of scales rounded to halves."""
    step, offset = scale[:, g_idx.long()], zero[:, g_idx.long()]
    codes = torch.clamp(torch.round(quantized / step + offset), 0, 2**bits - 1)
    return (codes - offset) * step.half().float()


@torch.inference_mode()
def quantize(folder, windows, setting):
    model = load_model(folder)
    config = config_of(setting)
    inputs = BlockInputs(model, windows)
    stored = {}
    for index, layer in enumerate(model.model.layers):
        modules = linears(layer)
        for group in GROUPS:
            jobs = {name: GPTQ(modules[name], qcfg=config) for name in group}
            for job in jobs.values():
                job.quantizer.configure(perchannel=True, bits=config.bits, sym=config.sym)
            hooks = [modules[name].register_forward_hook(lambda _m, x, y, job=job: job.add_batch(x[0], y)) for name, job in jobs.items()]
            inputs.run(layer)
            for hook in hooks:
                hook.remove()
            for name, job in jobs.items():
                quantized, scale, zero, g_idx, *_ = job.quantize()
                values = as_stored(quantized, scale, zero, g_idx, config.bits)
                modules[name].weight.data = values
                stored[f"model.layers.{index}.{name}.weight"] = values.clone()
        inputs.advance(layer)
    return stored


if __name__ == "__main__":
    model_folder, windows_file, out, *settings = sys.argv[1:]
    calibration = load_windows(windows_file, "calibration")
    for setting in settings:
        start = time.process_time()
        save_weights(f"{out}/gptq-{setting}", quantize(model_folder, calibration, setting))
        print(f"gptq-{setting}: {time.process_time() - start:.1f} s of processor time", flush=True)
