"""GPTQ of one layer in torch, step by step as its authors' code does it: H in f32 from the inputs, Cholesky factor, inverse, its
upper factor, columns in blocks of 128 with lazy updates, symmetric 4-bit groups of 128 fitted on the way. Answers each line
"rows columns tokens" with the seconds of wall and processor time of the Hessian and of the rest.
"""

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch

torch.set_num_threads(1)
BITS, GROUP, BLOCK, DAMPING = 4, 128, 128, 0.01
LARGEST = 2**BITS - 1
ZERO = (LARGEST + 1) / 2


def scales_of(group: torch.Tensor) -> torch.Tensor:
    largest = group.abs().amax(dim=1, keepdim=True)
    return torch.where(largest == 0, torch.ones_like(largest), 2 * largest / LARGEST)


def upper_of(hessian: torch.Tensor) -> torch.Tensor:
    diagonal = torch.arange(hessian.shape[0])
    hessian[diagonal, diagonal] += DAMPING * torch.diag(hessian).mean()
    lower = torch.linalg.cholesky(hessian)
    return torch.linalg.cholesky(torch.cholesky_inverse(lower), upper=True)


def sweep(weight: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    columns = weight.shape[1]
    rounded = torch.zeros_like(weight)
    scale = torch.ones(weight.shape[0], 1)
    for first in range(0, columns, BLOCK):
        end = min(first + BLOCK, columns)
        block = weight[:, first:end].clone()
        errors = torch.zeros_like(block)
        factor = upper[first:end, first:end]
        for i in range(end - first):
            if (first + i) % GROUP == 0:
                scale = scales_of(weight[:, first + i : first + i + GROUP])
            w = block[:, i]
            codes = torch.clamp(torch.round(w.unsqueeze(1) / scale) + ZERO, 0, LARGEST)
            q = (scale * (codes - ZERO)).flatten()
            rounded[:, first + i] = q
            error = (w - q) / factor[i, i]
            block[:, i:] -= error.unsqueeze(1).matmul(factor[i, i:].unsqueeze(0))
            errors[:, i] = error
        weight[:, end:] -= errors.matmul(upper[first:end, end:])
    return rounded


def times(step):
    wall, processor = time.perf_counter(), time.process_time()
    result = step()
    return result, time.perf_counter() - wall, time.process_time() - processor


torch.manual_seed(0)
for line in sys.stdin:
    rows, columns, tokens = map(int, line.split())
    weight, inputs = torch.randn(rows, columns), torch.randn(tokens, columns)
    hessian, *gram = times(lambda: 2 * inputs.t().matmul(inputs))
    _, *rest = times(lambda: sweep(weight, upper_of(hessian)))
    print(*gram, *rest, flush=True)
