import { equalBytes } from '../../core/equal-bytes.ts'
import { StudioError, throwIfAborted } from '../../core/errors.ts'
import type { TfliteLayout } from '../../formats/tflite/layout.ts'
import { readTflite, type TfliteFile } from '../../formats/tflite/read.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { asMatrix } from '../float-pieces.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import { shapeOf } from '../shapes.ts'
import type { ExportSource } from '../target.ts'
import type { BiasSource, BuiltGraph } from './graph-builder.ts'

/**
 * Parses the written file with the reader of `formats/tflite`, then compares its tables and every constant with what was meant:
 * matrices by the weights that their codes and scales stand for, everything else bit by bit.
 */
export async function verifyTflite(
  { graph, layout }: { readonly graph: BuiltGraph; readonly layout: TfliteLayout },
  source: ExportSource,
  written: ByteSource,
  { kernels, signal }: { readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<void> {
  const file = await parseBack(written, layout.head.length, signal)
  proveTables(file, graph)
  if (!equalBytes(await written.read(0, layout.head.length, signal), layout.head))
    throw proofFailed('The graph', 'differs after reading back')
  const bytesOf = (constant: number): Promise<Uint8Array<ArrayBuffer>> => {
    const { start, end } = file.buffers[constant + 1] ?? { start: 0, end: 0 }
    return written.read(start, end, signal)
  }
  for (const [index, from] of graph.sources.entries()) {
    throwIfAborted(signal)
    if (from.kind === 'bytes') {
      if (!equalBytes(await bytesOf(index), from.bytes)) throw proofFailed(`Constant ${index}`, 'differs after reading back')
    } else if (from.kind === 'float') {
      const { rows } = asMatrix(shapeOf(source, from.name))
      const wanted = await source.readFloat(from.name, { rowStart: 0, rowEnd: rows }, signal)
      proveEqual(`Tensor ${from.name}`, new Float32Array((await bytesOf(index)).buffer), wanted)
    } else if (from.kind === 'codes') {
      const codes = new Int8Array((await bytesOf(index)).buffer)
      const scales = rowScales(file, from.name) ?? new Float32Array((await bytesOf(scalesOf(graph, from.name))).buffer)
      const run = codes.length / scales.length
      const values = Float32Array.from(codes, (code, at) => code * (scales[Math.floor(at / run)] ?? Number.NaN))
      const stored = await source.readQuantized(from.name, signal)
      const wanted = await storage.get(stored.encoding).dequantize(stored, kernels, signal)
      proveEqual(`Tensor ${from.name}`, positiveZeros(values), positiveZeros(wanted))
    } else if (from.kind === 'bias') {
      const steps = new Int32Array((await bytesOf(index)).buffer)
      const wanted = await source.readFloat(from.name, { rowStart: 0, rowEnd: 1 }, signal)
      proveBias(from, { steps, wanted, scales: rowScales(file, from.weight) ?? new Float32Array() })
    }
  }
}

async function parseBack(written: ByteSource, headBytes: number, signal?: AbortSignal): Promise<TfliteFile> {
  try {
    return await readTflite(written, headBytes, signal)
  } catch (error) {
    if (error instanceof StudioError && error.code === 'file-damaged')
      throw proofFailed('The graph', `cannot be read back: ${error.message}`)
    throw error
  }
}

function proveTables(file: TfliteFile, graph: BuiltGraph): void {
  const same = (found: readonly number[], wanted: readonly number[]): boolean => found.join() === wanted.join()
  const areTensors =
    file.tensors.length === graph.tensors.length &&
    graph.tensors.every(({ name, shape, constant }, index) => {
      const found = file.tensors[index]
      return found?.name === name && same(found.shape, shape) && found.buffer === (constant === null ? 0 : constant + 1)
    })
  const areOperators =
    file.operators.length === graph.operators.length &&
    graph.operators.every(({ inputs, outputs }, index) => {
      const found = file.operators[index]
      return found !== undefined && same(found.inputs, inputs) && same(found.outputs, outputs)
    })
  const areBuffers =
    file.buffers.length === graph.constantBytes.length + 1 &&
    graph.constantBytes.every((bytes, index) => {
      const { start, end } = file.buffers[index + 1] ?? { start: 0, end: 0 }
      return end - start === bytes
    })
  if (!areTensors || !areOperators || !areBuffers || !same(file.inputs, graph.inputs) || !same(file.outputs, graph.outputs))
    throw proofFailed('The graph', 'has other tensors or operators after reading back')
}

/** Scales in the quantization of a matrix itself, as operators on whole numbers read them; `null` where they are a constant. */
function rowScales(file: TfliteFile, name: string): Float32Array<ArrayBuffer> | null {
  const found = file.tensors.find((tensor) => tensor.name === `${name} (codes)` && tensor.scales.length > 1)
  return found === undefined ? null : Float32Array.from(found.scales)
}

function scalesOf(graph: BuiltGraph, name: string): number {
  return graph.sources.findIndex((each) => each.kind === 'scales' && each.name === name)
}

/** A bias is rounded to a step of its row, the product of what one code of the input and of the weight mean. */
function proveBias(
  { name, inputScale }: BiasSource,
  { steps, wanted, scales }: { readonly steps: Int32Array; readonly wanted: Float32Array; readonly scales: Float32Array },
): void {
  const isWrong = (value: number, row: number): boolean => {
    const step = inputScale * (scales[row] ?? Number.NaN)
    return !(Math.abs((steps[row] ?? Number.NaN) * step - value) <= 0.51 * step)
  }
  const row = wanted.findIndex(isWrong)
  if (steps.length !== wanted.length || row >= 0) throw proofFailed(`Tensor ${name}`, `is not its bias in row ${row}`)
}

/** A code of 0 may be -0 on one way and 0 on the other: the same weight. */
function positiveZeros(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return values.map((value) => value + 0)
}
