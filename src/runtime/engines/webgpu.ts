import { isSoftwareAdapter } from '../../core/software-adapter.ts'

export interface WebGpuAdapter {
  /** `nvidia`, `apple`, `google`. */
  readonly vendor: string
  readonly architecture: string
  /** Runs on the processor, far slower than WASM: offer it, never choose it. */
  readonly isSoftware: boolean
  /** Largest buffer a shader may see, bytes: bounds the widest weight. */
  readonly maxStorageBufferBytes: number
}

/** What WebGPU offers here, `null` when nothing. Never throws. */
export async function probeWebGpu(): Promise<WebGpuAdapter | null> {
  const gpu = (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu
  if (gpu === undefined) return null
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
    if (adapter === null) return null
    const { vendor, architecture } = adapter.info
    return {
      vendor,
      architecture,
      isSoftware: isSoftwareAdapter(adapter.info),
      maxStorageBufferBytes: adapter.limits.maxStorageBufferBindingSize,
    }
  } catch {
    return null
  }
}
