import type { Environment } from '../../rpc/contract.ts'
import { Pairs } from '../parts/small-parts.tsx'

const words: Readonly<Record<string, string>> = {
  quantizeAffine: 'rounding to integers',
  dequantizeAffine: 'reading integers',
  quantizeGgml: 'rounding to ggml blocks',
  dequantizeGgml: 'reading ggml blocks',
  compareWeights: 'comparing weights',
  describeWeights: 'histograms',
  accumulateGram: 'Gram matrices',
  traceThroughGram: 'layer errors',
  sweepColumns: 'rounding with error feedback',
  accumulateLogits: 'perplexity and divergence',
}

/** "Gram matrices"; an operation without words of its own by its name, "factor gram". */
export function operationInWords(operation: string): string {
  return words[operation] ?? operation.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

/** One line for the whole: what the graphics card computes of the quantization itself, or why nothing. */
export function kernelsInWords(kernels: Environment['webgpuKernels']): string {
  const there = kernels.filter(({ support }) => support === true).map(({ operation }) => operationInWords(operation))
  if (there.length > 0) return `Quantization on the graphics card: ${there.join(', ')}. The rest is faster in WASM.`
  const reasons = [...new Set(kernels.map(({ support }) => support))]
  return `Quantization runs in WASM.${reasons.length === 1 ? ` ${String(reasons[0])}` : ''}`
}

/** What the graphics card does of the quantization, and for everything else why not. */
export function GraphicsKernels({ kernels }: { readonly kernels: Environment['webgpuKernels'] }) {
  if (kernels.length === 0) return null
  const summary = kernelsInWords(kernels)
  const isOneReason = new Set(kernels.map(({ support }) => support)).size === 1
  if (isOneReason) return <p className="qs-small qs-muted">{summary}</p>
  const pairs = kernels.map(({ operation, support, note }) => {
    const there = ['On the graphics card; checked against WASM when the studio started.', note].filter((part) => part !== undefined)
    return [operationInWords(operation), support === true ? there.join(' ') : support] as const
  })
  return (
    <details className="qs-small">
      <summary>{summary}</summary>
      <Pairs pairs={pairs} />
    </details>
  )
}
