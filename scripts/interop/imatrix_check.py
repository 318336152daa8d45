"""Holds GGUF exports of recipes with importance against libggml itself.

Usage: imatrix_check.py SOURCE_FOLDER IMATRIX.gguf LIBGGML_BASE.so FILE.gguf...

IMATRIX is what `--save-imatrix` wrote in the same run, read here by the gguf package. Every block matrix must have the bytes
that ggml_quantize_chunk makes of the source weights with in_sum2 / counts as importance, embedding and head those without.
Exit code 1 on a difference.
"""

import ctypes
import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader

from gguf_check import heads_of, hf_name, interleave
from gptq_check import open_folder


def read_imatrix(path: str) -> dict[str, np.ndarray]:
    reader = GGUFReader(path)
    assert reader.fields["general.type"].contents() == "imatrix"
    for key in ("imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"):
        print(f"  {key} = {reader.fields[key].contents()}")
    tensors = {tensor.name: np.array(tensor.data).reshape(-1) for tensor in reader.tensors}
    sums = [name for name in tensors if name.endswith(".in_sum2")]
    return {name.removesuffix(".in_sum2"): tensors[name] / tensors[name.replace(".in_sum2", ".counts")] for name in sums}


def load_ggml(path: str):
    library = ctypes.CDLL(path)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    floats = ctypes.POINTER(ctypes.c_float)
    sizes = [ctypes.c_int64] * 3
    library.ggml_quantize_chunk.argtypes = [ctypes.c_int, floats, ctypes.c_void_p, *sizes, floats]
    return library


def quantize(library, weight: np.ndarray, tensor, importance: np.ndarray | None) -> bytes:
    floats = ctypes.POINTER(ctypes.c_float)
    rows, columns = weight.shape
    out = ctypes.create_string_buffer(tensor.n_bytes)
    values = None if importance is None else np.ascontiguousarray(importance, np.float32).ctypes.data_as(floats)
    source = np.ascontiguousarray(weight, np.float32)
    library.ggml_quantize_chunk(int(tensor.tensor_type), source.ctypes.data_as(floats), out, 0, rows, columns, values)
    return out.raw


def check(path: str, weights: dict[str, np.ndarray], config, importance: dict[str, np.ndarray], library) -> int:
    reader = GGUFReader(path)
    print(path)
    for key in sorted(reader.fields):
        if key.startswith("quantize."):
            print(f"  {key} = {reader.fields[key].contents()}")
    different, same, searched = 0, 0, 0
    for tensor in reader.tensors:
        if tensor.tensor_type in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
            continue
        weight = weights[hf_name(tensor.name)].astype(np.float32)
        heads = heads_of(tensor.name, config)
        if heads is not None and reader.fields["general.architecture"].contents() == "llama":
            weight = interleave(weight, heads)
        values = importance.get(tensor.name)
        if tensor.name.startswith("blk.") and values is None:
            print(f"  {tensor.name} has no importance")
            different += 1
            continue
        expected = quantize(library, weight, tensor, values)
        searched += values is not None and expected != quantize(library, weight, tensor, None)
        if expected == np.ascontiguousarray(tensor.data).tobytes():
            same += 1
        else:
            different += 1
            print(f"  {tensor.name} ({tensor.tensor_type.name}) differs")
    print(f"  {same} matrices equal libggml's bytes, {searched} of them other bytes than without importance; {different} differ")
    return different


if __name__ == "__main__":
    folder, imatrix, ggml, *files = sys.argv[1:]
    settings = json.loads((Path(folder) / "config.json").read_text())
    source = open_folder(Path(folder))
    known = read_imatrix(imatrix)
    sys.exit(1 if sum(check(file, source, settings, known, load_ggml(ggml)) for file in files) else 0)
