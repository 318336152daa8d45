"""GGUF in llama.cpp whose BLAS backend dequantizes the matrices itself and multiplies in float32.

The backend takes products of 32 rows and more whose weights lie in plain memory, so each text is one batch of at least 32 ids, and
weights are not repacked for the kernels of the processor.
"""

import ctypes
from pathlib import Path

import llama_cpp
from common import main
from llama_cpp._ggml import libggml
from llama_cpp_python import open_model, results

SMALLEST_BATCH = 32


def load(folder: Path, expected: dict):
    find = libggml.ggml_backend_reg_by_name
    find.argtypes, find.restype = [ctypes.c_char_p], ctypes.c_void_p
    assert find(b"BLAS") is not None, "llama.cpp was built without BLAS"
    plain = llama_cpp.llama_model_default_params()
    plain.use_extra_bufts = False
    # Llama has no argument for it.
    llama_cpp.llama_cpp.llama_model_default_params = lambda: plain
    return results(open_model(folder), SMALLEST_BATCH, "llama-cpp-python with OpenBLAS")


if __name__ == "__main__":
    main(load)
