import { inStrips, readLines } from '../../checkpoint/quantized-parts.ts'
import { Scratch } from '../../io/scratch.ts'
import type { LineMemory } from '../../kernels/transpose/line-memory.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { type MatrixPart, partPieces } from '../matrix-parts.ts'
import { sameInt8 } from '../same-int8.ts'
import { tilesOf } from '../stored-tiles.ts'
import { blockScales, codeMatrix } from './code-matrix.ts'
import { floatsOf } from './float-group.ts'
import type { NBits } from './nbits.ts'
import { proveTile } from './prove-tile.ts'
import { type QdqMatrix, qdqNames } from './qdq-plan.ts'
import { type WeightGroup, weightTensor } from './weight-groups.ts'

/** Rows of a tile are whole words of a line. */
const unit = 4
/** What is turned at a time, there and back: of 512 MiB of weights in f32 all codes, so that they are read once. */
const turnedBytes = 128 * 2 ** 20

/** Codes [columns, rows], as `MatMul` takes a weight, and a scale for each row. `lineMemory` serves one group after the other. */
export function qdqGroup({ name, rows, columns }: QdqMatrix, lineMemory: LineMemory): WeightGroup {
  const names = qdqNames(name)
  const codes = weightTensor(names.codes, 'int8', [columns, rows])
  const scales = weightTensor(names.scales, 'float', [rows])
  // One block a row, whatever its width: only scales and codes are taken from it.
  const setting: NBits = { bits: 8, block: columns, zero: 'default' }
  const scalesOf = (tile: QuantizedTensor): Float32Array<ArrayBuffer> => blockScales(codeMatrix(tile, setting), setting)
  const parts: readonly MatrixPart[] = [
    {
      kind: 'lines',
      lines: columns,
      lineBytes: rows,
      put({ tile, rowStart }, { lineStart, bytes }, memory) {
        const { codes: own, middle } = bytesOf(tile)
        const lines = { bytes, lineBytes: rows, at: rowStart }
        memory.bytesToLines({ bytes: own, rowBytes: columns }, lineStart, lines, middle)
      },
    },
    { kind: 'rows', bytesOf: ({ tile }) => bytesOfFloats(scalesOf(tile)) },
  ]
  return {
    tensors: [codes, scales],
    async *write(source, signal) {
      const memory = { lineMemory, bandBytes: turnedBytes }
      let left = codes.sizeBytes
      for await (const bytes of partPieces(parts, () => tilesOf(source, name, signal, unit), memory)) {
        yield { tensor: left > 0 ? codes : scales, bytes }
        left -= bytes.length
      }
    },
    async prove({ source, read, kernels, signal }) {
      const memory = new Scratch()
      const strips = inStrips({ rows, rowBytes: columns, unit, stripBytes: turnedBytes }, ({ rowStart: start, rowEnd: end }) =>
        readLines({ lines: columns, lineBytes: rows, start, end }, lineMemory, async (into, at) => {
          await read(codes, at, at + into.length, into)
        }),
      )
      for await (const { rowStart, tile } of tilesOf(source, name, signal, unit)) {
        const range = { rowStart, rowEnd: rowStart + tile.rows }
        const ofRows = memory.take(tile.rows * columns)
        for await (const strip of strips(range, signal)) {
          const start = Math.max(rowStart, strip.rowStart)
          const end = Math.min(range.rowEnd, strip.rowEnd)
          const into = { bytes: ofRows.subarray((start - rowStart) * columns, (end - rowStart) * columns), rowBytes: columns }
          const lines = { bytes: strip.parts, lineBytes: strip.rowEnd - strip.rowStart, at: start - strip.rowStart }
          lineMemory.linesToBytes(lines, into)
        }
        const found = new Int8Array(ofRows.buffer, ofRows.byteOffset, ofRows.length)
        const steps = floatsOf(await read(scales, 4 * rowStart, 4 * range.rowEnd), 'float')
        if (sameInt8({ codes: found, scales: steps, run: columns }, tile)) continue
        const values = Float32Array.from(found, (code, at) => code * (steps[Math.floor(at / columns)] ?? Number.NaN))
        await proveTile({ tile, rowStart }, values, kernels, signal)
      }
    },
  }
}

/** Stored codes a byte each, and the one that stands for 0. */
function bytesOf(tile: QuantizedTensor): { readonly codes: Uint8Array; readonly middle: number } {
  if (tile.encoding === 'affine') return { codes: tile.affine.codes, middle: 128 }
  if (tile.encoding !== 'int8-rows') throw new RangeError(`${tile.name} in ${tile.encoding} has no codes of 8 bits`)
  const { buffer, byteOffset, length } = tile.int8Rows.codes
  return { codes: new Uint8Array(buffer, byteOffset, length), middle: 0 }
}
