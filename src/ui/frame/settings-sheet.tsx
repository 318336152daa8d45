import { Button, Drawer, NativeSelect, SegmentedControl, Switch, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useStore } from 'zustand'
import type { EngineSettings } from '../../rpc/contract.ts'
import { modelStore } from '../../state/model-store.ts'
import { uiStore } from '../../state/ui-store.ts'
import { useActions } from '../actions.ts'
import { bytes } from '../format/numbers.ts'
import { backendInWords, graphicsInWords } from './backend.ts'
import { GraphicsKernels } from './graphics-kernels.tsx'
import './sheets.css'

const memoryChoices = [0.5, 1, 2, 3, 4, 8, 16].map((gigabytes) => ({ value: String(gigabytes * 1e9), label: bytes(gigabytes * 1e9) }))

const isBackend = (value: string): value is EngineSettings['backend'] => ['automatic', 'webgpu', 'wasm'].includes(value)
const isTheme = (value: string): value is 'auto' | 'light' | 'dark' => ['auto', 'light', 'dark'].includes(value)

function EngineFields() {
  const { configure } = useActions()
  const settings = useStore(modelStore, (state) => state.settings)
  const environment = useStore(modelStore, (state) => state.environment)
  const cores = globalThis.navigator.hardwareConcurrency
  const threads = Array.from({ length: Math.min(16, cores) }, (_, index) => String(index + 1))
  return (
    <>
      <NativeSelect
        label="Backend"
        description={
          environment === null
            ? undefined
            : `Forward passes now run on ${backendInWords(environment)}. Graphics: ${graphicsInWords(environment)}.`
        }
        value={settings.backend}
        data={[
          { value: 'automatic', label: 'Automatic' },
          { value: 'webgpu', label: 'WebGPU', disabled: environment?.webgpu === null },
          { value: 'wasm', label: 'WASM' },
        ]}
        onChange={({ currentTarget: { value } }) => {
          if (isBackend(value)) void configure({ ...settings, backend: value })
        }}
      />
      {environment === null ? null : <GraphicsKernels kernels={environment.webgpuKernels} />}
      <NativeSelect
        label="Threads"
        value={settings.threads === null ? 'automatic' : String(settings.threads)}
        data={[{ value: 'automatic', label: 'As many as cores' }, ...threads]}
        onChange={({ currentTarget: { value } }) => void configure({ ...settings, threads: value === 'automatic' ? null : Number(value) })}
      />
      <NativeSelect
        label="Memory limit"
        description="The plan warns when a run needs more."
        value={String(settings.memoryLimitBytes)}
        data={memoryChoices}
        onChange={({ currentTarget: { value } }) => void configure({ ...settings, memoryLimitBytes: Number(value) })}
      />
    </>
  )
}

/** Where models are looked up: the Hub or a mirror of it. Also reached from Open. */
export function HubEndpointField() {
  const { configure } = useActions()
  const settings = useStore(modelStore, (state) => state.settings)
  const [value, setValue] = useState(settings.hubEndpoint)
  const isValid = URL.canParse(value) && /^https?:/.test(value)
  const isSame = value === settings.hubEndpoint
  return (
    <form
      className="qs-field-row"
      onSubmit={(event) => {
        event.preventDefault()
        if (isValid) void configure({ ...settings, hubEndpoint: value.replace(/\/+$/, '') })
      }}
    >
      <TextInput
        label="Hub address"
        description="A mirror must have the Hub's paths and let pages of other origins read; the page's policy must name it."
        value={value}
        error={isValid ? null : 'An address begins with https://'}
        onChange={({ currentTarget }) => setValue(currentTarget.value)}
      />
      <Button type="submit" disabled={!isValid || isSame}>
        Use
      </Button>
    </form>
  )
}

const storageKinds = [
  ['hub', 'Parts of Hub models', 'hubBytes'],
  ['runs', 'Runs, with GGUF files completed in them', 'runBytes'],
  ['exports', 'Written files', 'exportBytes'],
] as const

function StorageTable() {
  const { clearStorage } = useActions()
  const storage = useStore(modelStore, (state) => state.storage)
  if (storage === null) return <p className="qs-muted">Not known yet.</p>
  return (
    <table className="qs-storage">
      <thead className="qs-hidden-text">
        <tr>
          <th scope="col">What</th>
          <th scope="col">Size</th>
          <th scope="col">Action</th>
        </tr>
      </thead>
      <tbody>
        {storageKinds.map(([kind, title, key]) => (
          <tr key={kind}>
            <th scope="row">{title}</th>
            <td>{bytes(storage[key])}</td>
            <td>
              <Button
                size="xs"
                disabled={storage[key] === 0}
                aria-label={`Clear ${title.toLowerCase()}`}
                onClick={() => void clearStorage(kind)}
              >
                Clear
              </Button>
            </td>
          </tr>
        ))}
        <tr>
          <th scope="row">Free</th>
          <td>{bytes(storage.freeBytes)}</td>
          <td />
        </tr>
      </tbody>
    </table>
  )
}

export function SettingsSheet() {
  const isOpen = useStore(uiStore, (state) => state.sheet === 'settings')
  const theme = useStore(uiStore, (state) => state.theme)
  const areKeysOn = useStore(uiStore, (state) => state.areKeysOn)
  return (
    <Drawer opened={isOpen} onClose={() => uiStore.setState({ sheet: null })} title="Settings" closeButtonProps={{ 'aria-label': 'Close' }}>
      <div className="qs-sheet">
        <EngineFields />
        <HubEndpointField />
        <section aria-labelledby="storage-title">
          <h3 id="storage-title">Kept in this browser</h3>
          <StorageTable />
        </section>
        <div>
          <h3 id="theme-title">Theme</h3>
          <SegmentedControl
            aria-labelledby="theme-title"
            value={theme}
            data={[
              { value: 'auto', label: 'As the system' },
              { value: 'light', label: 'Light' },
              { value: 'dark', label: 'Dark' },
            ]}
            onChange={(value) => {
              if (isTheme(value)) uiStore.setState({ theme: value })
            }}
          />
        </div>
        <Switch
          label="Single keys as shortcuts"
          checked={areKeysOn}
          onChange={({ currentTarget }) => uiStore.setState({ areKeysOn: currentTarget.checked })}
        />
      </div>
    </Drawer>
  )
}
