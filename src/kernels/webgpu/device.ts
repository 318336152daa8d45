import { isSoftwareAdapter } from '../../core/software-adapter.ts'

/** A device of our own, with the largest buffers the adapter allows. */
export interface OpenDevice {
  readonly device: GPUDevice
  /** `webgpu nvidia ampere`. */
  readonly name: string
  readonly isSoftware: boolean
}

/** Asks for an adapter and a device; a sentence when there is none. Never throws. */
export async function openDevice(gpu: GPU | undefined): Promise<OpenDevice | string> {
  if (gpu === undefined) return 'This browser has no WebGPU.'
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
    if (adapter === null) return 'WebGPU finds no graphics card here.'
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits
    const device = await adapter.requestDevice({
      label: 'quantization kernels',
      requiredLimits: { maxStorageBufferBindingSize, maxBufferSize },
    })
    const { vendor, architecture } = adapter.info
    return {
      device,
      name: ['webgpu', vendor, architecture].filter((part) => part !== '').join(' '),
      isSoftware: isSoftwareAdapter(adapter.info),
    }
  } catch (error) {
    return `WebGPU gives no device: ${error instanceof Error ? error.message : String(error)}`
  }
}
