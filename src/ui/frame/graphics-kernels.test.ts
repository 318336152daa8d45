import { expect, it } from 'vitest'
import { kernelsInWords, operationInWords } from './graphics-kernels.tsx'

it('names what runs on the graphics card', () => {
  const kernels = [
    { operation: 'accumulateGram', support: true },
    { operation: 'quantizeGgml', support: 'It is not written for the graphics card.' },
    { operation: 'traceThroughGram', support: true },
  ] as const
  expect(kernelsInWords(kernels)).toBe('Quantization on the graphics card: Gram matrices, layer errors. The rest is faster in WASM.')
})

it('says why nothing does when there is one reason, and no reason when there are several', () => {
  const none = (...reasons: readonly string[]) => reasons.map((support, index) => ({ operation: `o${index}`, support }))
  expect(kernelsInWords(none('No card.', 'No card.'))).toBe('Quantization runs in WASM. No card.')
  expect(kernelsInWords(none('No card.', 'Too slow.'))).toBe('Quantization runs in WASM.')
})

it('spells out an operation that it has no words for', () => {
  expect(operationInWords('factorGram')).toBe('factor gram')
})
