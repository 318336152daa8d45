import { Modal } from '@mantine/core'
import { useStore } from 'zustand'
import { uiStore } from '../../state/ui-store.ts'
import { Pairs } from '../parts/small-parts.tsx'

const keys = (...names: readonly string[]) => names.map((name) => [<kbd key={name}>{name}</kbd>, ' '])

export function KeysSheet() {
  const isOpen = useStore(uiStore, (state) => state.sheet === 'keys')
  const areOn = useStore(uiStore, (state) => state.areKeysOn)
  return (
    <Modal opened={isOpen} onClose={() => uiStore.setState({ sheet: null })} title="Keyboard" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Pairs
        pairs={[
          ['Go to a step', keys('1', '…', '6')],
          ['Recipe on the shelf, before or after', keys('[', ']')],
          ['Pin the focused recipe as A or B, swap', keys('A', 'B', 'X')],
          ['Hide or show the focused recipe', keys('H')],
          ['Duplicate the focused recipe', keys('D')],
          ['Move in a chart, other recipe', keys('←', '→', '↑', '↓')],
          ['Leave a chart, close', keys('Esc')],
          ['Run or stop', keys('Ctrl', 'Enter')],
          ['Filter', keys('/')],
          ['Theme', keys('T')],
          ['This list', keys('?')],
        ]}
      />
      <p className="qs-small qs-muted" style={{ marginTop: 12 }}>
        Single keys are {areOn ? 'on, except in fields; Settings can switch them off.' : 'switched off in Settings.'}
      </p>
    </Modal>
  )
}
