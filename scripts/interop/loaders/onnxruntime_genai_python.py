"""The ONNX folder in onnxruntime-genai, through its genai_config.json: logits of the prompt and its own greedy loop."""

import os
from pathlib import Path

import numpy as np
import onnxruntime_genai
from common import main


def load(folder: Path, expected: dict):
    config = onnxruntime_genai.Config(str(folder))
    if "CLIPS_SUMS" in os.environ:
        config.overlay('{"model": {"decoder": {"session_options": {"session.disable_quant_qdq": "1"}}}}')
    model = onnxruntime_genai.Model(config)
    onnxruntime_genai.Tokenizer(model)

    def generator(length: int):
        parameters = onnxruntime_genai.GeneratorParams(model)
        parameters.set_search_options(max_length=length, do_sample=False)
        return onnxruntime_genai.Generator(model, parameters)

    def forward(ids: list[int]) -> np.ndarray:
        made = generator(len(ids) + 1)
        made.append_tokens(np.array([ids], np.int32))
        return np.array(made.get_output("logits"))[0].astype(np.float32)

    prompt, greedy = expected["prompt"], expected["greedy"]
    loop = generator(len(prompt) + len(greedy))
    loop.append_tokens(np.array([prompt], np.int32))
    while not loop.is_done():
        loop.generate_next_token()
    made = [int(token) for token in loop.get_sequence(0)][len(prompt) :]
    assert made == greedy[: len(made)], f"its own loop makes {made}"
    return forward, {"onnxruntime-genai": onnxruntime_genai.__version__}


if __name__ == "__main__":
    main(load)
