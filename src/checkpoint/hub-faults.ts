import { StudioError } from '../core/errors.ts'

export type RepoKind = 'model' | 'dataset'

/** What a request was for, for the text of its fault. */
export interface HubTarget {
  readonly kind: RepoKind
  /** `owner/name`. */
  readonly repo: string
  readonly revision: string
  readonly hasToken: boolean
  readonly endpoint: string
}

/** The repository in addresses of the Hub outside its API. */
export function repoPath({ kind, repo }: HubTarget): string {
  return kind === 'dataset' ? `datasets/${repo}` : repo
}

/** What the person calls it. */
function noun({ kind }: HubTarget): string {
  return kind === 'dataset' ? 'data set' : 'model'
}

/**
 * A refusal of the hub as a sentence. The hub tells more than its status in `X-Error-Code` (huggingface_hub,
 * `utils/_http.py`, `hf_raise_for_status`); 401 without a code is also its answer for names that do not exist.
 */
export function refusal(response: Response, target: HubTarget): StudioError {
  const { status } = response
  const code = response.headers.get('X-Error-Code')
  const details = { status, code: code ?? 'none', repo: target.repo, endpoint: target.endpoint }
  if (status === 429) {
    return new StudioError('hub-busy', {
      title: 'The Hub asks to wait',
      message: 'The Hub answered that there were too many requests.',
      remedy: 'Wait a few minutes and try again; what was fetched is kept.',
      details,
    })
  }
  if (code === 'RevisionNotFound') {
    return new StudioError('hub-not-found', {
      title: 'No such revision',
      message: `${target.repo} has no branch, tag or commit "${target.revision}".`,
      remedy: 'Check the spelling of the revision, or leave out @ and what follows.',
      details,
    })
  }
  if (code === 'EntryNotFound') {
    return new StudioError('hub-not-found', {
      title: 'No such file on the Hub',
      message: `A file of ${target.repo} that was listed is not there any more.`,
      remedy: `Open the ${noun(target)} again.`,
      details,
    })
  }
  if (status === 403 || code === 'GatedRepo') return forbidden(target, details)
  if (status === 401 && target.hasToken) {
    return new StudioError('hub-forbidden', {
      title: 'The Hub does not accept this token',
      message: `The Hub refused the access token for ${target.repo}.`,
      remedy: 'Give a read token that has not expired; it stays in memory and is forgotten when the tab closes.',
      details,
    })
  }
  if (status === 401 || status === 404) {
    return new StudioError('hub-not-found', {
      title: `No such ${noun(target)}`,
      message: `The Hub shows no ${noun(target)} ${target.repo}.`,
      remedy: `Check spelling of owner/name; for a private ${noun(target)} give a read token.`,
      details,
    })
  }
  return new StudioError('hub-unreachable', {
    title: 'The Hub does not answer as expected',
    message: `${new URL(target.endpoint).host} answered ${status}.`,
    remedy: 'Try again in a while; what was fetched is kept.',
    details,
  })
}

function forbidden(target: HubTarget, details: Readonly<Record<string, string | number>>): StudioError {
  return new StudioError('hub-forbidden', {
    title: `This ${noun(target)} asks for permission`,
    message: `The Hub answered "gated" for ${target.repo}.`,
    remedy: target.hasToken
      ? 'Accept its terms there with the account of this token, then try again.'
      : 'Accept its terms there, then give a read token. The token stays in memory and is forgotten when the tab closes.',
    details,
  })
}

/** A connection that failed, or broke off too often. */
export function unreachable(cause: unknown, target: HubTarget): StudioError {
  // Node has a navigator without onLine.
  const isOffline = 'navigator' in globalThis && (globalThis.navigator as { onLine?: boolean }).onLine === false
  const details = { repo: target.repo, endpoint: target.endpoint, cause: cause instanceof Error ? cause.message : String(cause) }
  if (isOffline) {
    return new StudioError(
      'hub-unreachable',
      {
        title: 'You are offline',
        message: 'The Hub cannot be reached without a connection.',
        remedy: 'The sample and models already fetched still work.',
        details,
      },
      { cause },
    )
  }
  return new StudioError(
    'hub-unreachable',
    {
      title: 'The Hub cannot be reached',
      message: `${new URL(target.endpoint).host} does not answer, or the connection breaks again and again.`,
      remedy: 'Check the connection and the mirror in Settings. The sample and models already fetched still work.',
      details,
    },
    { cause },
  )
}
