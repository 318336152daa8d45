/** One turn of a conversation. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, or what else the template knows. */
  readonly role: string
  readonly content: string
}

/** How a chat model wants conversations written, markers and special tokens included. */
export interface ChatTemplate {
  /**
   * The text of a conversation, complete: nothing is to be put in front of it or behind. The same on every day. Throws
   * `StudioError` `usage` when the template does not take it, with its own words.
   */
  render(messages: readonly ChatMessage[]): string
}
