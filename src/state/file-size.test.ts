import { expect, it } from 'vitest'
import type { RecipePlan } from '../pipeline/plan.ts'
import { fileSizeOf } from './file-size.ts'

const plan: RecipePlan = {
  recipeId: 'gptq-4bit-g128',
  bytes: 1000,
  bytesOf: 'awq',
  bitsPerWeight: 5,
  blockBitsPerWeight: 4.16,
  targets: [
    { id: 'awq', support: true, bytes: 1000, notes: [], options: [] },
    { id: 'gguf', support: 'GGUF holds ggml blocks.', bytes: 0, notes: [], options: [] },
    { id: 'onnx', support: true, bytes: 1200, notes: [], options: [] },
  ],
  summary: '',
}

it('is that of the first format of the device which holds the recipe', () => {
  expect(fileSizeOf(plan, ['gguf', 'onnx', 'awq'])).toEqual({ bytes: 1200, bytesOf: 'onnx', bitsPerWeight: 6 })
})

it('is the plan’s where no device is chosen or none of its formats holds the recipe', () => {
  const own = { bytes: 1000, bytesOf: 'awq', bitsPerWeight: 5 }
  expect(fileSizeOf(plan, [])).toEqual(own)
  expect(fileSizeOf(plan, ['gguf', 'tflite'])).toEqual(own)
})
