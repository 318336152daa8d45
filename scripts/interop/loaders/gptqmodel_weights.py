"""An AWQ folder by GPTQModel's own unpacking, its weights run by transformers in float32: what any exact kernel computes.

Its kernels for AWQ know halves alone, for inputs as for weights, so their logits differ by more than the file does.
"""

from pathlib import Path

import torch
from causal_lm import load_model, results
from common import main
from gptqmodel.nn_modules.qlinear import AWQuantLinear
from gptqmodel.quantization.awq.utils.packing_utils import dequantize_gemm
from transformers_gptqmodel import setting_of


def load(folder: Path, expected: dict):
    model = load_model(folder, quantization_config=setting_of(folder))
    packed = [(name, module) for name, module in model.named_modules() if isinstance(module, AWQuantLinear)]
    assert packed, "nothing is packed"
    for name, module in packed:
        # [in, out]; scales are halves in the file and float32 in the product.
        weight = dequantize_gemm(module.qweight, module.qzeros, module.scales.float(), module.bits, module.group_size)
        assert weight.dtype == torch.float32
        linear = torch.nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
        linear.weight = torch.nn.Parameter(weight.T.contiguous(), requires_grad=False)
        if module.bias is not None:
            linear.bias = torch.nn.Parameter(module.bias.float(), requires_grad=False)
        model.set_submodule(name, linear)
    forward, versions = results(model, ["gptqmodel"])
    return forward, {"transformers": versions["transformers"], "GPTQModel's unpacking": versions["gptqmodel"]}


if __name__ == "__main__":
    main(load)
