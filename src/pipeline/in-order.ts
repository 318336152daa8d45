/**
 * Makes something of every item, several at once, and takes the results in the order of the items. At most `ahead` items are
 * in work or waiting to be taken; once there are so many, the next ones begin when there is room for `together`, all at once. The
 * first fault ends it; what is in work then is awaited, so nothing runs on behind.
 */
export async function inOrder<Item, Result>(
  items: Iterable<Item>,
  ahead: number,
  steps: {
    readonly make: (item: Item) => Promise<Result>
    readonly take: (result: Result, item: Item) => Promise<void>
    /** Default 1. */
    readonly together?: number
  },
): Promise<void> {
  const waiting: { readonly item: Item; readonly result: Promise<Result> }[] = []
  const takeFirst = async (): Promise<void> => {
    const [first] = waiting
    if (first === undefined) return
    const result = await first.result
    waiting.shift()
    await steps.take(result, first.item)
  }
  try {
    for (const item of items) {
      const result = steps.make(item)
      // It is awaited in its turn; until then a rejection is not unhandled.
      result.catch(() => undefined)
      waiting.push({ item, result })
      if (waiting.length < ahead) continue
      while (waiting.length > ahead - (steps.together ?? 1)) await takeFirst()
    }
    while (waiting.length > 0) await takeFirst()
  } catch (error) {
    await Promise.allSettled(waiting.map(({ result }) => result))
    throw error
  }
}
