import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import { runStore } from '../../../state/run-store.ts'
import { useActions } from '../../actions.ts'
import { count } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'

/** What the calibration text said of every input, as llama.cpp keeps it; not there for runs without one. */
export function ImportanceCard() {
  const { saveImportance } = useActions()
  const calibration = useStore(runStore, (state) => state.report?.calibration ?? null)
  if (calibration === null) return null
  return (
    <Card
      title="Importance matrix"
      subtitle={`Which inputs matter, from ${count(calibration.tokens)} tokens of ${calibration.textName}; for llama-quantize, or another run here.`}
    >
      <div className="qs-row">
        <Button size="xs" onClick={() => void saveImportance('gguf')}>
          Save as GGUF
        </Button>
        <Button size="xs" onClick={() => void saveImportance('dat')} title="The older format of llama.cpp">
          Save as .dat
        </Button>
      </div>
    </Card>
  )
}
