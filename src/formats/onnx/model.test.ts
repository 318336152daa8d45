import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from './builder.ts'
import { encodeModel } from './model.ts'
import { ProtobufWriter } from './protobuf.ts'

/** A reader of the wire format, from the same page as the writer: field number to the values found, in order. */
function decode(bytes: Uint8Array): ReadonlyMap<number, readonly (bigint | number | Uint8Array)[]> {
  const fields = new Map<number, (bigint | number | Uint8Array)[]>()
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++] ?? 0)
      value += (byte % 128n) * 2n ** shift
      if (byte < 128n) return value
    }
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const values = fields.get(Math.floor(key / 8)) ?? []
    fields.set(Math.floor(key / 8), values)
    if (key % 8 === 0) values.push(BigInt.asIntN(64, varint()))
    else if (key % 8 === 5) {
      values.push(new DataView(bytes.buffer, bytes.byteOffset + at, 4).getFloat32(0, true))
      at += 4
    } else {
      const length = Number(varint())
      values.push(bytes.subarray(at, at + length))
      at += length
    }
  }
  return fields
}

const text = (value: unknown): string => new TextDecoder().decode(value as Uint8Array)
const inner = (fields: ReadonlyMap<number, readonly unknown[]>, field: number): readonly Uint8Array[] =>
  (fields.get(field) ?? []) as readonly Uint8Array[]

describe('ProtobufWriter', () => {
  it('writes any int64, float and bytes so that they read back', () => {
    const cases = fc.record({
      integer: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      float: fc.float(),
      bytes: fc.uint8Array({ maxLength: 700 }),
    })
    fc.assert(
      fc.property(cases, ({ integer, float, bytes }) => {
        const fields = decode(new ProtobufWriter().integer(1, integer).float(2, float).bytes(300, bytes).finish())
        expect(fields.get(1)).toEqual([integer])
        expect(fields.get(2)).toEqual([float])
        expect([...(inner(fields, 300)[0] ?? [])]).toEqual([...bytes])
      }),
    )
  })

  it('writes the examples of the protobuf documentation', () => {
    expect([...new ProtobufWriter().integer(1, 150).finish()]).toEqual([0x08, 0x96, 0x01])
    expect([...new ProtobufWriter().string(2, 'testing').finish()]).toEqual([0x12, 7, ...new TextEncoder().encode('testing')])
    expect([...new ProtobufWriter().packedIntegers(6, [3, 270, 86942]).finish()]).toEqual([0x32, 6, 3, 0x8e, 2, 0x9e, 0xa7, 5])
  })
})

describe('encodeModel', () => {
  it('keeps names, shapes, attributes and constants', () => {
    const builder = new GraphBuilder()
    const input = builder.input('x', 'float', ['batch', 4])
    const constant = builder.constant(Float32Array.of(1, -2), [2])
    const sum = builder.contrib('FusedMatMul', [input, constant], { alpha: { float: 0.5 }, transB: { int: 1 }, axes: { ints: [1, -1] } })
    builder.output(sum, 'y', ['batch'])
    const model = decode(encodeModel(builder.build('g')))
    expect(model.get(1)).toEqual([10n])
    expect(inner(model, 8).map((opset) => [text(inner(decode(opset), 1)[0]), decode(opset).get(2)])).toEqual([
      ['', [21n]],
      ['com.microsoft', [1n]],
    ])
    const graph = decode(inner(model, 7)[0] ?? new Uint8Array())
    const [node] = inner(graph, 1).map(decode)
    expect(text(node?.get(4)?.[0])).toBe('FusedMatMul')
    expect(text(node?.get(7)?.[0])).toBe('com.microsoft')
    const attributes = inner(node ?? new Map(), 5).map(decode)
    expect(attributes.map((attribute) => text(attribute.get(1)?.[0]))).toEqual(['alpha', 'transB', 'axes'])
    expect(attributes.map((attribute) => attribute.get(20))).toEqual([[1n], [2n], [7n]])
    expect(attributes[0]?.get(2)).toEqual([0.5])
    const [initializer] = inner(graph, 5).map(decode)
    expect([...(inner(initializer ?? new Map(), 9)[0] ?? [])]).toEqual([...new Uint8Array(Float32Array.of(1, -2).buffer)])
    const [value] = inner(graph, 11).map(decode)
    const tensorType = decode(inner(decode(inner(value ?? new Map(), 2)[0] ?? new Uint8Array()), 1)[0] ?? new Uint8Array())
    const dimensions = inner(decode(inner(tensorType, 2)[0] ?? new Uint8Array()), 1).map(decode)
    expect(text(dimensions[0]?.get(2)?.[0])).toBe('batch')
    expect(dimensions[1]?.get(1)).toEqual([4n])
  })
})
