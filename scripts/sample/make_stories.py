"""Sample stories from a small teacher model, keep the well-formed ones, write them as text.

Each story ends with a line of its own, `<|end|>`. A story is dropped when the teacher does not end
it within the context, when it repeats itself, or when an earlier one is the same.
"""

import argparse
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

import torch
from tokenizers import Tokenizer

from llama import Llama

END = "<|end|>"
NAMES = (
    "Lily Tom Mia Ben Anna Sam Lucy Max Sara Tim Emma Jack Amy Leo Zoe Bob Ella Sue Fred Molly "
    "Spot Daisy Joe Kitty Rex Jane Mark Nina Bella Billy"
).split()
BEINGS = (
    "girl, boy, dog, cat, bird, bunny, bear, mouse, frog, fish, duck, fox, squirrel, monkey, "
    "elephant, turtle, lion, horse, bug, butterfly"
).split(", ")
KINDS = "little big small happy brave kind nice young funny curious".split()
PLACES = "park, garden, forest, house, farm, kitchen, beach, yard, store, zoo".split(", ")
THINGS = "ball, car, kite, book, flower, cake, box, boat, hat, doll, truck, stick".split(", ")


def opening(rng: random.Random) -> str:
    """Half of the stories begin as the teacher likes, half from one of these sentences."""
    name, other = rng.sample(NAMES, 2)
    being, kind = rng.choice(BEINGS), rng.choice(KINDS)
    place, thing = rng.choice(PLACES), rng.choice(THINGS)
    return rng.choice(
        ["", "", "", "", "", "", "", ""]
        + [
            f"Once upon a time, there was a {kind} {being} named {name}.",
            f"Once upon a time, there was a {being}.",
            f"One day, a {kind} {being} named {name} went to the {place}.",
            f"{name} and {other} were friends. They liked to play in the {place}.",
            f"{name} was a {kind} {being}. {name} had a {thing}.",
            f"One day, {name} saw a {thing} in the {place}.",
            f"{name} went to the {place} with {rng.choice(['Mom', 'Dad', other])}.",
            f"Once there was a {kind} {being} who liked to play with a {thing}.",
        ]
    )


def sample_batch(model, tokenizer, rng, generator, options) -> list[str | None]:
    """Texts of one batch; None for a story that found no end within the context."""
    config = model.config
    bos, limit = config["bos_token_id"], config["max_position_embeddings"]
    prompts = [tokenizer.encode(opening(rng)).ids for _ in range(options.batch)]
    ids = torch.full((options.batch, limit), bos)
    forced = torch.zeros((options.batch, limit), dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        if len(prompt) > 1:
            ids[row, : len(prompt)] = torch.tensor(prompt)
            forced[row, : len(prompt)] = True
    ended = torch.zeros(options.batch, dtype=torch.long)
    cache = model.new_cache(options.batch, limit)
    for position in range(limit - 1):
        logits = model(ids[:, position : position + 1], position, cache)[:, 0]
        # A hotter start (for variety), then a cooler middle (for sense).
        hot = position < options.opening_tokens
        probabilities = (logits / (options.opening_temperature if hot else options.temperature)).softmax(-1)
        probabilities[probabilities < options.min_p * probabilities.amax(-1, keepdim=True)] = 0
        drawn = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        following = torch.where(forced[:, position + 1], ids[:, position + 1], drawn)
        ids[:, position + 1] = following
        stops = (following == bos) | (following == config["eos_token_id"])
        ended = torch.where((ended == 0) & stops, position + 1, ended)
        # The last few are the ones that never end: not worth waiting for.
        if int((ended == 0).sum()) <= options.batch // 16:
            break
    return [
        tokenizer.decode(ids[row, 1:end].tolist()).strip() if (end := int(ended[row])) else None
        for row in range(options.batch)
    ]


def fault(text: str | None) -> str | None:
    """Why a story is not good enough to learn from, or None."""
    if text is None:
        return "no end"
    words = re.findall(r"[\w']+", text.lower())
    if not 60 <= len(words) <= 320:
        return "length"
    if text[-1] not in '.!?"' or text.count('"') % 2 or not text.isascii() or "<" in text:
        return "form"
    sentences = Counter(s.strip() for s in re.split(r"[.!?]+", text.lower()) if len(s.split()) > 3)
    if sentences and max(sentences.values()) > 1:
        return "repeated sentence"
    fives = Counter(zip(*(words[i:] for i in range(5)), strict=False))
    if sum(count - 1 for count in fives.values()) > 0.03 * len(words):
        return "repeated words"
    if re.search(r"\b(\w+) \1\b", text):
        return "stutter"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", type=Path, default=Path("../shared/models/stories260K"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--characters", type=int, default=15_000_000)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--opening-temperature", type=float, default=0.9)
    parser.add_argument("--opening-tokens", type=int, default=24)
    parser.add_argument("--min-p", type=float, default=0.04)
    parser.add_argument("--exclude", type=Path, nargs="*", default=[], help="stories not to repeat")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    model = Llama.load(options.teacher)
    tokenizer = Tokenizer.from_file(str(options.teacher / "tokenizer.json"))
    rng = random.Random(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    seen = {story for path in options.exclude for story in path.read_text().split(f"\n{END}\n")}
    reasons: Counter[str] = Counter()
    characters, began = 0, time.time()
    with options.out.open("w") as out:
        while characters < options.characters and time.time() - began < options.seconds:
            for text in sample_batch(model, tokenizer, rng, generator, options):
                reason = "twice" if text in seen else fault(text)
                reasons[reason or "kept"] += 1
                if reason is None and text is not None:
                    seen.add(text)
                    out.write(f"{text}\n{END}\n")
                    characters += len(text)
            out.flush()
            rate = characters / (time.time() - began)
            print(f"{characters} characters, {rate:.0f}/s, {dict(reasons)}", file=sys.stderr)


if __name__ == "__main__":
    main()
