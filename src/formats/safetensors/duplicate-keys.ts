/**
 * The first key that the outermost object of a JSON text names twice, or `null`. `JSON.parse` keeps the last of two equal
 * keys without a word; a file that names a tensor twice says two different things about it. The text must be valid JSON.
 */
export function duplicateKey(json: string): string | null {
  const seen = new Set<string>()
  let depth = 0
  let expectsKey = false
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case '"': {
        const end = closingQuote(json, at)
        if (depth === 1 && expectsKey) {
          const key = String(JSON.parse(json.slice(at, end + 1)))
          if (seen.has(key)) return key
          seen.add(key)
          expectsKey = false
        }
        at = end
        break
      }
      case '{':
      case '[':
        depth++
        if (depth === 1) expectsKey = true
        break
      case '}':
      case ']':
        depth--
        break
      case ',':
        if (depth === 1) expectsKey = true
        break
      default:
    }
  }
  return null
}

/** Index of the quote that ends the string opened at `start`. */
function closingQuote(json: string, start: number): number {
  let at = start + 1
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at
}
