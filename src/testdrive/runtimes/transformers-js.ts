import type { ExportedBlob } from '../contract.ts'
import type { TestDriveRuntime } from '../runtime.ts'

/** A folder that no address of the page has: every request for it is answered from the export's files. */
const folder = '/test-drive/'
const model = 'model'

/** transformers.js with ONNX Runtime Web, as pages use it. */
const transformersJs: TestDriveRuntime = {
  id: 'transformers-js',
  title: 'transformers.js',
  targets: ['onnx'],
  devices: ['wasm', 'webgpu'],

  async load({ files, device, threads }) {
    const { AutoModelForCausalLM, AutoTokenizer, env } = await import('@huggingface/transformers')
    env.allowRemoteModels = false
    env.allowLocalModels = true
    env.localModelPath = folder
    env.useBrowserCache = false
    env.useWasmCache = false
    env.fetch = answerFrom(files)
    const { wasm } = env.backends.onnx
    if (wasm !== undefined && !import.meta.env.SSR) {
      wasm.numThreads = threads
      wasm.wasmPaths = await servedAssets()
    }
    const tokenizer = await AutoTokenizer.from_pretrained(model)
    const loaded = await AutoModelForCausalLM.from_pretrained(model, { device })
    return {
      version: `${env.version}, onnxruntime-web ${env.backends.onnx.versions?.web ?? ''}`,
      async generate(prompt, tokens) {
        const inputs = tokenizer(prompt) as { readonly input_ids: { readonly dims: readonly number[] } }
        const output: unknown = await loaded.generate({ ...inputs, max_new_tokens: tokens, do_sample: false })
        const length = inputs.input_ids.dims.at(-1) ?? 0
        const ids = idsOf(output)
        // Decoded as a whole, since decoders treat the space in front of a first token as its own.
        const textOf = (some: readonly number[]): string => tokenizer.decode([...some], { skip_special_tokens: true })
        return { tokenIds: ids.slice(length), text: textOf(ids).slice(textOf(ids.slice(0, length)).length) }
      },
      async close() {
        await loaded.dispose()
      },
    }
  },
}

export default transformersJs

/** ONNX Runtime's own files, as the page serves them; absolute, because its threads resolve them from elsewhere. */
async function servedAssets(): Promise<{ readonly mjs: string; readonly wasm: string }> {
  const [mjs, wasm] = await Promise.all([
    import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url'),
    import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url'),
  ])
  return { mjs: new URL(mjs.default, location.href).href, wasm: new URL(wasm.default, location.href).href }
}

/** A `fetch` that knows the files of an export and nothing else, so that nothing leaves the tab and nothing comes into it. */
export function answerFrom(files: readonly ExportedBlob[]): (input: string | URL) => Promise<Response> {
  const byPath = new Map(files.map(({ path, file }) => [path, file]))
  return (input) => {
    const { pathname } = new URL(input, 'http://localhost')
    const start = `${folder}${model}/`
    const file = pathname.startsWith(start) ? byPath.get(decodeURIComponent(pathname.slice(start.length))) : undefined
    if (file === undefined) return Promise.resolve(new Response(null, { status: 404 }))
    return Promise.resolve(new Response(file, { status: 200, headers: { 'Content-Length': String(file.size) } }))
  }
}

/** Token ids of the one sequence of a generated tensor, prompt included. */
function idsOf(output: unknown): number[] {
  const [sequence = []] = (output as { tolist(): readonly (readonly (bigint | number)[])[] }).tolist()
  return sequence.map(Number)
}
