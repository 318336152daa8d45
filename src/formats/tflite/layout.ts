import { Builder } from 'flatbuffers'
import {
  fields,
  fileIdentifier,
  type OperatorKind,
  type OptionField,
  operatorKinds,
  schemaVersion,
  type TfliteGraph,
  type TfliteOperator,
  type TfliteTensor,
  tensorTypes,
  widestOldCode,
} from './schema.ts'

/** `force_align` of Buffer.data; micro-controllers read weights in place. */
const dataAlignment = 16
const u32Bytes = 4
const f32Bytes = 4

/** Largest offset of a flatbuffer, which readers take as signed. */
export const largestTfliteBytes = 2 ** 31 - 1

export interface TfliteLayout {
  /** Everything but the constants' bytes: the start of the file. */
  readonly head: Uint8Array<ArrayBuffer>
  /**
   * Where the bytes of each constant lie, then those of each vector of scales, in file order; before them stand zeros from the end of
   * what precedes, and their count of elements as u32.
   */
  readonly constants: readonly { readonly start: number; readonly sizeBytes: number; readonly count: number }[]
  readonly sizeBytes: number
}

/**
 * A flatbuffer whose constants and vectors of scales stand behind everything else, so that it can be streamed: the builder makes
 * the tables with an empty place for each one's offset, and offsets may point forward as far as they like.
 */
export function layoutTflite(graph: TfliteGraph): TfliteLayout {
  const builder = new Builder(1024)
  const tables = graph.constantBytes.map(() => bufferTable(builder))
  const buffers = offsets(builder, [emptyTable(builder), ...tables])
  const scales = new ScaleTables(builder, graph.scaleVectors)
  const tensors = offsets(
    builder,
    graph.tensors.map((tensor) => tensorTable(builder, tensor, scales)),
  )
  const kinds = [...new Set(graph.operators.map(({ kind }) => kind))]
  const operators = offsets(
    builder,
    graph.operators.map((operator) => operatorTable(builder, operator, kinds)),
  )
  const codes = offsets(
    builder,
    kinds.map((kind) => codeTable(builder, kind)),
  )
  const subgraphs = offsets(builder, [subgraphTable(builder, graph, { tensors, operators })])
  const description = builder.createString(graph.description)
  const { model } = fields
  builder.startObject(5)
  builder.addFieldInt32(model.version, schemaVersion, 0)
  builder.addFieldOffset(model.operatorCodes, codes, 0)
  builder.addFieldOffset(model.subgraphs, subgraphs, 0)
  builder.addFieldOffset(model.description, description, 0)
  builder.addFieldOffset(model.buffers, buffers, 0)
  builder.finish(builder.endObject(), fileIdentifier)
  const head = new Uint8Array(builder.asUint8Array())
  const view = new DataView(head.buffer)
  let end = head.length
  const wanted = [
    ...graph.constantBytes.map((sizeBytes, index) => ({ sizeBytes, count: sizeBytes, tables: tables.slice(index, index + 1) })),
    ...graph.scaleVectors.map((count, index) => ({ sizeBytes: f32Bytes * count, count, tables: scales.ofVector(index) })),
  ]
  const constants = wanted.map(({ sizeBytes, count, tables }) => {
    const start = Math.ceil((end + u32Bytes) / dataAlignment) * dataAlignment
    for (const table of tables) {
      // The builder counts from the end; a table starts with the offset of its vtable, the field that was added last follows.
      const field = head.length - table + u32Bytes
      view.setUint32(field, start - u32Bytes - field, true)
    }
    end = start + sizeBytes
    return { start, sizeBytes, count }
  })
  return { head, constants, sizeBytes: end }
}

/** What stands between the end of what precedes a constant and its first byte: zeros and its length. */
export function constantPrefix(previousEnd: number, { start, count }: TfliteLayout['constants'][number]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(start - previousEnd)
  new DataView(bytes.buffer).setUint32(bytes.length - u32Bytes, count, true)
  return bytes
}

function emptyTable(builder: Builder): number {
  builder.startObject(1)
  return builder.endObject()
}

/** A Buffer whose data offset is filled in later; the value only has to differ from the default. */
function bufferTable(builder: Builder): number {
  builder.startObject(1)
  builder.addFieldInt32(fields.buffer.data, 1, 0)
  return builder.endObject()
}

/** QuantizationParameters; those with a scale for each row get their offset when the vectors have their places. */
class ScaleTables {
  readonly #builder: Builder
  readonly #lengths: readonly number[]
  readonly #tables: number[][]
  /** Zero points by their count, which tensors share. */
  readonly #zeros = new Map<number, number>()

  constructor(builder: Builder, lengths: readonly number[]) {
    this.#builder = builder
    this.#lengths = lengths
    this.#tables = lengths.map(() => [])
  }

