"""Times bitsandbytes' CPU quantizers for `bitsandbytes-speed.mjs`, which asks for a round with a line on standard input.

A line is `BOOK BLOCK_SIZE NESTED`; the answer is processor seconds of a call on 512 x 2048 weights, on one thread.
"""

import logging
import sys
import time

import torch

logging.disable(logging.CRITICAL)
import bitsandbytes.functional as F  # noqa: E402

torch.set_num_threads(1)
torch.manual_seed(0)
weights = torch.randn(512, 2048) * 0.03
for line in sys.stdin:
    book, block_size, nested = line.split()

    def call():
        if book == "int8":
            F.int8_vectorwise_quant(weights)
        else:
            F.quantize_4bit(weights, blocksize=int(block_size), quant_type=book, compress_statistics=nested == "true")

    call()
    start, before, calls = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < 0.15:
        call()
        calls += 1
    print((time.process_time() - before) / calls, flush=True)
