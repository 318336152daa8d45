"""One evaluator for everybody: perplexity and KL divergence to float of dequantized matrices, forward in torch float32.

    python evaluate.py MODEL WINDOWS.json FOLDER…

Every FOLDER holds a model.safetensors with some of the model's matrices; the others stay as they are. Prints a JSON line each:
perplexity, mean KL(float || quantized) in nats, share of positions with the same likeliest token, and the loss of each window, from
which table.py tells how sure a difference is.
"""

import json
import math
import sys

import torch
from model import load_model, load_weights, load_windows


@torch.inference_mode()
def forward(model, windows, reference=None):
    """Sum over scored tokens of loss, divergence and agreement; also the log-probabilities when there is no reference yet."""
    divergence = same = count = 0
    losses, kept = [], []
    for index, ids in enumerate(windows):
        predictions = torch.log_softmax(model(ids).logits[0, :-1], dim=-1)
        losses.append(-predictions.gather(1, ids[0, 1:, None]).double().sum().item())
        count += ids.shape[1] - 1
        if reference is None:
            kept.append(predictions)
            continue
        wanted = reference[index]
        divergence += (wanted.exp() * (wanted - predictions)).double().sum().item()
        same += (wanted.argmax(1) == predictions.argmax(1)).sum().item()
    figures = {"tokens": count, "perplexity": round(math.exp(sum(losses) / count), 4), "losses": [round(loss, 4) for loss in losses]}
    if reference is not None:
        figures |= {"kl": round(divergence / count, 6), "sameTop": round(same / count, 4)}
    return figures, kept


model_folder, windows_file, *folders = sys.argv[1:]
evaluation = load_windows(windows_file, "evaluation")
model = load_model(model_folder)
original = {name: value.clone() for name, value in model.state_dict().items()}
figures, reference = forward(model, evaluation)
print(json.dumps({"weights": "float"} | figures), flush=True)
for folder in folders:
    weights = {name: value.view_as(original[name]) for name, value in load_weights(folder).items()}
    model.load_state_dict(original | weights)
    print(json.dumps({"weights": folder} | forward(model, evaluation, reference)[0]), flush=True)
