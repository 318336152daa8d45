import { tensorTypes } from '../../formats/tflite/schema.ts'
import type { BuiltGraph } from './graph-builder.ts'

/** Alignment of tensors in TensorFlow Lite Micro's arena. */
const alignment = 16
/** TensorFlow Lite Micro keeps 24 bytes a tensor, 64 an operator and about 45 of an operator's own; on 64 bits, so at most. */
const tensorBytes = 24
const operatorBytes = 64 + 64
/** A factor and a shift that an operator on whole numbers keeps for each row of its weights. */
const rowBytes = 8
/** The planner packs greedily, which may leave gaps. */
const gaps = 1.15
/** What the interpreter needs whatever the graph. */
const baseBytes = 4096

/**
 * Bytes of arena that TensorFlow Lite Micro needs for a graph, from above: the most tensors that live at the same time, what
 * operators keep (transposed second inputs of batch products, factors of rows), and its own tables. `AllocateTensors` fails in an
 * arena that is too small, and `arena_used_bytes` tells afterwards what was used.
 */
export function arenaBytes({ tensors, operators, inputs, outputs }: BuiltGraph): number {
  const lastUse = new Map<number, number>()
  for (const [step, operator] of operators.entries()) {
    for (const tensor of [...operator.inputs, ...operator.outputs]) lastUse.set(tensor, step)
  }
  for (const tensor of outputs) lastUse.set(tensor, operators.length)
  const bytesOf = (index: number): number => {
    const tensor = tensors[index]
    if (tensor === undefined || tensor.constant !== null) return 0
    const bytes = tensor.shape.reduce((product, extent) => product * extent, tensorTypes[tensor.type].bytes)
    return Math.ceil(bytes / alignment) * alignment
  }
  let most = 0
  let kept = 0
  let alive = inputs.reduce((sum, tensor) => sum + bytesOf(tensor), 0)
  for (const [step, { kind, inputs: read, outputs: made, options }] of operators.entries()) {
    // With adj_y the second input is as the product wants it.
    if (kind === 'BATCH_MATMUL' && options.length === 0) kept += bytesOf(read[1] ?? -1)
    if (kind === 'FULLY_CONNECTED_INT8') kept += rowBytes * (tensors[read[1] ?? -1]?.shape[0] ?? 0)
    for (const tensor of made) alive += bytesOf(tensor)
    most = Math.max(most, alive)
    for (const tensor of new Set([...read, ...made])) if (lastUse.get(tensor) === step) alive -= bytesOf(tensor)
  }
  const tables = tensorBytes * tensors.length + operatorBytes * operators.length
  return Math.ceil((gaps * most + kept + tables + baseBytes) / 1024) * 1024
}
