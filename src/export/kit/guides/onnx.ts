import { textFile } from '../../text-files.ts'
import { fileEnding, type Guide, type GuideScene, shell } from '../guide.ts'

/** ONNX: onnxruntime-genai behind FastAPI, and transformers.js in a page. */
const onnx: Guide = {
  targets: ['onnx'],
  firstCommand: ({ device }) => (device?.group === 'browser' ? 'npx serve .' : 'uvicorn serve:app --host 0.0.0.0 --port 8000'),
  steps: (scene) => (scene.device?.group === 'browser' ? inTab(scene) : `${serve(scene)}\n\n${inTab(scene)}`),
  files: ({ device }) =>
    device?.group === 'browser' ? [] : [textFile('serve.py', serveScript), textFile('requirements.txt', requirements)],
}

export default onnx

function serve(scene: GuideScene): string {
  const package_ = scene.device?.group === 'jetson' ? 'onnxruntime-genai-cuda' : 'onnxruntime-genai'
  const note = package_ === 'onnxruntime-genai' ? '' : ` On this device take \`${package_}\` instead of \`onnxruntime-genai\`.`
  return `## Serve\n\n${shell(
    'python3 -m venv venv && . venv/bin/activate',
    'pip install -r requirements.txt',
    onnx.firstCommand(scene),
    `curl http://localhost:8000/generate -H 'Content-Type: application/json' -d '{"prompt":"Once upon a time","max_tokens":64}'`,
  )}\n\nIt needs a 64-bit system.${note}`
}

function inTab({ files }: GuideScene): string {
  const suffix = /model_([a-z0-9]+)\.onnx$/.exec(fileEnding(files, '.onnx'))?.[1] ?? 'fp32'
  const dtype = suffix === 'quantized' ? 'q8' : suffix
  return `## In a page\n\nServe this folder, and in the page:\n\n${[
    '```js',
    `import { env, pipeline } from '@huggingface/transformers'`,
    '',
    'env.allowRemoteModels = false',
    `env.localModelPath = '/' // where this folder lies, by its name`,
    `const generate = await pipeline('text-generation', 'FOLDER', { dtype: '${dtype}', device: 'webgpu' }) // or 'wasm'`,
    `console.log(await generate('Once upon a time', { max_new_tokens: 64 }))`,
    '```',
  ].join('\n')}`
}

const requirements = 'onnxruntime-genai\nfastapi\nuvicorn\n'

const serveScript = `"""A small server for the model of this folder: uvicorn serve:app --port 8000, then POST /generate."""

from pathlib import Path
from threading import Lock

import onnxruntime_genai as og
from fastapi import FastAPI
from pydantic import BaseModel, Field

model = og.Model(str(Path(__file__).parent))
tokenizer = og.Tokenizer(model)
# One generation at a time: a small device has no memory for two caches.
lock = Lock()
app = FastAPI()


class Request(BaseModel):
    prompt: str = Field(min_length=1)
    max_tokens: int = Field(64, ge=1, le=4096)
    temperature: float = Field(0.0, ge=0.0)


@app.post("/generate")
def generate(request: Request) -> dict:
    ids = tokenizer.encode(request.prompt)
    parameters = og.GeneratorParams(model)
    sampling = {"do_sample": True, "temperature": request.temperature} if request.temperature > 0 else {"do_sample": False}
    parameters.set_search_options(max_length=len(ids) + request.max_tokens, **sampling)
    with lock:
        generator = og.Generator(model, parameters)
        generator.append_tokens(ids)
        made = []
        while not generator.is_done():
            generator.generate_next_token()
            made.append(int(generator.get_next_tokens()[0]))
    return {"text": tokenizer.decode(made), "tokens": len(made)}
`
