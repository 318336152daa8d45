/** What a block adds to the hidden states, in two steps: h += A(norm(h)), then h += M(norm(h)). */
export type BlockHalf = 'attention' | 'mlp'

const ofAttention: ReadonlySet<string> = new Set(['attnIn', 'q', 'k', 'v', 'o'])

/** The half that a norm or linear of a block belongs to, by its role; a bias, `<role>.bias`, is where its linear is. */
export function halfOf(role: string): BlockHalf {
  return ofAttention.has(role.replace(/\.bias$/, '')) ? 'attention' : 'mlp'
}
