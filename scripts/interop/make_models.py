"""Makes tiny models with random weights, one for each way of cutting text that exports name, to compare token ids.

Usage: make_models.py TEXT OUT

Each OUT/<name> is a model folder whose tokenizer was trained on TEXT with that pre-tokenizer; export it (`npm run
quantize -- OUT/<name> --recipe Q8_0 --export gguf`), then run llama-cpp.mjs on the result.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(pattern: str):
    parts = [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    return pre_tokenizers.Sequence(parts)


def byte_level():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


# name: pre-tokenizer, ignore_merges, model_type, BOS in front
KINDS = {
    "gpt-2": (byte_level(), False, "llama", False),
    "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()]), False, "llama", False),
    "llama-bpe": (split(SPLIT % "{1,3}"), True, "llama", True),
    "dbrx": (split(SPLIT % "{1,3}"), False, "llama", False),
    "qwen2": (split(SPLIT % ""), False, "qwen2", False),
    "tekken": (split(TEKKEN), True, "mistral", True),
}
ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "mistral": "MistralForCausalLM"}


def tokenizer(text: str, pre, ignore_merges: bool, bos: bool) -> Tokenizer:
    made = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    made.pre_tokenizer = pre
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=1000, special_tokens=["<|begin|>", "<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator([text], trainer)
    if bos:
        made.post_processor = processors.Sequence(
            [processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 0)])]
        )
    return made


def config(model_type: str) -> dict:
    return {
        "architectures": [ARCHITECTURES[model_type]],
        "model_type": model_type,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1024,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "torch_dtype": "float32",
    }


def weights(model_type: str) -> dict:
    random = np.random.default_rng(0)
    shapes = {"model.embed_tokens.weight": (1024, 64), "model.norm.weight": (64,)}
    layer = "model.layers.0"
    shapes |= {f"{layer}.input_layernorm.weight": (64,), f"{layer}.post_attention_layernorm.weight": (64,)}
    for name, out in (("q", 64), ("k", 32), ("v", 32)):
        shapes[f"{layer}.self_attn.{name}_proj.weight"] = (out, 64)
        if model_type == "qwen2":
            shapes[f"{layer}.self_attn.{name}_proj.bias"] = (out,)
    shapes |= {f"{layer}.self_attn.o_proj.weight": (64, 64), f"{layer}.mlp.gate_proj.weight": (96, 64)}
    shapes |= {f"{layer}.mlp.up_proj.weight": (96, 64), f"{layer}.mlp.down_proj.weight": (64, 96)}
    return {name: random.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}


def main() -> None:
    text, out = Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2])
    # Text of every kind that the patterns treat differently, often enough to be merged.
    text += "".join(f" {number} {number * 37 % 9973}" for number in range(3000)) + "CamelCase XMLHttp it's IT'S don't   \n\n\t\n" * 200 + "naïve café Привет мир 漢字 " * 200
    for name, (pre, ignore_merges, model_type, bos) in KINDS.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        made = tokenizer(text, pre, ignore_merges, bos)
        if model_type == "qwen2":
            made.normalizer = normalizers.NFC()
        made.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<|begin|>", "eos_token": "<|end|>"}))
        (folder / "config.json").write_text(json.dumps(config(model_type), indent=1))
        save_file(weights(model_type), folder / "model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
