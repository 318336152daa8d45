import type { Continuation } from '../../../rpc/contract.ts'

/** A continuation cut at its first token that differs from float. */
export interface Compared {
  /** Tokens equal to float's from the start. */
  readonly equalTokens: number
  readonly tokens: number
  readonly same: string
  /** The first token that differs; empty when none does, or when the text ends where float goes on. */
  readonly mark: string
  readonly rest: string
  /** The text stops here although float goes on. */
  readonly endsEarly: boolean
}

/** White space in front of the marked token belongs to what is before it, or the underline would begin in the gap. */
export function compareContinuation({ pieces, firstDifference }: Pick<Continuation, 'pieces' | 'firstDifference'>): Compared {
  const equal = Math.min(firstDifference ?? pieces.length, pieces.length)
  const marked = pieces[equal] ?? ''
  const space = /^\s*/.exec(marked)?.[0] ?? ''
  const isBlank = space.length === marked.length
  return {
    equalTokens: equal,
    tokens: pieces.length,
    same: (pieces.slice(0, equal).join('') + (isBlank ? '' : space)).trimStart(),
    mark: isBlank ? marked : marked.slice(space.length),
    rest: pieces.slice(equal + 1).join(''),
    endsEarly: firstDifference !== null && firstDifference >= pieces.length,
  }
}

/** `first 31 of 64 tokens equal`, `64 of 64 tokens equal`. */
export function equalText({ equalTokens, tokens }: Compared): string {
  return `${equalTokens === tokens ? '' : 'first '}${equalTokens} of ${tokens} tokens equal`
}

/** The end of the equal part that fits in front of the first difference on one line. */
export function tail(text: string, most = 40): string {
  const flat = text.replaceAll(/\s+/g, ' ')
  if (flat.length <= most) return flat
  const cut = flat.slice(flat.length - most)
  const word = cut.indexOf(' ')
  return `…${word >= 0 && word < most - 8 ? cut.slice(word + 1) : cut}`
}

/** What can be seen of white space when it is the token that differs. */
export const visible = (mark: string): string =>
  /^\s+$/.test(mark) ? mark.replaceAll('\n', '↵').replaceAll(' ', '␣').replaceAll('\t', '⇥') : mark
