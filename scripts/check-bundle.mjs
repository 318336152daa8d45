// The built page must be self-contained and free of test code: no address but the Hub's, no CDN, no fixtures.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './setup.mjs'

const dist = path.join(root, 'dist')
/** Addresses that appear as text or as names (licences, namespaces, help), none of which is fetched. */
const named = [
  'https://huggingface.co',
  'https://hub-ci.huggingface.co',
  'http://www.w3.org',
  'https://www.w3.org',
  'https://github.com',
  'https://gist.github.com',
  'https://react.dev',
  'https://mantine.dev',
  'https://recharts.',
  'https://recharts.github.io',
  'https://bit.ly',
  'https://fb.me',
  'https://redux',
  'https://developer.mozilla.org',
  'https://onnxruntime.ai',
  'https://web.dev',
  'https://valibot.dev',
  'https://emscripten.org',
  'https://rolldown.rs',
  'https://www.npmjs.com',
]
const forbidden = ['cdn.jsdelivr.net', 'unpkg.com', 'fonts.googleapis.com', 'google-analytics', 'fake-service', 'hub-server']

const faults = []
for (const file of files(dist)) {
  if (!/\.(js|mjs|css|html)$/.test(file)) continue
  const text = readFileSync(file, 'utf8')
  const short = path.relative(dist, file)
  for (const word of forbidden) if (text.includes(word)) faults.push(`${short} contains ${word}`)
  for (const [address] of text.matchAll(/https?:\/\/[a-z0-9][a-z0-9.-]*\.[a-z]{2,}/g)) {
    if (!named.some((known) => address.startsWith(known))) faults.push(`${short} names ${address}`)
  }
}
for (const fault of new Set(faults)) console.error(fault)
console.log(faults.length === 0 ? 'The bundle is self-contained.' : `${faults.length} faults in the bundle.`)
process.exitCode = faults.length === 0 ? 0 : 1

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) yield* files(full)
    else yield full
  }
}
