import { textFile } from '../../text-files.ts'
import { type Guide, type GuideScene, shell } from '../guide.ts'

/** Python packages beside transformers and torch, by format. */
const packages: Readonly<Record<string, string>> = {
  gptq: 'gptqmodel optimum',
  'gptq-v2': 'gptqmodel optimum',
  awq: 'gptqmodel optimum',
  bitsandbytes: 'bitsandbytes',
  'compressed-tensors': 'compressed-tensors',
}

/** vLLM's kernels by format; version 2 of GPTQ is read by GPTQModel alone. */
const servedByVllm: readonly string[] = ['gptq', 'awq', 'bitsandbytes', 'compressed-tensors']

/** Folders in the layout of the Hub: transformers in Python, vLLM as server. */
const transformers: Guide = {
  targets: Object.keys(packages),
  firstCommand: ({ targetId, contextLength }) =>
    servedByVllm.includes(targetId) ? `vllm serve . --max-model-len ${contextLength}` : 'python generate.py "Once upon a time"',
  steps(scene) {
    const { targetId } = scene
    const serve = servedByVllm.includes(targetId)
      ? `\n\n## Serve\n\nAn API like OpenAI's on port 8000, on a graphics card:\n\n${shell(
          'pip install vllm',
          transformers.firstCommand(scene),
          ask(scene),
        )}`
      : ''
    return `## Run in Python\n\n${shell(
      'python3 -m venv venv && . venv/bin/activate',
      `pip install torch transformers accelerate ${packages[targetId] ?? ''}`.trimEnd(),
      'python generate.py "Once upon a time"',
    )}${serve}`
  },
  files: () => [textFile('generate.py', generateScript)],
}

export default transformers

function ask({ facts }: GuideScene): string {
  const isChat = facts.checkpoint.tokenizerFiles.chatTemplate !== null
  const body = isChat
    ? `{"model":".","messages":[{"role":"user","content":"Hello"}],"max_tokens":64}`
    : `{"model":".","prompt":"Once upon a time","max_tokens":64}`
  return `curl http://localhost:8000/v1/${isChat ? 'chat/' : ''}completions -H 'Content-Type: application/json' -d '${body}'`
}

const generateScript = `"""Continues a prompt with the model of this folder: python generate.py "Once upon a time"."""

import sys
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

folder = Path(__file__).parent
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, device_map="auto")
inputs = tokenizer(sys.argv[1], return_tensors="pt").to(model.device)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=64, do_sample=False)[0]))
`
