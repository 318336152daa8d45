"""Greedy text and perplexity of a model folder, or of the weights inside a GGUF, computed by transformers in float32.

Usage: reference.py MODEL_FOLDER [--gguf FILE] [--text FILE] [--context N] [--max-tokens N] [--prompt TEXT]

With --gguf the weights are dequantized by the gguf package, brought back to Hugging Face order and loaded into the same
model: what any exact runtime should compute. Perplexity follows llama.cpp's protocol (BOS for the first token of each
window, second half scored). Prints one JSON line, in the form of `llama-cpp.mjs`.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, quants
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from gguf_check import heads_of, hf_name


def separate(weight: np.ndarray, heads: int) -> np.ndarray:
    """The inverse of llama.cpp's row order."""
    shape = weight.shape
    return weight.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def gguf_weights(path: Path, config) -> dict:
    reader = GGUFReader(path)
    architecture = reader.fields["general.architecture"].contents()
    weights = {}
    for tensor in reader.tensors:
        if tensor.name == "rope_freqs.weight":
            continue
        values = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        heads = heads_of(tensor.name, config) if architecture == "llama" else None
        weights[hf_name(tensor.name)] = torch.from_numpy(np.ascontiguousarray(values if heads is None else separate(values, heads)))
    return weights


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--prompt", default="Once upon a time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    if options.gguf:
        raw = json.loads((options.model / "config.json").read_text())
        missing, unexpected = model.load_state_dict(gguf_weights(options.gguf, raw), strict=False)
        assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
        model.tie_weights()
    model.eval()
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    bos = AutoConfig.from_pretrained(options.model).bos_token_id
    adds_bos = tokenizer.encode("a", add_special_tokens=True).ids[0] == bos
    start = ([bos] if adds_bos else []) + tokenizer.encode(options.prompt, add_special_tokens=False).ids
    with torch.no_grad():
        ids = list(start)
        for _ in range(64):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        result = {"file": options.gguf.name if options.gguf else options.model.name, "greedy": {"ids": ids[len(start) :], "text": tokenizer.decode(ids[len(start) :])}}
        if options.text:
            n = options.context
            stream = tokenizer.encode(options.text.read_text(encoding="utf-8"), add_special_tokens=False).ids
            stream = (([bos] if adds_bos else []) + stream)[: options.max_tokens]
            total, count = 0.0, 0
            for window in range(len(stream) // n):
                tokens = torch.tensor(stream[window * n : (window + 1) * n])
                if adds_bos:
                    tokens[0] = bos
                logits = model(tokens[None]).logits[0].double()
                nll = torch.nn.functional.cross_entropy(logits[n // 2 : n - 1], tokens[n // 2 + 1 :], reduction="none")
                total += float(nll.sum())
                count += len(nll)
            result |= {"protocol": "llama.cpp", "contextLength": n, "scored": count, "nll": total / count, "perplexity": math.exp(total / count)}
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
