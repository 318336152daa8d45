/** Something that did not go as asked although a valid result came out; whole sentences, for the report. */
export interface Finding {
  /** What was found. */
  readonly cause: string
  /** What was done about it. */
  readonly tried: string
  /** What to change. */
  readonly remedy: string
}
