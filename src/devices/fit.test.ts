import { describe, expect, it } from 'vitest'
import { deviceById, devices } from './device.ts'
import { fitOf, type ModelSize } from './fit.ts'

/** TinyLlama-1.1B as Q4_K_M. */
const tinyLlama: ModelSize = {
  weightBytes: 668.8e6,
  unreadBytes: 36.9e6,
  layers: 22,
  hidden: 2048,
  intermediate: 5632,
  kvHeads: 4,
  headDim: 64,
  vocab: 32_000,
}

function fit(id: string, model: ModelSize, context: number) {
  const device = deviceById(id)
  if (device === null) throw new Error(id)
  return fitOf(device, model, context)
}

describe('what fits a device', () => {
  it('has every device once, with an ascending efficiency and a format', () => {
    expect(new Set(devices.map(({ id }) => id)).size).toBe(devices.length)
    for (const { efficiency, targets, usableBytes } of devices) {
      expect([...efficiency].sort((a, b) => a - b)).toEqual(efficiency)
      expect(targets.length).toBeGreaterThan(0)
      expect(usableBytes).toBeGreaterThan(0)
    }
  })

  it.each([
    ['pi-4-4gb', 4.3, 6.7],
    ['pi-5-8gb', 13, 18],
    ['jetson-nano-4gb', 4.4, 8.4],
    ['rtx-4090', 609, 885],
  ])('predicts the published range of TinyLlama on %s', (id, low, high) => {
    const speed = fit(id, tinyLlama, 512).tokensPerSecond
    expect(Math.abs((speed?.[0] ?? 0) / low - 1)).toBeLessThan(0.1)
    expect(Math.abs((speed?.[1] ?? 0) / high - 1)).toBeLessThan(0.1)
  })

  it('sizes the cache as programs print it', () => {
    // Qwen2.5-0.5B: 12 KiB a token.
    const qwen = { ...tinyLlama, layers: 24, kvHeads: 2, headDim: 64 }
    expect(fit('pi-5-8gb', qwen, 1).cacheBytes).toBe(12 * 1024)
  })

  it('says that a model does not fit instead of a speed', () => {
    const large = { ...tinyLlama, weightBytes: 4.9e9 }
    expect(fit('pi-4-4gb', large, 2048)).toMatchObject({ verdict: 'too-large', tokensPerSecond: null })
    expect(fit('pi-5-8gb', large, 2048).verdict).toBe('fits')
    expect(fit('pi-5-8gb', { ...large, weightBytes: 7.2e9 }, 2048).verdict).toBe('tight')
  })
})
