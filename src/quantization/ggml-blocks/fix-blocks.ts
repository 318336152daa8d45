import type { Support } from '../../core/support.ts'
import type { SweepGrid } from '../../kernels/contract/feedback.ts'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { Matrix, MatrixShape } from '../../kernels/contract/kernels.ts'
import type { FixedGrid, FixOptions, NoFixedGrid } from '../fixed-grid.ts'
import type { BlockLayout } from './block-layout.ts'
import { blockLayouts } from './layouts.ts'

/**
 * A ggml type for error feedback: blocks as ggml searches for them, by importance where it is known, whose scales stay; the
 * codes are chosen anew and written into the same blocks.
 */
export async function fixBlocks(
  name: string,
  weight: Matrix,
  type: GgmlType,
  { importance, kernels, signal }: Pick<FixOptions, 'importance' | 'kernels' | 'signal'>,
): Promise<FixedGrid | NoFixedGrid> {
  const layout = blockLayouts[type]
  if (layout === undefined) return { kind: 'none', reason: noScales(type) }
  const blocks = await kernels.quantizeGgml(weight, type, { importance }, signal)
  return {
    kind: 'fixed',
    groupSize: layout.groupSize,
    grid: sweepGrid(blocks, weight, type, layout),
    finish({ codes }) {
      writeCodes(blocks, codes, type, layout)
      return { name, rows: weight.rows, columns: weight.columns, encoding: 'ggml', type, blocks }
    },
  }
}

/** Whether blocks of a type can be laid out, or why not. */
export function canFixBlocks(type: GgmlType): Support {
  return type in blockLayouts ? true : noScales(type)
}

function noScales(type: GgmlType): string {
  return `${type} has no scales that could be kept while weights are rounded anew.`
}

function sweepGrid(blocks: Uint8Array, shape: MatrixShape, type: GgmlType, layout: BlockLayout): SweepGrid {
  const { blockSize, blockBytes } = ggmlTypes[type]
  const perBlock = blockSize / layout.groupSize
  const count = (shape.rows * shape.columns) / layout.groupSize
  const view = new DataView(blocks.buffer)
  const scales = new Float32Array(count)
  const offsets = new Float32Array(count)
  for (let group = 0; group < count; group++) {
    const found = layout.scaleOf(view, Math.floor(group / perBlock) * blockBytes, group % perBlock)
    scales[group] = found.scale
    offsets[group] = found.offset
  }
  const { values } = layout
  if (values.kind === 'levels') return { kind: 'levels', levels: Float32Array.from(values.levels), tables: 'shared', scales, offsets }
  const zeroPoints = new Float32Array(count).fill(values.zeroPoint)
  return { kind: 'uniform', largestCode: values.count - 1, scales, zeroPoints, offsets }
}

/** Replaces the codes of all blocks by those of [rows, columns], in place. */
function writeCodes(blocks: Uint8Array, codes: Uint8Array, type: GgmlType, layout: BlockLayout): void {
  const { blockSize, blockBytes } = ggmlTypes[type]
  const { fields, values, bias } = layout
  const stored = Uint8Array.from({ length: 256 }, (_, code) => (values.kind === 'even' ? code + bias : (values.bits[code] ?? 0)))
  for (const { from, bits, place } of fields) {
    const places = Array.from({ length: blockSize }, (_, element) => place(element))
    const bytes = Uint8Array.from(places, ({ byte }) => byte)
    const shifts = Uint8Array.from(places, ({ shift }) => shift)
    const mask = (1 << bits) - 1
    for (let first = 0, at = 0; first < codes.length; first += blockSize, at += blockBytes) {
      for (let e = 0; e < blockSize; e++) {
        const byte = at + (bytes[e] ?? 0)
        const shift = shifts[e] ?? 0
        const value = ((stored[codes[first + e] ?? 0] ?? 0) >>> from) & mask
        blocks[byte] = ((blocks[byte] ?? 0) & ~(mask << shift)) | (value << shift)
      }
    }
  }
}
