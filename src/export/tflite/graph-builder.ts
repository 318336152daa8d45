import type { OperatorKind, OptionField, TensorType, TfliteGraph, TfliteOperator, TfliteTensor } from '../../formats/tflite/schema.ts'
import { tensorTypes } from '../../formats/tflite/schema.ts'

/** Where the bytes of a constant come from; little-endian, in the order of the tensor. */
export type ConstantSource =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Whole numbers of a stored matrix, and its scales: `int8-codes.ts`. */
  | { readonly kind: 'codes' | 'scales'; readonly name: string }
  /** A bias in steps of `inputScale` times the scale of its row of `weight`, in i32. */
  | BiasSource
  /** A tensor that is on no grid, in f32. */
  | { readonly kind: 'float'; readonly name: string }

export interface BiasSource {
  readonly kind: 'bias'
  readonly name: string
  readonly weight: string
  readonly inputScale: number
}

export interface BuiltGraph extends TfliteGraph {
  /** By constant, then by vector of scales. */
  readonly sources: readonly ConstantSource[]
}

type Shape = readonly number[]

/** Collects a graph operator by operator; methods return the index of the tensor they made. */
export class TfliteGraphBuilder {
  readonly #tensors: TfliteTensor[] = []
  readonly #operators: TfliteOperator[] = []
  readonly #sources: ConstantSource[] = []
  readonly #bytes: number[] = []
  readonly #vectors: { readonly source: ConstantSource; readonly length: number }[] = []
  /** Constants with the same source are stored once, whatever shapes they are seen in. */
  readonly #known = new Map<string, number>()
  readonly #inputs: number[] = []

  shapeOf(tensor: number): Shape {
    return this.#tensors[tensor]?.shape ?? []
  }

  input(name: string, shape: Shape, type: TensorType): number {
    const tensor = this.#add({ name, shape, type, constant: null, scale: null })
    this.#inputs.push(tensor)
    return tensor
  }

  /** `scale`: what one step of INT8 codes means. */
  constant(shape: Shape, type: TensorType, source: ConstantSource, scale: TfliteTensor['scale'] = null): number {
    const key = keyOf(source, type)
    const known = key === null ? undefined : this.#known.get(key)
    const constant = known ?? this.#sources.length
    if (known === undefined) {
      if (key !== null) this.#known.set(key, constant)
      this.#sources.push(source)
      this.#bytes.push(count(shape) * tensorTypes[type].bytes)
    }
    const name = source.kind === 'bytes' ? `constant ${constant}` : `${source.name} (${source.kind})`
    return this.#add({ name, shape, type, constant, scale })
  }

  /** Codes of a matrix that has one scale a row, as an operator on whole numbers takes them. */
  rowCodes(name: string, rows: number, columns: number): number {
    this.#vectors.push({ source: { kind: 'scales', name }, length: rows })
    return this.constant([rows, columns], 'INT8', { kind: 'codes', name }, { vector: this.#vectors.length - 1 })
  }

  floats(shape: Shape, values: Float32Array<ArrayBuffer>): number {
    return this.constant(shape, 'FLOAT32', { kind: 'bytes', bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) })
  }

  /** A vector, or a scalar for a single number. */
  integers(values: number | readonly number[]): number {
    const list = typeof values === 'number' ? [values] : values
    const bytes = new Uint8Array(Int32Array.from(list).buffer)
    return this.constant(typeof values === 'number' ? [] : [list.length], 'INT32', { kind: 'bytes', bytes })
  }

  operator(
    kind: OperatorKind,
    inputs: readonly number[],
    shape: Shape,
    {
      options = [],
      type = 'FLOAT32',
      scale = null,
    }: { readonly options?: readonly OptionField[]; readonly type?: TensorType; readonly scale?: number | null } = {},
  ): number {
    const output = this.#add({ name: `${kind} ${this.#operators.length}`, shape, type, constant: null, scale })
    this.#operators.push({ kind, inputs, outputs: [output], options })
    return output
  }

  /** Halves of the last axis. */
  halves(tensor: number): readonly [number, number] {
    const shape = this.shapeOf(tensor)
    const half = [...shape.slice(0, -1), (shape.at(-1) ?? 0) / 2]
    const add = (side: string): number =>
      this.#add({ name: `SPLIT ${this.#operators.length} ${side}`, shape: half, type: 'FLOAT32', constant: null, scale: null })
    const outputs = [add('first'), add('second')] as const
    const axis = this.integers(shape.length - 1)
    this.#operators.push({ kind: 'SPLIT', inputs: [axis, tensor], outputs, options: [{ id: 0, type: 'i32', value: 2 }] })
    return outputs
  }

  /** `left` decides the shape; `right` is stretched to it. */
  elementwise(kind: 'ADD' | 'MUL', left: number, right: number): number {
    return this.operator(kind, [left, right], this.shapeOf(left))
  }

  reshape(tensor: number, shape: Shape): number {
    const options: OptionField[] = [{ id: 0, type: 'i32[]', value: shape }]
    return this.operator('RESHAPE', [tensor, this.integers(shape)], shape, { options })
  }

  transpose(tensor: number, order: readonly number[]): number {
    const shape = this.shapeOf(tensor)
    return this.operator(
      'TRANSPOSE',
      [tensor, this.integers(order)],
      order.map((axis) => shape[axis] ?? 0),
    )
  }

  build(description: string, outputs: readonly number[]): BuiltGraph {
    return {
      description,
      tensors: this.#tensors,
      operators: this.#operators,
      inputs: this.#inputs,
      outputs,
      constantBytes: this.#bytes,
      scaleVectors: this.#vectors.map(({ length }) => length),
      sources: [...this.#sources, ...this.#vectors.map(({ source }) => source)],
    }
  }

  #add(tensor: TfliteTensor): number {
    this.#tensors.push(tensor)
    return this.#tensors.length - 1
  }
}

/** Large tables are never the same. */
const longestShared = 64

function keyOf(source: ConstantSource, type: TensorType): string | null {
  if (source.kind !== 'bytes') return `${source.kind} ${source.name}`
  return source.bytes.length > longestShared ? null : `${type} ${source.bytes.join()}`
}

function count(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1)
}
