import { ProtobufWriter } from './protobuf.ts'

/** Element types used here, by TensorProto.DataType number. */
export const onnxTypes = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 } as const
export type OnnxType = keyof typeof onnxTypes

/** A number is fixed; a string names a dimension known at run time. */
export type OnnxDimension = number | string

export interface OnnxValue {
  readonly name: string
  readonly type: OnnxType
  readonly shape: readonly OnnxDimension[]
}

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }

export interface OnnxNode {
  readonly op: string
  /** Empty for the ONNX domain; `com.microsoft` for ONNX Runtime's own operators. */
  readonly domain?: string
  /** An empty name leaves out an optional input. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
}

/**
 * A constant inside the file, where shapes of Reshape and the like must be, or in another file. An external one is found by
 * `location`, the name of a file beside the model, and its place there in bytes.
 */
export type OnnxInitializer = { readonly name: string; readonly shape: readonly number[] } & (
  | { readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array | Int8Array }
  | { readonly type: OnnxType; readonly external: OnnxExternalPlace }
)

export interface OnnxExternalPlace {
  readonly location: string
  readonly offset: number
  readonly length: number
}

/** Nodes must be in topological order. */
export interface OnnxGraph {
  readonly name: string
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly initializers: readonly OnnxInitializer[]
  readonly nodes: readonly OnnxNode[]
  /** Default 10 and 21. Runtimes that lag behind want older ones; the nodes must be those of that version. */
  readonly versions?: { readonly ir: number; readonly opset: number }
}

export const defaultVersions = { ir: 10, opset: 21 } as const

/** The bytes of a ModelProto. Field numbers from onnx.proto3 of ONNX 1.17. */
export function encodeModel(graph: OnnxGraph): Uint8Array<ArrayBuffer> {
  const { ir, opset } = graph.versions ?? defaultVersions
  return new ProtobufWriter()
    .integer(1, ir)
    .string(2, 'quantization-studio')
    .message(7, (inner) => {
      writeGraph(inner, graph)
    })
    .message(8, (inner) => inner.string(1, '').integer(2, opset))
    .message(8, (inner) => inner.string(1, 'com.microsoft').integer(2, 1))
    .finish()
}

function writeGraph(writer: ProtobufWriter, graph: OnnxGraph): void {
  for (const [index, node] of graph.nodes.entries()) writer.message(1, (inner) => writeNode(inner, node, `${node.op}_${String(index)}`))
  writer.string(2, graph.name)
  for (const initializer of graph.initializers) writer.message(5, (inner) => writeInitializer(inner, initializer))
  for (const value of graph.inputs) writer.message(11, (inner) => writeValue(inner, value))
  for (const value of graph.outputs) writer.message(12, (inner) => writeValue(inner, value))
}

function writeNode(writer: ProtobufWriter, node: OnnxNode, name: string): void {
  for (const input of node.inputs) writer.string(1, input)
  for (const output of node.outputs) writer.string(2, output)
  writer.string(3, name).string(4, node.op)
  for (const [key, attribute] of Object.entries(node.attributes ?? {})) {
    writer.message(5, (inner) => {
      inner.string(1, key)
      writeAttribute(inner, attribute)
    })
  }
  if (node.domain !== undefined) writer.string(7, node.domain)
}

/** `type` (field 20) must be set beside the value. */
function writeAttribute(writer: ProtobufWriter, attribute: OnnxAttribute): void {
  if ('float' in attribute) writer.float(2, attribute.float).integer(20, 1)
  else if ('int' in attribute) writer.integer(3, attribute.int).integer(20, 2)
  else if ('string' in attribute) writer.string(4, attribute.string).integer(20, 3)
  else writer.packedIntegers(8, attribute.ints).integer(20, 7)
}

function writeInitializer(writer: ProtobufWriter, initializer: OnnxInitializer): void {
  const { name, shape } = initializer
  if ('external' in initializer) {
    const { location, offset, length } = initializer.external
    writer.packedIntegers(1, shape).integer(2, onnxTypes[initializer.type]).string(8, name)
    for (const [key, value] of Object.entries({ location, offset, length })) {
      writer.message(13, (pair) => pair.string(1, key).string(2, String(value)))
    }
    writer.integer(14, external)
    return
  }
  const { data } = initializer
  writer
    .packedIntegers(1, shape)
    .integer(2, onnxTypes[typeOf(data)])
    .string(8, name)
    // raw_data is little-endian, as every machine that runs a browser is
    .bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
}

/** TensorProto.DataLocation. */
const external = 1

function typeOf(data: Extract<OnnxInitializer, { readonly data: unknown }>['data']): OnnxType {
  if (data instanceof Float32Array) return 'float'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof Uint8Array) return 'uint8'
  return data instanceof Int8Array ? 'int8' : 'int64'
}

function writeValue(writer: ProtobufWriter, { name, type, shape }: OnnxValue): void {
  writer.string(1, name).message(2, (typeProto) =>
    typeProto.message(1, (tensorType) =>
      tensorType.integer(1, onnxTypes[type]).message(2, (shapeProto) => {
        for (const dimension of shape) {
          shapeProto.message(1, (inner) => (typeof dimension === 'number' ? inner.integer(1, dimension) : inner.string(2, dimension)))
        }
      }),
    ),
  )
}
