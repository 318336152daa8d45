import type * as OnnxRuntime from 'onnxruntime-web'

export type Ort = typeof OnnxRuntime
export type EngineBackend = 'wasm' | 'webgpu'

/**
 * The ONNX Runtime build for a backend. In Node it finds its files by itself; in a browser the page serves them, by the
 * URLs that the bundler gave them. Each build is a chunk of its own, so that only the one in use is fetched.
 */
export async function loadOnnxRuntime(backend: EngineBackend): Promise<Ort> {
  if (import.meta.env.SSR) return import('onnxruntime-web')
  if (backend === 'webgpu') {
    const [ort, mjs, wasm] = await Promise.all([
      import('onnxruntime-web/webgpu'),
      import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url'),
      import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url'),
    ])
    return withAssets(ort, mjs.default, wasm.default)
  }
  const [ort, mjs, wasm] = await Promise.all([
    import('onnxruntime-web/wasm'),
    import('onnxruntime-web/ort-wasm-simd-threaded.mjs?url'),
    import('onnxruntime-web/ort-wasm-simd-threaded.wasm?url'),
  ])
  return withAssets(ort, mjs.default, wasm.default)
}

function withAssets(ort: Ort, mjs: string, wasm: string): Ort {
  // absolute, because the threads that ONNX Runtime starts resolve them from elsewhere
  ort.env.wasm.wasmPaths = { mjs: new URL(mjs, location.href).href, wasm: new URL(wasm, location.href).href }
  return ort
}
