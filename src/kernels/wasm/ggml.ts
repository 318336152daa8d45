import type { CodeBookName } from '../code-books.ts'
import { type GgmlType, ggmlBytes } from '../contract/ggml.ts'
import type { MatrixShape } from '../contract/matrix.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { requireBlocks, requireGgmlImportance, requireLength, weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import { Lattices } from './lattices.ts'
import type { KernelExports, LatticeType, SearchedType } from './module.ts'

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

  quantize(piece: MatrixPiece, type: GgmlType, importance: Float32Array | null): Uint8Array<ArrayBuffer> {
    requireBlocks(piece, type)
    requireGgmlImportance(piece, type, importance)
    const bytes = ggmlBytes(type, piece.rows, piece.columns)
    const tables = hasBook(type) ? this.#lattices.place(books[type]) : 0
    this.#arena.reset()
    const x = this.#arena.put(piece.data)
    const blocks = this.#arena.take(bytes)
    const weights = importance === null ? 0 : this.#arena.put(importance)
    if (this.#encode(type, { x, rows: piece.rows, columns: piece.columns, blocks, weights, tables }) !== 0) throw weightNotFinite(piece)
    return this.#arena.bytes(blocks, bytes)
  }

  dequantize(blocks: Uint8Array, shape: MatrixShape, type: GgmlType): Float32Array<ArrayBuffer> {
    requireBlocks(shape, type)
    requireLength(`A ${type} tensor`, blocks.length, ggmlBytes(type, shape.rows, shape.columns))
    const count = shape.rows * shape.columns
    const tables = hasBook(type) ? this.#lattices.place(books[type]) : 0
    this.#arena.reset()
    const at = this.#arena.put(blocks)
    const values = this.#arena.take(count * 4)
    if (hasBook(type)) this.#wasm[`decode${type}`](at, count, values, tables)
    else this.#wasm[`decode${type}`](at, count, values)
    return this.#arena.floats(values, count)
  }

  /** Other than 0 when a weight is not finite. `weights` and `tables` are 0 where there are none. */
  #encode(type: GgmlType, { x, rows, columns, blocks, weights, tables }: EncodeArguments): number {
    if (hasBook(type)) return this.#wasm[`encode${type}`](x, rows, columns, blocks, weights, tables)
    if (weights !== 0 && isSearched(type)) return this.#wasm[`encodeWeighted${type}`](x, rows, columns, blocks, weights)
    return this.#wasm[`encode${type}`](x, rows * columns, blocks)
  }
}

interface EncodeArguments {
  readonly x: number
  readonly rows: number
  readonly columns: number
  readonly blocks: number
  readonly weights: number
  readonly tables: number
}
