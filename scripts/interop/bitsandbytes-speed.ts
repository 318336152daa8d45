import { createRandom } from '../../src/core/random.ts'
import type { CodeBookName } from '../../src/kernels/contract/codebook.ts'
import { createWasmKernels } from '../../src/kernels/wasm/index.ts'
import { nestScales } from '../../src/quantization/nested-scales.ts'

export interface SpeedCase {
  /** `int8` are rows of int8. */
  readonly book: CodeBookName | 'int8'
  readonly blockSize: number
  readonly isNested: boolean
}

/** Processor seconds of a call. */
export type Round = (one: SpeedCase) => Promise<number>

/** Calls of the WASM kernels on one thread, on 512 x 2048 weights. */
export async function studioRound(): Promise<Round> {
  const kernels = await createWasmKernels()
  const random = createRandom(1)
  const input = { data: Float32Array.from({ length: 512 * 2048 }, () => random.nextNormal() * 0.03), rows: 512, columns: 2048 }
  return async ({ book, blockSize, isNested }) => {
    const call = async (): Promise<unknown> => {
      if (book === 'int8') return kernels.quantizeInt8Rows(input)
      const tensor = await kernels.quantizeCodeBook(input, { book, blockSize })
      return isNested ? nestScales(tensor.scales) : tensor
    }
    await call()
    const start = performance.now()
    const before = process.cpuUsage()
    let calls = 0
    for (; performance.now() - start < 150; calls++) await call()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e6 / calls
  }
}
