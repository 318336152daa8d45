import { createRandom } from '../../core/random.ts'
import type { AffineFit } from '../contract/affine.ts'
import { type CodeBookName, type CodeBookParams, codeBooks } from '../contract/codebook.ts'
import { type GgmlType, ggmlTypes } from '../contract/ggml.ts'
import type { Kernels, LogitState, LogitTile } from '../contract/kernels.ts'
import { bytes, relative } from '../tolerance.ts'
import type { ConformanceCase } from './case.ts'
import { descentCases } from './descent-cases.ts'
import { feedbackCases } from './feedback-cases.ts'
import { kMeansCases, realAffineCases } from './fitted-cases.ts'
import { dataKindNames, sampleImportance, sampleMatrix, tailLengths } from './inputs.ts'
import { measuredCases } from './measured-cases.ts'
import { productCases } from './product-cases.ts'

/** From this much work on a case is timed: enough to outweigh the call itself, little enough for the reference. */
const timedWork = 16384

function workOf(amount: number): { work?: number } {
  return amount >= timedWork ? { work: amount } : {}
}

/** One call's result for every later one: what is dequantized was quantized once, by whichever backend came first. */
function once<T>(make: (kernels: Kernels) => Promise<T>): (kernels: Kernels) => Promise<T> {
  let made: Promise<T> | null = null
  return (kernels) => (made ??= make(kernels))
}

const allBits = [2, 3, 4, 5, 6, 7, 8] as const
const allGroups = [1, 16, 24, 32, 33, 128, 'row', 'tensor'] as const

function paramsText({ bits, isSymmetric, group, clip = 'none' }: AffineFit): string {
  const span = typeof group === 'number' ? `groups of ${group}` : group
  return `${bits} bits ${isSymmetric ? 'symmetric' : 'asymmetric'} ${span}, clip ${clip}`
}

/** The shape that is timed. */
const large = { kind: 'normal', rows: 8, columns: 2048 } as const

function affineCases(): ConformanceCase[] {
  const grids = allBits.flatMap((bits) =>
    [true, false].flatMap((isSymmetric) => [
      ...allGroups.map((group): AffineFit => ({ bits, isSymmetric, group })),
      { bits, isSymmetric, group: bits % 2 === 0 ? ('row' as const) : 33, clip: 'mse' as const },
    ]),
  )
  const shapes = [
    ...dataKindNames.map((kind) => ({ kind, rows: 3, columns: 70 })),
    ...tailLengths.map((columns) => ({ kind: 'normal' as const, rows: 2, columns })),
  ]
  return grids.flatMap((params) =>
    [...shapes, ...(params.bits === 4 && params.group === 32 ? [large] : [])].flatMap(({ kind, rows, columns }): ConformanceCase[] => {
      const name = `${kind} ${rows} x ${columns}, ${paramsText(params)}`
      const input = sampleMatrix(kind, rows, columns)
      const work = workOf(rows * columns)
      const quantized = once((kernels) => kernels.quantizeAffine(input, params))
      return [
        {
          operation: 'quantizeAffine',
          name,
          tolerance: bytes,
          ...work,
          async run(kernels) {
            const { codes, scales, zeroPoints } = await kernels.quantizeAffine(input, params)
            return [codes, scales, zeroPoints]
          },
        },
        {
          operation: 'dequantizeAffine',
          name,
          tolerance: bytes,
          ...work,
          run: async (kernels) => [await kernels.dequantizeAffine(await quantized(kernels))],
        },
      ]
    }),
  )
}

function quantizeCase(name: string, amount: number, quantize: (kernels: Kernels) => Promise<Uint8Array>): ConformanceCase {
  return { operation: 'quantizeGgml', name, tolerance: bytes, ...workOf(amount), run: async (kernels) => [await quantize(kernels)] }
}

