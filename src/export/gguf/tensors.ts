import type { GgufTensorSpec } from '../../formats/gguf/types.ts'
import type { GgmlType } from '../../kernels/contract/ggml.ts'
import { linearNames, linearPrefix, normNames } from '../../models/gguf-names.ts'
import type { ModelConfig } from '../../models/model-graph.ts'
import type { ExportFacts } from '../target.ts'

/** A tensor of the file and where its values come from. */
export interface PlannedTensor {
  readonly spec: GgufTensorSpec & { readonly type: GgmlType }
  readonly from:
    | { readonly kind: 'stored'; readonly name: string }
    /** `ExportSource.readFloat`. */
    | { readonly kind: 'float'; readonly name: string }
    | { readonly kind: 'computed'; readonly values: Float32Array<ArrayBuffer> }
  /** Rows are interleaved within each head (`head-rows.ts`). */
  readonly isInterleaved: boolean
}

/** Name of the stored matrix whose bytes, as they are stored, are those of the tensor; `null` where there is none. */
export function storedAs({ from, isInterleaved }: PlannedTensor): string | null {
  return from.kind === 'stored' && !isInterleaved ? from.name : null
}

/** Roles of the model that GGUF has no name for here; empty for every family that can be exported. */
export function unnamedRoles({ graph }: ExportFacts): string[] {
  const roles = graph.blocks.flatMap((block) => [
    ...block.linears.map((linear) => linear.role).filter((role) => !(role in linearNames)),
    ...Object.keys(block.norms).filter((role) => !(role in normNames)),
  ])
  return [...new Set(roles)]
}

/**
 * Every tensor in file order. Matrices that the recipe left alone become F16, vectors F32, as `convert_hf_to_gguf.py
 * --outtype f16` does; a tied head is left out, since llama.cpp then takes the embedding.
 */
export function planTensors(facts: ExportFacts): PlannedTensor[] {
  const {
    graph,
    checkpoint: { family },
  } = facts
  const tensors: PlannedTensor[] = [matrix(facts, 'token_embd.weight', graph.embedding)]
  const divisors = family.gguf.writesRopeFrequencies ? ropeDivisors(graph.config) : null
  if (divisors !== null) {
    const spec = { name: 'rope_freqs.weight', type: 'F32' as const, shape: [divisors.length] }
    tensors.push({ spec, from: { kind: 'computed', values: divisors }, isInterleaved: false })
  }
  for (const block of graph.blocks) {
    const prefix = `blk.${block.index}`
    for (const [role, norm] of Object.entries(block.norms)) tensors.push(vector(`${prefix}.${normNames[role] ?? role}.weight`, norm, false))
    for (const linear of block.linears) {
      const name = linearPrefix(block.index, linear.role)
      const isInterleaved = family.gguf.isRopeInterleaved && (linear.role === 'q' || linear.role === 'k')
      const shape = [linear.outFeatures, linear.inFeatures]
      tensors.push({ ...matrix(facts, `${name}.weight`, { name: linear.weight, shape }), isInterleaved })
      if (linear.bias !== null) tensors.push(vector(`${name}.bias`, { name: linear.bias, shape: [linear.outFeatures] }, isInterleaved))
    }
  }
  tensors.push(vector('output_norm.weight', graph.finalNorm, false))
  if (graph.head !== null) tensors.push(matrix(facts, 'output.weight', graph.head))
  return tensors
}

interface Source {
  readonly name: string
  readonly shape: readonly number[]
}

function matrix({ encodings }: ExportFacts, name: string, source: Source): PlannedTensor {
  const encoding = encodings.get(source.name)
  if (encoding?.encoding === 'ggml') {
    return { spec: { name, type: encoding.type, shape: source.shape }, from: { kind: 'stored', name: source.name }, isInterleaved: false }
  }
  return { spec: { name, type: 'F16', shape: source.shape }, from: { kind: 'float', name: source.name }, isInterleaved: false }
}

function vector(name: string, source: Source, isInterleaved: boolean): PlannedTensor {
  return { spec: { name, type: 'F32', shape: source.shape }, from: { kind: 'float', name: source.name }, isInterleaved }
}

/**
 * Llama 3's scaling as llama.cpp takes it: what each frequency is divided by (`rope_freqs.weight`, [headDim / 2]), from
 * `Llama3RotaryEmbedding` as convert_hf_to_gguf.py computes it. `null` for models without that scaling.
 */
export function ropeDivisors({ ropeScaling, ropeTheta, headDim }: ModelConfig): Float32Array<ArrayBuffer> | null {
  if (ropeScaling.kind !== 'llama3') return null
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = ropeScaling
  return Float32Array.from({ length: headDim / 2 }, (_, pair) => {
    const wavelength = 2 * Math.PI * ropeTheta ** ((2 * pair) / headDim)
    if (wavelength < originalMaxPositions / highFrequencyFactor) return 1
    if (wavelength > originalMaxPositions / lowFrequencyFactor) return factor
    const smooth = (originalMaxPositions / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
    return 1 / ((1 - smooth) / factor + smooth)
  })
}
