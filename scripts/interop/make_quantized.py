"""Small checkpoints quantized by the original tools, and what these make of them: golden files of src/checkpoint.

Usage: make_quantized.py OUT TOOL... with TOOL one of gptqmodel, autoawq, bitsandbytes, compressed-tensors (the packages exclude each
other: run it once in each environment; versions used: gptqmodel 4.0.0, autoawq 0.2.9, bitsandbytes 0.50.2 and compressed-tensors
0.20.0 with transformers 5.24.0).

One llama of one block with random weights. OUT/<case>/ gets config.json, model.safetensors and values.json: for each matrix the
SHA-256 of its values in float32 (row-major, little-endian) as the tool itself dequantizes it, with its scales widened to float32,
so that nothing is rounded to halves on the way, and its first four values.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

HIDDEN, INNER, VOCABULARY = 32, 64, 32
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
BLOCK = "model.layers.0."
LINEARS = {f"{BLOCK}self_attn.{each}_proj": (HIDDEN, HIDDEN) for each in "qkvo"} | {
    f"{BLOCK}mlp.gate_proj": (INNER, HIDDEN),
    f"{BLOCK}mlp.up_proj": (INNER, HIDDEN),
    f"{BLOCK}mlp.down_proj": (HIDDEN, INNER),
}


def plain_tensors(dtype):
    generator = torch.Generator().manual_seed(0)
    norms = [f"{BLOCK}input_layernorm", f"{BLOCK}post_attention_layernorm", "model.norm"]
    tensors = {"model.embed_tokens.weight": torch.randn(VOCABULARY, HIDDEN, generator=generator) * 0.1}
    return {name: value.to(dtype) for name, value in tensors.items()} | {f"{name}.weight": torch.ones(HIDDEN, dtype=dtype) for name in norms}


def weights():
    generator = torch.Generator().manual_seed(1)
    return {module: torch.randn(*shape, generator=generator) * 0.1 for module, shape in LINEARS.items()}


def save(folder: Path, tensors, quantization, values, dtype=torch.float16):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = plain_tensors(dtype) | tensors
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**CONFIG, "quantization_config": quantization}, indent=1) + "\n")
    facts = {}
    for module, value in values.items():
        array = value.detach().to(torch.float32).contiguous().numpy().astype("<f4")
        assert array.shape == LINEARS[module], (module, array.shape)
        facts[f"{module}.weight"] = {"sha256": hashlib.sha256(array.tobytes()).hexdigest(), "first": array.ravel()[:4].tolist()}
    (folder / "values.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(folder)


def gptqmodel(out: Path):
    from gptqmodel.nn_modules.qlinear.torch import TorchQuantLinear
    from gptqmodel.quantization import GPTQ, QuantizeConfig
    from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module

    cases = {
        "gptq-4bit-g16-actorder": (4, 16, True, True, "gptq"),
        "gptq-v2-3bit-g32-actorder": (3, 32, False, True, "gptq_v2"),
        "gptq-8bit-channel": (8, -1, True, False, "gptq"),
    }
    for case, (bits, group, sym, desc_act, form) in cases.items():
        config = QuantizeConfig(bits=bits, group_size=group, sym=sym, desc_act=desc_act, format=form, damp_percent=0.01)
        tensors, values = {}, {}
        for module, weight in weights().items():
            rows, columns = weight.shape
            linear = torch.nn.Linear(columns, rows, bias=False)
            linear.weight.data = weight.clone()
            job = GPTQ(linear, qcfg=config)
            job.quantizer.configure(perchannel=True, bits=bits, sym=sym)
            inputs = torch.randn(1, 256, columns, generator=torch.Generator().manual_seed(2)) * torch.linspace(0.2, 2, columns).flip(0)
            with torch.inference_mode():
                job.add_batch(inputs, linear(inputs))
                quantized, scale, zero, g_idx, *_ = job.quantize()
            linear.weight.data = quantized.clone()
            packed = TorchQuantLinear(bits, group, sym, desc_act, columns, rows, bias=False)
            packed.pack(linear, scale.clone(), zero.clone(), g_idx.clone().to(torch.int32))
            super(TorchQuantLinear, packed).post_init()
            stored = packed.scales.clone()
            packed.scales = packed.scales.float()
            values[module] = packed.dequantize_weight().T
            packed.scales = stored
            if form == "gptq":
                convert_gptq_v2_to_v1_format_module(packed, config)
            tensors |= {f"{module}.{part}": getattr(packed, part) for part in ("qweight", "qzeros", "scales")}
            tensors[f"{module}.g_idx"] = packed.g_idx.to(torch.int32)
        quantization = {"quant_method": "gptq", "bits": bits, "group_size": group, "sym": sym, "desc_act": desc_act, "checkpoint_format": form}
        save(out / case, tensors, quantization, values)


def autoawq(out: Path):
    from awq.modules.linear.gemm import WQLinear_GEMM
    from awq.utils.packing_utils import dequantize_gemm

    group = 32
    tensors, values = {}, {}
    for module, weight in weights().items():
        rows, columns = weight.shape
        grouped = weight.reshape(-1, group)
        largest, least = grouped.amax(1, keepdim=True), grouped.amin(1, keepdim=True)
        scales = (largest - least).clamp(min=1e-5) / 15
        zeros = (-torch.round(least / scales)).clamp(0, 15)
        rounded = (torch.clamp(torch.round(grouped / scales) + zeros, 0, 15) - zeros) * scales
        linear = torch.nn.Linear(columns, rows, bias=False)
        linear.weight.data = rounded.reshape(rows, columns).half()
        parts = [each.reshape(rows, -1).t().contiguous() for each in (scales.half(), zeros)]
        packed = WQLinear_GEMM.from_linear(linear, 4, group, False, *parts)
        values[module] = dequantize_gemm(packed.qweight, packed.qzeros, packed.scales.float(), 4, group).T
        tensors |= {f"{module}.{part}": getattr(packed, part) for part in ("qweight", "qzeros", "scales")}
    quantization = {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": "gemm", "modules_to_not_convert": None}
    save(out / "awq-4bit-g32", tensors, quantization, values)


def bitsandbytes(out: Path):
    import bitsandbytes.functional as functional
    from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
    from bitsandbytes.backends.utils import _get_4bit_code
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    def state_of(module, layer):
        state = {}
        layer._save_to_state_dict(state, f"{module}.", keep_vars=False)
        return state

    def dequantized(codes, state):
        # The kernel for processors miscounts blocks where they are longer than a row (0.50.2); this is the package's plain torch code.
        absmax = state.absmax
        if state.nested:
            absmax = functional.dequantize_blockwise(absmax, state.state2).float() + state.offset
        code = _get_4bit_code(state.quant_type, codes.device)
        return _dequantize_4bit_compute(codes.reshape(-1), absmax, code, state.blocksize, state.shape, state.dtype)

    common = {"quant_method": "bitsandbytes", "llm_int8_threshold": 6.0, "llm_int8_skip_modules": ["lm_head"]}
    for case, kind, nested, dtype in [("nf4", "nf4", False, torch.float32), ("nf4-nested", "nf4", True, torch.bfloat16), ("fp4", "fp4", False, torch.float16)]:
        tensors, values = {}, {}
        for module, weight in weights().items():
            layer = Linear4bit(weight.shape[1], weight.shape[0], bias=False, quant_type=kind, compress_statistics=nested)
            layer.load_state_dict({"weight": weight.to(dtype)})
            layer.weight = layer.weight.to(dtype)
            layer = layer.to("cpu")
            values[module] = dequantized(layer.weight.data, layer.weight.quant_state)
            tensors |= state_of(module, layer)
        setting = {"load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": kind, "bnb_4bit_use_double_quant": nested}
        save(out / f"bitsandbytes-{case}", tensors, {**common, **setting}, values, dtype)
    tensors, values = {}, {}
    for module, weight in weights().items():
        layer = Linear8bitLt(weight.shape[1], weight.shape[0], bias=False, has_fp16_weights=False, threshold=6.0)
        layer.load_state_dict({"weight": weight.half()})
        layer = layer.to("cpu")
        state = state_of(module, layer)
        values[module] = functional.int8_vectorwise_dequant(state[f"{module}.weight"], state[f"{module}.SCB"])
        form = state[f"{module}.weight_format"]
        state[f"{module}.weight_format"] = torch.tensor(int(form), dtype=torch.uint8)
        tensors |= state
    save(out / "bitsandbytes-int8", tensors, {**common, "load_in_4bit": False, "load_in_8bit": True}, values)


def compressed_tensors(out: Path):
    from compressed_tensors.compressors.naive_quantized.base import IntQuantizationCompressor
    from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    cases = {
        "compressed-tensors-w4a16-asym": (PackedQuantizationCompressor, "pack-quantized", {"num_bits": 4, "symmetric": False, "strategy": "group", "group_size": 16}),
        "compressed-tensors-w8a8": (IntQuantizationCompressor, "int-quantized", {"num_bits": 8, "symmetric": True, "strategy": "channel"}),
    }
    for case, (compressor, form, arguments) in cases.items():
        args = QuantizationArgs(**arguments)
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        tensors, values = {}, {}
        for module, weight in weights().items():
            rows, columns = weight.shape
            grouped = weight.reshape(rows, -1, args.group_size or columns)
            scale, zero = calculate_qparams(grouped.amin(-1), grouped.amax(-1), args)
            state = {"weight": weight, "weight_scale": scale.to(torch.bfloat16), "weight_zero_point": zero}
            packed = compressor.compress(dict(state), scheme)
            wide = {**packed, "weight_scale": packed["weight_scale"].float()}
            values[module] = compressor.decompress(wide, scheme)["weight"]
            tensors |= {f"{module}.{part}": value for part, value in packed.items()}
        group = {"targets": ["Linear"], "weights": arguments | {"type": "int"}, "input_activations": None, "output_activations": None}
        quantization = {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed", "ignore": ["lm_head"], "config_groups": {"group_0": group}}
        save(out / case, tensors, quantization, values, torch.bfloat16)


tools = {"gptqmodel": gptqmodel, "autoawq": autoawq, "bitsandbytes": bitsandbytes, "compressed-tensors": compressed_tensors}
if __name__ == "__main__":
    for tool in sys.argv[2:]:
        tools[tool](Path(sys.argv[1]))
