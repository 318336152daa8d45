import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { tarHeader, tarOf } from './tar.ts'

it('is read by tar: folders, long names, sizes that fill blocks and do not, and names without an ending', async () => {
  const entries = [
    { path: 'model/SHA256SUMS', text: 'sums' },
    { path: 'model/onnx/model_q4.onnx', text: 'x'.repeat(1024) },
    { path: `model/${'long-name-'.repeat(14)}.bin`, text: 'y'.repeat(513) },
    { path: 'model/empty', text: '' },
  ]
  const folder = mkdtempSync(path.join(tmpdir(), 'tar-'))
  try {
    const archive = tarOf(entries.map(({ path: name, text }) => ({ path: name, file: new Blob([text]) })))
    writeFileSync(path.join(folder, 'all.tar'), new Uint8Array(await archive.arrayBuffer()))
    execFileSync('tar', ['-xf', 'all.tar'], { cwd: folder })
    for (const { path: name, text } of entries) expect(readFileSync(path.join(folder, name), 'utf8'), name).toBe(text)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it('states sizes from 8 GiB on in base 256', () => {
  const name = new TextEncoder().encode('large')
  const size = (bytes: Uint8Array<ArrayBuffer>): string => new TextDecoder('latin1').decode(bytes.subarray(124, 136))
  expect(size(tarHeader(name, 2 ** 33 - 1, '0'))).toBe('77777777777\0')
  const head = tarHeader(name, 2 ** 33 + 5, '0')
  expect(head[124]).toBe(0x80)
  expect(new DataView(head.buffer).getBigUint64(128)).toBe(2n ** 33n + 5n)
})
