import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { StudioError } from '../core/errors.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { matricesOf } from '../quantization/resolve.ts'
import type { ModelSummary, TensorDescription, TensorRow } from '../rpc/contract.ts'

/** f32 bytes of a tensor that are looked at for its description; of a larger one, evenly spread stretches of rows. */
const describedBytes = 64 * 2 ** 20
const stretches = 32
const bins = 61
/** Points of the outlier chart. */
const mostRatios = 4096
const mostLoud = 10

/** The open model as the page shows it. */
export function summarizeModel(checkpoint: Checkpoint, bundledTexts: ModelSummary['bundledTexts']): ModelSummary {
  return {
    name: checkpoint.name,
    originKind: checkpoint.origin.kind,
    fingerprint: checkpoint.origin.fingerprint,
    familyId: checkpoint.family.id,
    architecture: checkpoint.graph.architecture,
    config: checkpoint.graph.config,
    parameters: checkpoint.parameters,
    sourceBytes: checkpoint.sourceBytes,
    tensors: tensorRows(checkpoint),
    hasChatTemplate: checkpoint.tokenizerFiles.chatTemplate !== null,
    bundledTexts,
  }
}

function tensorRows(checkpoint: Checkpoint): TensorRow[] {
  const { graph, tensors } = checkpoint
  const places = new Map<string, Pick<TensorRow, 'block' | 'role' | 'isQuantizable'>>()
  for (const { name, block, role } of matricesOf(graph)) places.set(name, { block, role, isQuantizable: true })
  for (const block of graph.blocks) {
    for (const [role, { name }] of Object.entries(block.norms)) places.set(name, { block: block.index, role, isQuantizable: false })
    for (const { role, bias } of block.linears) {
      if (bias !== null) places.set(bias, { block: block.index, role: `${role}.bias`, isQuantizable: false })
    }
  }
  places.set(graph.finalNorm.name, { block: -1, role: 'finalNorm', isQuantizable: false })
  return [...places].flatMap(([name, place]) => {
    const info = tensors.get(name)
    return info === undefined ? [] : [{ ...info, ...place }]
  })
}

/** Statistics of one tensor. Throws `usage` for a name that is not in the model. */
export async function describeTensor(
  checkpoint: Checkpoint,
  name: string,
  kernels: Kernels,
  signal: AbortSignal,
): Promise<TensorDescription> {
  const info = checkpoint.tensors.get(name)
  if (info === undefined) {
    const facts = { title: 'No such tensor', message: `The model has no tensor "${name}".`, remedy: 'Choose one of the list.' }
    throw new StudioError('usage', facts)
  }
  const columns = info.shape.at(-1) ?? 1
  const rows = info.shape.slice(0, -1).reduce((product, extent) => product * extent, 1)
  const data = await sampleRows(checkpoint, { name, rows, columns }, signal)
  const seen = data.length / columns
  const found = await kernels.describeWeights({ data, rows: seen, columns }, bins, signal)
  const largest = found.columnLargest
  const sorted = Float32Array.from(largest).sort()
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  const ratio = (value: number): number => (median > 0 ? value / median : value > 0 ? Number.MAX_VALUE : 1)
  const ratios = [...largest].map(ratio)
  const order = [...ratios.keys()].sort((a, b) => (ratios[b] ?? 0) - (ratios[a] ?? 0))
  return {
    name,
    min: found.min,
    max: found.max,
    mean: found.mean,
    standardDeviation: found.standardDeviation,
    zeroCount: found.zeroCount,
    limit: found.limit,
    histogram: [...found.histogram],
    channelRatios: thin(ratios),
    channels: columns,
    loudestChannels: order.slice(0, mostLoud).map((channel) => ({ channel, ratio: ratios[channel] ?? 0 })),
    outlierRatio: ratios[order[0] ?? 0] ?? 0,
    rowsSeen: seen,
    rows,
  }
}

async function sampleRows(
  checkpoint: Checkpoint,
  tensor: { readonly name: string; readonly rows: number; readonly columns: number },
  signal: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const { name, rows, columns } = tensor
  const most = Math.max(stretches, Math.floor(describedBytes / (4 * columns)))
  if (rows <= most) return checkpoint.readFloat(name, undefined, signal)
  const length = Math.floor(most / stretches)
  const data = new Float32Array(length * stretches * columns)
  for (let i = 0; i < stretches; i++) {
    const rowStart = Math.floor((i * (rows - length)) / (stretches - 1))
    data.set(await checkpoint.readFloat(name, { rowStart, rowEnd: rowStart + length }, signal), i * length * columns)
  }
  return data
}

/** At most `mostRatios` values, the largest of each stretch. */
function thin(values: readonly number[]): number[] {
  if (values.length <= mostRatios) return [...values]
  return Array.from({ length: mostRatios }, (_, i) => {
    const start = Math.floor((i * values.length) / mostRatios)
    const end = Math.floor(((i + 1) * values.length) / mostRatios)
    return values.slice(start, end).reduce((largest, value) => Math.max(largest, value), 0)
  })
}
