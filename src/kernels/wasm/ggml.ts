import type { CodeBookName } from '../code-books.ts'
import { type GgmlType, ggmlBytes } from '../contract/ggml.ts'
import type { MeasuredBlocks, WeightSums } from '../contract/kernels.ts'
import type { MatrixShape } from '../contract/matrix.ts'
import type { MatrixPiece, StoredPiece } from '../contract/operations.ts'
import { requireBlocks, requireGgmlImportance, requireLength, weightNotFinite } from '../faults.ts'
import { addSums, noSums } from '../weight-sums.ts'
import type { Arena } from './arena.ts'
import { Lattices } from './lattices.ts'
import type { Decode, KernelExports, LatticeType, SearchedType } from './module.ts'
import { StoredStrips, stripRows } from './strips.ts'
import { sumsOf } from './weights.ts'

/** Types that search for the scales of plain codes; of the others only those with a code book do it by importance. */
const searchedTypes: Readonly<Record<SearchedType, true>> = {
  Q4_0: true,
  Q4_1: true,
  Q5_0: true,
  Q5_1: true,
  Q2_K: true,
  Q3_K: true,
  Q4_K: true,
  Q5_K: true,
  Q6_K: true,
  IQ4_NL: true,
  IQ4_XS: true,
}

const books: Readonly<Record<LatticeType, CodeBookName>> = {
  IQ1_S: 'iq1s',
  IQ1_M: 'iq1s',
  IQ2_XXS: 'iq2xxs',
  IQ2_XS: 'iq2xs',
  IQ2_S: 'iq2s',
  IQ3_XXS: 'iq3xxs',
  IQ3_S: 'iq3s',
}

/** Encodes rows at x to `to`; not 0 when one is not finite. */
type EncodeRows = (x: number, rows: number, to: number) => number

const isSearched = (type: GgmlType): type is SearchedType => type in searchedTypes
const hasBook = (type: GgmlType): type is LatticeType => type in books

/** The ggml blocks of one instance. */
export class GgmlBlocks {
  readonly #wasm: KernelExports
  readonly #arena: Arena
  readonly #lattices: Lattices

  constructor(wasm: KernelExports, arena: Arena) {
    this.#wasm = wasm
    this.#arena = arena
    this.#lattices = new Lattices(wasm, arena)
  }

  quantize(piece: MatrixPiece, type: GgmlType, importance: Float32Array | null): Uint8Array {
    requireBlocks(piece, type)
    requireGgmlImportance(piece, type, importance)
    const { data, rows, columns } = piece
    const rowBytes = ggmlBytes(type, 1, columns)
    const most = stripRows(piece)
    const encode = this.#encoder(type, columns, importance)
    const x = this.#arena.take(most * columns * 4)
    const blocks = this.#arena.take(rows * rowBytes)
    for (let start = 0; start < rows; start += most) {
      const count = Math.min(most, rows - start)
      this.#arena.write(x, data.subarray(start * columns, (start + count) * columns))
      if (encode(x, count, blocks + start * rowBytes) !== 0) throw weightNotFinite(piece)
    }
    return this.#arena.view(blocks, rows * rowBytes)
  }

  /** Widens, encodes, decodes and compares strip by strip: no value of it ever leaves the module but the blocks. */
  quantizeStored(piece: StoredPiece, type: GgmlType): MeasuredBlocks {
    requireBlocks(piece, type)
    requireGgmlImportance(piece, type, null)
    const { rows, columns } = piece
    const rowBytes = ggmlBytes(type, 1, columns)
    const encode = this.#encoder(type, columns, null)
    const decode = this.#decoder(type)
    const strips = new StoredStrips(this.#wasm, this.#arena, piece)
    const { weight } = strips
    const blocks = this.#arena.take(rows * rowBytes)
    const values = this.#arena.take(strips.rows * columns * 4)
    let sums = noSums
    for (let start = 0; start < rows; start += strips.rows) {
      const count = strips.load(start)
      const at = blocks + start * rowBytes
      if (encode(weight, count, at) !== 0) throw weightNotFinite(strips.loaded(start, count))
      decode(at, count * columns, values)
      sums = addSums(sums, sumsOf(this.#wasm, this.#arena, { weight, values, count: count * columns }))
    }
    return { blocks: this.#arena.view(blocks, rows * rowBytes), sums }
  }

  dequantize(blocks: Uint8Array, shape: MatrixShape, type: GgmlType): Float32Array<ArrayBuffer> {
    requireBlocks(shape, type)
    requireLength(`A ${type} tensor`, blocks.length, ggmlBytes(type, shape.rows, shape.columns))
    const count = shape.rows * shape.columns
    const decode = this.#decoder(type)
    this.#arena.reset()
    const at = this.#arena.put(blocks)
    const values = this.#arena.take(count * 4)
    decode(at, count, values)
    return this.#arena.floats(values, count)
  }

  /** Dequantizes into the module's memory and compares there. */
  compare(piece: MatrixPiece, blocks: Uint8Array, type: GgmlType): WeightSums {
    requireBlocks(piece, type)
    const count = piece.rows * piece.columns
    requireLength(`A ${type} tensor`, blocks.length, ggmlBytes(type, piece.rows, piece.columns))
    requireLength('A matrix', piece.data.length, count)
    const decode = this.#decoder(type)
    this.#arena.reset()
    const weight = this.#arena.put(piece.data)
    const at = this.#arena.put(blocks)
    const values = this.#arena.take(count * 4)
    decode(at, count, values)
    return sumsOf(this.#wasm, this.#arena, { weight, values, count })
  }

  #decoder(type: GgmlType): Decode {
    if (!hasBook(type)) return this.#wasm[`decode${type}`]
    const tables = this.#lattices.place(books[type])
    const decode = this.#wasm[`decode${type}`]
    return (blocks, count, values) => decode(blocks, count, values, tables)
  }

  /** Looks the type up once a call, and places what the type needs besides the weights. */
  #encoder(type: GgmlType, columns: number, importance: Float32Array | null): EncodeRows {
    const tables = hasBook(type) ? this.#lattices.place(books[type]) : 0
    this.#arena.reset()
    const weights = importance === null ? 0 : this.#arena.put(importance)
    if (hasBook(type)) {
      const encode = this.#wasm[`encode${type}`]
      return (x, rows, to) => encode(x, rows, columns, to, weights, tables)
    }
    if (weights !== 0 && isSearched(type)) {
      const encode = this.#wasm[`encodeWeighted${type}`]
      return (x, rows, to) => encode(x, rows, columns, to, weights)
    }
    const encode = this.#wasm[`encode${type}`]
    return (x, rows, to) => encode(x, rows * columns, to)
  }
}