function ggmlCases(): ConformanceCase[] {
  return (Object.keys(ggmlTypes) as GgmlType[]).flatMap((type) => {
    const { blockSize, needsImportance = false } = ggmlTypes[type]
    // One to eight blocks a row; of the large ones one to three, which cost the reference enough.
    const most = blockSize === 256 ? 3 : 8
    const shapes = [
      ...dataKindNames.map((kind) => ({ kind, rows: 2, columns: blockSize * Math.ceil(96 / blockSize) })),
      ...tailLengths.map((length) => ({
        kind: 'heavy tails' as const,
        rows: 3,
        columns: blockSize === 1 ? length : blockSize * (1 + (length % most)),
      })),
      large,
    ]
    return shapes.flatMap(({ kind, rows, columns }): ConformanceCase[] => {
      const name = `${type}, ${kind} ${rows} x ${columns}`
      const input = sampleMatrix(kind, rows, columns)
      const importance = sampleImportance(columns)
      const amount = rows * columns
      const blocks = once((kernels) => kernels.quantizeGgml(input, type, needsImportance ? { importance } : {}))
      return [
        ...(needsImportance ? [] : [quantizeCase(name, amount, (kernels) => kernels.quantizeGgml(input, type))]),
        quantizeCase(`${name} by importance`, amount, (kernels) => kernels.quantizeGgml(input, type, { importance })),
        {
          operation: 'dequantizeGgml',
          name,
          tolerance: bytes,
          ...workOf(amount),
          run: async (kernels) => [await kernels.dequantizeGgml(await blocks(kernels), input, type)],
        },
      ]
    })
  })
}

const allBooks = Object.keys(codeBooks) as CodeBookName[]

function codeBookCases(): ConformanceCase[] {
  const shapes = [
    ...dataKindNames.map((kind) => ({ kind, rows: 3, columns: 70 })),
    ...tailLengths.map((columns) => ({ kind: 'heavy tails' as const, rows: 3, columns })),
    // Blocks that span many rows, and a last one of a single weight.
    { kind: 'normal' as const, rows: 91, columns: 91 },
    { kind: 'normal' as const, rows: 1, columns: 8193 },
  ]
  const params = allBooks.flatMap((book) => [32, 64, 256, 4096].map((blockSize): CodeBookParams => ({ book, blockSize })))
  return params.flatMap((param) =>
    shapes.flatMap(({ kind, rows, columns }): ConformanceCase[] => {
      const name = `${param.book} in blocks of ${param.blockSize}, ${kind} ${rows} x ${columns}`
      const input = sampleMatrix(kind, rows, columns)
      return [
        {
          operation: 'quantizeCodeBook',
          name,
          tolerance: bytes,
          async run(kernels) {
            const { codes, scales } = await kernels.quantizeCodeBook(input, param)
            return [codes, scales]
          },
        },
        {
          operation: 'dequantizeCodeBook',
          name,
          tolerance: bytes,
          run: async (kernels) => [await kernels.dequantizeCodeBook(await kernels.quantizeCodeBook(input, param))],
        },
      ]
    }),
  )
}

function int8RowsCases(): ConformanceCase[] {
  const shapes = [
    ...dataKindNames.map((kind) => ({ kind, rows: 3, columns: 70 })),
    ...tailLengths.map((columns) => ({ kind: 'heavy tails' as const, rows: 3, columns })),
  ]
  return shapes.flatMap(({ kind, rows, columns }): ConformanceCase[] => {
    const name = `${kind} ${rows} x ${columns}`
    const input = sampleMatrix(kind, rows, columns)
    return [
      {
        operation: 'quantizeInt8Rows',
        name,
        tolerance: bytes,
        async run(kernels) {
          const { codes, scales } = await kernels.quantizeInt8Rows(input)
          return [Uint8Array.from(codes), scales]
        },
      },
      {
        operation: 'dequantizeInt8Rows',
        name,
        tolerance: bytes,
        run: async (kernels) => [await kernels.dequantizeInt8Rows(await kernels.quantizeInt8Rows(input))],
      },
    ]
  })
}

