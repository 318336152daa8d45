// llama-quantize's engine in a process of its own: node native.mjs FOLDER LIBRARIES INPUT OUTPUT THREADS
// FOLDER holds koffi, LIBRARIES libllama and libggml. Prints `{ seconds, processorSeconds }` as its last line.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const [folder, libraries, input, output, threads] = process.argv.slice(2)
const koffi = createRequire(path.join(folder, 'package.json'))('koffi')
const find = (pattern) =>
  path.join(
    libraries,
    readdirSync(libraries).find((file) => pattern.test(file)),
  )

const ggml = koffi.load(find(/^(lib)?ggml\.(v[\d.]+\.)?(so|dylib|dll)$/))
const llama = koffi.load(find(/^(lib)?llama\.(v[\d.]+\.)?(so|dylib|dll)$/))
// llama.h: nthread and ftype come first; what follows is left as the library fills it in.
koffi.struct('QuantizeParams', { nthread: 'int32', ftype: 'int32', rest: koffi.array('uint8', 248) })
const defaults = llama.func('QuantizeParams llama_model_quantize_default_params()')
const quantize = llama.func('uint32 llama_model_quantize(const char *input, const char *output, const QuantizeParams *params)')
const logSet = llama.func('void llama_log_set(void *callback, void *data)')
/** LLAMA_FTYPE_MOSTLY_Q4_K_M. */
const ftype = 15

ggml.func('void ggml_backend_load_all_from_path(const char *folder)')(libraries)
llama.func('void llama_backend_init()')()
// A line for each tensor would be timed as well.
const callback = koffi.register(() => undefined, koffi.pointer(koffi.proto('void LogCallback(int level, const char *text, void *data)')))
logSet(callback, null)
const before = process.cpuUsage()
const startedAt = performance.now()
const status = quantize(input, output, { ...defaults(), nthread: Number(threads), ftype })
const { user, system } = process.cpuUsage(before)
if (status !== 0) throw new Error(`llama_model_quantize returned ${status}`)
console.log(JSON.stringify({ seconds: (performance.now() - startedAt) / 1000, processorSeconds: (user + system) / 1e6 }))
