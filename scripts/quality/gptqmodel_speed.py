"""GPTQ of one layer by GPTQModel's own class on the CPU, one thread: symmetric 4-bit groups of 128 on the way, damping of 1 %.

Answers each line "rows columns tokens" with seconds of wall and processor time of the Hessian and of the rest, as
scripts/interop/gptq_speed.py does, so that gptq-speed.mjs can run it in turn with the studio's kernels.
"""

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# The package writes its log to standard output, which is for answers here.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import torch
from gptqmodel.quantization import GPTQ, QuantizeConfig

torch.set_num_threads(1)
torch.manual_seed(0)


def times(step):
    wall, processor = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - processor


for line in sys.stdin:
    rows, columns, tokens = map(int, line.split())
    layer, inputs = torch.nn.Linear(columns, rows, bias=False), torch.randn(tokens, columns)
    config = QuantizeConfig(bits=4, group_size=128, sym=True, desc_act=False, damp_percent=0.01)
    with torch.inference_mode():
        job = GPTQ(layer, qcfg=config)
        job.quantizer.configure(perchannel=True, bits=4, sym=True)
        hessian = times(lambda: job.add_batch(inputs, None))
        rest = times(job.quantize)
    print(*hessian, *rest, file=answers, flush=True)
