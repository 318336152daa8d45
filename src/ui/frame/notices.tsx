import { ActionIcon, Button } from '@mantine/core'
import { useEffect } from 'react'
import { useStore } from 'zustand'
import { dismissNotice, type Notice, uiStore } from '../../state/ui-store.ts'
import { Icon } from '../parts/icon.tsx'

/** Long enough to read; with Undo long enough to reach it by keyboard. */
const SHOWN = 4_000
const SHOWN_WITH_UNDO = 12_000

function NoticeLine({ notice }: { readonly notice: Notice }) {
  useEffect(() => {
    const timer = setTimeout(() => dismissNotice(notice.id), notice.undo === null ? SHOWN : SHOWN_WITH_UNDO)
    return () => clearTimeout(timer)
  }, [notice])
  const { undo } = notice
  return (
    <div className="qs-notice">
      <span>{notice.text}</span>
      {undo === null ? null : (
        <Button
          size="xs"
          onClick={() => {
            undo()
            dismissNotice(notice.id)
          }}
        >
          Undo
        </Button>
      )}
      <ActionIcon size="xs" aria-label="Dismiss" onClick={() => dismissNotice(notice.id)}>
        <Icon name="cross" />
      </ActionIcon>
    </div>
  )
}

/** Lines at the foot of the page, and the polite live region for everything the page announces. */
export function Notices() {
  const notices = useStore(uiStore, (state) => state.notices)
  const announcement = useStore(uiStore, (state) => state.announcement)
  return (
    <>
      <div className="qs-hidden-text" role="status" aria-live="polite">
        {announcement}
      </div>
      <section className="qs-notices" aria-label="Notices">
        {notices.map((notice) => (
          <NoticeLine key={notice.id} notice={notice} />
        ))}
      </section>
    </>
  )
}
