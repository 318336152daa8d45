import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { fromBase64 } from '../core/base64.ts'
import { StudioError } from '../core/errors.ts'
import type { Imatrix } from '../formats/imatrix/imatrix.ts'
import { readImatrix } from '../formats/imatrix/read.ts'
import { memorySource } from '../io/memory-source.ts'
import { linearWeightName } from '../models/gguf-names.ts'
import type { LinearSpec } from '../models/model-graph.ts'
import type { ImportanceSummary } from '../quantization/calibration-summary.ts'
import type { PlanIssue, RunRequest } from './plan.ts'

/** An imatrix file as it fits the open model. */
export interface Importance {
  readonly summary: ImportanceSummary
  /** Mean squares of the inputs by the checkpoint's name of the weight; linears that the file does not know are missing. */
  readonly means: ReadonlyMap<string, Float32Array<ArrayBuffer>>
}

export interface LoadedImportance {
  /** `null` without a file, or with one that cannot be used; `findings` says why. */
  readonly importance: Importance | null
  readonly findings: readonly Omit<PlanIssue, 'recipeId'>[]
}

/** Reads the request's imatrix file and holds it against the model. A file that does not do becomes a finding, not a fault. */
export async function loadImportance({ importance }: RunRequest, checkpoint: Checkpoint): Promise<LoadedImportance> {
  if (importance === null) return { importance: null, findings: [] }
  const { fileName } = importance
  let imatrix: Imatrix
  try {
    imatrix = await readImatrix(memorySource(fileName, bytesOf(importance.base64)))
  } catch (error) {
    if (!(error instanceof StudioError) || error.code !== 'file-damaged') throw error
    const { title, message, remedy } = error
    return { importance: null, findings: [{ severity: 'error', title, text: message, remedy }] }
  }
  const linears = checkpoint.graph.blocks.flatMap((block) =>
    block.linears.map((linear) => ({ linear, name: linearWeightName(block.index, linear.role) })),
  )
  const known = linears.filter(({ name }) => imatrix.means.has(name))
  const wrong = known.find(({ linear, name }) => imatrix.means.get(name)?.length !== linear.inFeatures)
  if (known.length === 0 || wrong !== undefined) {
    const text =
      wrong === undefined ? 'It knows no matrix of this model.' : widthText(wrong.linear, imatrix.means.get(wrong.name)?.length ?? 0)
    const title = 'This importance matrix belongs to another model'
    return {
      importance: null,
      findings: [{ severity: 'error', title, text: `${fileName}: ${text}`, remedy: 'Give the one of this model.' }],
    }
  }
  const means = new Map<string, Float32Array<ArrayBuffer>>()
  for (const { linear, name } of known) {
    const values = imatrix.means.get(name)
    if (values !== undefined) means.set(linear.weight, values)
  }
  const summary = { fileName, dataset: imatrix.datasets.join(', '), chunks: imatrix.chunks, entries: imatrix.means.size }
  return { importance: { summary, means }, findings: missingFinding(fileName, linears, means) }
}

function missingFinding(
  fileName: string,
  linears: readonly { readonly linear: LinearSpec }[],
  means: ReadonlyMap<string, unknown>,
): Omit<PlanIssue, 'recipeId'>[] {
  const missing = linears.filter(({ linear }) => !means.has(linear.weight))
  const [first] = missing
  if (first === undefined) return []
  return [
    {
      severity: 'warning',
      title: 'The importance matrix does not know every matrix',
      text: `${fileName} says nothing of ${first.linear.weight}${missing.length > 1 ? ` and ${missing.length - 1} more` : ''}: rounded to nearest there.`,
      remedy: 'Calibrate on a text instead, or give a complete file.',
    },
  ]
}

function widthText({ weight, inFeatures }: LinearSpec, columns: number): string {
  return `${weight} has ${inFeatures} input columns; the file has ${columns}.`
}

/** Anything that is not base64 gives no bytes, which the reader then refuses. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return fromBase64(base64)
  } catch {
    return new Uint8Array(0)
  }
}
