import { Button } from '@mantine/core'
import { useStore } from 'zustand'
import { modelStore } from '../../../state/model-store.ts'
import { isRunOn, runStore } from '../../../state/run-store.ts'
import { useActions } from '../../actions.ts'
import { Icon } from '../../parts/icon.tsx'
import { ChartMarker } from '../../theme/recipe-style.tsx'

/** What the first chart will look like: a drawing without figures. */
function Sketch() {
  return (
    <svg className="qs-sketch" viewBox="0 0 360 128" aria-hidden="true">
      {[8, 45, 83, 120].map((y) => (
        <line key={y} x1="8" x2="352" y1={y} y2={y} stroke="var(--qs-line)" />
      ))}
      <polyline points="70,24 180,95 325,113" fill="none" stroke="var(--qs-control)" strokeWidth="1.25" />
      <ChartMarker slot={0} x={325} y={113} />
      <ChartMarker slot={1} x={187} y={82} />
      <ChartMarker slot={2} x={180} y={95} />
      <ChartMarker slot={7} x={70} y={24} />
    </svg>
  )
}

export function SampleCard() {
  const { quantizeSample, openSample } = useActions()
  const opening = useStore(modelStore, (state) => state.opening)
  const isStarted = useStore(modelStore, (state) => state.catalogue !== null)
  const fault = useStore(modelStore, (state) => state.serviceFault)
  const isRunning = useStore(runStore, isRunOn)
  const isOpeningSample = opening.kind === 'opening' && opening.from === 'sample'
  return (
    <section className="qs-card qs-card-body" aria-labelledby="sample-title">
      <h2 id="sample-title">New here? Start with the sample</h2>
      <p className="qs-muted" style={{ margin: '4px 0 10px' }}>
        A small story-telling model that comes with the page and works offline. Four recipes; the first chart takes well under a minute.
      </p>
      <Sketch />
      <div className="qs-sketch-legend" aria-hidden="true">
        <span>smaller</span>
        <span>larger, closer to float</span>
      </div>
      <Button
        variant="filled"
        size="lg"
        fullWidth
        leftSection={<Icon name="play" />}
        loading={isOpeningSample || (!isStarted && fault === null)}
        disabled={isRunning || fault !== null}
        onClick={() => void quantizeSample()}
      >
        Quantize the sample
      </Button>
      <p className="qs-small qs-muted" style={{ marginTop: 8, textAlign: 'center' }}>
        or{' '}
        <button type="button" className="qs-link" onClick={() => void openSample()}>
          only open it
        </button>
      </p>
    </section>
  )
}
