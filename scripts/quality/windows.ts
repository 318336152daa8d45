import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openCheckpoint } from '../../src/checkpoint/open.ts'
import { nodeFolderFiles } from '../../src/headless/node-source.ts'
import { prepareTexts } from '../../src/pipeline/texts.ts'
import { createTokenizer } from '../../src/runtime/engines/tokenizer.ts'

/** Prints the token windows that a run draws: `{"calibration": [[ids]], "evaluation": [[ids]]}`. */
export async function main(argv: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      calibration: { type: 'string' },
      evaluation: { type: 'string' },
      context: { type: 'string', default: '256' },
      'calibration-tokens': { type: 'string' },
      'max-tokens': { type: 'string' },
      seed: { type: 'string', default: '0' },
    },
  })
  const [folder] = positionals
  const { calibration, evaluation, context, 'calibration-tokens': calibrationTokens, 'max-tokens': maxTokens, seed } = values
  if (folder === undefined || calibration === undefined || evaluation === undefined) {
    throw new Error(
      'usage: node scripts/quality/windows.mjs MODEL --calibration FILE --evaluation FILE [--context N] [--calibration-tokens N] [--max-tokens N] [--seed N]',
    )
  }
  const contextLength = Number(context)
  const checkpoint = await openCheckpoint(
    { name: basename(resolve(folder)), originKind: 'files', files: await nodeFolderFiles(folder) },
    new AbortController().signal,
  )
  try {
    const texts = prepareTexts(
      {
        recipes: [],
        evaluation: {
          text: await readFile(evaluation, 'utf8'),
          textName: basename(evaluation),
          protocol: 'windows',
          inputs: 'float',
          contextLength,
          maxTokens: maxTokens === undefined ? null : Number(maxTokens),
        },
        calibration: {
          text: await readFile(calibration, 'utf8'),
          textName: basename(calibration),
          contextLength,
          maxTokens: calibrationTokens === undefined ? 32 * contextLength : Number(calibrationTokens),
          usesChatTemplate: false,
        },
        importance: null,
        seed: Number(seed),
      },
      { checkpoint, tokenizer: createTokenizer(checkpoint.tokenizerFiles) },
    )
    const idsOf = (windows: typeof texts.calibration): number[][] => windows.map(({ ids }) => [...ids])
    process.stdout.write(`${JSON.stringify({ calibration: idsOf(texts.calibration), evaluation: idsOf(texts.evaluation) })}\n`)
  } finally {
    await checkpoint.close()
  }
}
