import { createContext, useContext } from 'react'
import type { RecipeChoices } from '../quantization/choices.ts'
import type { Recipe } from '../quantization/recipe.ts'
import type { EngineSettings, RiskCheck, StorageOverview } from '../rpc/contract.ts'
import type { ExportChoice } from '../state/exports-store.ts'
import type { TextPurpose } from '../state/texts-store.ts'
import type { TestDriveDevice } from '../testdrive/contract.ts'

/** A file found in a drop or a picker, with its path inside the dropped folder. */
export interface PickedFile {
  readonly path: string
  readonly file: File
}

export interface GridValues {
  readonly values: readonly number[]
  readonly storedAs: string
}

/**
 * What a person can ask for that needs the service. Faults end in the stores, never as rejections; each call replaces the
 * one of its kind that still runs. Looking at things (pins, hiding, sorting) is done on the stores directly.
 */
export interface StudioActions {
  readonly openFiles: (files: readonly PickedFile[]) => Promise<void>
  readonly openHub: (id: string, accessToken: string | null) => Promise<void>
  readonly openSample: () => Promise<void>
  /** Opens the sample, takes the first preset set, runs it and goes to Compare. */
  readonly quantizeSample: () => Promise<void>
  /** The last opening again, with what it was given (files, id and token). */
  readonly retryOpening: () => Promise<void>
  readonly cancelOpening: () => void
  readonly dismissFault: () => void

  readonly selectTensor: (name: string) => void
  /** Values of a recipe's grid around a histogram; `null` when it has none to show. */
  readonly gridValues: (recipe: Recipe, tensor: string, limit: number) => Promise<GridValues | null>
  /** What a recipe could take on each axis, with reasons; `null` for a recipe that cannot be. */
  readonly choices: (recipe: Recipe) => Promise<RecipeChoices | null>

  /** What some of the weights tell about a recipe; `null` when stopped or not possible now. */
  readonly riskCheck: (recipe: Recipe, signal: AbortSignal) => Promise<RiskCheck | null>

  readonly addSet: (setId: string) => Promise<void>
  readonly addPreset: (recipe: Recipe) => void
  /** A preset id or a recipe as JSON, also a list of either. Returns a sentence when it cannot be read. */
  readonly pasteRecipe: (text: string) => Promise<string | null>
  /** Changes the recipe in the editor: a preset or a recipe with results is renamed. */
  readonly editRecipe: (id: string, change: Partial<Omit<Recipe, 'id'>>) => Promise<void>
  /** Returns a sentence when the name cannot be taken. */
  readonly renameRecipe: (id: string, name: string) => string | null
  /** To the clipboard: a link that opens the page with these recipes, or the headless command. */
  readonly copyLink: (recipes: readonly Recipe[]) => Promise<void>
  readonly copyCommand: (recipes: readonly Recipe[]) => Promise<void>

  /** Weighs errors by an imatrix file of llama.cpp from now on, instead of measuring importance. */
  readonly takeImportance: (file: File) => Promise<void>
  /** Saves what the last run measured as such a file. */
  readonly saveImportance: (format: 'gguf' | 'dat') => Promise<void>

  /**
   * Fetches a text of a data set of the Hub (`owner/name:subset:split:column`) and takes it; how far it is and what went wrong is
   * in the texts store. True when it is taken.
   */
  readonly takeHubText: (purpose: TextPurpose, id: string, accessToken: string | null) => Promise<boolean>
  readonly stopHubText: (purpose: TextPurpose) => void

  /** The text that came with the model, instead of the person's own. */
  readonly takeBundledText: () => void

  readonly run: () => Promise<void>
  readonly stop: () => void
  readonly resumeUnfinished: () => Promise<void>
  readonly discardUnfinished: () => Promise<void>

  /** Continues the prompt of the generation store by float and by every recipe with results. */
  readonly generate: () => Promise<void>
  readonly stopGeneration: () => void

  /** Writes the chosen recipe and format pairs, into places the person picks or into this browser's storage. */
  readonly exportChosen: (destination: 'picked' | 'stored') => Promise<void>
  /** Writes one pair again after a fault. */
  readonly retryExport: (choice: ExportChoice) => Promise<void>
  readonly stopExport: () => void
  /** Saves a finished export that lies in this browser's storage as one archive, its folders as they are. */
  readonly download: (choice: ExportChoice) => Promise<void>
  /** One file of it alone, by its path in storage. */
  readonly downloadFile: (storedPath: string, name: string) => Promise<void>

  /** Asks once which programs can be tried here. */
  readonly listRuntimes: () => Promise<void>
  /** Runs a finished export that lies in this browser's storage in the program it is for. */
  readonly testDrive: (choice: ExportChoice, device: TestDriveDevice) => Promise<void>
  readonly stopTestDrive: () => void

  /** Whether this browser lets a page write into a folder the person picks. */
  readonly canPickFolder: boolean

  readonly configure: (settings: EngineSettings) => Promise<void>
  readonly clearStorage: (kind: 'hub' | 'runs' | 'exports') => Promise<StorageOverview | null>
}

const ActionsContext = createContext<StudioActions | null>(null)

export const ActionsProvider = ActionsContext.Provider

/** The actions of the page. Throws outside `ActionsProvider`, which is a fault of the program. */
export function useActions(): StudioActions {
  const actions = useContext(ActionsContext)
  if (actions === null) throw new Error('useActions needs an ActionsProvider above it')
  return actions
}
