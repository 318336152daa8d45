import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Box, type LabelRequest, lengthInside, placeLabels } from './label-placement.ts'

const bounds: Box = { x: 0, y: 0, width: 600, height: 400 }
const label = (id: string, x: number, y: number, extra: Partial<LabelRequest> = {}): LabelRequest => ({
  id,
  x,
  y,
  radius: 7,
  width: 80,
  height: 14,
  priority: 0,
  isRequired: false,
  ...extra,
})
const collide = (a: Box, b: Box): boolean => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height

describe('label placement', () => {
  test('a lonely point has its label at the right, centred on it', () => {
    const [placed] = placeLabels([label('a', 100, 100)], { bounds })
    expect(placed).toMatchObject({ anchor: 'start', box: { x: 111, y: 93 } })
  })

  test('a point at the right edge has its label at the left', () => {
    const [placed] = placeLabels([label('a', 580, 100)], { bounds })
    expect(placed?.anchor).toBe('end')
  })

  test('labels never cover each other, a marker or an obstacle, and stay inside', () => {
    const place = fc.record({ x: fc.integer({ min: 10, max: 590 }), y: fc.integer({ min: 10, max: 390 }) })
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 9 }), (points) => {
        const labels = points.map((point, index) => label(String(index), point.x, point.y))
        const obstacle: Box = { x: 250, y: 0, width: 90, height: 16 }
        const placed = placeLabels(labels, { bounds, obstacles: [obstacle] })
        for (const [index, one] of placed.entries()) {
          expect(collide(one.box, obstacle)).toBe(false)
          expect(one.box.x >= 0 && one.box.y >= 0 && one.box.x + one.box.width <= 600 && one.box.y + one.box.height <= 400).toBe(true)
          for (const other of placed.slice(index + 1)) expect(collide(one.box, other.box)).toBe(false)
          for (const point of labels) {
            expect(collide(one.box, { x: point.x - 7, y: point.y - 7, width: 14, height: 14 })).toBe(false)
          }
        }
      }),
    )
  })

  test('what cannot be placed is dropped by priority; what is required is always placed', () => {
    const tight: Box = { x: 0, y: 0, width: 110, height: 20 }
    const placed = placeLabels([label('low', 10, 10), label('high', 12, 10, { priority: 5, isRequired: true })], { bounds: tight })
    expect(placed.map((one) => one.id)).toEqual(['high'])
  })

  test('a label avoids a line when another place is free', () => {
    const through = { from: [100, 100], to: [600, 100] } as const
    const [placed] = placeLabels([label('a', 100, 100)], { bounds, lines: [through] })
    expect(placed === undefined ? -1 : lengthInside(through, placed.box)).toBe(0)
  })

  test('length of a segment inside a box', () => {
    const box: Box = { x: 10, y: 10, width: 10, height: 10 }
    expect(lengthInside({ from: [0, 15], to: [30, 15] }, box)).toBeCloseTo(10, 12)
    expect(lengthInside({ from: [0, 0], to: [5, 40] }, box)).toBe(0)
    expect(lengthInside({ from: [12, 12], to: [18, 18] }, box)).toBeCloseTo(Math.hypot(6, 6), 12)
  })
})
