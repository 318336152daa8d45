import { createWasmKernels } from '../../src/kernels/wasm/index.ts'
import { BitsandbytesCases } from '../../src/testing/bitsandbytes-cases.ts'

/** Compares the studio's WASM kernels with what bitsandbytes made; returns whether every byte is equal. */
export async function compare(folder: string): Promise<boolean> {
  const kernels = await createWasmKernels()
  const made = new BitsandbytesCases(folder)
  const { madeBy, books, int8 } = made.cases
  const differences: string[] = []
  for (const one of books) differences.push(...(await made.compareBook(kernels, one)))
  for (const one of int8) differences.push(...(await made.compareInt8(kernels, one)))
  await kernels.close()
  for (const difference of differences) process.stdout.write(`${difference}\n`)
  process.stdout.write(
    `${madeBy}: ${books.length} cases of code books, ${int8.length} of int8 rows, ${differences.length} arrays differ.\n`,
  )
  return differences.length === 0
}
