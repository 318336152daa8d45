/** What is used of a package such as `webgpu` (Dawn for Node). */
interface GpuModule {
  readonly create: (options: readonly string[]) => GPU
}

/**
 * WebGPU in Node, where a module brings it: `WEBGPU_MODULE` names one with a function `create`. It is no dependency of the
 * studio: over 100 MB, and it needs a Vulkan driver. A sentence when there is none.
 */
export async function nodeGpu(): Promise<GPU | string> {
  const name = process.env['WEBGPU_MODULE']
  if (name === undefined) return 'WEBGPU_MODULE names no module that brings WebGPU to Node.'
  const { create } = (await import(/* @vite-ignore */ name)) as GpuModule
  const gpu = create([])
  return (await gpu.requestAdapter()) === null ? `${name} finds no adapter.` : compilingInTurn(gpu)
}

/** The same, with devices that compile in the calling thread: Dawn's threads for it once crashed and once hung, on 16 cores. */
function compilingInTurn(gpu: GPU): GPU {
  const requestAdapter = gpu.requestAdapter.bind(gpu)
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options)
    if (adapter === null) return null
    const requestDevice = adapter.requestDevice.bind(adapter)
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor)
      device.createComputePipelineAsync = (pipeline) => Promise.resolve(device.createComputePipeline(pipeline))
      return device
    }
    return adapter
  }
  return gpu
}
