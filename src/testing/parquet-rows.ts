const words = 'once upon a time there was a small house by the river and in it lived'.split(' ')

/** Text of a row of the files that `scripts/interop/parquet_fixtures.py` writes; `null` where it has none. */
export function fixtureText(row: number): string | null {
  if (row % 25 === 7) return null
  const chosen = Array.from({ length: 8 + (row % 13) }, (_, k) => words[(row * 7 + k * k * 3 + k) % words.length])
  return `${chosen.join(' ')} ${row}\n`
}

/** Conversation of a row of `messages.parquet`. */
export function fixtureMessages(row: number): readonly { readonly role: string; readonly content: string }[] {
  return [
    { role: 'user', content: `tell me of the house ${row}` },
    { role: 'assistant', content: fixtureText(row) ?? 'nothing' },
  ]
}
