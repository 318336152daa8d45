import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** SharedArrayBuffer (threads in WASM) needs an isolated page; the policy lets bytes come from this page and the Hub only. */
export const pageHeaders = (hubEndpoints: readonly string[]): Record<string, string> => ({
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Content-Security-Policy': [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval' blob:",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    `connect-src 'self' blob: data: ${hubEndpoints.join(' ')}`,
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
})

export const hubEndpoints = ['https://huggingface.co', 'https://*.huggingface.co', 'https://*.hf.co']

const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

/** Libraries name content networks as a default for their own files, which the page serves itself. */
const withoutNetworks = (): Plugin => ({
  name: 'without-content-networks',
  transform(code, id) {
    if (!/node_modules\/@(huggingface\/transformers|wllama\/wllama)\//.test(id)) return null
    return { code: code.replaceAll('https://cdn.jsdelivr.net', ''), map: null }
  },
})

export default defineConfig({
  plugins: [react(), withoutNetworks()],
  worker: { format: 'es', plugins: () => [withoutNetworks()] },
  // transformers.js brings an ONNX Runtime of its own: one is enough, and its files are served already.
  resolve: { dedupe: ['onnxruntime-web', 'onnxruntime-common'] },
  server: { headers: isolation },
  preview: { headers: pageHeaders([...hubEndpoints, ...(process.env['STUDIO_HUB_ENDPOINTS']?.split(' ') ?? [])]) },
  build: { target: 'es2022', sourcemap: false },
  optimizeDeps: { exclude: ['onnxruntime-web', '@huggingface/transformers'] },
})