function weightCases(): ConformanceCase[] {
  const shapes = [
    ...dataKindNames.map((kind) => ({ kind, rows: 5, columns: 67 })),
    ...tailLengths.map((columns) => ({ kind: 'normal' as const, rows: 3, columns })),
    large,
  ]
  return shapes.flatMap(({ kind, rows, columns }): ConformanceCase[] => {
    const name = `${kind} ${rows} x ${columns}`
    const work = workOf(rows * columns)
    const input = sampleMatrix(kind, rows, columns)
    const other = Float32Array.from(input.data, (value, index) => value + (index % 5) * 1e-3)
    const broken = {
      ...input,
      data: input.data.map((value, index) => (index % 13 === 7 ? ([NaN, Infinity, -Infinity][index % 3] ?? value) : value)),
    }
    return [
      {
        operation: 'compareWeights',
        name,
        // Sums of squares in f64, in another order.
        tolerance: relative(1e-12),
        ...work,
        run: async (kernels) => [Float64Array.from(Object.values(await kernels.compareWeights(input.data, other)) as number[])],
      },
      ...[input, broken].map(
        (matrix): ConformanceCase => ({
          operation: 'describeWeights',
          name: `${name}${matrix === input ? '' : ' with NaN and infinity'}`,
          // Only mean and deviation are sums in another order; where they cancel, the square root leaves half of the digits.
          tolerance: relative(1e-7),
          ...work,
          async run(kernels) {
            const { histogram, columnLargest, mean, ...figures } = await kernels.describeWeights(matrix, 32)
            // The mean of values that cancel is compared on the scale of the values.
            const shifted = mean + figures.limit
            return [histogram, columnLargest, Float64Array.from([shifted, ...Object.values(figures)])]
          },
        }),
      ),
    ]
  })
}

function gramCases(): ConformanceCase[] {
  const shapes = [
    ...tailLengths.map((columns) => ({ tokens: 37, columns })),
    ...[1, 2, 3, 4, 5, 511, 512, 513, 1100].map((tokens) => ({ tokens, columns: 19 })),
    { tokens: 64, columns: 300 },
    { tokens: 64, columns: 256 },
  ]
  return shapes.flatMap(({ tokens, columns }): ConformanceCase[] => {
    const name = `${tokens} x ${columns}`
    const input = sampleMatrix('normal', tokens, columns)
    const before = sampleMatrix('heavy tails', columns, columns).data
    return [
      {
        operation: 'accumulateGram',
        name,
        tolerance: bytes,
        ...(columns === 256 ? workOf(tokens * columns * columns) : {}),
        run: async (kernels) => [await kernels.accumulateGram(before, input)],
      },
      {
        operation: 'traceThroughGram',
        name,
        // Products and sums of up to 128 in f32, where the reference has f64: no more than the Gram matrix itself is off.
        tolerance: relative(2e-6),
        async run(kernels) {
          const gram = await kernels.accumulateGram(new Float32Array(columns * columns), input)
          const delta = sampleMatrix('normal', 1 + (columns % 11), columns)
          return [Float64Array.of(await kernels.traceThroughGram(delta, gram))]
        },
      },
      ...[1, 7, 32, 128].map(
        (span): ConformanceCase => ({
          operation: 'groupLosses',
          name: `${name}, groups of ${span}`,
          // Sums of up to a group in f32, where the reference has f64, and terms of both signs.
          tolerance: relative(1e-4),
          ...(columns === 256 && span === 128 ? workOf(11 * columns * span) : {}),
          async run(kernels) {
            const gram = await kernels.accumulateGram(new Float32Array(columns * columns), input)
            return [await kernels.groupLosses(sampleMatrix('normal', 1 + (columns % 11), columns), gram, span)]
          },
        }),
      ),
    ]
  })
}

/** A state before the first tile; see `LogitState`. */
export function freshLogitState(tokens: number): LogitState {
  return {
    floatMax: new Float64Array(tokens).fill(-Infinity),
    floatSum: new Float64Array(tokens),
    recipeMax: new Float64Array(tokens).fill(-Infinity),
    recipeSum: new Float64Array(tokens),
    weighted: new Float64Array(tokens),
    floatArgMax: new Int32Array(tokens).fill(-1),
    recipeArgMax: new Int32Array(tokens).fill(-1),
    floatTarget: new Float64Array(tokens),
    recipeTarget: new Float64Array(tokens),
  }
}

