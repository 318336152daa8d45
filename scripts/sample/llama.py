"""A Llama in plain torch, small enough to read: samples the teacher and trains the student.

Weight names and layout are those of Hugging Face's LlamaForCausalLM (rotary halves, not
interleaved pairs), so state dicts go to and from model.safetensors without any renaming.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Rotary:
    def __init__(self, head_dim: int, positions: int, theta: float):
        inverse = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
        angles = torch.outer(torch.arange(positions, dtype=torch.float32), inverse)
        self.cos = angles.cos().repeat(1, 2)
        self.sin = angles.sin().repeat(1, 2)

    def __call__(self, x: torch.Tensor, start: int) -> torch.Tensor:
        end = start + x.shape[-2]
        left, right = x.chunk(2, dim=-1)
        rotated = torch.cat((-right, left), dim=-1)
        return (x * self.cos[start:end] + rotated * self.sin[start:end]).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        width = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config["num_key_value_heads"]
        self.head_dim = config.get("head_dim", width // self.heads)
        self.q_proj = nn.Linear(width, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(width, self.kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(width, self.kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, width, bias=False)

    def forward(self, x, rotary, start=0, cache=None):
        batch, length, _ = x.shape

        def split(y):
            return y.view(batch, length, -1, self.head_dim).transpose(1, 2)

        q = rotary(split(self.q_proj(x)), start)
        k = rotary(split(self.k_proj(x)), start)
        v = split(self.v_proj(x))
        if cache is not None:
            cache[0][:, :, start : start + length] = k
            cache[1][:, :, start : start + length] = v
            k = cache[0][:, :, : start + length]
            v = cache[1][:, :, : start + length]
        if length == 1:
            # One new token: the query heads of a group become rows that share one key head.
            q = q.reshape(batch, self.kv_heads, -1, self.head_dim)
            return self.o_proj(F.scaled_dot_product_attention(q, k, v).reshape(batch, 1, -1))
        # Written out, since on a CPU in bf16 this takes half the time of the fused attention.
        k, v = (y.repeat_interleave(self.heads // self.kv_heads, dim=1) for y in (k, v))
        future = torch.full((length, length), -torch.inf).triu(1)
        weights = ((q @ k.transpose(2, 3)).float() * self.head_dim**-0.5 + future).softmax(dim=-1)
        out = weights.to(v.dtype) @ v
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class Mlp(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        width, eps = config["hidden_size"], config["rms_norm_eps"]
        self.input_layernorm = nn.RMSNorm(width, eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(width, eps)
        self.mlp = Mlp(config)

    def forward(self, x, rotary, start=0, cache=None):
        x = x + self.self_attn(self.input_layernorm(x), rotary, start, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.config = config
        width = config["hidden_size"]
        self.model = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(config["vocab_size"], width),
                "layers": nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"])),
                "norm": nn.RMSNorm(width, config["rms_norm_eps"]),
            }
        )
        self.lm_head = nn.Linear(width, config["vocab_size"], bias=False)
        if config["tie_word_embeddings"]:
            self.lm_head.weight = self.model["embed_tokens"].weight
        head_dim = config.get("head_dim", width // config["num_attention_heads"])
        self.rotary = Rotary(head_dim, config["max_position_embeddings"], config["rope_theta"])

    @classmethod
    def load(cls, folder: Path) -> "Llama":
        model = cls(json.loads((folder / "config.json").read_text()))
        weights = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
        missing, unexpected = model.load_state_dict(weights, strict=False)
        if unexpected or set(missing) - {"lm_head.weight"}:
            raise ValueError(f"{folder}: missing {missing}, unexpected {unexpected}")
        return model.eval()

    def new_cache(self, batch: int, positions: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        attention = self.model["layers"][0].self_attn
        shape = (batch, attention.kv_heads, positions, attention.head_dim)
        return [(torch.zeros(shape), torch.zeros(shape)) for _ in self.model["layers"]]

    def forward(self, ids, start=0, cache=None):
        x = self.model["embed_tokens"](ids)
        for index, layer in enumerate(self.model["layers"]):
            x = layer(x, self.rotary, start, cache[index] if cache else None)
        return self.lm_head(self.model["norm"](x))
