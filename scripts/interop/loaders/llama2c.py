"""Reads llama2.c's int8 file and tokenizer.bin and computes what its runner computes, from the published layout alone.

Weights and tokenizer are read as runq.c reads them: sizes from the header, tensors one after the other. The forward pass has
float inputs, as the studio's simulation; LLAMA2C_ROUND_INPUTS=1 rounds the inputs of every linear to 8 bits in groups, as
the runner does. Loading fails when the tokenizer gives the prompt's text other ids than the prompt.
"""

import os
import struct
from pathlib import Path

import numpy as np

from common import main


class Tokenizer:
    def __init__(self, data: bytes, size: int):
        (self.longest,) = struct.unpack_from("<I", data, 0)
        at, self.texts, self.scores = 4, [], []
        for _ in range(size):
            score, length = struct.unpack_from("<fi", data, at)
            self.texts.append(data[at + 8 : at + 8 + length])
            self.scores.append(score)
            at += 8 + length
        assert at == len(data), "bytes are left over"
        assert self.longest == max(map(len, self.texts))
        self.ids = {text: token for token, text in enumerate(self.texts)}
        assert len(self.ids) == size, "two tokens have one text"

    def encode(self, text: str) -> list[int]:
        tokens = [1, self.ids[b" "]]
        for character in text:
            raw = character.encode()
            tokens += [self.ids[raw]] if raw in self.ids else [byte + 3 for byte in raw]
        while True:
            best = None
            for at in range(len(tokens) - 1):
                union = self.ids.get(self.texts[tokens[at]] + self.texts[tokens[at + 1]])
                if union is not None and (best is None or self.scores[union] > best[0]):
                    best = (self.scores[union], at, union)
            if best is None:
                return tokens
            tokens[best[1] : best[1] + 2] = [best[2]]

    def decode(self, tokens: list[int]) -> str:
        raw = b""
        for previous, token in zip([-1, *tokens], tokens):
            piece = self.texts[token]
            if token == 1:
                continue
            if previous == 1 and piece.startswith(b" "):
                piece = piece[1:]
            raw += bytes([token - 3]) if 3 <= token < 259 else piece
        return raw.decode()


class Model:
    def __init__(self, data: bytes):
        magic, version, *sizes = struct.unpack_from("<Ii7i", data, 0)
        assert magic == int.from_bytes(b"24ka", "little") and version == 2, (magic, version)
        self.dim, self.hidden, self.layers, self.heads, self.kv_heads, self.vocab, self.length = sizes
        shared, self.group = struct.unpack_from("<Bi", data, 36)
        assert not any(data[41:256])
        self.data, self.at = data, 256
        self.attention_norms = self.floats(self.layers * self.dim).reshape(self.layers, self.dim)
        self.mlp_norms = self.floats(self.layers * self.dim).reshape(self.layers, self.dim)
        self.final_norm = self.floats(self.dim)
        self.embedding = self.matrix(self.vocab, self.dim)
        keys = self.dim // self.heads * self.kv_heads
        shapes = {"q": (self.dim, self.dim), "k": (keys, self.dim), "v": (keys, self.dim), "o": (self.dim, self.dim)}
        shapes |= {"w1": (self.hidden, self.dim), "w2": (self.dim, self.hidden), "w3": (self.hidden, self.dim)}
        self.linears = {name: [self.matrix(*shape) for _ in range(self.layers)] for name, shape in shapes.items()}
        self.head = self.embedding if shared else self.matrix(self.vocab, self.dim)
        assert self.at == len(data), (self.at, len(data))

    def floats(self, count: int) -> np.ndarray:
        self.at += 4 * count
        return np.frombuffer(self.data, "<f4", count, self.at - 4 * count)

    def matrix(self, rows: int, columns: int) -> np.ndarray:
        codes = np.frombuffer(self.data, "i1", rows * columns, self.at).reshape(-1, self.group)
        self.at += rows * columns
        return (codes.astype(np.float32) * self.floats(len(codes))[:, None]).reshape(rows, columns)

    def linear(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        if os.environ.get("LLAMA2C_ROUND_INPUTS") == "1":
            groups = x.reshape(-1, self.group)
            scale = np.abs(groups).max(axis=1, keepdims=True) / np.float32(127)
            # C's round: half away from zero.
            ratio = groups / np.where(scale == 0, 1, scale)
            codes = np.sign(ratio) * np.floor(np.abs(ratio) + np.float32(0.5))
            x = (codes * scale).reshape(x.shape).astype(np.float32)
        return x @ weight.T

    def norm(self, x: np.ndarray, gain: np.ndarray) -> np.ndarray:
        return gain * (x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(1e-5)))

    def turn(self, x: np.ndarray) -> np.ndarray:
        """[tokens, heads, width]: neighbours are a pair."""
        width = x.shape[-1]
        angle = np.arange(len(x))[:, None] / 10000.0 ** (np.arange(0, width, 2) / width)
        cosine, sine = np.cos(angle).astype(np.float32)[:, None], np.sin(angle).astype(np.float32)[:, None]
        even, odd = x[..., 0::2], x[..., 1::2]
        return np.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1).reshape(x.shape)

    def forward(self, ids: list[int]) -> np.ndarray:
        count, width = len(ids), self.dim // self.heads
        x = self.embedding[ids]
        future = np.triu(np.full((count, count), -np.inf, np.float32), 1)
        for layer in range(self.layers):
            of = {name: matrices[layer] for name, matrices in self.linears.items()}
            y = self.norm(x, self.attention_norms[layer])
            q = self.turn(self.linear(y, of["q"]).reshape(count, self.heads, width))
            k = self.turn(self.linear(y, of["k"]).reshape(count, self.kv_heads, width))
            v = self.linear(y, of["v"]).reshape(count, self.kv_heads, width)
            k, v = (np.repeat(each, self.heads // self.kv_heads, axis=1) for each in (k, v))
            scores = np.einsum("thd,shd->hts", q, k) / np.float32(np.sqrt(width)) + future
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            seen = np.einsum("hts,shd->thd", scores / scores.sum(axis=-1, keepdims=True), v)
            x = x + self.linear(seen.reshape(count, self.dim).astype(np.float32), of["o"])
            y = self.norm(x, self.mlp_norms[layer])
            gate = self.linear(y, of["w1"])
            x = x + self.linear(gate / (1 + np.exp(-gate)) * self.linear(y, of["w3"]), of["w2"])
        return self.linear(self.norm(x, self.final_norm), self.head).astype(np.float32)


def load(folder: Path, expected: dict):
    model = Model((folder / "model.bin").read_bytes())
    tokenizer = Tokenizer((folder / "tokenizer.bin").read_bytes(), model.vocab)
    text = tokenizer.decode(expected["prompt"])
    assert tokenizer.encode(text) == expected["prompt"], (text, tokenizer.encode(text), expected["prompt"])
    return model.forward, {"numpy": np.__version__}


if __name__ == "__main__":
    main(load)
