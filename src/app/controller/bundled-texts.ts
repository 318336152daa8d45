import type { ModelSummary } from '../../rpc/contract.ts'

type BundledTexts = ModelSummary['bundledTexts']

interface SampleIndex {
  readonly texts: readonly { readonly id: 'calibration' | 'evaluation'; readonly name: string; readonly path: string }[]
}

/**
 * The page's own texts, for models that come without any. Fetched once from this page's folder; none when it was served
 * without its sample, so that opening a model never fails for want of a text.
 */
export function createBundledTexts(fetchFile: typeof fetch = fetch): () => Promise<BundledTexts> {
  let found: Promise<BundledTexts> | null = null
  const load = async (): Promise<BundledTexts> => {
    const base = `${import.meta.env.BASE_URL}samples/`
    const index = (await (await fetchFile(`${base}index.json`)).json()) as SampleIndex
    return Promise.all(
      index.texts.map(async ({ id, name, path }) => ({ id, name, text: await (await fetchFile(`${base}${path}`)).text() })),
    )
  }
  return () => {
    found ??= load().catch(() => {
      found = null
      return []
    })
    return found
  }
}
