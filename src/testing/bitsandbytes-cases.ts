import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CodeBookName } from '../kernels/contract/codebook.ts'
import type { Kernels, Matrix } from '../kernels/contract/kernels.ts'
import { dynamicMap, nestScales, restoreScales } from '../quantization/nested-scales.ts'

interface Place {
  readonly offset: number
  readonly bytes: number
}

interface BookCase {
  readonly input: number
  readonly book: CodeBookName
  readonly blockSize: number
  readonly isNested: boolean
  readonly codes: Place
  /** f32 of each block, or its 8-bit code. */
  readonly absmax: Place
  readonly nestedAbsmax?: Place
  readonly offset?: Place
  readonly map?: Place | null
  readonly values?: Place
}

interface CaseFile {
  readonly madeBy: string
  readonly inputs: readonly { readonly name: string; readonly rows: number; readonly columns: number; readonly data: Place }[]
  readonly books: readonly BookCase[]
  readonly int8: readonly { readonly input: number; readonly codes: Place; readonly scales: Place; readonly values: Place }[]
}

/** What bitsandbytes made of matrices; written by `scripts/interop/bitsandbytes_cases.py`. */
export class BitsandbytesCases {
  readonly cases: CaseFile
  readonly #bytes: Uint8Array

  constructor(folder: string) {
    this.cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as CaseFile
    this.#bytes = readFileSync(join(folder, 'cases.bin'))
  }

  input(index: number): Matrix {
    const entry = this.cases.inputs[index]
    if (entry === undefined) throw new RangeError(`no input ${index}`)
    return { data: new Float32Array(this.#copy(entry.data).buffer), rows: entry.rows, columns: entry.columns }
  }

  /** One line for each array that differs, with how many of its bytes. */
  async compareBook(kernels: Kernels, one: BookCase): Promise<readonly string[]> {
    const tensor = await kernels.quantizeCodeBook(this.input(one.input), one)
    const found: string[] = [...this.#differ('codes', tensor.codes, one.codes)]
    let { scales } = tensor
    if (one.isNested) {
      const nested = nestScales(scales)
      scales = restoreScales(nested)
      found.push(...this.#differ('nested codes', nested.codes, one.absmax))
      found.push(...this.#differ('nested absmax', nested.absmax, one.nestedAbsmax))
      found.push(...this.#differ('offset', Float32Array.of(nested.offset), one.offset))
      if (one.map) found.push(...this.#differ('map', dynamicMap, one.map))
    } else {
      found.push(...this.#differ('absmax', scales, one.absmax))
    }
    if (one.values) found.push(...this.#unequal(await kernels.dequantizeCodeBook({ ...tensor, scales }), one.values))
    const { name } = this.cases.inputs[one.input] ?? { name: '' }
    return found.map((difference) => `${name}, ${one.book} in blocks of ${one.blockSize}${one.isNested ? ', nested' : ''}: ${difference}`)
  }

  async compareInt8(kernels: Kernels, one: CaseFile['int8'][number]): Promise<readonly string[]> {
    const tensor = await kernels.quantizeInt8Rows(this.input(one.input))
    const { name } = this.cases.inputs[one.input] ?? { name: '' }
    return [
      ...this.#differ('codes', tensor.codes, one.codes),
      ...this.#differ('scales', tensor.scales, one.scales),
      ...this.#differ('values', await kernels.dequantizeInt8Rows(tensor), one.values),
    ].map((difference) => `${name}, int8 rows: ${difference}`)
  }

  /** As numbers: bitsandbytes' two readers of FP4 give code 8 as 0 and as -0. */
  #unequal(made: Float32Array, place: Place): string[] {
    const expected = new Float32Array(this.#copy(place).buffer)
    const count = made.reduce((sum, value, i) => (value === expected[i] ? sum : sum + 1), 0)
    return count === 0 && made.length === expected.length ? [] : [`values: ${count} of ${expected.length} differ`]
  }

  #copy({ offset, bytes }: Place): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes.subarray(offset, offset + bytes))
  }

  #differ(what: string, made: Uint8Array | Int8Array | Float32Array, place: Place | undefined): string[] {
    if (place === undefined) return [`${what}: nothing to compare with`]
    const expected = this.#copy(place)
    const actual = new Uint8Array(made.buffer, made.byteOffset, made.byteLength)
    if (actual.length !== expected.length) return [`${what}: ${actual.length} bytes instead of ${expected.length}`]
    const count = actual.reduce((sum, byte, i) => (byte === expected[i] ? sum : sum + 1), 0)
    return count === 0
      ? []
      : [`${what}: ${count} of ${expected.length} bytes differ, the first at ${actual.findIndex((byte, i) => byte !== expected[i])}`]
  }
}
