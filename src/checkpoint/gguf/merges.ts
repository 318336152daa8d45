/**
 * Merges in the order of a score-driven vocabulary. llama.cpp and SentencePiece join the neighbours whose union scores highest;
 * BPE joins the pair that comes first in its list. Every way to cut a token into two tokens becomes a merge with the token's
 * score; equal scores go by the ids of the parts.
 */
export function mergesFromScores(tokens: readonly string[], scores: readonly number[], isMerged: (id: number) => boolean): string[] {
  const ids = new Map<string, number>()
  for (const [id, token] of tokens.entries()) if (isMerged(id)) ids.set(token, id)
  const merges: { readonly text: string; readonly score: number; readonly left: number; readonly right: number }[] = []
  for (const [token, id] of ids) {
    const characters = Array.from(token)
    for (let at = 1; at < characters.length; at++) {
      const head = characters.slice(0, at).join('')
      const tail = characters.slice(at).join('')
      const left = ids.get(head)
      const right = ids.get(tail)
      if (left !== undefined && right !== undefined) merges.push({ text: `${head} ${tail}`, score: scores[id] ?? 0, left, right })
    }
  }
  merges.sort((one, other) => other.score - one.score || one.left - other.left || one.right - other.right)
  return merges.map(({ text }) => text)
}
