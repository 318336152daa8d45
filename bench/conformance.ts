import { judge } from '../src/kernels/conformance/judge.ts'
import { rateCases, rateTable } from '../src/kernels/conformance/rates.ts'
import { columnOf, supportTable } from '../src/kernels/conformance/support-table.ts'
import { createReferenceKernels } from '../src/kernels/reference/index.ts'
import { createWasmKernels } from '../src/kernels/wasm/index.ts'

/** The support table of the WASM backend, then the rates of the same cases on it and on the reference. */
export async function benchConformance(): Promise<{ readonly text: string; readonly isEqual: boolean }> {
  const reference = createReferenceKernels()
  const wasm = await createWasmKernels()
  const verdicts = await judge(reference, wasm)
  const rates = await rateCases([reference, wasm])
  const text = [supportTable([columnOf(wasm.backend, verdicts)]), rateTable([reference.backend, wasm.backend], rates)].join('\n\n')
  return { text, isEqual: verdicts.every(({ failures }) => failures.length === 0) }
}
