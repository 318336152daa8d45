import type { TfliteGraph, TfliteOperator } from '../formats/tflite/schema.ts'
import { requantize } from './requantize.ts'

/** A tensor of the interpreter: values in f64 whatever its type, row-major. */
interface Value {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

/**
 * Runs a TensorFlow Lite graph in f64, one operator after the other, as the operators' descriptions read; nothing shared with
 * whoever made the graph. `constants` are the bytes of each constant, then of each vector of scales.
 */
export function runTflite(graph: TfliteGraph, constants: readonly Uint8Array<ArrayBuffer>[], input: readonly number[]): Float64Array {
  const values = new Map<number, Value>()
  for (const [index, { shape, type, constant }] of graph.tensors.entries()) {
    if (constant === null) continue
    const bytes = (constants[constant] ?? new Uint8Array()).slice().buffer
    const typed = { FLOAT32: Float32Array, INT32: Int32Array, INT8: Int8Array }[type]
    values.set(index, { shape, data: Float64Array.from(new typed(bytes)) })
  }
  const scalesOf = (index: number): readonly number[] => {
    const scale = graph.tensors[index]?.scale ?? null
    if (scale === null || typeof scale === 'number') return scale === null ? [] : [scale]
    const bytes = constants[graph.constantBytes.length + scale.vector] ?? new Uint8Array()
    return [...new Float32Array(bytes.slice().buffer)]
  }
  const [inputTensor = 0] = graph.inputs
  values.set(inputTensor, { shape: [input.length], data: Float64Array.from(input) })
  for (const operator of graph.operators) {
    const inputs = operator.inputs.filter((index) => index >= 0).map((index) => valueOf(values, index))
    const scales = [...operator.inputs, ...operator.outputs].map(scalesOf)
    for (const [place, data] of run(operator, inputs, scales).entries()) {
      const output = operator.outputs[place] ?? -1
      const shape = graph.tensors[output]?.shape ?? []
      if (count(shape) !== data.length) throw new RangeError(`${operator.kind} made ${data.length} values for [${shape.join()}]`)
      values.set(output, { shape, data })
    }
  }
  return valueOf(values, graph.outputs[0] ?? -1).data
}

function valueOf(values: ReadonlyMap<number, Value>, index: number): Value {
  const value = values.get(index)
  if (value === undefined) throw new RangeError(`tensor ${index} is read before it is made`)
  return value
}

/** `scales`: those of each input and output, one or one a row. */
function run(operator: TfliteOperator, inputs: readonly Value[], scales: readonly (readonly number[])[]): readonly Float64Array[] {
  const [a, b] = inputs
  if (a === undefined) throw new RangeError(`${operator.kind} has no input`)
  const second = (): Value => b ?? a
  switch (operator.kind) {
    case 'ADD':
      return [broadcast(a, second(), (x, y) => x + y)]
    case 'MUL':
      return [broadcast(a, second(), (x, y) => x * y)]
    case 'LOGISTIC':
      return [a.data.map((x) => 1 / (1 + Math.exp(-x)))]
    case 'RSQRT':
      return [a.data.map((x) => 1 / Math.sqrt(x))]
    case 'RESHAPE':
      return [a.data]
    case 'DEQUANTIZE':
      return [a.data.map((x) => x * (scales[0]?.[0] ?? Number.NaN))]
    case 'QUANTIZE':
      return [a.data.map((x) => int8(x / (scales[1]?.[0] ?? Number.NaN)))]
    case 'GATHER':
      return [Float64Array.from([...second().data].flatMap((row) => [...(rowsOf(a)[row] ?? [])]))]
    case 'MEAN':
      return [Float64Array.from(rowsOf(a), (row) => row.reduce((sum, x) => sum + x, 0) / row.length)]
    case 'SOFTMAX':
      return [Float64Array.from(rowsOf(a).flatMap((row) => [...softmax(row)]))]
    case 'SPLIT': {
      const half = rowsOf(second()).map((row) => [row.subarray(0, row.length / 2), row.subarray(row.length / 2)] as const)
      return [0, 1].map((side) => Float64Array.from(half.flatMap((both) => [...(both[side] ?? [])])))
    }
    case 'CONCATENATION': {
      const others = rowsOf(second())
      return [Float64Array.from(rowsOf(a).flatMap((row, index) => [...row, ...(others[index] ?? [])]))]
    }
    case 'TRANSPOSE':
      return [transposed(a, [...second().data])]
    case 'FULLY_CONNECTED': {
      const weights = rowsOf(second())
      return [Float64Array.from(rowsOf(a).flatMap((row) => weights.map((weight) => dot(row, weight))))]
    }
    case 'FULLY_CONNECTED_INT8': {
      const weights = rowsOf(second())
      const [[inputScale = Number.NaN] = [], rowScales = [], , [outputScale = Number.NaN] = []] = scales
      const output = (row: Float64Array, weight: Float64Array, at: number): number =>
        requantize(dot(row, weight) + (inputs[2]?.data[at] ?? 0), (inputScale * (rowScales[at] ?? Number.NaN)) / outputScale)
      return [Float64Array.from(rowsOf(a).flatMap((row) => weights.map((weight, at) => output(row, weight, at))))]
    }
    case 'BATCH_MATMUL':
      return [
        batchProduct(
          a,
          operator.options.length > 0 ? second() : { ...second(), data: transposed(second(), [0, 2, 1]), shape: swapped(second().shape) },
        ),
      ]
  }
}

/** Of [batch, m, k] and [batch, n, k]. */
function batchProduct(left: Value, right: Value): Float64Array {
  const [batches = 0, m = 0] = left.shape
  const n = right.shape[1] ?? 0
  const [rows, columns] = [rowsOf(left), rowsOf(right)]
  return Float64Array.from({ length: batches * m * n }, (_, at) => {
    const row = Math.floor(at / n)
    return dot(rows[row] ?? [], columns[Math.floor(row / m) * n + (at % n)] ?? [])
  })
}

function swapped([batch = 0, rows = 0, columns = 0]: readonly number[]): number[] {
  return [batch, columns, rows]
}

function transposed({ shape, data }: Value, order: readonly number[]): Float64Array {
  const strides = shape.map((_, axis) => count(shape.slice(axis + 1)))
  const result = order.map((axis) => shape[axis] ?? 0)
  return data.map((_, at) => {
    let [rest, from] = [at, 0]
    for (let axis = result.length - 1; axis >= 0; axis--) {
      const extent = result[axis] ?? 1
      from += (rest % extent) * (strides[order[axis] ?? 0] ?? 0)
      rest = Math.floor(rest / extent)
    }
    return data[from] ?? Number.NaN
  })
}

/** The second stretched to the first, axes aligned at the end. */
function broadcast(left: Value, right: Value, combine: (x: number, y: number) => number): Float64Array {
  const padded = [...left.shape.map(() => 1), ...right.shape].slice(-left.shape.length)
  return left.data.map((x, at) => {
    let [rest, from, stride] = [at, 0, 1]
    for (let axis = left.shape.length - 1; axis >= 0; axis--) {
      const [extent, own] = [left.shape[axis] ?? 1, padded[axis] ?? 1]
      if (own !== 1 && own !== extent) throw new RangeError(`[${right.shape.join()}] does not stretch to [${left.shape.join()}]`)
      from += own === 1 ? 0 : (rest % extent) * stride
      stride *= own
      rest = Math.floor(rest / extent)
    }
    return combine(x, right.data[from] ?? Number.NaN)
  })
}

function softmax(row: Float64Array): Float64Array {
  const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const powers = row.map((x) => Math.exp(x - largest))
  const total = powers.reduce((sum, x) => sum + x, 0)
  return powers.map((x) => x / total)
}

function rowsOf({ shape, data }: Value): Float64Array[] {
  const columns = shape.at(-1) ?? 1
  return Array.from({ length: data.length / columns }, (_, row) => data.subarray(row * columns, (row + 1) * columns))
}

function dot(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < left.length; i++) sum += (left[i] ?? 0) * (right[i] ?? 0)
  return sum
}

function int8(x: number): number {
  return Math.min(127, Math.max(-128, halfAway(x)))
}

function halfAway(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5)
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}
