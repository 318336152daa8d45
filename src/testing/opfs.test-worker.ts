import { OpfsFileStore } from '../io/opfs-store.ts'
import { storeCases } from './file-store-contract.ts'

/** Runs the store cases on OPFS inside a worker, where sync access handles exist; answers with the fault of each or null. */
self.onmessage = async ({ data: isDurable }: MessageEvent<boolean>) => {
  const faults: [name: string, fault: string | null][] = []
  for (const [index, { name, run }] of storeCases.entries()) {
    const fault = await run(new OpfsFileStore(`worker-case-${isDurable ? 'durable' : 'quick'}-${index}`, { isDurable })).then(
      () => null,
      (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error)),
    )
    faults.push([name, fault])
  }
  self.postMessage(faults)
}
