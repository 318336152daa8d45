import { describe, expect, test } from 'vitest'
import type { Finding } from '../../core/finding.ts'
import { createRandom } from '../../core/random.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { AxisChoice } from '../recipe.ts'
import { encodings, grids, roundings } from '../registry.ts'
import type { LayerActivations } from '../rounding.ts'
import { meetFloatOutputs } from './cross-term.ts'

const kernels = createReferenceKernels()
const [tokens, columns, rows] = [120, 32, 12]

function normal(count: number, seed: number): Matrix {
  const random = createRandom(seed)
  return { data: Float32Array.from({ length: count * columns }, () => random.nextNormal()), rows: count, columns }
}

/** Own inputs that lean and err against those of the float model, as rounded layers make them. */
function driftedFrom({ data }: Matrix): Matrix {
  const noise = normal(tokens, 9).data
  const own = data.map((value, at) => 0.9 * value + 0.15 * (data[at % columns === 0 ? at : at - 1] ?? 0) + 0.05 * (noise[at] ?? 0))
  return { data: own, rows: tokens, columns }
}

async function learn(float: Matrix, own: Matrix): Promise<LayerActivations> {
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), own)
  const apart = { ...own, data: float.data.map((value, i) => value - (own.data[i] ?? 0)) }
  const cross = await kernels.accumulateProduct(new Float32Array(columns * columns), apart, own)
  return { tokens, gram, cross, meanSquare: Float32Array.from({ length: columns }, (_, i) => (gram[i * columns + i] ?? 0) / tokens) }
}

/** |F W^T - X Q^T|^2. */
function lossOf(float: Matrix, own: Matrix, weight: Matrix, values: Float32Array): number {
  let loss = 0
  for (let token = 0; token < tokens; token++) {
    for (let row = 0; row < rows; row++) {
      let apart = 0
      for (let i = 0; i < columns; i++) {
        apart += (float.data[token * columns + i] ?? 0) * (weight.data[row * columns + i] ?? 0)
        apart -= (own.data[token * columns + i] ?? 0) * (values[row * columns + i] ?? 0)
      }
      loss += apart ** 2
    }
  }
  return loss
}

const weight = normal(rows, 1)
const float = normal(tokens, 2)
const own = driftedFrom(float)

async function round(activations: LayerActivations, grid: AxisChoice, crossTerm: boolean, kind = 'gptq') {
  const member = grids.get(grid.kind)
  const rounding = roundings.get(kind)
  const findings: Finding[] = []
  const tensor = await rounding.quantize('w', weight, {
    settings: rounding.parse({ kind, crossTerm }),
    grid: member,
    gridSettings: member.parse(grid),
    activations,
    importance: null,
    kernels,
    onFinding: (finding) => findings.push(finding),
  })
  return { findings, values: await encodings.get(tensor.encoding).dequantize(tensor, kernels) }
}

test('the target is the least-squares answer: no weights give outputs nearer to those of the float model', async () => {
  const { gram, cross = new Float32Array(0) } = await learn(float, own)
  const factor = await kernels.factorInverse(gram, { order: null, damping: 0 })
  if (factor.kind !== 'factor') throw new RangeError(factor.kind)
  const target = await meetFloatOutputs(weight, { cross, upper: factor.upper }, kernels)
  const least = lossOf(float, own, weight, target.data)
  expect(least).toBeLessThan(0.5 * lossOf(float, own, weight, weight.data))
  for (let at = 0; at < target.data.length; at += 7) {
    for (const step of [-0.01, 0.01]) {
      const moved = target.data.slice()
      moved[at] = (moved[at] ?? 0) + step
      expect(lossOf(float, own, weight, moved)).toBeGreaterThan(least)
    }
  }
})

describe.each<AxisChoice>([
  { kind: 'affine', bits: 4, group: 16, symmetric: false },
  { kind: 'affine', bits: 3, group: 'channel', symmetric: true },
  { kind: 'ggml', type: 'Q4_0' },
  { kind: 'codebook', book: 'nf4' },
])('on %j', (grid) => {
  test('outputs come nearer to those of the float model', async () => {
    const activations = await learn(float, own)
    const [without, with_] = [await round(activations, grid, false), await round(activations, grid, true)]
    expect(lossOf(float, own, weight, with_.values)).toBeLessThan(0.8 * lossOf(float, own, weight, without.values))
    expect(with_.findings).toEqual([])
  })

  test('and nearer still where codes and scales are learned for that', async () => {
    const activations = await learn(float, own)
    const [swept, learned] = [await round(activations, grid, true), await round(activations, grid, true, 'learned')]
    expect(lossOf(float, own, weight, learned.values)).toBeLessThan(lossOf(float, own, weight, swept.values))
  })

  test('inputs that are still those of the float model change nothing', async () => {
    const activations = await learn(own, own)
    expect((await round(activations, grid, true)).values).toEqual((await round(activations, grid, false)).values)
  })
})

test('a cross term that says nothing usable is left aside, with a finding', async () => {
  const grid: AxisChoice = { kind: 'affine', bits: 4, group: 16, symmetric: false }
  const activations = await learn(float, own)
  const broken = { ...activations, cross: new Float32Array(columns * columns).fill(Number.POSITIVE_INFINITY) }
  const { values, findings } = await round(broken, grid, true)
  expect(values).toEqual((await round(activations, grid, false)).values)
  expect(findings.map(({ cause }) => cause)).toEqual([
    'What calibration saw does not say how to make up for the errors of the layers before.',
  ])
})
