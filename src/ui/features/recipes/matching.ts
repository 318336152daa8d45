/** `*` stands for any run of characters; the rest is literal. The same rule as the recipe's. */
export function globToRegExp(glob: string): RegExp {
  const literal = glob.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${literal.join('.*')}$`)
}

/** Names that an override reaches: those it matches and no earlier override of the recipe does. */
export function hits(match: string, earlier: readonly string[], names: readonly string[]): readonly string[] {
  const own = globToRegExp(match)
  const before = earlier.map(globToRegExp)
  return names.filter((name) => own.test(name) && !before.some((pattern) => pattern.test(name)))
}