/** Tiles of a vocabulary of `vocabulary`, at most `width` wide. */
export function logitTiles(tokens: number, vocabulary: number, width: number): LogitTile[] {
  const random = createRandom(vocabulary)
  const float = Float32Array.from({ length: tokens * vocabulary }, () => random.nextNormal() * 4)
  const recipe = float.map((value) => value + random.nextNormal() * 0.05)
  const targets = Int32Array.from({ length: tokens }, (_, token) => (token % 4 === 3 ? -1 : (token * 7) % vocabulary))
  return Array.from({ length: Math.ceil(vocabulary / width) }, (_, tile) => {
    const vocabStart = tile * width
    const end = Math.min(vocabulary, vocabStart + width)
    const cut = (logits: Float32Array): Float32Array<ArrayBuffer> => {
      const part = new Float32Array(tokens * (end - vocabStart))
      for (let token = 0; token < tokens; token++) {
        part.set(logits.subarray(token * vocabulary + vocabStart, token * vocabulary + end), token * (end - vocabStart))
      }
      return part
    }
    return { float: cut(float), recipe: cut(recipe), tokens, vocabStart, width: end - vocabStart, targets }
  })
}

function logitCases(): ConformanceCase[] {
  const shapes = tailLengths.flatMap((vocabulary) => [vocabulary, Math.ceil(vocabulary / 3)].map((width) => ({ vocabulary, width })))
  const tiled = shapes.map(({ vocabulary, width }) => ({
    name: `vocabulary ${vocabulary} in tiles of ${width}`,
    tiles: logitTiles(5, vocabulary, width),
  }))
  const odd = (name: string, change: (value: number, index: number) => number) => ({
    name,
    tiles: logitTiles(3, 29, 10).map((tile) => ({ ...tile, float: tile.float.map(change), recipe: tile.recipe.map(change) })),
  })
  const cases = [
    ...tiled,
    { name: 'vocabulary 4096 in one tile', tiles: logitTiles(8, 4096, 4096) },
    odd('masked logits of -Infinity', (value, index) => (index % 3 === 0 ? -Infinity : value)),
    odd('every logit -Infinity', () => -Infinity),
    odd('a logit that is NaN', (value, index) => (index === 4 ? NaN : value)),
    odd('equal logits', () => 1),
    odd('logits far apart', (value) => value * 400),
  ]
  return cases.map(({ name, tiles }) => ({
    operation: 'accumulateLogits',
    name,
    // Sums of about 200 terms in f64, e^x within 3e-13.
    tolerance: relative(1e-11),
    ...workOf(tiles.reduce((sum, { tokens, width }) => sum + tokens * width, 0)),
    async run(kernels) {
      let state = freshLogitState(tiles[0]?.tokens ?? 0)
      for (const tile of tiles) state = await kernels.accumulateLogits(state, tile)
      return [
        state.floatMax,
        state.floatSum,
        state.recipeMax,
        state.recipeSum,
        state.floatArgMax,
        state.recipeArgMax,
        state.floatTarget,
        state.recipeTarget,
        klDivergences(state),
      ]
    },
  }))
}

/** KL divergence of each token, shifted by 1: near 0 it is a difference of sums, exact on their scale only. */
function klDivergences(state: LogitState): Float64Array {
  return state.weighted.map((weighted, token) => {
    const floatSum = state.floatSum[token] ?? 0
    const floatLse = (state.floatMax[token] ?? 0) + Math.log(floatSum)
    const recipeLse = (state.recipeMax[token] ?? 0) + Math.log(state.recipeSum[token] ?? 0)
    return 1 + weighted / floatSum - floatLse + recipeLse
  })
}

/** All cases, in the order of the contract. */
export function conformanceCases(): readonly ConformanceCase[] {
  return [
    ...affineCases(),
    ...realAffineCases(),
    ...kMeansCases(),
    ...ggmlCases(),
    ...measuredCases(),
    ...codeBookCases(),
    ...int8RowsCases(),
    ...weightCases(),
    ...gramCases(),
    ...productCases(),
    ...feedbackCases(),
    ...descentCases(),
    ...logitCases(),
  ]
}
