/** Something that did not go as asked although a valid result came out; whole sentences, for the report. */
export interface Finding {
  /** What was found. */
  readonly cause: string
  /** What was done about it. */
  readonly tried: string
  /** What to change. */
  readonly remedy: string
  /** The method that was asked for was not used at all here; absent: it was, in a changed way. */
  readonly isFallback?: boolean
  /** More calibration text is what helps. */
  readonly wantsText?: boolean
}
