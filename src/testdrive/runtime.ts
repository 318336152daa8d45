import type { ExportedBlob, RuntimeInfo, TestDriveDevice } from './contract.ts'

export interface LoadRequest {
  readonly files: readonly ExportedBlob[]
  readonly device: TestDriveDevice
  readonly threads: number
}

/** A model that a runtime has opened. */
export interface DrivenModel {
  /** Of the runtime. */
  readonly version: string
  /** The likeliest continuation: up to `tokens` new tokens, fewer where the text ends; without the prompt, but with a space that follows it. */
  generate(prompt: string, tokens: number): Promise<{ readonly tokenIds: readonly number[]; readonly text: string }>
  close(): Promise<void>
}

/**
 * A program that runs exported files. One file in `runtimes/` each, default export; its library is imported inside `load`, so
 * that listing runtimes loads none of them.
 */
export interface TestDriveRuntime extends RuntimeInfo {
  /** Throws what the library throws. */
  load(request: LoadRequest): Promise<DrivenModel>
}