  add(scale: NonNullable<TfliteTensor['scale']>): number {
    const builder = this.#builder
    const isOne = typeof scale === 'number'
    const zeroPoints = this.#zeroPoints(isOne ? 1 : (this.#lengths[scale.vector] ?? 0))
    const one = isOne ? floats(builder, [scale]) : 0
    const { quantization } = fields
    builder.startObject(4)
    builder.addFieldOffset(quantization.zeroPoint, zeroPoints, 0)
    if (isOne) builder.addFieldOffset(quantization.scale, one, 0)
    // Only has to differ from the default.
    else builder.addFieldInt32(quantization.scale, 1, 0)
    const table = builder.endObject()
    if (!isOne) this.#tables[scale.vector]?.push(table)
    return table
  }

  ofVector(vector: number): readonly number[] {
    return this.#tables[vector] ?? []
  }

  #zeroPoints(count: number): number {
    const builder = this.#builder
    const known = this.#zeros.get(count)
    if (known !== undefined) return known
    builder.startVector(8, count, 8)
    for (let index = 0; index < count; index++) builder.addInt64(0n)
    const made = builder.endVector()
    this.#zeros.set(count, made)
    return made
  }
}

function tensorTable(builder: Builder, { name, shape, type, constant, scale }: TfliteTensor, scales: ScaleTables): number {
  const text = builder.createString(name)
  const extents = integers(builder, shape)
  const quantization = scale === null ? 0 : scales.add(scale)
  const { tensor } = fields
  builder.startObject(5)
  builder.addFieldOffset(tensor.shape, extents, 0)
  builder.addFieldInt8(tensor.type, tensorTypes[type].code, 0)
  // Buffer 0 is the empty one of tensors that are computed.
  builder.addFieldInt32(tensor.buffer, constant === null ? 0 : constant + 1, 0)
  builder.addFieldOffset(tensor.name, text, 0)
  builder.addFieldOffset(tensor.quantization, quantization, 0)
  return builder.endObject()
}

function operatorTable(builder: Builder, { kind, inputs, outputs, options }: TfliteOperator, kinds: readonly OperatorKind[]): number {
  const from = integers(builder, inputs)
  const to = integers(builder, outputs)
  const optionsType = operatorKinds[kind].options
  const table = optionsType === 0 ? 0 : optionsTable(builder, options)
  const { operator } = fields
  builder.startObject(5)
  builder.addFieldInt32(operator.opcodeIndex, kinds.indexOf(kind), 0)
  builder.addFieldOffset(operator.inputs, from, 0)
  builder.addFieldOffset(operator.outputs, to, 0)
  builder.addFieldInt8(operator.builtinOptionsType, optionsType, 0)
  builder.addFieldOffset(operator.builtinOptions, table, 0)
  return builder.endObject()
}

function optionsTable(builder: Builder, options: readonly OptionField[]): number {
  const vectors = options.map(({ value }) => (typeof value === 'number' ? 0 : integers(builder, value)))
  builder.startObject(Math.max(0, ...options.map(({ id }) => id + 1)))
  for (const [index, { id, type, value }] of options.entries()) {
    if (typeof value !== 'number') builder.addFieldOffset(id, vectors[index] ?? 0, 0)
    else if (type === 'f32') builder.addFieldFloat32(id, value, 0)
    else if (type === 'i8') builder.addFieldInt8(id, value, 0)
    else builder.addFieldInt32(id, value, 0)
  }
  return builder.endObject()
}

function codeTable(builder: Builder, kind: OperatorKind): number {
  const { code, version } = operatorKinds[kind]
  const { operatorCode } = fields
  builder.startObject(4)
  builder.addFieldInt8(operatorCode.deprecatedBuiltinCode, Math.min(code, widestOldCode), 0)
  builder.addFieldInt32(operatorCode.version, version, 1)
  builder.addFieldInt32(operatorCode.builtinCode, code, 0)
  return builder.endObject()
}

function subgraphTable(builder: Builder, graph: TfliteGraph, parts: { readonly tensors: number; readonly operators: number }): number {
  const inputs = integers(builder, graph.inputs)
  const outputs = integers(builder, graph.outputs)
  const name = builder.createString('main')
  const { subgraph } = fields
  builder.startObject(5)
  builder.addFieldOffset(subgraph.tensors, parts.tensors, 0)
  builder.addFieldOffset(subgraph.inputs, inputs, 0)
  builder.addFieldOffset(subgraph.outputs, outputs, 0)
  builder.addFieldOffset(subgraph.operators, parts.operators, 0)
  builder.addFieldOffset(subgraph.name, name, 0)
  return builder.endObject()
}

function integers(builder: Builder, values: readonly number[]): number {
  builder.startVector(4, values.length, 4)
  for (const value of [...values].reverse()) builder.addInt32(value)
  return builder.endVector()
}

function floats(builder: Builder, values: readonly number[]): number {
  builder.startVector(4, values.length, 4)
  for (const value of [...values].reverse()) builder.addFloat32(value)
  return builder.endVector()
}

function offsets(builder: Builder, tables: readonly number[]): number {
  builder.startVector(4, tables.length, 4)
  for (const table of [...tables].reverse()) builder.addOffset(table)
  return builder.endVector()
}
