import type { LayerResult } from '../evaluation/result.ts'
import type { MeasuredRun, RecipeReport } from '../pipeline/report.ts'
import type { AxisChoice, Recipe } from '../quantization/recipe.ts'

/** Invented figures of recipes, for the tests of Compare. */
export interface Figures {
  readonly bytes?: number
  readonly above?: number
  readonly error?: number
  readonly kl?: number
  readonly klError?: number
  readonly blockBits?: number
  readonly grid?: AxisChoice
  readonly layers?: readonly LayerResult[]
}

/** A recipe with figures as the page holds it. */
export interface ResultFixture {
  readonly recipe: Recipe
  readonly slot: number | null
  readonly report: RecipeReport
}

export function layer(block: number, role: string, outputError: number): LayerResult {
  return {
    name: `model.layers.${block}.mlp.${role}_proj.weight`,
    block,
    role,
    grid: '4bit-g32',
    mse: outputError * 1e-4,
    relativeError: Math.sqrt(outputError),
    sqnrDb: -10 * Math.log10(outputError),
    cosine: 1 - outputError / 2,
    outputError,
    bitsPerWeight: 4.5,
  }
}

export const floatPerplexity = 8

export function result(id: string, slot: number | null, figures: Figures = {}): ResultFixture {
  const { bytes = 600e6, above = 0.02, error = 0.001, kl = above, klError = kl * 0.04, blockBits = 4.5 } = figures
  const grid = figures.grid ?? { kind: 'affine', bits: 4, group: 32 }
  const recipe: Recipe = {
    id,
    transform: { kind: 'none' },
    grid,
    rounding: { kind: 'nearest' },
    allocation: { kind: 'uniform' },
    embedding: 'float',
    head: 'float',
    overrides: [],
  }
  const report: RecipeReport = {
    id,
    recipe,
    bitsPerWeight: blockBits + 0.3,
    blockBitsPerWeight: blockBits,
    bytes,
    bytesOf: 'gguf',
    nll: Math.log(floatPerplexity * (1 + above)),
    nllError: 0.012,
    perplexity: floatPerplexity * (1 + above),
    perplexityError: 0.11,
    aboveFloat: { value: above, error },
    klDivergence: { mean: kl, meanError: klError, median: kl / 2, p999: kl * 20, max: kl * 50 },
    sameTopToken: 1 - kl,
    sameTopTokenError: 0.002,
    layers: figures.layers ?? [],
    artifacts: [],
    backend: 'kernels wasm x2, forward wasm x2',
    seconds: 12,
  }
  return { recipe, slot, report }
}

export function reportOf(results: readonly ResultFixture[], tokens = 20_480): MeasuredRun {
  return {
    studio: { version: '0.1.0', onnxruntime: '1.30.0' },
    createdAt: '2026-03-01T10:00:00.000Z',
    planHash: '7c1e09b2',
    seed: 0,
    model: {
      name: 'Little Stories',
      family: 'llama',
      architecture: 'LlamaForCausalLM',
      parameters: 1_000_000_000,
      sourceBytes: 2_000_000_000,
      fingerprint: 'f00d',
    },
    evaluation: {
      protocol: 'windows',
      contextLength: 256,
      textName: 'Bundled stories',
      inputs: 'float',
      tokens,
      float: { nll: Math.log(floatPerplexity), nllError: 0.012, perplexity: floatPerplexity, perplexityError: 0.1 },
    },
    calibration: null,
    importance: null,
    recipes: results.map(({ report }) => report),
    seconds: 30,
  }
}
