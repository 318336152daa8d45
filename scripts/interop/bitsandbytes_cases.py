"""What bitsandbytes' CPU kernels make of a set of matrices, as files that `bitsandbytes.mjs` compares the studio with.

Usage: OMP_NUM_THREADS=1 bitsandbytes_cases.py FOLDER [--golden]

Writes FOLDER/cases.json and FOLDER/cases.bin (all arrays one after the other, little endian): the f32 inputs, then for each
case of book, block size and nesting the packed codes, absmax, nested absmax, offset, and the dequantized f32 values; for int8
rows the codes, scales and values. `--golden` writes the few cases that the unit tests keep.

One thread: torch splits a mean of more than 32768 values among threads, which changes the last bits of a nested offset.
"""

import argparse
import json
import logging
import os
from pathlib import Path

import numpy as np
import torch

logging.disable(logging.CRITICAL)
os.environ["TORCH_COMPILE_DISABLE"] = "1"
import bitsandbytes  # noqa: E402
import bitsandbytes.functional as F  # noqa: E402
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute  # noqa: E402

torch.set_num_threads(1)
random = np.random.default_rng(20240611)


def normal(rows, columns):
    return random.standard_normal((rows, columns)) * 0.02


def heavy(rows, columns):
    return random.standard_normal((rows, columns)) / np.maximum(1e-3, np.abs(random.standard_normal((rows, columns))))


def mixed(rows, columns):
    """Rows of every kind that kernels get wrong."""
    data = normal(rows, columns)
    kinds = [
        lambda row: row * 0,
        lambda row: np.where(row < 0, -0.0, 0.0),
        lambda row: row * 0 + 0.7,
        lambda row: np.where(np.arange(row.size) == row.size // 2, 50.0, row),
        lambda row: row * 1e-36,
        lambda row: row * 1e-43,
        lambda row: row * 1e30,
        lambda row: np.round(row * 400) / 16,
        lambda row: np.abs(row) + 1,
        lambda row: -np.abs(row) - 1,
    ]
    for row in range(rows):
        if row % 3 != 0:
            data[row] = kinds[(row // 3 * 2 + row % 3 - 1) % len(kinds)](data[row])
    return data


def ladder(rows, columns):
    """Even steps through [-2, 2]: many values lie on or beside midpoints."""
    return np.linspace(-2, 2, rows * columns).reshape(rows, columns)


SIZES = [32, 64, 128, 256, 512, 1024, 2048, 4096]


def chosen(is_golden):
    """(name, matrix, block sizes, whether int8 rows are made of it too)."""
    if is_golden:
        return [
            ("mixed 31 x 41", mixed(31, 41), [32, 64, 512, 4096], True),
            ("heavy tails 3 x 1431", heavy(3, 1431), [128, 1024, 2048, 4096], True),
            ("normal 67 x 131", normal(67, 131), [32, 256], False),
        ]
    return [
        ("normal 1024 x 1024", normal(1024, 1024), SIZES, True),
        ("heavy tails 576 x 1536", heavy(576, 1536), SIZES, True),
        ("mixed 64 x 300", mixed(64, 300), SIZES, True),
        ("mixed 301 x 77", mixed(301, 77), SIZES, True),
        ("ladder 128 x 513", ladder(128, 513), SIZES, True),
        ("zero 5 x 100", np.zeros((5, 100)), SIZES, True),
        ("constant 9 x 64", np.full((9, 64), -0.3), SIZES, True),
        ("one weight", np.full((1, 1), 0.4), SIZES, True),
        ("one block and one weight", normal(1, 4097), SIZES, True),
        ("small 3 x 5", normal(3, 5), SIZES, True),
        ("normal 2048 x 2048", normal(2048, 2048), [32, 64], False),
    ]


class Arrays:
    """Arrays in one file; `put` gives where one lies."""

    def __init__(self):
        self.parts = []
        self.size = 0

    def put(self, array):
        raw = np.ascontiguousarray(array).tobytes()
        place = {"offset": self.size, "bytes": len(raw)}
        padding = -len(raw) % 8
        self.parts.append(raw + bytes(padding))
        self.size += len(raw) + padding
        return place


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--golden", action="store_true")
    options = parser.parse_args()
    arrays = Arrays()
    inputs, books, int8, misread = [], [], [], []
    for name, data, sizes, has_int8 in chosen(options.golden):
        matrix = torch.from_numpy(data.astype(np.float32))
        index = len(inputs)
        inputs.append({"name": name, "rows": matrix.shape[0], "columns": matrix.shape[1], "data": arrays.put(matrix.numpy())})
        for book in ["nf4", "fp4"]:
            for block_size in sizes:
                for nested in [False, True]:
                    packed, state = F.quantize_4bit(
                        matrix, blocksize=block_size, quant_type=book, compress_statistics=nested
                    )
                    absmax = F.dequantize_blockwise(state.absmax, state.state2) + state.offset if nested else state.absmax
                    values = _dequantize_4bit_compute(
                        packed.reshape(-1), absmax, state.code, block_size, matrix.shape, torch.float32
                    )
                    native = F.dequantize_4bit(packed, state)
                    if not torch.equal(native, values):
                        misread.append(f"{name}, {book} in blocks of {block_size}")
                    case = {"input": index, "book": book, "blockSize": block_size, "isNested": nested}
                    case["codes"] = arrays.put(packed.numpy())
                    case["absmax"] = arrays.put(state.absmax.numpy())
                    if nested:
                        case["nestedAbsmax"] = arrays.put(state.state2.absmax.numpy())
                        case["offset"] = arrays.put(state.offset.reshape(1).numpy())
                        case["map"] = arrays.put(state.state2.code.numpy()) if index == 0 else None
                    if not options.golden or index == 0:
                        case["values"] = arrays.put(values.numpy())
                    books.append(case)
        if has_int8:
            codes, scales, _ = F.int8_vectorwise_quant(matrix.clone())
            values = F.int8_vectorwise_dequant(codes, scales)
            int8.append(
                {"input": index, "codes": arrays.put(codes.numpy()), "scales": arrays.put(scales.numpy()), "values": arrays.put(values.numpy())}
            )
    options.folder.mkdir(parents=True, exist_ok=True)
    made_by = f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}, one thread)"
    cases = {"madeBy": made_by, "inputs": inputs, "books": books, "int8": int8}
    (options.folder / "cases.json").write_text(json.dumps(cases, indent=None, separators=(",", ":")) + "\n")
    (options.folder / "cases.bin").write_bytes(b"".join(arrays.parts))
    for case in misread:
        print(f"{case}: the native reader differs from the torch one, whose values are taken")
    print(f"{made_by}: {len(books)} cases of books, {len(int8)} of int8 rows, {arrays.size} bytes.")


main()
