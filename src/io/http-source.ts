import { isAbort, StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from './byte-source.ts'
import { backoffMs, bodyChunks, type HttpSourceOptions, maxTries, request } from './http-request.ts'
import { changedFile, receiveWhole, storedWhole } from './http-whole.ts'
import { assertRange } from './range.ts'

/**
 * Parts of a file over HTTP (RFC 9110, section 14). Goes on where a connection broke; waits as `Retry-After` asks; follows
 * a redirect to another host once and then asks that host directly, without a token, until its link expires. A server that
 * ignores ranges (200 instead of 206) is read once from front to back.
 */
export function httpSource(options: HttpSourceOptions): ByteSource {
  const file = new HttpFile(options)
  return {
    name: options.name,
    sizeBytes: options.sizeBytes,
    ...(options.contentId === undefined ? {} : { contentId: options.contentId }),
    read: (start, end, signal) => file.read(start, end, signal),
  }
}

class HttpFile {
  readonly #options: HttpSourceOptions
  /** Where the redirect led; asked directly while its link is good. */
  #direct: string | null = null
  /** The file from a server that ignores ranges, once it is here or on its way. */
  #whole: Promise<ByteSource> | null = null
  /** Looks once for what an earlier session received from such a server. */
  #stored: Promise<ByteSource | null> | null = null

  constructor(options: HttpSourceOptions) {
    this.#options = options
  }

  async read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    assertRange(this.#options.name, this.#options.sizeBytes, start, end)
    throwIfAborted(signal)
    this.#stored ??= storedWhole(this.#options)
    const stored = await this.#stored
    if (stored !== null) return stored.read(start, end, signal)
    const out = new Uint8Array(end - start)
    let filled = 0
    let tries = 0
    while (filled < out.length) {
      throwIfAborted(signal)
      const whole = await this.#arrivedWhole(signal)
      if (whole !== null) return whole.read(start, end, signal)
      const response = await this.#ask(start + filled, end, signal)
      if (response.status !== 206) {
        if (this.#whole === null) this.#receiveWhole(response, signal)
        else await response.body?.cancel()
        continue
      }
      this.#checkRange(response, start + filled)
      const { bytes, fault } = await this.#fill(response, out.subarray(filled))
      filled += bytes
      if (filled === out.length) break
      throwIfAborted(signal)
      tries = bytes > 0 ? 1 : tries + 1
      if (tries >= maxTries) throw this.#options.access.unreachable(fault)
      await this.#options.access.wait(backoffMs(tries), 'The connection broke.', signal)
    }
    return out
  }

  async #ask(start: number, end: number, signal?: AbortSignal): Promise<Response> {
    const { url, access } = this.#options
    const init = { headers: { Range: `bytes=${start}-${end - 1}` } }
    if (this.#direct !== null) {
      try {
        return await request(this.#direct, init, access, signal)
      } catch (error) {
        // Signed links expire (403, or 404 at some hosts); the hub gives a new one.
        if (!(error instanceof StudioError) || !['hub-forbidden', 'hub-not-found'].includes(error.code)) throw error
        this.#direct = null
      }
    }
    const response = await request(url, init, access, signal)
    if (response.redirected && new URL(response.url).origin !== new URL(url).origin) this.#direct = response.url
    return response
  }

  #checkRange(response: Response, start: number): void {
    const { name, sizeBytes } = this.#options
    // Not readable across origins unless the server exposes it; then the length alone is checked.
    const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('Content-Range') ?? '')
    if (match === null) return
    if (Number(match[1]) !== start || (match[2] !== '*' && Number(match[2]) !== sizeBytes)) throw changedFile(name)
  }

  /** Reads the body as far as it comes, and says what ended it early. */
  async #fill(response: Response, out: Uint8Array<ArrayBuffer>): Promise<{ readonly bytes: number; readonly fault: unknown }> {
    let at = 0
    try {
      for await (const chunk of bodyChunks(response)) {
        const taken = chunk.subarray(0, out.length - at)
        out.set(taken, at)
        at += taken.length
        this.#options.access.onBytes?.(taken.length)
        if (at === out.length) break
      }
      return { bytes: at, fault: new Error('the connection ended early') }
    } catch (fault) {
      return { bytes: at, fault }
    }
  }

  #receiveWhole(response: Response, signal: AbortSignal | undefined): void {
    const whole = receiveWhole(this.#options, response, signal)
    this.#whole = whole
    whole.catch(() => {
      this.#whole = null // a rejection is never kept
    })
  }

  /** `null` when there is none, or when whoever fetched it was stopped. */
  async #arrivedWhole(signal: AbortSignal | undefined): Promise<ByteSource | null> {
    const whole = this.#whole
    if (whole === null) return null
    try {
      return await whole
    } catch (error) {
      if (isAbort(error) && signal?.aborted !== true) return null
      throw error
    }
  }
}
