import { StudioError } from '../core/errors.ts'
import { parseHubId } from './hub.ts'

/** A part of a data set of the Hub. What is `null` is chosen from what the set has. */
export interface DatasetAddress {
  /** `owner/name`. */
  readonly repo: string
  readonly revision: string | null
  /** Subset, as the Hub's viewer calls it: `wikitext-2-raw-v1`. */
  readonly config: string | null
  readonly split: string | null
  readonly column: string | null
}

/**
 * `owner/name[@revision][:config[:split[:column]]]`, parts may be empty; or the address of the set's page or of its viewer
 * (`https://…/datasets/owner/name/viewer/config/split`). Throws `usage` for anything else.
 */
export function parseDatasetAddress(text: string): DatasetAddress {
  const trimmed = text.trim()
  const viewer = /^(https?:\/\/[^/]+\/datasets\/[^/]+\/[^/]+)\/viewer(?:\/([^/?]+))?(?:\/([^/?]+))?/.exec(trimmed)
  const isAddress = /^https?:\/\//.test(trimmed)
  const [id = '', config, split, column, ...more] =
    viewer !== null ? [viewer[1], viewer[2], viewer[3]] : isAddress ? [trimmed] : trimmed.split(':')
  const { repo, revision } = parseHubId(id, 'dataset')
  const parts = [config, split, column].map((part) => (part === undefined || part === '' ? null : part))
  if (more.length > 0 || parts.some((part) => part !== null && !/^[\w.+-]+$/.test(part))) {
    throw new StudioError('usage', {
      title: 'This is not a part of a data set',
      message: `"${text}" is not of the form owner/name:subset:split:column.`,
      remedy: 'Give the name, and behind colons what of it, for example Salesforce/wikitext:wikitext-2-raw-v1:train.',
      details: { text },
    })
  }
  const [chosenConfig = null, chosenSplit = null, chosenColumn = null] = parts
  return { repo, revision, config: chosenConfig, split: chosenSplit, column: chosenColumn }
}
