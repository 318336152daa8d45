"""Train the sample model's tokenizer and weights on sampled stories, and write the model folder."""

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from llama import Llama
from make_stories import END

BOS, EOS = "<s>", "</s>"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 1024,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "hidden_act": "silu",
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "bfloat16",
}


def read_stories(paths: list[Path]) -> list[str]:
    return [s for path in paths for s in path.read_text().split(f"\n{END}\n") if s]


def train_tokenizer(stories: list[str]) -> Tokenizer:
    """Byte-level BPE in GPT-2's form, so that engines know it as the "gpt-2" pre-tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG["vocab_size"],
        special_tokens=[BOS, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(stories, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, 0)]
    )
    return tokenizer


def token_stream(tokenizer: Tokenizer, stories: list[str], rng: random.Random) -> torch.Tensor:
    """All stories in one row. Most end in </s><s>; some run on after a blank line, as in a text file."""
    ids: list[int] = [CONFIG["bos_token_id"]]
    blank = tokenizer.encode("\n\n", add_special_tokens=False).ids
    for story in tokenizer.encode_batch(stories, add_special_tokens=False):
        ids += story.ids
        ids += [CONFIG["eos_token_id"], CONFIG["bos_token_id"]] if rng.random() < 0.75 else blank
    return torch.tensor(ids, dtype=torch.long)


def draw_batch(stream: torch.Tensor, options: argparse.Namespace, generator: torch.Generator):
    batch, length = options.batch, options.length
    starts = torch.randint(0, len(stream) - length - 1, (batch,), generator=generator)
    begins = (stream[: -length - 1] == CONFIG["bos_token_id"]).nonzero()[:, 0]
    at_begin = torch.rand(batch, generator=generator) < options.begins
    starts = torch.where(at_begin, begins[starts % len(begins)], starts)
    windows = torch.stack([stream[s : s + length + 1] for s in starts.tolist()])
    inputs, targets = windows[:, :-1].clone(), windows[:, 1:]
    # Some windows open with <s> in the middle of a story, as the windows of an evaluation do.
    inputs[torch.rand(batch, generator=generator) < 0.15, 0] = CONFIG["bos_token_id"]
    return inputs, targets


def initialise(model: Llama) -> None:
    depth = CONFIG["num_hidden_layers"]
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            residual = name.endswith(("o_proj.weight", "down_proj.weight"))
            torch.nn.init.normal_(weight, std=0.04 / math.sqrt(2 * depth) if residual else 0.04)


@torch.no_grad()
def held_out_loss(model: Llama, ids: torch.Tensor, length: int = 256) -> tuple[float, int]:
    """Nats per token over disjoint windows of <s> and length - 1 tokens of text."""
    count = len(ids) // (length - 1)
    windows = ids[: count * (length - 1)].view(count, length - 1)
    inputs = F.pad(windows, (1, 0), value=CONFIG["bos_token_id"])[:, :-1]
    total = 0.0
    for rows, targets in zip(inputs.split(16), windows.split(16), strict=True):
        total += F.cross_entropy(model(rows).flatten(0, 1), targets.flatten(), reduction="sum").item()
    return total / windows.numel(), windows.numel()


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def save(out: Path, model: Llama, tokenizer: Tokenizer) -> None:
    out.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise ValueError(f"{name} holds a value that is not finite")
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(out / "tokenizer.json"))
    write_json(out / "config.json", CONFIG)
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": BOS,
            "eos_token": EOS,
            "add_bos_token": True,
            "add_eos_token": False,
            "add_prefix_space": False,
            "model_max_length": CONFIG["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
        },
    )
    write_json(
        out / "generation_config.json",
        {
            "bos_token_id": CONFIG["bos_token_id"],
            "eos_token_id": CONFIG["eos_token_id"],
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.95,
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=Path, nargs="+", required=True)
    parser.add_argument("--evaluation", type=Path, required=True, help="text never trained on")
    parser.add_argument("--out", type=Path, default=Path("public/samples/stories-4m"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1e9, help="fewer steps if they take longer than this")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--begins", type=float, default=0.5, help="share of windows that begin with a story")
    parser.add_argument("--start", type=Path, help="go on from the weights and tokenizer of this folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=250)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    stories = read_stories(options.stories)
    tokenizer = (
        Tokenizer.from_file(str(options.start / "tokenizer.json")) if options.start else train_tokenizer(stories)
    )
    stream = token_stream(tokenizer, stories, random.Random(options.seed))
    text = options.evaluation.read_text()
    held_out = torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)
    if options.start:
        model = Llama.load(options.start).train()
    else:
        model = Llama(CONFIG)
        initialise(model)
    size = sum(p.numel() for p in model.parameters())
    print(f"{len(stories)} stories, {len(stream)} tokens, {len(held_out)} held out, {size} parameters", flush=True)

    groups = [
        {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": options.decay},
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.95), fused=True)
    warm_up = min(100, options.steps // 10)
    smooth, began, step, progress = None, time.time(), 0, 0.0
    while progress < 1:
        step += 1
        progress = max(step / options.steps, (time.time() - began) / options.seconds)
        cosine = 0.02 + 0.98 * (1 + math.cos(math.pi * min(progress, 1))) / 2
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(step / warm_up, cosine)
        inputs, targets = draw_batch(stream, options, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(inputs)
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
        if step % 25 == 0 or progress >= 1:
            speed = step * inputs.numel() / (time.time() - began)
            print(f"step {step} loss {smooth:.4f} {speed:.0f} tokens/s", flush=True)
        if step % options.save_every == 0 or progress >= 1:
            save(options.out, model, tokenizer)
            nll, count = held_out_loss(Llama.load(options.out), held_out)
            print(f"step {step} held-out {nll:.4f} nats a token over {count} tokens", flush=True)


if __name__ == "__main__":
    main()
