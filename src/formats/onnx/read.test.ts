import { describe, expect, it } from 'vitest'
import { faultOf } from '../../testing/fault-of.ts'
import { GraphBuilder } from './builder.ts'
import { encodeModel } from './model.ts'
import { ProtobufWriter } from './protobuf.ts'
import { decodeModel } from './read.ts'

function made(): Uint8Array<ArrayBuffer> {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float', ['batch', 4])
  const place = { location: 'model.onnx_data', offset: 4096, length: 32 }
  const weight = builder.initializer({ name: 'w', shape: [2, 4], type: 'float', external: place })
  const scale = builder.constant(Int8Array.of(-3), [])
  builder.named('Gemm', [x, weight], ['y', '', 'z'], {
    attributes: { alpha: { float: 0.5 }, axes: { ints: [1, -1, 300] }, mode: { string: 'a' } },
  })
  builder.named('Own', [scale], ['t'], { domain: 'com.microsoft', attributes: { bits: { int: 4 } } })
  builder.publish({ name: 'y', type: 'float16', shape: [] })
  return encodeModel({ ...builder.build('g'), versions: { ir: 8, opset: 17 } })
}

describe('decodeModel', () => {
  it('reads what the writer wrote', () => {
    expect(decodeModel(made())).toEqual({
      irVersion: 8,
      opsets: { '': 17, 'com.microsoft': 1 },
      inputs: [{ name: 'x', type: 1, shape: ['batch', 4] }],
      outputs: [{ name: 'y', type: 10, shape: [] }],
      nodes: [
        { op: 'Gemm', domain: '', inputs: ['x', 'w'], outputs: ['y', '', 'z'], attributes: { alpha: 0.5, axes: [1, -1, 300], mode: 'a' } },
        { op: 'Own', domain: 'com.microsoft', inputs: ['constant:1'], outputs: ['t'], attributes: { bits: 4 } },
      ],
      initializers: [
        { name: 'w', type: 1, shape: [2, 4], data: { location: 'model.onnx_data', offset: 4096, length: 32 } },
        { name: 'constant:1', type: 3, shape: [], data: Uint8Array.of(0xfd) },
      ],
    })
  })

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /field 7 is missing/],
    ['an end within a number', Uint8Array.of(0x08, 0x80), /ends within a number/],
    ['a number without an end', new Uint8Array(20).fill(0xff), /more than 64 bits/],
    ['a length beyond the end', Uint8Array.of(0x3a, 0x7f, 1), /reaches beyond its end/],
    ['half a float', Uint8Array.of(0x15, 1, 2), /ends within a number/],
    ['a wire type that there is not', Uint8Array.of(0x0b), /wire type 3/],
    [
      'an attribute of a sort that is not read',
      new ProtobufWriter()
        .message(7, (graph) => graph.message(1, (node) => node.message(5, (attribute) => attribute.string(1, 'a').integer(20, 5))))
        .finish(),
      /attribute of type 5/,
    ],
  ])('refuses %s', async (_case, bytes, message) => {
    const fault = await faultOf(() => Promise.resolve().then(() => decodeModel(bytes)))
    expect(fault).toMatchObject({ code: 'file-damaged', message: expect.stringMatching(message) as string })
  })
})
