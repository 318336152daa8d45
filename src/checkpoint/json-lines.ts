import { isAbort, StudioError, throwIfAborted } from '../core/errors.ts'
import { jsonObject } from '../core/json-object.ts'
import type { ByteSource } from '../io/byte-source.ts'

const pieceBytes = 1_048_576
/** Of a compressed file: the decompressor asks for some pieces ahead. */
const packedPieceBytes = 262_144
/** Longest line, in characters; protects memory from a file that is no JSON lines. */
const maxLineLength = 16_000_000

/**
 * The JSON objects of a file of JSON lines, those whose line begins in bytes [start, end). A name that ends in `.gz` is
 * decompressed on the way and read from its beginning. Memory holds a line and a piece of 1 MiB. Throws `file-damaged`
 * naming the line.
 */
export async function* readJsonLines(
  source: ByteSource,
  { start, end }: { readonly start: number; readonly end: number },
  signal?: AbortSignal,
): AsyncGenerator<Readonly<Record<string, unknown>>, void, undefined> {
  const isCompressed = source.name.endsWith('.gz')
  // One byte earlier, so that a line that begins at `start` is told from one that goes on there.
  const from = isCompressed ? 0 : Math.max(0, start - 1)
  const pieces = isCompressed ? decompressed(source, signal) : plain(source, from, signal)
  let isInside = from === 0 && start === 0
  let number = 0
  for await (const { line, lineStart } of linesOf(source, pieces, from)) {
    if (!isCompressed && lineStart >= end) return
    if (isInside) {
      number += 1
      if (line.trim() !== '') yield parsed(source, line, { number, isFromStart: start === 0 })
    }
    isInside = true
  }
}

async function* plain(source: ByteSource, from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = from; at < source.sizeBytes; at += pieceBytes) {
    throwIfAborted(signal)
    yield await source.read(at, Math.min(source.sizeBytes, at + pieceBytes), signal)
  }
}

/**
 * The next piece is put in only when nothing is left to be taken out: the streams of Node hold back nothing by themselves, and
 * would fetch the file to its end.
 */
async function* decompressed(source: ByteSource, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = new DecompressionStream('gzip')
  const reader = stream.readable.getReader()
  const writer = stream.writable.getWriter()
  let at = 0
  const putIn = async (): Promise<'more' | 'end'> => {
    const end = Math.min(source.sizeBytes, at + packedPieceBytes)
    if (at === end) {
      await writer.close()
      return 'end'
    }
    await writer.write(await source.read(at, end, signal))
    at = end
    return 'more'
  }
  /** One of the two may fail while the other is waited for. */
  const heard = <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => undefined)
    return promise
  }
  try {
    let putting: Promise<'more' | 'end'> | null = heard(putIn())
    let taking = heard(reader.read())
    for (;;) {
      throwIfAborted(signal)
      const first: Awaited<typeof taking> | 'more' | 'end' = await (putting === null ? taking : Promise.race([taking, putting]))
      if (typeof first === 'string') {
        putting = first === 'end' ? null : heard(putIn())
        continue
      }
      if (first.done) return
      yield first.value
      taking = heard(reader.read())
    }
  } catch (error) {
    if (error instanceof StudioError || isAbort(error)) throw error
    throw damaged(source, 'it cannot be decompressed')
  } finally {
    // They reject when the stream broke, which was told above.
    await Promise.allSettled([reader.cancel(), writer.abort()])
  }
}

/** Lines with the offset at which they begin, in bytes of what `pieces` give. */
async function* linesOf(
  source: ByteSource,
  pieces: AsyncIterable<Uint8Array>,
  from: number,
): AsyncGenerator<{ readonly line: string; readonly lineStart: number }, void, undefined> {
  const decoder = new TextDecoder()
  let held = ''
  let lineStart = from
  let pieceStart = from
  for await (const piece of pieces) {
    let at = 0
    for (let newline = piece.indexOf(10); newline !== -1; newline = piece.indexOf(10, at)) {
      const line = held + decoder.decode(piece.subarray(at, newline))
      held = ''
      at = newline + 1
      yield { line, lineStart }
      lineStart = pieceStart + at
    }
    held += decoder.decode(piece.subarray(at), { stream: true })
    if (held.length > maxLineLength)
      throw damaged(source, `a line of it is longer than ${maxLineLength.toLocaleString('en-US')} characters`)
    pieceStart += piece.length
  }
  if (held !== '') yield { line: held, lineStart }
}

function parsed(
  source: ByteSource,
  line: string,
  { number, isFromStart }: { readonly number: number; readonly isFromStart: boolean },
): Readonly<Record<string, unknown>> {
  const value = jsonObject(line)
  if (value !== null) return value
  throw damaged(source, isFromStart ? `line ${number} is not a JSON object` : 'a line of it is not a JSON object')
}

function damaged({ name }: ByteSource, what: string): StudioError {
  return new StudioError('file-damaged', {
    title: 'This file is not JSON lines',
    message: `${name} cannot be read as one JSON object a line: ${what}.`,
    remedy: 'Choose another set, or another part of it.',
    details: { file: name },
  })
}
