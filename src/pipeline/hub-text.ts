import { documentOf, joinDocuments, type TextDocument } from '../calibration/documents.ts'
import type { DatasetRequest } from '../checkpoint/dataset.ts'
import { parseDatasetAddress } from '../checkpoint/dataset-address.ts'
import type { HubProgress } from '../checkpoint/hub.ts'
import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { HubText } from '../rpc/contract.ts'
import type { Tokenizer } from '../runtime/tokenizer.ts'

/** Characters of a text: what the page holds of a file, too. */
const mostCharacters = 32_000_000

/** Tokens that are counted before others get their turn: some tens of milliseconds. */
const tokensAtOnce = 16_384

/** What each purpose prefers where an address names no split: what sets keep for it. */
const preferredSplits = { calibration: ['train'], evaluation: ['test', 'validation', 'train'] } as const

export interface HubTextRequest extends Omit<DatasetRequest, 'address' | 'preferredSplits'> {
  /** `owner/name:subset:split:column`, see `parseDatasetAddress`. */
  readonly id: string
  readonly purpose: 'calibration' | 'evaluation'
  /** Documents are taken until they have so many tokens. */
  readonly wantedTokens: number
  /** Draws the first document of a calibration text; an evaluation text is read from its beginning, as it is measured elsewhere. */
  readonly seed: number
}

/**
 * A text of a data set of the Hub: whole documents up to the tokens wanted, or 32 million characters. Throws `usage`,
 * `text-too-short` for a set without text, the Hub's codes, `file-damaged`, `aborted`.
 */
export async function readHubText(
  { id, purpose, wantedTokens, seed, ...hub }: HubTextRequest,
  tokenizer: Tokenizer,
  onProgress: (progress: HubProgress & { readonly tokens: number }) => void,
  signal?: AbortSignal,
): Promise<HubText> {
  const address = parseDatasetAddress(id)
  // Decoders are only fetched by those who use them.
  const { openDataset } = await import('../checkpoint/dataset.ts')
  let tokens = 0
  let toldTokens = 0
  let totalBytes = 0
  const tell = (progress: HubProgress): void => {
    if (progress.kind === 'received') totalBytes = progress.totalBytes
    onProgress({ ...progress, tokens })
  }
  const dataset = await openDataset({ ...hub, address, preferredSplits: preferredSplits[purpose] }, tell, signal)
  const documents: TextDocument[] = []
  let characters = 0
  for await (const value of dataset.values(purpose === 'calibration' ? seed : null, signal)) {
    throwIfAborted(signal)
    const document = documentOf(value)
    if (document === null) continue
    const words = typeof document === 'string' ? document : document.map(({ content }) => content).join('\n')
    if (characters + words.length > mostCharacters) break
    documents.push(document)
    characters += words.length
    tokens += tokenizer.encode(words).length
    if (tokens >= wantedTokens) break
    if (tokens - toldTokens < tokensAtOnce) continue
    toldTokens = tokens
    tell({ kind: 'received', bytes: 0, totalBytes })
    await nextTask()
  }
  if (tokens === 0) {
    throw new StudioError('text-too-short', {
      title: 'This data set has no text',
      message: `${dataset.name} has nothing in "${dataset.column}".`,
      remedy: 'Name another column, or choose another set.',
      details: { set: dataset.name, column: dataset.column },
    })
  }
  return { name: dataset.name, text: joinDocuments(documents), documents: documents.length, tokens }
}

/** Lets a stop, and whatever else was asked of this thread, be heard. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}
