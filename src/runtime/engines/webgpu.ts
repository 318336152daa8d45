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

/** SwiftShader calls itself google / swiftshader; Microsoft's and Mesa's own are known by name, others set the fallback flag. */
export function isSoftwareAdapter(
  info: Pick<GPUAdapterInfo, 'vendor' | 'architecture'> & { readonly isFallbackAdapter?: boolean },
): boolean {
  return info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|warp/i.test(`${info.vendor} ${info.architecture}`)
}
