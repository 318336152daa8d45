import type { Estimate } from '../../evaluation/result.ts'
import * as format from '../format/numbers.ts'
import { type Domain, fittedDomain, halfDecadeTicks, linearTicks, tickDecimals } from './axis.ts'
import type { ChartRecipe } from './chart-types.ts'

export type ScatterMeasure = 'perplexity' | 'kl' | 'same-top'

/** A recipe's place between size and quality. */
export interface ScatterPoint extends ChartRecipe {
  readonly bytes: number
  readonly perplexity: Estimate
  /** Perplexity over the baseline's, minus 1, with its paired error. */
  readonly above: Estimate
  /** Mean, nats. */
  readonly klDivergence: Estimate
  /** Share of positions, 0 to 1. */
  readonly sameTopToken: Estimate
}

/** What a measure loses against float: 0 is float, more is worse, in the unit of the axis. */
export function lossOf(point: ScatterPoint, measure: ScatterMeasure): Estimate {
  switch (measure) {
    case 'perplexity':
      return { value: point.above.value * 100, error: point.above.error * 100 }
    case 'kl':
      return point.klDivergence
    case 'same-top':
      return { value: (1 - point.sameTopToken.value) * 100, error: point.sameTopToken.error * 100 }
  }
}

/** A measure in words, for the readout and the spoken sentence. */
export function lossText(point: ScatterPoint, measure: ScatterMeasure): string {
  switch (measure) {
    case 'perplexity':
      return format.change(point.above)
    case 'kl':
      return `KL ${format.divergence(point.klDivergence.value)} ${format.plusMinus(point.klDivergence.error)}`
    case 'same-top':
      return `${format.percent(point.sameTopToken.value)} same top token`
  }
}

export interface PlottedPoint {
  readonly id: string
  readonly bytes: number
  /** Loss as drawn: never below the bottom edge. */
  readonly loss: number
  /** Ends of the error bar as distances from `loss`, inside the plot. */
  readonly below: number
  readonly above: number
  /** |change| is at most two errors. */
  readonly isSame: boolean
}

export interface ScatterGeometry {
  readonly isLog: boolean
  /** Bytes. */
  readonly x: Domain
  readonly xTicks: readonly number[]
  /** Loss; the low end is the edge that stands for float. */
  readonly y: Domain
  readonly yTicks: readonly number[]
  /** Loss below which nothing can be told from float; `null` where the measure has no such band. */
  readonly band: number | null
  readonly points: readonly PlottedPoint[]
}

/**
 * Axes and places. The vertical axis is log down to an edge that stands for float, since a log axis has no zero: points
 * at or below it sit on the edge. The linear one (same top token) begins at float.
 */
export function scatterGeometry(
  points: readonly ScatterPoint[],
  measure: ScatterMeasure,
  { width, height }: { width: number; height: number },
): ScatterGeometry {
  const isLog = measure !== 'same-top'
  const losses = points.map((point) => ({ point, ...lossOf(point, measure) }))
  const isSame = (loss: Estimate): boolean => measure === 'perplexity' && Math.abs(loss.value) <= 2 * loss.error
  const apart = losses.filter((loss) => !isSame(loss) && loss.value > 0).map((loss) => loss.value)
  const band = measure === 'perplexity' ? bandOf(losses.filter(isSame), losses, apart) : null
  const tops = losses.map((loss) => loss.value + loss.error).filter((top) => top > 0)
  const y = isLog ? logLosses(apart, tops, band) : ([0, Math.max(1e-3, ...tops) * 1.12] as const)
  const x = fittedDomain(
    points.map((point) => point.bytes),
    width < 500 ? 0.16 : 0.2,
  )
  const most = Math.max(3, Math.floor(height / 44))
  return {
    isLog,
    x,
    xTicks: linearTicks(x, Math.max(4, Math.floor(width / 76))),
    y,
    yTicks: isLog ? halfDecadeTicks([y[0] * 1.35, y[1]], most) : linearTicks(y, most).filter((tick) => tick > 0),
    band: band === null || band <= y[0] ? null : Math.min(band, y[1]),
    points: losses.map(({ point, value, error }) => {
      const loss = Math.min(y[1], Math.max(y[0], value))
      return {
        id: point.id,
        bytes: point.bytes,
        loss,
        below: loss - Math.min(loss, Math.max(y[0], value - error)),
        above: Math.max(loss, Math.min(y[1], value + error)) - loss,
        isSame: isSame({ value, error }),
      }
    }),
  }
}

/** Two errors of those that are the same as float (or of the surest recipe), kept under all that are not the same. */
function bandOf(same: readonly Estimate[], all: readonly Estimate[], apart: readonly number[]): number | null {
  const errors = (same.length > 0 ? same : all).map((loss) => 2 * loss.error).filter((error) => error > 0)
  if (errors.length === 0) return null
  const widest = same.length > 0 ? Math.max(...errors) : Math.min(...errors)
  return apart.length === 0 ? widest : Math.min(widest, Math.min(...apart) * 0.94)
}

function logLosses(apart: readonly number[], tops: readonly number[], band: number | null): Domain {
  const least = Math.min(...(band === null ? [] : [band]), ...apart)
  const low = Number.isFinite(least) ? least / 3.3 : 1e-3
  const high = Math.max(low * 30, ...tops.map((top) => top * 1.6))
  return [low, high]
}

/** Tick text of the loss axis. */
export function lossTick(value: number, measure: ScatterMeasure, ticks: readonly number[]): string {
  if (measure === 'same-top') return `${format.significant(100 - value, value < 1 ? 4 : 3)} %`
  if (measure === 'kl') return value < 1e-4 ? format.layerError(value) : String(value)
  return `+${value.toLocaleString('en-US', { maximumFractionDigits: Math.max(3, tickDecimals(ticks)) })} %`
}

/** The same tick as a perplexity, with the decimals that tell the lowest of all ticks from the baseline. */
export function perplexityTick(lossPercent: number, baseline: number, ticks: readonly number[]): string {
  const value = baseline * (1 + lossPercent / 100)
  const least = (baseline * Math.min(1, ...ticks)) / 100
  return value >= 1000 ? format.significant(value, 4) : value.toFixed(least >= 0.01 ? 2 : least >= 0.001 ? 3 : 4)
}

/** Size ticks: MB below 10 GB, GB above. */
export function sizeUnit(x: Domain): { readonly unit: 'MB' | 'GB'; readonly bytes: number } {
  return x[1] >= 10e9 ? { unit: 'GB', bytes: 1e9 } : { unit: 'MB', bytes: 1e6 }
}

export function sizeTick(bytes: number, ticks: readonly number[], unitBytes: number): string {
  const decimals = tickDecimals(ticks.map((tick) => tick / unitBytes))
  return (bytes / unitBytes).toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
}
