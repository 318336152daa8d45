"""Reads a GPTQ-layout export with code of its own and compares it with the source model.

Usage: gptq_check.py SOURCE_FOLDER EXPORT_FOLDER [--tensor] [--weights FILE]

The reader knows the layout from AutoGPTQ's description alone: codes packed along the inputs, zero points along the
outputs and stored minus one, scales in half precision, g_idx naming the group of each input. What it reads is compared,
bit for bit in float32, with
  - nearest rounding of the source weights, computed here by the studio's published rule (src/kernels/contract/affine.ts):
    range including 0, half-even, codes of the float32 step, the scale stored in half precision (recipes of nearest rounding);
  - or, with --weights, the dequantized weights that the studio itself multiplied by (`studio.mjs --weights`).
Linears that the layout cannot pack stand as plain float32 and are compared in the same way. Exit code 1 on a difference.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open


def open_folder(folder: Path):
    """Every tensor of a folder of safetensors files, by name; bfloat16 is widened."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                begin, end = entry["data_offsets"]
                file.seek(8 + length + begin)
                raw = file.read(end - begin)
                if entry["dtype"] == "BF16":
                    bits = np.frombuffer(raw, dtype="<u2").astype(np.uint32) << 16
                    tensors[name] = bits.view(np.float32).reshape(entry["shape"])
                else:
                    dtype = {"F32": "<f4", "F16": "<f2", "I32": "<i4"}[entry["dtype"]]
                    tensors[name] = np.frombuffer(raw, dtype=dtype).reshape(entry["shape"])
        # The library must accept the file too.
        with safe_open(path, framework="np") as checked:
            assert set(checked.keys()) == set(header) - {"__metadata__"}
    return tensors


def fields(words: np.ndarray, bits: int) -> np.ndarray:
    """[n, words] of uint32 as a bit stream, least significant bit first -> [n, fields]."""
    octets = np.ascontiguousarray(words.astype("<u4")).view(np.uint8).reshape(words.shape[0], -1)
    stream = np.unpackbits(octets, axis=1, bitorder="little")
    runs = stream.reshape(words.shape[0], -1, bits)
    return (runs.astype(np.int64) << np.arange(bits)).sum(axis=2)


def read_linear(tensors, module: str, bits: int) -> np.ndarray:
    """Dequantized [out, in] in float32."""
    qweight = tensors[f"{module}.qweight"].view(np.uint32)
    qzeros = tensors[f"{module}.qzeros"].view(np.uint32)
    scales = tensors[f"{module}.scales"].astype(np.float32)
    groups = tensors[f"{module}.g_idx"]
    codes = fields(qweight.T, bits)  # [out, in]
    zeros = (fields(qzeros, bits) + 1) & (2**bits - 1)  # [groups, out]
    difference = (codes - zeros[groups].T).astype(np.float32)
    return scales[groups].T * difference


def nearest(weight: np.ndarray, bits: int, group, symmetric: bool) -> np.ndarray:
    """The studio's rule for nearest rounding, dequantized: float32 throughout, the scale stored as a half."""
    weight = weight.astype(np.float32)
    levels = np.float32(2**bits - 1)
    out, columns = weight.shape
    if group == "tensor":
        return nearest(weight.reshape(1, -1), bits, -1, symmetric).reshape(out, columns)
    size = columns if group == -1 else group
    result = np.empty_like(weight)
    for start in range(0, columns, size):
        part = weight[:, start : start + size]
        low, high = np.minimum(part.min(axis=1), 0), np.maximum(part.max(axis=1), 0)
        largest = np.maximum(-low, high)
        width = largest + largest if symmetric else high - low
        exact = width / levels
        stored = np.where(width == 0, np.float32(1), np.clip(exact.astype(np.float16).astype(np.float32), 2.0**-24, 65504)).astype(np.float32)
        held = (exact >= 2.0**-14) & (exact <= 65504)
        step = np.where(held, settle_tie(exact, largest, float(levels)) if symmetric else exact, stored)
        zero = np.full(out, 2 ** (bits - 1), np.float32) if symmetric else np.clip(np.rint(-low / step), 0, levels)
        codes = np.clip(np.rint(part / step[:, None]) + zero[:, None], 0, levels)
        result[:, start : start + size] = stored[:, None] * (codes - zero[:, None])
    return result


def settle_tie(step: np.ndarray, largest: np.ndarray, levels: float) -> np.ndarray:
    """Moves a step to the nearest float32 by which the largest weight, half way between two codes, rounds as in float64."""
    wide = largest.astype(np.float64)
    wanted = np.rint(wide / np.where(wide == 0, 1, (wide + wide) / levels))
    while True:
        off = np.rint(largest / np.where(step == 0, np.float32(1), step)) - wanted
        if not off.any():
            return step
        step = np.where(off == 0, step, np.nextafter(step, np.where(off > 0, np.float32(np.inf), np.float32(0))))


def setting_of(config, module: str):
    """Bits, group and symmetry of a module, or None when it is not packed."""
    for pattern, change in config.get("dynamic", {}).items():
        sign, expression = pattern[:2], pattern[2:]
        if re.match(expression, module):
            return None if sign == "-:" else {**config, **change}
    return config


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("export", type=Path)
    parser.add_argument("--tensor", action="store_true", help="the recipe has one scale a tensor, which the layout writes as rows")
    parser.add_argument("--weights", type=Path, help="folder of safetensors with the dequantized weights to expect of every packed or plain matrix")
    options = parser.parse_args()
    source, export = open_folder(options.source), open_folder(options.export)
    expected = open_folder(options.weights) if options.weights else None
    config = json.loads((options.export / "config.json").read_text())["quantization_config"]
    assert config == json.loads((options.export / "quantize_config.json").read_text())
    assert config["quant_method"] == "gptq" and config["checkpoint_format"] == "gptq"

    counts = {"packed": 0, "plain": 0, "untouched": 0}
    faults = []
    unseen = set(export)
    for name, weight in source.items():
        module = name.removesuffix(".weight")
        setting = setting_of(config, module)
        group = "tensor" if options.tensor else config["group_size"]
        if f"{module}.qweight" in export:
            assert setting is not None, f"{module} is packed, but the config says it is not"
            kind, found = "packed", read_linear(export, module, setting["bits"])
            group = "tensor" if options.tensor else setting["group_size"]
            wanted = nearest(weight, setting["bits"], group, setting["sym"])
            unseen -= {f"{module}.{part}" for part in ("qweight", "qzeros", "scales", "g_idx")}
        elif module in config.get("modules_to_not_convert", []) and export[name].dtype == np.float32 and not np.array_equal(export[name], weight):
            assert setting is None, f"{module} is plain, but the config does not say so"
            kind, found = "plain", export[name]
            wanted = nearest(weight, config["bits"], group, config["sym"])
            unseen.discard(name)
        else:
            kind, found, wanted = "untouched", export[name], weight
            unseen.discard(name)
        if expected is not None and kind != "untouched":
            wanted = expected[name].astype(np.float32)
        counts[kind] += 1
        if found.shape != wanted.shape or not np.array_equal(found.astype(np.float32), wanted.astype(np.float32)):
            faults.append(f"{name} ({kind}): largest difference {np.abs(found - wanted).max()}")
    faults += [f"{name} is not expected" for name in unseen]
    label = f"{config['bits']} bit, group {config['group_size']}, sym {config['sym']}"
    print(f"{options.export.name}: {label}: {counts} {'EQUAL' if not faults else 'DIFFERENT'}")
    for fault in faults:
        print("  " + fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
