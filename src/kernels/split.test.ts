import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sampleMatrix } from './conformance/inputs.ts'
import { gramTokenBlock } from './contract/operations.ts'
import { pieceBytes, rowPieces, rowsWithin } from './pieces.ts'
import { gramStripes } from './split-gram.ts'
import { createWasmKernels } from './wasm/index.ts'

test('pieces cover every row once, in order, and stay within their bytes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 3 * pieceBytes }), (count, rowBytes) => {
      const pieces = rowPieces(count, rowBytes)
      // Gathered, then expected once: thousands of expectations a run take seconds on a busy machine.
      const faults = pieces.filter(({ start, end }, index) => {
        const isInOrder = end > start && start === (pieces[index - 1]?.end ?? 0)
        return !isInOrder || (end - start > 1 && (end - start) * rowBytes > pieceBytes)
      })
      expect(faults).toEqual([])
      expect(pieces.at(-1)?.end ?? 0).toBe(count)
    }),
    { numRuns: 50 },
  )
})

test('pieces of 8 rows and more begin at a multiple of 8 bytes in every array that has rows', () => {
  for (const { start } of rowPieces(4000, 4 * 576)) expect(start % 8).toBe(0)
  expect(rowPieces(20, pieceBytes / 7).map(({ start }) => start)).toEqual([0, 7, 14])
  expect(rowsWithin(100, 1000)).toBe(1)
})

test('stripes of a Gram matrix cover every row once, begin at a tile and stay within 16 MiB', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40_000 }), fc.integer({ min: 1, max: 48 }), (columns, parts) => {
      let next = 0
      for (const { start, end } of gramStripes(columns, parts)) {
        expect(start).toBe(next)
        expect(start % 8).toBe(0)
        expect(end).toBeGreaterThan(start)
        expect(end - start <= 8 || (end - start) * (columns - start) * 4 <= 16 * 2 ** 20).toBe(true)
        next = end
      }
      expect(next).toBe(columns)
    }),
    { numRuns: 100 },
  )
})

describe('the Gram matrix', () => {
  test('is the same whether whole blocks of tokens come at once or one after the other', async () => {
    const kernels = await createWasmKernels()
    const columns = 128
    // More than goes to a thread at once.
    const tokens = 131 * gramTokenBlock
    const input = sampleMatrix('normal', tokens, columns)
    const atOnce = await kernels.accumulateGram(new Float32Array(columns * columns), input)
    let inTurn = new Float32Array(columns * columns)
    for (let block = 0; block < tokens; block += 10 * gramTokenBlock) {
      const data = input.data.slice(block * columns, (block + 10 * gramTokenBlock) * columns)
      inTurn = await kernels.accumulateGram(inTurn, { data, rows: data.length / columns, columns })
    }
    expect(Buffer.compare(Buffer.from(atOnce.buffer), Buffer.from(inTurn.buffer))).toBe(0)
  })

  test('keeps what stands below its diagonal', async () => {
    const kernels = await createWasmKernels()
    const before = sampleMatrix('normal', 21, 21).data
    const after = await kernels.accumulateGram(before, sampleMatrix('one value', 5, 21))
    for (let row = 0; row < 21; row++) {
      for (let column = 0; column < 21; column++) {
        const at = row * 21 + column
        if (column < row) expect(after[at]).toBe(before[at])
        else expect(after[at]).not.toBe(before[at])
      }
    }
  })

  test('and the trace through it are |X D^T|^2', async () => {
    const kernels = await createWasmKernels()
    const input = sampleMatrix('normal', 60, 45)
    const delta = sampleMatrix('heavy tails', 7, 45)
    let expected = 0
    for (let token = 0; token < 60; token++) {
      for (let row = 0; row < 7; row++) {
        let sum = 0
        for (let c = 0; c < 45; c++) sum += (input.data[token * 45 + c] ?? 0) * (delta.data[row * 45 + c] ?? 0)
        expected += sum * sum
      }
    }
    const gram = await kernels.accumulateGram(new Float32Array(45 * 45), input)
    expect((await kernels.traceThroughGram(delta, gram)) / expected).toBeCloseTo(1, 5)
  })
})
