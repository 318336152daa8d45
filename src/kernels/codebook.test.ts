import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { faultOf } from '../testing/fault-of.ts'
import { type CodeBookName, codeBooks, sortBook } from './contract/codebook.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels } from './wasm/index.ts'

const reference = createReferenceKernels()
const wasm = await createWasmKernels()
const books = Object.keys(codeBooks) as CodeBookName[]

test.each(books)('%s: sixteen values up to 1, sorted by code where equal', (book) => {
  const { order, midpoints } = sortBook(book)
  expect([...order].sort((a, b) => a - b)).toEqual([...order.keys()])
  expect(midpoints).toHaveLength(15)
  expect([...midpoints]).toEqual([...midpoints].sort((a, b) => a - b))
  expect(Math.max(...codeBooks[book])).toBe(1)
})

/** 64 values around 0, by the rule; worked out by hand from the code books. */
test.each([
  ['nf4', '000001111111122222333344455566677788999aaabbbccccddddeeeeeeeffff'],
  ['fp4', 'bbbbbbaaaaaaaadddddccccfffeeee9901166667774444555552222222233333'],
] as const)('%s of an even ladder', async (book, expected) => {
  const data = Float32Array.from({ length: 64 }, (_, i) => (i - 32) / 16)
  const { codes, scales } = await wasm.quantizeCodeBook({ data, rows: 1, columns: 64 }, { book, blockSize: 64 })
  expect(Buffer.from(codes).toString('hex')).toBe(expected)
  expect([...scales]).toEqual([2])
})

describe.each(books)('%s', (book) => {
  it('is the same on WASM for any finite floats', async () => {
    await fc.assert(
      fc.asyncProperty(fc.float32Array({ minLength: 1, maxLength: 300, noNaN: true, noDefaultInfinity: true }), async (values) => {
        const input = { data: Float32Array.from(values), rows: 1, columns: values.length }
        const params = { book, blockSize: 64 }
        expect(await wasm.quantizeCodeBook(input, params)).toEqual(await reference.quantizeCodeBook(input, params))
      }),
      { numRuns: 100 },
    )
  })

  it('gives every weight the closest value of its block', async () => {
    const data = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i * 1.3) * 0.04)
    const tensor = await wasm.quantizeCodeBook({ data, rows: 2, columns: 100 }, { book, blockSize: 32 })
    const values = await wasm.dequantizeCodeBook(tensor)
    for (const [i, weight] of data.entries()) {
      const scale = tensor.scales[Math.floor(i / 32)] ?? 0
      const least = Math.min(...Array.from(codeBooks[book], (value) => Math.abs(weight - value * scale)))
      expect(Math.abs(weight - (values[i] ?? 0))).toBeLessThanOrEqual(least + 1e-8)
    }
  })
})

it.each([
  [NaN, 0],
  [Infinity, 70],
  [-Infinity, 99],
])('refuses %d at %i of 100, naming row and column', async (value, index) => {
  const data = new Float32Array(100).fill(0.1)
  data[index] = value
  for (const kernels of [reference, wasm]) {
    const fault = await faultOf(() => kernels.quantizeCodeBook({ data, rows: 4, columns: 25 }, { book: 'nf4', blockSize: 64 }))
    expect(fault.code).toBe('weights-not-finite')
    expect(fault.details).toEqual({ row: Math.floor(index / 25), column: index % 25 })
    const rows = await faultOf(() => kernels.quantizeInt8Rows({ data, rows: 4, columns: 25 }))
    expect(rows.details).toEqual({ row: Math.floor(index / 25), column: index % 25 })
  }
})

it.each([16, 48, 8192])('refuses blocks of %i', async (blockSize) => {
  const input = { data: new Float32Array(4), rows: 1, columns: 4 }
  expect((await faultOf(() => wasm.quantizeCodeBook(input, { book: 'nf4', blockSize }))).message).toContain('powers of two')
})

it('refuses arrays that do not fit the shape', async () => {
  const tensor = await wasm.quantizeCodeBook({ data: new Float32Array(64), rows: 2, columns: 32 }, { book: 'nf4', blockSize: 32 })
  expect((await faultOf(() => wasm.dequantizeCodeBook({ ...tensor, rows: 3 }))).message).toContain('A code stream')
  expect((await faultOf(() => wasm.dequantizeCodeBook({ ...tensor, scales: new Float32Array(1) }))).message).toContain('A list of scales')
  const rows = await wasm.quantizeInt8Rows({ data: new Float32Array(64), rows: 2, columns: 32 })
  expect((await faultOf(() => wasm.dequantizeInt8Rows({ ...rows, columns: 31 }))).message).toContain('A list of codes')
  expect((await faultOf(() => wasm.dequantizeInt8Rows({ ...rows, scales: new Float32Array(1) }))).message).toContain('A list of scales')
})

it('joins pieces of whole blocks where blocks span rows', async () => {
  const rows = 3001
  const columns = 1001
  const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i) * (1 + (i % 7)))
  const whole = await wasm.quantizeCodeBook({ data, rows, columns }, { book: 'nf4', blockSize: 4096 })
  const again = await wasm.quantizeCodeBook({ data, rows: 1, columns: rows * columns }, { book: 'nf4', blockSize: 4096 })
  expect(Buffer.compare(whole.codes, again.codes)).toBe(0)
  // The last piece, on its own.
  const from = 700 * 4096
  const tail = data.slice(from)
  const part = await reference.quantizeCodeBook({ data: tail, rows: 1, columns: tail.length }, { book: 'nf4', blockSize: 4096 })
  expect(Buffer.compare(whole.codes.subarray(from / 2), part.codes)).toBe(0)
  expect([...whole.scales.subarray(700)]).toEqual([...part.scales])
  const values = await wasm.dequantizeCodeBook(whole)
  expect(values.subarray(from)).toEqual(await reference.dequantizeCodeBook(part))
})
