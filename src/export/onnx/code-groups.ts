import { Scratch } from '../../io/scratch.ts'
import { sameBytes } from '../../kernels/codes/same.ts'
import { type CodeBookTensor, codeBooks } from '../../kernels/contract/codebook.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { inPieces } from '../float-pieces.ts'
import { mostHeldBytes, storedTiles, tilesOf } from '../stored-tiles.ts'
import type { ExportSource } from '../target.ts'
import { blockZeros, codeMatrix, packZeros, type TileInFile, tileInFile } from './code-matrix.ts'
import { bytesOf, floatBytes, floatsOf } from './float-group.ts'
import { blocksPerRow, type NBits, zeroRowBytes } from './nbits.ts'
import { type FloatType, moduleOf, type PlannedMatrix } from './plan.ts'
import { proveTile } from './prove-tile.ts'
import { areSame, equalFloats } from './same-codes.ts'
import { unpackBnb4, unpackNBits } from './unpacking.ts'
import { type WeightGroup, type WeightTensor, weightTensor } from './weight-groups.ts'

type NBitsMatrix = Extract<PlannedMatrix, { readonly form: 'nbits' }>
type Bnb4Matrix = Extract<PlannedMatrix, { readonly form: 'bnb4' }>

/** Names of the tensors that a quantized matrix becomes. */
export function partNames(weight: string) {
  const module = moduleOf(weight)
  return { codes: `${module}.qweight`, scales: `${module}.scales`, zeros: `${module}.zero_points`, absmax: `${module}.absmax` }
}

/** `MatMulNBits` wants codes as [rows, blocks, bytes]; `GatherBlockQuantized` as rows. */
export type CodeShape = 'blocks' | 'rows'

interface Piece {
  readonly tensor: WeightTensor
  readonly bytes: Uint8Array<ArrayBuffer>
}

/**
 * Codes, scales and zero points of `MatMulNBits`. Where scales and zero points are at most `heldBytes`, they wait in memory until the
 * codes are written, so that storage is read once and not once for each.
 */
export function nbitsGroup(
  { name, rows, columns, setting }: NBitsMatrix,
  floats: FloatType,
  shape: CodeShape,
  heldBytes = mostHeldBytes,
): WeightGroup {
  const { bits, block, zero } = setting
  const blocks = blocksPerRow(setting, columns)
  const blob = (block * bits) / 8
  const names = partNames(name)
  const codes = weightTensor(names.codes, 'uint8', shape === 'blocks' ? [rows, blocks, blob] : [rows, blocks * blob])
  const scales = weightTensor(names.scales, floats, [rows, blocks])
  const zeros = zerosTensor(names.zeros, [rows, blocks], setting, floats)
  const steps = zeros === null ? [scales] : [scales, zeros]
  const stepsOf = (tile: QuantizedTensor, tensor: WeightTensor, inFile: TileInFile): Piece => {
    if (tensor === scales) return { tensor, bytes: bytesOf(inFile.scales, floats) }
    const matrix = codeMatrix(tile, setting)
    return { tensor, bytes: zero === 'codes' ? packZeros(matrix, setting) : bytesOf(blockZeros(matrix, setting), floats) }
  }
  return {
    tensors: [codes, scales, ...(zeros === null ? [] : [zeros])],
    async *write(source, signal) {
      const held = new Map(steps.map((tensor): [WeightTensor, Piece[]] => [tensor, []]))
      const areHeld = steps.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) <= heldBytes
      const memory = new Scratch()
      for await (const { tile } of tilesOf(source, name, signal)) {
        const inFile = tileInFile(tile, setting, memory)
        if (areHeld) for (const [tensor, made] of held) made.push(stepsOf(tile, tensor, inFile))
        yield { tensor: codes, bytes: inFile.codes }
      }
      for (const [tensor, made] of held) {
        yield* made
        if (areHeld) continue
        for await (const { tile } of tilesOf(source, name, signal)) yield stepsOf(tile, tensor, tileInFile(tile, setting, memory))
      }
    },
    async prove({ source, read, kernels, signal }) {
      for await (const { rowStart, tile } of tilesOf(source, name, signal)) {
        const rowsOf = (tensor: WeightTensor): Promise<Uint8Array<ArrayBuffer>> => {
          const rowBytes = tensor.sizeBytes / rows
          return read(tensor, rowStart * rowBytes, (rowStart + tile.rows) * rowBytes)
        }
        const zeroBytes = zeros === null ? null : await rowsOf(zeros)
        const found = {
          ...{ rows: tile.rows, columns, bits, block },
          codes: await rowsOf(codes),
          scales: floatsOf(await rowsOf(scales), floats),
          zeros: zeroBytes === null || zero === 'codes' ? zeroBytes : floatsOf(zeroBytes, floats),
        }
        // Equal codes, scales and zero points are equal weights.
        if (areSame(found, tile)) continue
        await proveTile({ tile, rowStart }, unpackNBits(found), kernels, signal)
      }
    },
  }
}

