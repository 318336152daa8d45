import { ByteBuffer } from 'flatbuffers'
import { describe, expect, it } from 'vitest'
import { memorySource } from '../../io/memory-source.ts'
import { constantPrefix, layoutTflite } from './layout.ts'
import { readTflite } from './read.ts'
import { operatorKinds, type TfliteGraph, tensorTypes } from './schema.ts'

/** y = x W^T scaled, with a batch product whose code does not fit the old field. */
const graph: TfliteGraph = {
  description: 'a graph',
  tensors: [
    { name: 'x', shape: [2, 3], type: 'FLOAT32', constant: null, scale: null },
    { name: 'w', shape: [5, 3], type: 'INT8', constant: 0, scale: 0.5 },
    { name: 'w as floats', shape: [5, 3], type: 'FLOAT32', constant: null, scale: null },
    { name: 'order', shape: [1], type: 'INT32', constant: 1, scale: null },
    { name: 'y', shape: [2, 5], type: 'FLOAT32', constant: null, scale: null },
    { name: 'z', shape: [2, 1], type: 'FLOAT32', constant: null, scale: null },
    { name: 'v', shape: [3, 5], type: 'INT8', constant: 0, scale: { vector: 0 } },
    { name: 'u', shape: [3, 5], type: 'INT8', constant: 0, scale: { vector: 0 } },
  ],
  operators: [
    { kind: 'DEQUANTIZE', inputs: [1], outputs: [2], options: [] },
    { kind: 'BATCH_MATMUL', inputs: [0, 2], outputs: [4], options: [{ id: 1, type: 'i8', value: 1 }] },
    { kind: 'MEAN', inputs: [4, 3], outputs: [5], options: [{ id: 0, type: 'i8', value: 1 }] },
    { kind: 'RESHAPE', inputs: [5, -1], outputs: [5], options: [{ id: 0, type: 'i32[]', value: [2, 1] }] },
    { kind: 'SOFTMAX', inputs: [5], outputs: [5], options: [{ id: 0, type: 'f32', value: 1 }] },
    { kind: 'SPLIT', inputs: [5], outputs: [5], options: [{ id: 0, type: 'i32', value: 2 }] },
    { kind: 'RSQRT', inputs: [5], outputs: [5], options: [] },
    { kind: 'FULLY_CONNECTED', inputs: [0, 2, -1], outputs: [4], options: [] },
    { kind: 'FULLY_CONNECTED_INT8', inputs: [6, 7, -1], outputs: [6], options: [] },
  ],
  inputs: [0],
  outputs: [5],
  constantBytes: [15, 4],
  scaleVectors: [3],
}
const rowScales = [0.5, -0.25, 2]
const contents = [
  Uint8Array.from({ length: 15 }, (_, i) => 240 + i),
  Uint8Array.of(1, 0, 0, 0),
  new Uint8Array(Float32Array.from(rowScales).buffer),
]

function written(): Uint8Array<ArrayBuffer> {
  const layout = layoutTflite(graph)
  const bytes = new Uint8Array(layout.sizeBytes)
  bytes.set(layout.head)
  let end = layout.head.length
  for (const [index, place] of layout.constants.entries()) {
    bytes.set(constantPrefix(end, place), end)
    bytes.set(contents[index] ?? [], place.start)
    end = place.start + place.sizeBytes
  }
  return bytes
}

describe('a TensorFlow Lite file', () => {
  it('is read back with every table and constant', async () => {
    const bytes = written()
    const file = await readTflite(memorySource('m.tflite', bytes), layoutTflite(graph).head.length)
    expect(file.version).toBe(3)
    expect(file.tensors).toEqual(
      graph.tensors.map(({ name, shape, type, constant, scale }) => ({
        name,
        shape,
        type: tensorTypes[type].code,
        buffer: constant === null ? 0 : constant + 1,
        scales: scale === null ? [] : typeof scale === 'number' ? [scale] : rowScales,
        zeroPoints: scale === null ? [] : typeof scale === 'number' ? [0] : [0, 0, 0],
      })),
    )
    expect(file.operators.map(({ opcodeIndex }) => file.operatorCodes[opcodeIndex])).toEqual(
      graph.operators.map(({ kind }) => ({ code: operatorKinds[kind].code, version: operatorKinds[kind].version })),
    )
    expect(file.operators.map(({ inputs, outputs, optionsType }) => ({ inputs, outputs, optionsType }))).toEqual(
      graph.operators.map(({ kind, inputs, outputs }) => ({ inputs, outputs, optionsType: operatorKinds[kind].options })),
    )
    expect([file.inputs, file.outputs]).toEqual([[0], [5]])
    expect(file.buffers[0]).toEqual({ start: 0, end: 0 })
    for (const [index, wanted] of contents.slice(0, 2).entries()) {
      const { start, end } = file.buffers[index + 1] ?? { start: 0, end: 0 }
      expect(start % 16).toBe(0)
      expect(bytes.slice(start, end)).toEqual(wanted)
    }
  })

  it('is a flatbuffer to the library too', () => {
    const buffer = new ByteBuffer(written())
    const root = buffer.readInt32(0)
    expect(buffer.__has_identifier('TFL3')).toBe(true)
    const description = buffer.__offset(root, 10)
    expect(buffer.__string(root + description)).toBe('a graph')
    const buffers = buffer.__vector(root + buffer.__offset(root, 12))
    const second = buffer.__indirect(buffers + 4)
    const data = second + buffer.__offset(second, 4)
    expect(buffer.__vector_len(data)).toBe(15)
    expect(buffer.readUint8(buffer.__vector(data) + 14)).toBe(254)
  })

  it('has the old operator code where it fits, and the sign of a newer one where not', () => {
    const buffer = new ByteBuffer(written())
    const root = buffer.readInt32(0)
    const codes = buffer.__vector(root + buffer.__offset(root, 6))
    const old = [0, 1].map((index) => {
      const table = buffer.__indirect(codes + 4 * index)
      return buffer.readInt8(table + buffer.__offset(table, 4))
    })
    expect(old).toEqual([6, 126])
  })

  it('is refused where it is none, has other subgraphs, or points outside', async () => {
    const bytes = written()
    const head = layoutTflite(graph).head.length
    const attempt = (change: (bytes: Uint8Array) => void, length = bytes.length) => {
      const broken = bytes.slice(0, length)
      change(broken)
      return readTflite(memorySource('m.tflite', broken), head)
    }
    await expect(attempt((all) => all.fill(0, 4, 8))).rejects.toThrow(/m\.tflite cannot be read: it is not marked TFL3/)
    await expect(attempt((all) => all.fill(255, 0, 3))).rejects.toMatchObject({ code: 'file-damaged' })
    // The scales of rows are last.
    await expect(attempt(() => undefined, bytes.length - 1)).rejects.toThrow(/a vector ends outside/)
    await expect(attempt(() => undefined, bytes.length - 12 - 4)).rejects.toThrow(/a vector lies outside/)
    const [first] = layoutTflite(graph).constants
    await expect(attempt(() => undefined, (first?.start ?? 0) + 3)).rejects.toThrow(/a vector ends outside/)
    await expect(attempt(() => undefined, head)).rejects.toThrow(/a vector lies outside/)
  })
})
