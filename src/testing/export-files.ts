import type { ExportedFile, ExportSource, ExportTarget } from '../export/target.ts'
import { readSafetensorsHeader } from '../formats/safetensors/header.ts'
import { memorySource } from '../io/memory-source.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'

/** A whole file of an export in memory. */
export async function bytesOfFile(file: ExportedFile, source: ExportSource): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of file.write(source)) pieces.push(piece.slice())
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}

export function fileNamed(files: readonly ExportedFile[], path: string): ExportedFile {
  const file = files.find((each) => each.path === path)
  if (file === undefined) throw new Error(`no ${path}`)
  return file
}

/** `quantization_config` of the export's config.json. */
export async function quantizationOf(target: ExportTarget, source: ExportSource): Promise<Record<string, unknown>> {
  const bytes = await bytesOfFile(fileNamed(target.layout(source), 'config.json'), source)
  const config = JSON.parse(new TextDecoder().decode(bytes)) as { quantization_config: Record<string, unknown> }
  return config.quantization_config
}

/** `I32 8x32` of every tensor in model.safetensors, by name. */
export async function tensorForms(target: ExportTarget, source: ExportSource): Promise<Record<string, string>> {
  const file = fileNamed(target.layout(source), 'model.safetensors')
  const { tensors } = await readSafetensorsHeader(memorySource(file.path, await bytesOfFile(file, source)))
  return Object.fromEntries([...tensors].map(([name, { dtype, shape }]) => [name, `${dtype} ${shape.join('x')}`]))
}

/** Writes every file, expects its planned size, and has it prove itself. Returns the paths. */
export async function writeAndProve(target: ExportTarget, source: ExportSource, kernels: Kernels): Promise<string[]> {
  const files = target.layout(source)
  for (const file of files) {
    const bytes = await bytesOfFile(file, source)
    if (bytes.length !== file.sizeBytes) throw new Error(`${file.path} has ${bytes.length} bytes, planned were ${file.sizeBytes}`)
    await file.verify?.(source, memorySource(file.path, bytes), { kernels })
  }
  return files.map(({ path }) => path)
}

/**
 * What the proof of model.safetensors says of a copy in which the middle byte of one tensor is another, by tensor name; `null`
 * where it accepts it.
 */
export async function proveFlipped(target: ExportTarget, source: ExportSource, kernels: Kernels): Promise<Map<string, unknown>> {
  const file = fileNamed(target.layout(source), 'model.safetensors')
  const bytes = await bytesOfFile(file, source)
  const { tensors } = await readSafetensorsHeader(memorySource(file.path, bytes))
  const verdicts = new Map<string, unknown>()
  for (const { name, start, end } of tensors.values()) {
    const broken = bytes.slice()
    const at = start + Math.floor((end - start) / 2)
    broken[at] = 255 - (broken[at] ?? 0)
    const verdict = await file.verify?.(source, memorySource(file.path, broken), { kernels }).then(
      () => null,
      (error: unknown) => error,
    )
    verdicts.set(name, verdict)
  }
  return verdicts
}