function zerosTensor(name: string, [rows, blocks]: readonly [number, number], setting: NBits, floats: FloatType): WeightTensor | null {
  if (setting.zero === 'default') return null
  return setting.zero === 'floats'
    ? weightTensor(name, floats, [rows, blocks])
    : weightTensor(name, 'uint8', [rows, zeroRowBytes(setting, blocks)])
}

/** Codes and largest magnitudes of `MatMulBnb4`, whose blocks run over the flattened matrix. */
export function bnb4Group({ name, rows, columns, book, block }: Bnb4Matrix, floats: FloatType): WeightGroup {
  const names = partNames(name)
  const count = rows * columns
  const codes = weightTensor(names.codes, 'uint8', [Math.ceil(count / 2)])
  const absmax = weightTensor(names.absmax, floats, [Math.ceil(count / block)])
  return {
    tensors: [codes, absmax],
    async *write(source, signal) {
      for await (const { tile } of codeBookTiles(source, name, signal)) yield* pieces(codes, tile.codeBook.codes)
      for await (const { tile } of codeBookTiles(source, name, signal))
        yield* pieces(absmax, bytesOf(repeated(tile.codeBook, block), floats))
    },
    async prove({ source, read, kernels, signal }) {
      for await (const { rowStart, tile } of codeBookTiles(source, name, signal)) {
        const { codeBook } = tile
        // Tiles begin with a stored block, and so with one of the operator's.
        const first = rowStart * columns
        const last = first + tile.rows * columns
        const width = floatBytes(floats)
        const found = {
          codes: await read(codes, first / 2, Math.ceil(last / 2)),
          scales: floatsOf(await read(absmax, width * (first / block), width * Math.ceil(last / block)), floats),
        }
        if (sameBytes(found.codes, codeBook.codes) && equalFloats(found.scales, repeated(codeBook, block))) continue
        const values = unpackBnb4({ ...found, block, count: last - first }, codeBooks[book])
        await proveTile({ tile, rowStart }, values, kernels, signal)
      }
    },
  }
}

/** A scale for each of the operator's blocks, which are as long as the stored ones or shorter. */
function repeated({ rows, columns, scales, blockSize }: CodeBookTensor, block: number): Float32Array<ArrayBuffer> {
  const each = blockSize / block
  if (each === 1) return scales
  return Float32Array.from({ length: Math.ceil((rows * columns) / block) }, (_, index) => scales[Math.floor(index / each)] ?? 0)
}

function* pieces(tensor: WeightTensor, bytes: Uint8Array<ArrayBuffer>) {
  for (const piece of inPieces(bytes)) yield { tensor, bytes: piece }
}

function codeBookTiles(source: ExportSource, name: string, signal?: AbortSignal) {
  return storedTiles(source, { name, encoding: 'codebook' }, signal)
}
