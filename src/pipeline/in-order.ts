/**
 * Makes something of every item, several at once, and takes the results in the order of the items. At most `ahead` items are
 * in work or waiting to be taken; `together` of them are begun at once, when there is room for so many. The first fault ends it; what is in work then is awaited, so nothing runs on behind.
 */
export async function inOrder<Item, Result>(
  items: Iterable<Item>,
  { ahead, together }: { readonly ahead: number; readonly together: number },
  steps: { readonly make: (item: Item) => Promise<Result>; readonly take: (result: Result, item: Item) => Promise<void> },
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
      if (waiting.length >= ahead) while (waiting.length > ahead - together) await takeFirst()
    }
    while (waiting.length > 0) await takeFirst()
  } catch (error) {
    await Promise.allSettled(waiting.map(({ result }) => result))
    throw error
  }
}
