/** Where a runtime computes. */
export type TestDriveDevice = 'wasm' | 'webgpu'

/** A runtime as the page shows it. */
export interface RuntimeInfo {
  readonly id: string
  readonly title: string
  /** Ids of the export targets whose files it opens. */
  readonly targets: readonly string[]
  readonly devices: readonly TestDriveDevice[]
}

/** A file of an export, under its path in the target's folder. */
export interface ExportedBlob {
  readonly path: string
  readonly file: Blob
}

export interface TestDriveRequest {
  readonly runtimeId: string
  readonly files: readonly ExportedBlob[]
  readonly device: TestDriveDevice
  readonly threads: number
  readonly prompt: string
  /** New tokens of every run; fewer where the text ends. */
  readonly tokens: number
  /** Runs that are not counted, before those that are. */
  readonly warmUps: number
  readonly runs: number
}

export interface TestDriveProgress {
  readonly step: 'loading' | 'warming-up' | 'running'
  /** Of the warm-ups or of the runs. */
  readonly done: number
  readonly of: number
}

export interface TestDriveResult {
  readonly runtime: string
  readonly version: string
  readonly device: TestDriveDevice
  /** From nothing to a model that can be asked. */
  readonly loadSeconds: number
  /** New tokens of the first counted run, without the prompt. */
  readonly tokenIds: readonly number[]
  readonly text: string
  /** Of each counted run: new tokens by the seconds from the prompt's text to the last of them. */
  readonly tokensPerSecond: readonly number[]
  /** Whether every run made the same tokens. */
  readonly isRepeatable: boolean
}

/**
 * Runs the files of an export in the program they are for, inside a worker of their own. Nothing is fetched but the runtime's own
 * code, from the page. Throws `engine-failed` with the runtime's words, `worker-lost`, `aborted`.
 */
export interface TestDriveService {
  runtimes(): Promise<readonly RuntimeInfo[]>
  drive(request: TestDriveRequest, onProgress: (progress: TestDriveProgress) => void, signal: AbortSignal): Promise<TestDriveResult>
}
