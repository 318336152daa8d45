import { textFile } from '../../text-files.ts'
import { fileEnding, type Guide, type GuideScene, shell } from '../guide.ts'

/** TFLite: LiteRT where Python runs, TFLite Micro from the C array on a microcontroller. */
const litert: Guide = {
  targets: ['tflite'],
  firstCommand: ({ device }) => (device?.group === 'microcontroller' ? 'idf.py build flash monitor' : 'python run.py 1 2 3'),
  steps: (scene) => (scene.device?.group === 'microcontroller' ? micro(scene) : `${python()}\n\n${micro(scene)}`),
  files: ({ device, files }) =>
    device?.group === 'microcontroller' ? [] : [textFile('run.py', runScript.replace('MODEL', fileEnding(files, '.tflite')))],
}

export default litert

function python(): string {
  return `## Run\n\nToken ids in, the most likely next token out; the graph reads a fixed number of tokens:\n\n${shell(
    'python3 -m venv venv && . venv/bin/activate',
    'pip install ai-edge-litert numpy',
    'python run.py 1 2 3',
  )}`
}

function micro({ device }: GuideScene): string {
  const build =
    device === null || device.id.startsWith('esp32')
      ? `\n\n${shell('idf.py add-dependency "espressif/esp-tflite-micro"', 'idf.py build flash monitor')}`
      : ''
  return `## On a microcontroller\n\nThe C header beside the model holds the same bytes for TensorFlow Lite Micro: include it, register the operations that it lists, and give the interpreter its tensor arena.${build}`
}

const runScript = `"""The most likely token after some token ids: python run.py 1 2 3."""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(str(Path(__file__).parent / "MODEL"))
interpreter.allocate_tensors()
entry, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
ids = [int(word) for word in sys.argv[1:]]
padded = np.zeros(entry["shape"], entry["dtype"])
padded.reshape(-1)[: len(ids)] = ids
interpreter.set_tensor(entry["index"], padded)
interpreter.invoke()
logits = interpreter.get_tensor(out["index"]).reshape(-1, out["shape"][-1])
print(int(logits[len(ids) - 1].argmax()))
`
