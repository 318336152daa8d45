import type { Support } from '../../core/support.ts'
import type { GridEncoding } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import type { ExportFacts } from '../target.ts'
import { linearNames } from './planned-tensor.ts'

/** What a format says of itself in refusals. */
export interface FormatRules {
  /** "The GPTQ layout". */
  readonly called: string
  /** "affine groups"; what it holds. */
  readonly holds: string
  /** A recipe to take instead. */
  readonly instead: string
  /** Whether a head of its own may be packed. */
  readonly packsHead: boolean
  /** Whether one matrix is possible; a sentence names it. */
  matrix(name: string, encoding: GridEncoding): Support
}

/** The quantized matrices of a recipe by checkpoint name. */
export function quantizedOf({ encodings }: Pick<ExportFacts, 'encodings'>): readonly (readonly [string, GridEncoding])[] {
  return [...encodings].flatMap(([name, encoding]) =>
    encoding.encoding === 'source' || encoding.encoding === 'float' ? [] : [[name, encoding] as const],
  )
}

/** What holds for every format that packs the linears of a folder of safetensors: the first reason against, or `true`. */
export function linearsOnly(facts: ExportFacts, rules: FormatRules): Support {
  const { graph } = facts
  const quantized = quantizedOf(facts)
  if (quantized.length === 0) return 'Nothing is quantized in this recipe; the original files already hold these weights.'
  const linears = linearNames(facts)
  for (const [name, encoding] of quantized) {
    const support = rules.matrix(name, encoding)
    if (support !== true) return support
    if (!linears.has(name)) {
      return graph.head === null
        ? `${rules.called} has no packed embedding, and this model uses its embedding as head. Leave both in float.`
        : `${rules.called} has no packed embedding. Leave the embedding in float.`
    }
    if (!rules.packsHead && name === graph.head?.name) return `${rules.called} leaves the head as it is. Leave the head in float.`
  }
  return true
}

/** The refusal of an encoding that a format does not hold. */
export function wrongEncoding(
  { called, holds, instead }: Omit<FormatRules, 'matrix' | 'packsHead'>,
  name: string,
  encoding: GridEncoding,
): string {
  return `${called} holds ${holds}, and ${name} is in ${storage.get(encoding.encoding).describe(encoding)}. Choose another format, or a recipe such as ${instead}.`
}
