import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { fromBase64, toBase64 } from '../core/base64.ts'
import { StudioError } from '../core/errors.ts'
import type { ImatrixFormat } from '../formats/imatrix/imatrix.ts'
import { writeImatrix } from '../formats/imatrix/write.ts'
import { linearWeightName } from '../models/gguf-names.ts'
import type { StoredSquares } from './journal.ts'
import type { GramSums } from './measure.ts'
import type { RunResult } from './run-result.ts'

/** The diagonals of G. */
export function storedSquares(grams: GramSums, taps: ReadonlySet<string>): StoredSquares {
  const squares: Record<string, string> = {}
  for (const tap of taps) {
    const gram = grams.get(tap)
    const columns = Math.sqrt(gram.length)
    const diagonal = Float32Array.from({ length: columns }, (_, i) => gram[i * columns + i] ?? 0)
    squares[tap] = toBase64(new Uint8Array(diagonal.buffer))
  }
  return squares
}

/**
 * The importance matrix that a finished run measured on its calibration text, as a file of llama.cpp.
 * Throws `usage` for a run without a calibration text.
 */
export async function imatrixFile(checkpoint: Checkpoint, result: RunResult, format: ImatrixFormat): Promise<Uint8Array<ArrayBuffer>> {
  const { calibration } = result.report
  if (calibration === null) {
    throw new StudioError('usage', {
      title: 'No importance was measured',
      message: 'The run had no calibration text, so there is no importance matrix to save.',
      remedy: 'Choose a calibration text and run again.',
    })
  }
  const entries = checkpoint.graph.blocks.flatMap((block) =>
    block.linears.map((linear) => ({
      name: linearWeightName(block.index, linear.role),
      sums: new Float32Array(fromBase64(result.squares[block.index]?.[linear.tap] ?? '').buffer),
      tokens: calibration.tokens,
    })),
  )
  const { textName, windows, contextLength } = calibration
  return writeImatrix({ dataset: textName, chunks: windows, chunkSize: contextLength, entries }, format)
}
