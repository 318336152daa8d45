import { useEffect } from 'react'
import { useStore } from 'zustand'
import { runStore } from '../../../state/run-store.ts'
import { productName } from '../../parts/headline.tsx'

/** Tab title `13/22 · 3 min` while a run is on, whatever step is open. */
export function useRunTitle(): void {
  const status = useStore(runStore, (state) => state.status)
  const stored = useStore(runStore, (state) => state.storedBlocks)
  const blocks = useStore(runStore, (state) => state.blocks)
  const remaining = useStore(runStore, (state) => state.progress?.remainingSeconds ?? null)
  useEffect(() => {
    if (status !== 'running' || blocks === 0) return
    const before = document.title
    const left =
      remaining === null ? '' : ` · ${remaining > 60 ? `${Math.ceil(remaining / 60)} min` : `${Math.ceil(remaining / 10) * 10} s`}`
    document.title = `${stored}/${blocks}${left} · ${productName}`
    return () => {
      document.title = before
    }
  }, [status, stored, blocks, remaining])
}
