"""What the scripts of this folder share: a float32 model, the studio's token windows, quantized matrices on disk."""

import json
import os
import pathlib

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(int(os.environ.get("THREADS", "1")))

# Linears of a block in execution order; those of one group have the same input.
GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)


def load_model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager").eval()


def load_windows(path, kind):
    """`kind`: calibration or evaluation. A list of tensors [1, tokens]."""
    return [torch.tensor([ids]) for ids in json.loads(pathlib.Path(path).read_text())[kind]]


def linears(layer):
    modules = dict(layer.named_modules())
    return {name: modules[name] for group in GROUPS for name in group}


class BlockInputs:
    """Hidden states of all windows before a block, with what else the block is called with."""

    def __init__(self, model, windows):
        self.model = model
        self.states = [model.model.embed_tokens(ids) for ids in windows]

    def arguments(self, states):
        tokens = states.shape[1]
        positions = torch.arange(tokens)[None]
        mask = torch.full((tokens, tokens), torch.finfo(torch.float32).min).triu(1)[None, None]
        return {"attention_mask": mask, "position_ids": positions, "position_embeddings": self.model.model.rotary_emb(states, positions)}

    def run(self, layer):
        return [layer(states, **self.arguments(states))[0] for states in self.states]

    def advance(self, layer):
        self.states = self.run(layer)


def save_weights(folder, weights):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "model.safetensors")


def load_weights(folder):
    return load_file(pathlib.Path(folder) / "model.safetensors")
