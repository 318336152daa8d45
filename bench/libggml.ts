import { createRequire } from 'node:module'
import path from 'node:path'
import { type GgmlType, ggmlTypes } from '../src/kernels/contract/ggml.ts'
import type { Matrix } from '../src/kernels/contract/matrix.ts'

/** libggml-base as its C interface shows it. */
export interface LibGgml {
  /** Bytes of the blocks, written to `to`; on the calling thread. */
  readonly quantize: (input: Matrix, type: GgmlType, importance: Float32Array | null, to: Uint8Array) => number
  /** True for types that libggml refuses to write without an importance matrix. */
  readonly requiresImportance: (type: GgmlType) => boolean
}

type NativeFunction = (...args: readonly unknown[]) => unknown

/** What is used of koffi, which is no dependency of the studio and so has no types here. */
interface Koffi {
  readonly load: (file: string) => { readonly func: (declaration: string) => NativeFunction }
}

/** `folder` holds koffi in its node_modules. */
export function loadLibGgml(folder: string, file: string): LibGgml {
  const koffi = createRequire(path.join(folder, 'package.json'))('koffi') as Koffi
  const library = koffi.load(file)
  const init = library.func('void ggml_quantize_init(int type)')
  const requiresImatrix = library.func('bool ggml_quantize_requires_imatrix(int type)')
  const quantizeChunk = library.func(
    'size_t ggml_quantize_chunk(int type, const float *src, _Out_ uint8_t *dst, int64_t start, int64_t nrows, int64_t n_per_row, const float *imatrix)',
  )
  return {
    quantize({ data, rows, columns }, type, importance, to) {
      const { id } = ggmlTypes[type]
      // Builds the tables of the types that have any, once.
      init(id)
      return Number(quantizeChunk(id, data, to, 0, rows, columns, importance))
    },
    requiresImportance: (type) => requiresImatrix(ggmlTypes[type].id) === true,
  }
}
