"""Quantizes a model with AutoAWQ's own quantizer on the CPU, in float32, on the token windows that the studio drew.

    python autoawq_quantize.py MODEL WINDOWS.json OUT SETTING…

SETTING is the studio's recipe id after `awq`: -4bit-g128, -4bit-g128-sym, -noclip-3bit-g64, -plain-4bit-channel (`plain`: scales
follow inputs alone, AutoAWQ's duo_scaling off), -linears-4bit-channel (`linears`: scales are judged at the linears, which AutoAWQ itself
does not offer). `OUT/awq-SETTING/model.safetensors` gets matrices and norms as an AWQ file holds them: codes times scales rounded to
halves. The walk, the searches for scales and ranges and the rounding are the package's; only its last step, which packs 4-bit codes for
CUDA kernels, is replaced by keeping the values.
"""

import contextlib
import os
import sys
import time

if "AWQ_ON_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch
from awq.models.llama import LlamaAWQForCausalLM
from awq.quantize.quantizer import AwqQuantizer
from model import load_model, load_windows, save_weights


class Family:
    """What AutoAWQ asks of a model class, without its loader."""

    model_type = "llama"
    get_model_layers = staticmethod(LlamaAWQForCausalLM.get_model_layers)
    move_embed = staticmethod(LlamaAWQForCausalLM.move_embed)
    get_layers_for_scaling = staticmethod(LlamaAWQForCausalLM.get_layers_for_scaling)


class Outputs(torch.nn.Module):
    """Linears of one input as one module, so that its error is the sum of theirs."""

    def __init__(self, linears):
        super().__init__()
        self.linears = torch.nn.ModuleList(linears)

    def forward(self, x):
        return torch.cat([linear(x) for linear in self.linears], dim=-1)


class Quantizer(AwqQuantizer):
    judges_linears = False

    @contextlib.contextmanager
    def _whole_rows(self, columns):
        """With a whole row as group the package's searches would divide by a group size of -1, or refuse it."""
        group, self.group_size = self.group_size, columns if self.group_size == -1 else self.group_size
        try:
            yield
        finally:
            self.group_size = group

    def _search_best_scale(self, module, prev_op, layers, *rest, **named):
        if self.judges_linears:
            named |= {"module2inspect": Outputs(layers), "kwargs": {}}
        with self._whole_rows(layers[0].in_features):
            return super()._search_best_scale(module, prev_op, layers, *rest, **named)

    def _compute_best_clip(self, w, *rest, **named):
        """The search takes 64 rows at a time and refuses what is left over; rows do not know of each other, so some are added."""
        padded = torch.cat([w, w[:1].expand(-len(w) % 64, -1)])
        with self._whole_rows(w.shape[1]):
            return super()._compute_best_clip(padded, *rest, **named)[: len(w)]

    def _compute_best_scale(self, x, w_mean, x_mean, module2inspect, *rest, **named):
        """The search puts weights back from what `.cpu()` made of them, which is a copy only where they came from a GPU."""
        values = {name: value.clone() for name, value in module2inspect.state_dict().items()}
        module2inspect.state_dict = lambda: values
        try:
            return super()._compute_best_scale(x, w_mean, x_mean, module2inspect, *rest, **named)
        finally:
            del module2inspect.state_dict

    def _apply_quant(self, module, named_linears):
        for linear in named_linears.values():
            weight = linear.weight.data
            values, scales, _zeros = self.pseudo_quantize_tensor(weight)
            steps = scales.repeat_interleave(weight.shape[1] // scales.shape[1], dim=1)
            linear.weight.data = torch.round(values / steps) * steps.half().float()


def quantizer_of(setting, model, windows):
    *flags, bits, group = [word for word in setting.split("-") if word not in ("", "sym")]
    unknown = set(flags) - {"plain", "linears", "noclip"}
    if unknown:
        raise SystemExit(f"{setting}: {', '.join(unknown)} is not known here")
    quantizer = Quantizer(
        awq_model=Family,
        model=model,
        tokenizer=None,
        w_bit=int(bits.removesuffix("bit")),
        group_size=-1 if group == "channel" else int(group.removeprefix("g")),
        zero_point="sym" not in setting.split("-"),
        version="gemm",
        calib_data=[ids[0].tolist() for ids in windows],
        split=None,
        text_column=None,
        duo_scaling="plain" not in flags,
        apply_clip="noclip" not in flags,
        max_calib_samples=len(windows),
        max_calib_seq_len=windows[0].shape[1],
    )
    quantizer.judges_linears = "linears" in flags
    return quantizer


@torch.inference_mode()
def quantize(folder, windows, setting):
    model = load_model(folder)
    # As AutoAWQ's loader sets it: a cache would grow with every call of a block.
    model.config.use_cache = False
    before = {name: value.clone() for name, value in model.state_dict().items()}
    quantizer_of(setting, model, windows).quantize()
    after = {name: value.cpu() for name, value in model.state_dict().items()}
    return {name: value for name, value in after.items() if not torch.equal(value, before[name])}


model_folder, windows_file, out, *settings = sys.argv[1:]
calibration = load_windows(windows_file, "calibration")
for setting in (text.removeprefix("-") for text in settings):
    start = time.process_time()
    save_weights(f"{out}/awq-{setting}", quantize(model_folder, calibration, setting))
    print(f"awq-{setting}: {time.process_time() - start:.1f} s of processor time", flush=True)
