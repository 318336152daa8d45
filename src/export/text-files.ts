import type { ExportedFile } from './target.ts'

/** A small file whose bytes are known at once. Proved by its hash alone. */
export function textFile(path: string, text: string): ExportedFile {
  return bytesFile(path, new TextEncoder().encode(text))
}

/** A JSON file, indented, as the tools of the Hub write them. */
export function jsonFile(path: string, value: unknown): ExportedFile {
  return textFile(path, `${JSON.stringify(value, null, 2)}\n`)
}

/**
 * `jsonFile` with a fraction on the whole numbers of some keys, `6.0` for 6: readers in Python tell floats from integers by it, and
 * some refuse the latter.
 */
export function jsonFileWithFloats(path: string, value: unknown, floatKeys: readonly string[]): ExportedFile {
  const whole = new RegExp(`^( *"(?:${floatKeys.join('|')})": -?\\d+)(?=,?$)`, 'gm')
  return textFile(path, `${JSON.stringify(value, null, 2).replace(whole, '$1.0')}\n`)
}

const encoded = new WeakMap<object, Uint8Array<ArrayBuffer>>()

/** `jsonFile` for an object of the checkpoint, encoded once: a tokenizer.json is megabytes and layouts are asked for often. */
export function sharedJsonFile(path: string, value: object): ExportedFile {
  const bytes = encoded.get(value) ?? new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)
  encoded.set(value, bytes)
  return bytesFile(path, bytes)
}

function bytesFile(path: string, bytes: Uint8Array<ArrayBuffer>): ExportedFile {
  return {
    path,
    sizeBytes: bytes.length,
    async *write() {
      yield bytes.slice()
    },
  }
}
