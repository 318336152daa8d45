// npm run docs:grids -- MODEL [options of quantize]: every preset measured in one walk, as the Markdown tables of docs/grids.md.
// Options after MODEL go to `npm run quantize` (texts, context).
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { ensurePackages, requireNode20, root, run } from './setup.mjs'

requireNode20()
ensurePackages()
const [model, ...options] = process.argv.slice(2)
if (model === undefined) throw new Error('Name a model: npm run docs:grids -- public/samples/stories-4m')

const presets = path.join(root, 'src', 'quantization', 'presets')
const recipes = readdirSync(presets)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({ id: name.slice(0, -'.json'.length), order: JSON.parse(readFileSync(path.join(presets, name), 'utf8')).order }))
  .sort((a, b) => a.order - b.order)
  .map(({ id }) => id)
const out = path.join(root, '.cache', 'grid-table', path.basename(model))
const chosen = recipes.flatMap((id) => ['--recipe', id])
const code = run(process.execPath, [path.join(root, 'scripts', 'quantize.mjs'), model, ...chosen, '--out', out, ...options])
if (code !== 0) process.exit(code)

const report = JSON.parse(readFileSync(path.join(out, 'report.json'), 'utf8'))
const { float, tokens, textName } = report.evaluation
const weighed = ({ layers }, figure) => {
  const inBlocks = layers.filter(({ block }) => block >= 0)
  return inBlocks.reduce((sum, layer) => sum + layer[figure], 0) / inBlocks.length
}
const percent = ({ value, error }) => {
  if (Math.abs(value) <= 2 * error) return 'same within error'
  const size = 100 * Math.abs(value)
  return `${value > 0 ? '+' : '−'}${size < 100 ? size.toPrecision(2) : size.toFixed(0)} %`
}
console.log(`\n${path.basename(model)}: float perplexity ${float.perplexity.toFixed(4)} on ${tokens} tokens of ${textName}\n`)
console.log('| recipe | bits a weight in blocks | perplexity | above float | KL divergence | same top token | mean output error |')
console.log('|---|---|---|---|---|---|---|')
for (const recipe of report.recipes) {
  const cells = [
    recipe.id,
    recipe.blockBitsPerWeight.toFixed(2),
    recipe.perplexity.toFixed(4),
    percent(recipe.aboveFloat),
    recipe.klDivergence.mean.toPrecision(3),
    `${(100 * recipe.sameTopToken).toFixed(1)} %`,
    weighed(recipe, 'outputError').toPrecision(3),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
