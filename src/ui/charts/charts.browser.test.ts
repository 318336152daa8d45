import { MantineProvider } from '@mantine/core'
import { createElement, type ReactNode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { userEvent } from 'vitest/browser'
import { cssVariablesResolver, theme } from '../theme/theme.ts'
import { LayerErrorChart } from './layer-error-chart.tsx'
import { composePicture, rasterize } from './picture.ts'
import type { ScatterPoint } from './scatter-geometry.ts'
import { SizeQualityScatter } from './size-quality-scatter.tsx'

let root: Root
let host: HTMLElement

beforeEach(() => {
  host = document.createElement('div')
  host.style.width = '800px'
  document.body.append(host)
  root = createRoot(host)
})
afterEach(() => {
  root.unmount()
  host.remove()
})

async function draw(content: ReactNode): Promise<void> {
  root.render(createElement(MantineProvider, { theme, cssVariablesResolver, forceColorScheme: 'light' }, content))
  await vi.waitFor(() => expect(host.querySelector('svg.recharts-surface')).not.toBeNull())
}

const source = { model: 'Little Stories', protocol: 'windows of 256', date: '2026-03-01' }
const chart = (): HTMLElement => {
  const found = host.querySelector<HTMLElement>('[role=application]')
  if (found === null) throw new Error('no chart')
  return found
}
const spoken = (): string => chart().querySelector('[role=status]')?.textContent ?? ''

describe('layer chart by keyboard', () => {
  test('arrows move over blocks and recipes, Enter pins, Escape leaves', async () => {
    const onPin = vi.fn()
    const cursors: (number | null)[] = []
    const series = [
      { id: 'Q4_0', slot: 0, pin: null, values: [0.01, 0.02, 0.03] },
      { id: 'Q8_0', slot: 1, pin: null, values: [0.0001, 0.0002, 0.0003] },
    ]
    const show = (cursor: number | null): Promise<void> =>
      draw(
        createElement(LayerErrorChart, {
          title: 'Where the error is made',
          subtitle: 'log',
          source,
          series,
          blocks: 3,
          role: 'all',
          hovered: null,
          onHover: () => undefined,
          cursor,
          onCursor: (block: number | null) => {
            cursors.push(block)
            void show(block)
          },
          onPin,
        }),
      )
    await show(null)
    chart().focus()
    await userEvent.keyboard('{ArrowRight}{ArrowRight}')
    await vi.waitFor(() => expect(spoken()).toBe('Block 1, Q4_0: 0.020'))
    await userEvent.keyboard('{ArrowDown}{ArrowDown}')
    await vi.waitFor(() => expect(spoken()).toBe('Block 1, Q8_0: 0.00020'))
    await userEvent.keyboard('{Enter}a')
    expect(onPin.mock.calls).toEqual([
      ['Q8_0', 'B'],
      ['Q8_0', 'A'],
    ])
    await userEvent.keyboard('{Escape}')
    await vi.waitFor(() => expect(document.activeElement).not.toBe(chart()))
    expect(cursors.at(-1)).toBeNull()
  })
})

describe('scatter', () => {
  const point = (id: string, megabytes: number, above: number): ScatterPoint => ({
    id,
    slot: 0,
    pin: null,
    bytes: megabytes * 1e6,
    perplexity: { value: 8 * (1 + above), error: 0.1 },
    above: { value: above, error: 0.001 },
    klDivergence: { value: above, error: 0.001 },
    sameTopToken: { value: 1 - above, error: 0.002 },
  })
  const draft = (onBudget: (bytes: number | null) => void): Promise<void> =>
    draw(
      createElement(SizeQualityScatter, {
        source,
        points: [point('Q4_0', 600, 0.02), point('Q8_0', 1000, 0.004)],
        baseline: { name: 'float', perplexity: 8 },
        measure: 'perplexity',
        onMeasure: () => undefined,
        budgetBytes: 700e6,
        onBudget,
        hovered: null,
        onHover: () => undefined,
        onPin: () => undefined,
      }),
    )

  test('the budget line is a slider of its own: arrow keys move it by one percent', async () => {
    const onBudget = vi.fn()
    await draft(onBudget)
    const slider = host.querySelector<SVGGElement>('[role=slider]')
    expect(slider?.getAttribute('aria-valuetext')).toBe('700.0 MB')
    slider?.focus()
    await userEvent.keyboard('{ArrowLeft}{End}')
    expect(onBudget.mock.calls).toEqual([[693e6], [null]])
  })

  test('the picture stands alone: theme colours written in, double size, no hover marks', async () => {
    await draft(() => undefined)
    const svg = host.querySelector<SVGSVGElement>('svg.recharts-surface')
    if (svg === null) throw new Error('no chart')
    const picture = composePicture(svg, {
      title: 'Size & quality',
      subtitle: 'log',
      source: 'Little Stories',
      legend: [{ id: 'Q4_0', slot: 0 }],
    })
    expect(picture.svg).toContain('Size &amp; quality')
    expect(picture.svg).not.toContain('var(--')
    expect(picture.svg).not.toContain('data-picture="no"')
    expect(new DOMParser().parseFromString(picture.svg, 'image/svg+xml').querySelector('parsererror')).toBeNull()
    const image = await createImageBitmap(await rasterize(picture, 2))
    expect([image.width, image.height]).toEqual([picture.width * 2, picture.height * 2])
    const canvas = new OffscreenCanvas(image.width, image.height)
    const context = canvas.getContext('2d')
    context?.drawImage(image, 0, 0)
    const pixels = context?.getImageData(0, 0, image.width, image.height).data ?? new Uint8ClampedArray()
    // The colour of slot 0 in the light theme, #0b419e, is somewhere in it.
    let found = 0
    for (let at = 0; at < pixels.length; at += 4) if (pixels[at] === 0x0b && pixels[at + 1] === 0x41 && pixels[at + 2] === 0x9e) found += 1
    expect(found).toBeGreaterThan(50)
  })
})
