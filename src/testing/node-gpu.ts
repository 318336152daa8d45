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
  return (await gpu.requestAdapter()) === null ? `${name} finds no adapter.` : gpu
}
