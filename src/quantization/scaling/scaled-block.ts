import type { Finding } from '../../core/finding.ts'
import type { BlockSpec } from '../../models/model-graph.ts'
import type { LayerActivations } from '../rounding.ts'
import type { BlockTensors, TransformedBlock } from '../transform.ts'
import type { ScaleGroup } from './groups.ts'

type Floats = Float32Array<ArrayBuffer>

/** A block whose linears get their inputs divided by scales, one a column, which are folded into what comes before. */
export class ScaledBlock {
  readonly #block: BlockSpec
  readonly #tensors: Record<string, Floats>
  /** By tap: what its inputs are divided by. */
  readonly #inputScales = new Map<string, Floats>()
  /** By role of a linear: what its rows are divided by. */
  readonly #outputScales = new Map<string, Floats>()
  readonly #findings = new Map<string, Finding[]>()

  /** Tensors are copied when they change. */
  constructor(block: BlockSpec, tensors: BlockTensors) {
    this.#block = block
    this.#tensors = { ...tensors }
  }

  tensor(role: string): Floats {
    const tensor = this.#tensors[role]
    if (tensor === undefined) throw new RangeError(`The block has no tensor "${role}".`)
    return tensor
  }

  /** Scales of a tap's inputs; `null` where there are none. */
  inputScales(tap: string): Floats | null {
    return this.#inputScales.get(tap) ?? null
  }

  /** Columns of the group's linears times the scales, rows of what comes before divided by them. Once for each tap. */
  fold({ tap, source, linears }: ScaleGroup, scales: Floats): void {
    this.#inputScales.set(tap, scales)
    for (const { role } of linears) this.#tensors[role] = scaleColumns(this.tensor(role), scales)
    this.#tensors[source] = divideRows(this.tensor(source), scales)
    const bias = `${source}.bias`
    if (bias in this.#tensors) this.#tensors[bias] = divideRows(this.tensor(bias), scales)
    if (this.#block.linears.some(({ role }) => role === source)) this.#outputScales.set(source, scales)
  }

  /** Other values for a linear that stand for the same. */
  replace(role: string, values: Floats): void {
    this.#tensors[role] = values
  }

  tell(role: string, finding: Finding): void {
    this.#findings.set(role, [...(this.#findings.get(role) ?? []), finding])
  }

  finish(modes: TransformedBlock['modes'] = {}): TransformedBlock {
    const taps = new Map(this.#block.linears.map(({ role, tap }) => [role, tap]))
    return {
      tensors: this.#tensors,
      modes,
      findings: this.#findings,
      activationsOf: (tap, seen) => {
        const scales = this.#inputScales.get(tap)
        return scales === undefined ? seen : scaledActivations(seen, scales)
      },
      importanceOf: (tap, importance) => {
        const scales = this.#inputScales.get(tap)
        return scales === undefined ? importance : scaledSquares(importance, scales)
      },
      restore: (role, values) => {
        const columns = this.#inputScales.get(taps.get(role) ?? '')
        const rows = this.#outputScales.get(role)
        const narrow = columns === undefined ? values : divideColumns(values, columns)
        return rows === undefined ? narrow : scaleRows(narrow, rows)
      },
    }
  }
}

/** W[:, j] * s[j]. */
export function scaleColumns(values: Float32Array, scales: Floats): Floats {
  const columns = scales.length
  const result = new Float32Array(values.length)
  for (let start = 0; start < values.length; start += columns) {
    for (let j = 0; j < columns; j++) result[start + j] = (values[start + j] ?? 0) * (scales[j] ?? 1)
  }
  return result
}

/** W[:, j] / s[j]. */
export function divideColumns(values: Float32Array, scales: Floats): Floats {
  const columns = scales.length
  const result = new Float32Array(values.length)
  for (let start = 0; start < values.length; start += columns) {
    for (let j = 0; j < columns; j++) result[start + j] = (values[start + j] ?? 0) / (scales[j] ?? 1)
  }
  return result
}

/** weights - approximation. */
export function differenceOf(weights: Float32Array, approximation: Float32Array): Floats {
  const result = new Float32Array(weights.length)
  for (let i = 0; i < result.length; i++) result[i] = (weights[i] ?? 0) - (approximation[i] ?? 0)
  return result
}

/** Row i / s[i]; a vector has rows of one element. */
function divideRows(values: Floats, scales: Floats): Floats {
  const width = values.length / scales.length
  return values.map((value, i) => value / (scales[Math.floor(i / width)] ?? 1))
}

function scaleRows(values: Floats, scales: Floats): Floats {
  const width = values.length / scales.length
  return values.map((value, i) => value * (scales[Math.floor(i / width)] ?? 1))
}

/** Squares of inputs that are divided by scales. */
export function scaledSquares(squares: Floats, scales: Floats): Floats {
  return squares.map((value, i) => value / (scales[i] ?? 1) ** 2)
}

/** G' = S^-1 G S^-1. */
function scaledActivations({ tokens, meanSquare, gram }: LayerActivations, scales: Floats): LayerActivations {
  const columns = scales.length
  const scaled = new Float32Array(gram.length)
  for (let i = 0; i < columns; i++) {
    const own = scales[i] ?? 1
    for (let j = i; j < columns; j++) scaled[i * columns + j] = (gram[i * columns + j] ?? 0) / (own * (scales[j] ?? 1))
  }
  return { tokens, gram: scaled, meanSquare: scaledSquares(meanSquare, scales) }
}
