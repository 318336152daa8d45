import * as v from 'valibot'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { ModelGraph } from '../../models/model-graph.ts'
import type { Allocation, AllocationTensor } from '../allocation.ts'
import { parseSettings } from '../parse-settings.ts'

/** A block tensor's place: block index, number of blocks, query heads for each key head; and what is known of its inputs. */
interface Place {
  readonly block: number
  readonly blocks: number
  readonly queriesPerKey: number
  readonly hasImportance: boolean
}

type Choice = GgmlType | ((place: Place) => GgmlType)

/** Type of every matrix of a file, and of the roles that get another one (llama-quant.cpp, `llama_tensor_get_type_impl`). */
interface Mix {
  readonly type: GgmlType
  readonly roles?: Readonly<Record<string, Choice>>
  /** Whether llama-quantize refuses to write it without an importance matrix. */
  readonly needsImportance?: true
}

/** `use_more_bits`: the first and last eighth of the blocks and every third between them. */
function isFavoured({ block, blocks }: Place): boolean {
  const eighth = Math.floor(blocks / 8)
  return block < eighth || block >= Math.floor((7 * blocks) / 8) || (block - eighth) % 3 === 2
}

const isEarly = ({ block, blocks }: Place, part: number): boolean => block < Math.floor(blocks / part)
const favoured =
  (better: GgmlType, type: GgmlType): Choice =>
  (place) =>
    isFavoured(place) ? better : type
const earlyEighth =
  (better: GgmlType, type: GgmlType): Choice =>
  (place) =>
    isEarly(place, 8) ? better : type
/** Where an importance matrix spoils the first matrices, and where it makes up for fewer bits. */
const earlyEighthWith =
  (better: GgmlType, type: GgmlType): Choice =>
  (place) =>
    place.hasImportance && isEarly(place, 8) ? better : type
const earlyEighthWithout =
  (better: GgmlType, type: GgmlType): Choice =>
  (place) =>
    !place.hasImportance && isEarly(place, 8) ? better : type
/** Keys and values that four or more query heads share are small and count more. */
const shared =
  (better: GgmlType, type: GgmlType): Choice =>
  ({ queriesPerKey }) =>
    queriesPerKey >= 4 ? better : type

const mixes: Readonly<Record<string, Mix>> = {
  Q4_0: { type: 'Q4_0', roles: { down: earlyEighthWith('Q4_1', 'Q4_0') } },
  Q4_1: { type: 'Q4_1' },
  Q5_0: { type: 'Q5_0', roles: { down: earlyEighthWith('Q5_1', 'Q5_0') } },
  Q5_1: { type: 'Q5_1' },
  Q8_0: { type: 'Q8_0' },
  Q2_K: { type: 'Q2_K', roles: { v: shared('Q4_K', 'Q3_K'), o: 'Q3_K', down: 'Q3_K' } },
  Q2_K_S: { type: 'Q2_K', roles: { v: shared('Q4_K', 'Q2_K'), down: earlyEighth('Q4_K', 'Q2_K') }, needsImportance: true },
  Q3_K_S: { type: 'Q3_K' },
  Q3_K_M: {
    type: 'Q3_K',
    roles: {
      v: ({ block }) => (block < 2 ? 'Q5_K' : 'Q4_K'),
      o: 'Q4_K',
      down: (place) => (isEarly(place, 16) ? 'Q5_K' : 'Q4_K'),
    },
  },
  Q3_K_L: { type: 'Q3_K', roles: { v: 'Q5_K', o: 'Q5_K', down: 'Q5_K' } },
  Q4_K_S: { type: 'Q4_K', roles: { v: ({ block }) => (block < 4 ? 'Q5_K' : 'Q4_K'), down: earlyEighth('Q5_K', 'Q4_K') } },
  Q4_K_M: { type: 'Q4_K', roles: { v: favoured('Q6_K', 'Q4_K'), down: favoured('Q6_K', 'Q4_K') } },
  Q5_K_S: { type: 'Q5_K' },
  Q5_K_M: { type: 'Q5_K', roles: { v: favoured('Q6_K', 'Q5_K'), down: favoured('Q6_K', 'Q5_K') } },
  Q6_K: { type: 'Q6_K' },
  IQ4_NL: { type: 'IQ4_NL', roles: { v: shared('Q5_K', 'IQ4_NL'), down: earlyEighthWithout('Q5_K', 'IQ4_NL') } },
  IQ4_XS: { type: 'IQ4_XS', roles: { v: shared('Q5_K', 'IQ4_XS'), down: earlyEighthWithout('Q5_K', 'IQ4_XS') } },
}
const names = Object.keys(mixes)
/** Names that are not also a type's: a recipe named by a type has that type everywhere. */
const ownNames = names.filter((name) => !(name in ggmlTypes))

const schema = v.strictObject({ kind: v.literal('llama-mix'), mix: v.picklist(names) })

function typeOf(
  { role, block, columns }: AllocationTensor,
  { type, roles }: Mix,
  { graph, hasImportance }: { readonly graph: ModelGraph; readonly hasImportance: boolean },
): GgmlType {
  const { layers, heads, kvHeads } = graph.config
  // The file's output matrix: the head, or the embedding when they are one.
  if (role === 'head' || (role === 'embedding' && graph.head === null)) {
    if (columns % ggmlTypes[type].blockSize !== 0) return 'Q8_0'
    return type === 'Q8_0' ? type : 'Q6_K'
  }
  if (block < 0) return type
  const choice = roles?.[role] ?? type
  const chosen = typeof choice === 'string' ? choice : choice({ block, blocks: layers, queriesPerKey: heads / kvHeads, hasImportance })
  // Models of 80 blocks with shared keys ("70B"): their value matrices are small beside the rest.
  const isLarge = layers === 80 && heads !== kvHeads && role === 'v'
  return isLarge && (chosen === 'Q3_K' || chosen === 'Q4_K') ? 'Q5_K' : chosen
}

/** The named mixes of llama-quantize, with and without an importance matrix. Rows that blocks do not divide: the ggml grid's fallbacks. */
const llamaMix: Allocation<{ readonly mix: string }> = {
  kind: 'llama-mix',
  title: 'llama.cpp mix',
  explanation: 'More bits for the matrices that need them, chosen as llama-quantize does. The mix decides the types, not the grid.',
  order: 2,
  fields: [
    {
      key: 'mix',
      label: 'Mix',
      input: 'choice',
      options: names.map((name) => ({ value: name, label: name })),
      default: 'Q4_K_M',
    },
  ],
  parse: (choice) => parseSettings(schema, choice, { of: 'the mix', remedy: `Use one of the mixes ${names.join(', ')}.` }),
  label: ({ mix }) => `mix ${mix}`,
  exampleNames: ownNames,
  named(id) {
    const mix = ownNames.includes(id) ? mixes[id] : undefined
    if (mix === undefined) return null
    return { grid: { kind: 'ggml', type: mix.type }, allocation: { kind: 'llama-mix', mix: id }, embedding: 'grid', head: 'grid' }
  },
  supports: ({ mix }, { hasImportance }) =>
    hasImportance || mixes[mix]?.needsImportance !== true || `${mix} cannot be written without knowing which inputs matter.`,
  gridFor(tensor, { settings, base, graph, hasImportance }) {
    const mix = mixes[settings.mix]
    return mix === undefined ? base : { kind: 'ggml', type: typeOf(tensor, mix, { graph, hasImportance }) }
  },
}

export default llamaMix
