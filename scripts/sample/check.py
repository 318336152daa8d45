"""Load the delivered folder with transformers; print its evaluation loss and some of its stories."""

import argparse
import math
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

OPENINGS = ["Once upon a time", "One day, a little dog named Max", "Tom and Mia were friends.", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("public/samples/stories-4m"))
    parser.add_argument("--texts", type=Path, nargs="*", default=[])
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    for name, weight in model.named_parameters():
        print(f"{name} {list(weight.shape)} std {weight.std():.4f} largest {weight.abs().max():.3f}")
    print(sum(p.numel() for p in model.parameters()), "parameters")

    for path in options.texts:
        ids = tokenizer(path.read_text(), add_special_tokens=False, return_tensors="pt").input_ids[0]
        per_window = options.window - 1
        count = len(ids) // per_window
        total = 0.0
        for window in ids[: count * per_window].view(count, per_window):
            row = torch.cat((torch.tensor([tokenizer.bos_token_id]), window))[None]
            # The model shifts the labels itself: every token after <s> is scored.
            total += model(row, labels=row).loss.item() * per_window
        nll = total / (count * per_window)
        print(f"{path}: {len(ids)} tokens, {count} windows, {nll:.4f} nats a token, perplexity {math.exp(nll):.3f}")

    for opening in OPENINGS:
        inputs = tokenizer(opening, return_tensors="pt")
        for name, how in {"greedy": {"do_sample": False}, "0.7": {"do_sample": True, "temperature": 0.7}}.items():
            out = model.generate(**inputs, max_new_tokens=220, pad_token_id=tokenizer.eos_token_id, **how)
            print(f"--- {name}\n{tokenizer.decode(out[0])}")


if __name__ == "__main__":
    main()
