import { isRequantized } from '../../../kernels/contract/activations.ts'
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

function micro({ device, facts, files }: GuideScene): string {
  const build =
    device === null || device.id.startsWith('esp32')
      ? `\n\n${shell('idf.py add-dependency "espressif/esp-tflite-micro"', 'idf.py build flash monitor')}`
      : ''
  const sources = hasSources(files)
    ? 'model_data.cc holds the same bytes as an array, and model_settings.h the operators, the arena and the sizes'
    : 'model_settings.h holds the operators, the arena and the sizes for TensorFlow Lite Micro; the model is read from storage'
  const isInteger = [...facts.inputModes.values()].some(isRequantized)
  return `## On a microcontroller\n\n${sources}:\n\n${['```cpp', ...program, '```'].join('\n')}${build}\n\n${isInteger ? integers : floats}`
}

const integers =
  'The linears of the blocks take and give 8 bits with a scale for each row of their weights, for which ESP-NN (in esp-tflite-micro) and CMSIS-NN have integer kernels. Take a runtime of the middle of 2025 or later: kernels before knew one scale for a whole matrix and give wrong numbers without a word. LiteRT runs the file too, but rounds once where these kernels round twice: its text may differ.'
const floats =
  'The linears compute in floats. Integer kernels (ESP-NN, CMSIS-NN) are used where inputs and outputs have 8 bits as well: the recipe smoothquant-w8a8-integer.'

const hasSources = (files: GuideScene['files']): boolean => files.some(({ path }) => path === 'model_data.cc')

/** The most likely next token after `count` ids, with what the export's headers declare. */
const program: readonly string[] = [
  '#include "model_data.h"',
  '#include "model_settings.h"',
  '#include "tensorflow/lite/micro/micro_interpreter.h"',
  '#include "tensorflow/lite/schema/schema_generated.h"',
  '',
  'alignas(16) static uint8_t arena[kTensorArenaBytes];',
  '',
  'int NextToken(const int* ids, int count) {',
  '  static tflite::MicroMutableOpResolver<kOperatorCount> resolver;',
  '  static const TfLiteStatus registered = RegisterModelOperators(resolver);',
  '  static tflite::MicroInterpreter interpreter(tflite::GetModel(g_model_data), resolver, arena, kTensorArenaBytes);',
  '  static const TfLiteStatus allocated = interpreter.AllocateTensors();',
  '  if (registered != kTfLiteOk || allocated != kTfLiteOk) return -1;',
  '  for (int i = 0; i < kSequenceLength; ++i) interpreter.input(0)->data.i32[i] = i < count ? ids[i] : 0;',
  '  if (interpreter.Invoke() != kTfLiteOk) return -1;',
  '  const float* logits = interpreter.output(0)->data.f + (count - 1) * kVocabularySize;',
  '  int best = 0;',
  '  for (int id = 1; id < kVocabularySize; ++id) if (logits[id] > logits[best]) best = id;',
  '  return best;',
  '}',
]

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
