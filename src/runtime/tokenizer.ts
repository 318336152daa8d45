/** Text to ids and back, as the checkpoint's tokenizer.json says. */
export interface Tokenizer {
  readonly vocabularySize: number
  /** Beginning-of-sequence id that the tokenizer itself puts in front, or `null` when it adds none. */
  readonly bosTokenId: number | null
  /** Without special tokens in front or behind. */
  encode(text: string): Int32Array<ArrayBuffer>
  decode(ids: readonly number[] | Int32Array): string
}
