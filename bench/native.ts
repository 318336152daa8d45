import { createHash } from 'node:crypto'
import { createRandom } from '../src/core/random.ts'
import { type GgmlType, ggmlBytes, ggmlTypes } from '../src/kernels/contract/ggml.ts'
import type { Kernels, Matrix } from '../src/kernels/contract/kernels.ts'
import { createWasmKernels } from '../src/kernels/wasm/index.ts'
import { type LibGgml, loadLibGgml } from './libggml.ts'
import { inTurn, median } from './rounds.ts'

export interface NativeOptions {
  /** Where koffi is installed. */
  readonly folder: string
  /** The file of libggml-base. */
  readonly library: string
  /** Types to compare; default all. */
  readonly types?: readonly GgmlType[]
  /** Default 7. */
  readonly rounds?: number
}

/** One type, without or with importance: million weights a second of processor time, one thread each. */
export interface NativeRow {
  readonly type: GgmlType
  readonly isWeighted: boolean
  readonly native: number
  readonly wasm: number
  /** Median of the rounds' own ratios, so that other work on the machine weighs on both sides, and the lowest of them. */
  readonly ratio: number
  readonly lowestRatio: number
  /** Whether the SHA-256 of both results is the same. */
  readonly isEqual: boolean
}

const shape = { rows: 512, columns: 2048 }

/** Student's t with 4 degrees of freedom: heavy tails, as weights have them. */
function heavyTailed(): Matrix {
  const random = createRandom(4)
  const value = (): number => {
    const squares = [0, 1, 2, 3].reduce((sum) => sum + random.nextNormal() ** 2, 0)
    return (0.03 * random.nextNormal()) / Math.sqrt(squares / 4)
  }
  return { ...shape, data: Float32Array.from({ length: shape.rows * shape.columns }, value) }
}

function meanSquares(): Float32Array<ArrayBuffer> {
  const random = createRandom(7)
  return Float32Array.from({ length: shape.columns }, () => random.nextNormal() ** 2 + 1e-3)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * The product's own call, `quantizeGgml` of the WASM kernels on one thread, against `ggml_quantize_chunk` on the same matrix, in
 * turn, both into memory of the caller's that is used again, as in a run that only quantizes. Importance is tried where it
 * changes what libggml writes.
 */
export async function benchNative({ folder, library, types, rounds = 7 }: NativeOptions): Promise<readonly NativeRow[]> {
  const native = loadLibGgml(folder, library)
  const kernels = await createWasmKernels()
  const input = heavyTailed()
  const importance = meanSquares()
  const rows: NativeRow[] = []
  for (const type of types ?? (Object.keys(ggmlTypes) as GgmlType[])) {
    if (ggmlTypes[type].blockBytes === 4 * ggmlTypes[type].blockSize) continue // a copy
    const modes = [native.requiresImportance(type) ? [] : [null], respondsToImportance(native, type, importance) ? [importance] : []]
    for (const mode of modes.flat()) rows.push(await compare({ native, kernels, input, type, importance: mode, rounds }))
  }
  return rows
}

function respondsToImportance(native: LibGgml, type: GgmlType, importance: Float32Array): boolean {
  if (native.requiresImportance(type)) return true
  const { data, columns } = heavyTailed()
  const few = { data: data.subarray(0, 4 * columns), rows: 4, columns }
  const [plain, weighted] = [null, importance].map((mode) => {
    const blocks = new Uint8Array(ggmlBytes(type, few.rows, few.columns))
    native.quantize(few, type, mode, blocks)
    return sha256(blocks)
  })
  return plain !== weighted
}

interface Comparison {
  readonly native: LibGgml
  readonly kernels: Kernels
  readonly input: Matrix
  readonly type: GgmlType
  readonly importance: Float32Array | null
  readonly rounds: number
}

async function compare({ native, kernels, input, type, importance, rounds }: Comparison): Promise<NativeRow> {
  const expected = new Uint8Array(ggmlBytes(type, input.rows, input.columns))
  const room = new Uint8Array(expected.length)
  const intoRoom = kernels.into({ take: (bytes) => room.subarray(0, bytes) })
  let actual: Uint8Array = room
  const [nativeTiming, wasmTiming] = await inTurn(
    [
      () => native.quantize(input, type, importance, expected),
      async () => {
        actual = await intoRoom.quantizeGgml(input, type, { importance })
      },
    ],
    { rounds, warmUp: 0.5, seconds: 0.03 },
  )
  const ratios = nativeTiming.processor.map((seconds, round) => seconds / (wasmTiming.processor[round] ?? Number.NaN))
  const rateOf = (seconds: readonly number[]): number => input.data.length / median(seconds) / 1e6
  return {
    type,
    isWeighted: importance !== null,
    native: rateOf(nativeTiming.processor),
    wasm: rateOf(wasmTiming.processor),
    ratio: median(ratios),
    lowestRatio: Math.min(...ratios),
    isEqual: sha256(expected) === sha256(actual),
  }
}

export function nativeTable(rows: readonly NativeRow[], label: string): string {
  const lines = rows.map(({ type, isWeighted, native, wasm, ratio, lowestRatio, isEqual }) =>
    [
      `${type}${isWeighted ? ' by importance' : ''}`.padEnd(24),
      native.toFixed(1).padStart(9),
      wasm.toFixed(1).padStart(9),
      `${ratio.toFixed(1)} x`.padStart(9),
      `${lowestRatio.toFixed(1)} x`.padStart(9),
      (isEqual ? 'equal' : 'DIFFER').padStart(9),
    ].join(' '),
  )
  const heads = ['native', 'WASM', 'ratio', 'lowest', 'SHA-256'].map((head) => head.padStart(9))
  return [`against ${label}`, 'one thread, processor time', `${'million weights a second'.padEnd(24)} ${heads.join(' ')}`, ...lines].join(
    '\n',
  )
}

/** One line a type: ratio and rates without and with importance. */
export function nativeMarkdown(rows: readonly NativeRow[]): string {
  const cell = (row: NativeRow | undefined): string =>
    row === undefined ? '' : `**${row.ratio.toFixed(1)} x** (${row.wasm.toFixed(0)} against ${row.native.toFixed(0)})`
  const lines = [...new Set(rows.map(({ type }) => type))].map((type) => {
    const of = (isWeighted: boolean): NativeRow | undefined => rows.find((row) => row.type === type && row.isWeighted === isWeighted)
    return `| ${type} | ${cell(of(false))} | ${cell(of(true))} | ${rows.every((row) => row.type !== type || row.isEqual) ? 'equal' : 'differ'} |`
  })
  return ['| type | without importance | by importance | bytes |', '|---|---|---|---|', ...lines].join('\n')
}
