import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

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

export default defineConfig({
  plugins: [react()],
  worker: { format: 'es' },
  server: { headers: isolation },
  preview: { headers: pageHeaders([...hubEndpoints, ...(process.env['STUDIO_HUB_ENDPOINTS']?.split(' ') ?? [])]) },
  build: { target: 'es2022', sourcemap: false },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
})
