import { NativeSelect } from '@mantine/core'
import { useRef } from 'react'
import { useStore } from 'zustand'
import { type Device, type DeviceGroup, deviceById, devices } from '../../../devices/device.ts'
import { exportsStore } from '../../../state/exports-store.ts'
import { Icon, type IconName } from '../../parts/icon.tsx'

interface GroupCard {
  readonly group: DeviceGroup
  readonly title: string
  readonly runtimes: string
  readonly icon: IconName
  /** The device taken first, where it is not the first of its group. */
  readonly usual: string
}

const groups: readonly GroupCard[] = [
  { group: 'single-board', title: 'Raspberry Pi', runtimes: 'llama.cpp, Ollama', icon: 'chip', usual: 'pi-5-8gb' },
  { group: 'phone', title: 'Phone', runtimes: 'llama.cpp, ONNX Runtime', icon: 'phone', usual: 'android-mid' },
  { group: 'browser', title: 'Web browser', runtimes: 'transformers.js, wllama', icon: 'window', usual: 'browser-webgpu-igpu' },
  { group: 'computer', title: 'Laptop or PC', runtimes: 'Ollama, LM Studio', icon: 'laptop', usual: 'n100' },
  { group: 'nvidia', title: 'NVIDIA card', runtimes: 'vLLM, transformers', icon: 'server', usual: 'rtx-4060' },
  { group: 'jetson', title: 'Jetson', runtimes: 'llama.cpp, TensorRT', icon: 'chip', usual: 'jetson-orin-nano-8gb' },
  { group: 'microcontroller', title: 'Microcontroller', runtimes: 'llama2.c, TFLite Micro', icon: 'chip', usual: 'esp32-s3' },
]

const choose = (device: string | null): void => exportsStore.setState(({ options }) => ({ options: { ...options, device } }))

export function useDevice(): Device | null {
  return deviceById(useStore(exportsStore, (state) => state.options.device))
}

/** Where the files will run: it decides formats, commands and whether the model fits. One choice of seven, or none. */
export function DevicePicker() {
  const device = useDevice()
  const list = useRef<HTMLDivElement>(null)
  const current = groups.findIndex(({ group }) => group === device?.group)
  const move = (step: number): void => {
    const index = (Math.max(current, 0) + step + groups.length) % groups.length
    choose(groups[index]?.usual ?? null)
    list.current?.querySelectorAll('button')[index]?.focus()
  }
  return (
    <div className="qs-devices">
      <div
        ref={list}
        role="radiogroup"
        aria-label="Where will it run?"
        onKeyDown={(event) => {
          const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
          if (step === undefined) return
          event.preventDefault()
          move(step)
        }}
      >
        {groups.map((card, index) => {
          const isChosen = index === current
          return (
            <button
              key={card.group}
              type="button"
              role="radio"
              aria-checked={isChosen}
              tabIndex={isChosen || (current < 0 && index === 0) ? 0 : -1}
              onClick={() => choose(isChosen ? null : card.usual)}
            >
              <Icon name={card.icon} />
              <b>{card.title}</b>
              <span>{card.runtimes}</span>
            </button>
          )
        })}
      </div>
      {device === null ? null : (
        <NativeSelect
          size="xs"
          aria-label="Which one exactly"
          value={device.id}
          onChange={(event) => choose(event.currentTarget.value)}
          data={devices.filter(({ group }) => group === device.group).map(({ id, label }) => ({ value: id, label }))}
        />
      )}
    </div>
  )
}
