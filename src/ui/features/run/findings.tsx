import { Button } from '@mantine/core'
import { useMemo } from 'react'
import { useStore } from 'zustand'
import { type FindingGroup, findingGroups, findingText, findingTitle, moreWindows } from '../../../state/findings.ts'
import { isRunOn, runStore } from '../../../state/run-store.ts'
import { textsStore } from '../../../state/texts-store.ts'
import { useActions } from '../../actions.ts'
import { count } from '../../format/numbers.ts'
import { Note } from '../../parts/note.tsx'

/** Runs everything again on more calibration text; the plan takes as much of it as there is. */
function MoreText() {
  const { run } = useActions()
  const calibration = useStore(runStore, (state) => state.request?.calibration ?? null)
  const isRunning = useStore(runStore, isRunOn)
  if (calibration === null || isRunning) return null
  const { windows, tokens } = moreWindows(
    Math.max(1, Math.floor(calibration.maxTokens / calibration.contextLength)),
    calibration.contextLength,
  )
  const again = (): void => {
    textsStore.setState({ calibrationTokens: tokens })
    void run()
  }
  return (
    <Button size="xs" onClick={again}>
      Run again with {count(windows)} windows
    </Button>
  )
}

/** What a recipe's method could not do as asked, as soon as a block tells it. */
export function Findings() {
  const cells = useStore(runStore, (state) => state.cells)
  const found = useMemo(
    () =>
      Object.entries(cells).flatMap(([id, byBlock]) =>
        findingGroups(Object.values(byBlock).flatMap(({ layers }) => layers)).map((group): readonly [string, FindingGroup] => [id, group]),
      ),
    [cells],
  )
  return (
    <>
      {found.map(([id, group]) => (
        <Note
          key={`${id}${group.tried}`}
          title={findingTitle(id, group)}
          tone="warning"
          actions={group.wantsText ? <MoreText /> : undefined}
        >
          {findingText(group)}
        </Note>
      ))}
    </>
  )
}
