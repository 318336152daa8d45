"""Reads GGUF exports with the gguf package of llama.cpp and compares them with the source model.

Usage: gguf_check.py SOURCE_FOLDER FILE.gguf...

Every metadata field is read; every tensor's bytes must equal what the package's own quantizer makes of the source weights
(rows of q and k re-ordered as convert_hf_to_gguf.py does for the llama architecture). Exit code 1 on a difference.
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, quants

from gptq_check import open_folder


def hf_name(name: str) -> str:
    stem, suffix = name.rsplit(".", 1)
    plain = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    if stem in plain:
        return f"{plain[stem]}.{suffix}"
    _, layer, part = stem.split(".")
    parts = {
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    return f"model.layers.{layer}.{parts[part]}.{suffix}"


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """`LlamaModel.permute`: halves of each head become pairs."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def heads_of(name: str, config) -> int | None:
    heads = config["num_attention_heads"]
    if ".attn_q." in name:
        return heads
    return config.get("num_key_value_heads", heads) if ".attn_k." in name else None


def main() -> int:
    source_folder, *files = map(Path, sys.argv[1:])
    source = open_folder(source_folder)
    config = json.loads((source_folder / "config.json").read_text())
    faults = 0
    for path in files:
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        architecture = fields["general.architecture"]
        assert fields[f"{architecture}.block_count"] == config["num_hidden_layers"]
        assert len(fields["tokenizer.ggml.tokens"]) == len(fields["tokenizer.ggml.token_type"]) == config["vocab_size"]
        equal, types, names = 0, {}, set()
        for tensor in reader.tensors:
            names.add(tensor.name)
            types[tensor.tensor_type.name] = types.get(tensor.tensor_type.name, 0) + 1
            if tensor.name == "rope_freqs.weight":
                continue
            weight = source[hf_name(tensor.name)].astype(np.float32)
            heads = heads_of(tensor.name, config) if architecture == "llama" else None
            if heads is not None:
                weight = interleave(weight, heads)
            if tensor.tensor_type in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
                wanted = weight.astype(np.float16 if tensor.tensor_type == GGMLQuantizationType.F16 else np.float32)
            else:
                wanted = quants.quantize(weight, tensor.tensor_type)
            if np.array_equal(np.asarray(tensor.data).view(np.uint8).ravel(), wanted.view(np.uint8).ravel()):
                equal += 1
            else:
                faults += 1
                print(f"  {path.name}: {tensor.name} differs")
        missing = {name for name in source if name not in {hf_name(each) for each in names if each != "rope_freqs.weight"}}
        print(f"{path.name}: {len(fields)} fields, {len(reader.tensors)} tensors {types}, {equal} equal, not in the file: {sorted(missing)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
