/**
 * The first key that the outermost object of a JSON text names twice, or `null`. `JSON.parse` keeps the last of two equal
 * keys without a word; a file that names a tensor twice says two different things about it. The text must be valid JSON.
 */
export function duplicateKey(json: string): string | null {
  const seen = new Set<string>()
  let depth = 0
  let expectsKey = false
  for (let at = 0; at < json.length; at++) {
    const sign = json[at]
    if (sign === '"') {
      const end = closingQuote(json, at)
      if (depth === 1 && expectsKey) {
        const key = String(JSON.parse(json.slice(at, end + 1)))
        if (seen.has(key)) return key
        seen.add(key)
        expectsKey = false
      }
      at = end
    } else if (sign === '{' || sign === '[') {
      depth++
      if (depth === 1) expectsKey = true
    } else if (sign === '}' || sign === ']') depth--
    else if (sign === ',' && depth === 1) expectsKey = true
  }
  return null
}

/** Index of the quote that ends the string opened at `start`. */
function closingQuote(json: string, start: number): number {
  let at = start + 1
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at
}
