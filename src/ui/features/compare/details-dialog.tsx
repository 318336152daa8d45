import { Modal } from '@mantine/core'
import { notableOverlap } from '../../../core/notable-overlap.ts'
import type { LayerResult } from '../../../evaluation/result.ts'
import { findingGroups, findingText } from '../../../state/findings.ts'
import type { Result } from '../../../state/results.ts'
import * as format from '../../format/numbers.ts'
import { Pairs } from '../../parts/small-parts.tsx'
import { gridsOf } from './columns.ts'
import type { CompareData } from './use-compare.ts'

export interface DetailsDialogProps {
  readonly data: CompareData
  readonly result: Result | null
  readonly onClose: () => void
}

/** How a recipe's figures were made: enough to make them again. */
export function DetailsDialog({ data, result, onClose }: DetailsDialogProps) {
  const { report } = data
  return (
    <Modal opened={result !== null} onClose={onClose} title={result === null ? '' : `How ${result.recipe.id} was made`} size="lg" centered>
      {result !== null && (
        <>
          <Pairs
            pairs={[
              ['Model', `${report.model.name}, ${report.model.architecture}`],
              ['Fingerprint', <code key="fingerprint">{report.model.fingerprint}</code>],
              ['Measured on', data.source.protocol],
              ...(report.calibration === null ? [] : [['Calibrated on', calibrationText(report.calibration)] as const]),
              ['Stored as', gridsOf(result.report)],
              ['Size', `${format.exactBytes(result.report.bytes)} as ${data.facts.formatTitle(result.report.bytesOf)}`],
              ['Seed', String(report.seed)],
              ['Backend', result.report.backend],
              ['Studio', `${report.studio.version}, ONNX Runtime ${report.studio.onnxruntime}`],
              ['Plan', <code key="plan">{report.planHash}</code>],
              ['Made', `${report.createdAt}, in ${format.seconds(result.report.seconds)}`],
              ...result.report.artifacts.flatMap((artifact) =>
                artifact.files.map((file) => [`SHA-256 of ${file.path}`, <code key={file.sha256}>{file.sha256}</code>] as const),
              ),
            ]}
          />
          <FindingList layers={result.report.layers} />
          <pre className="qs-compare-json" tabIndex={0} role="region" aria-label="Recipe as JSON">
            {JSON.stringify(result.report.recipe, null, 2)}
          </pre>
        </>
      )}
    </Modal>
  )
}

/** `8,192 tokens of Stories in 32 windows of 256, 902 of the 1,024 in the vocabulary`, and how they were written. */
function calibrationText(calibration: NonNullable<CompareData['report']['calibration']>): string {
  const { textName, windows, contextLength, tokens, distinctTokens, vocabulary, usesChatTemplate, sharedWithEvaluation } = calibration
  const parts = [
    `${format.count(tokens)} tokens of ${textName} in ${format.counted(windows, 'window')} of ${contextLength}`,
    `${format.count(distinctTokens)} of the ${format.count(vocabulary)} in the vocabulary`,
    ...(usesChatTemplate ? ['in the chat template'] : []),
    ...(sharedWithEvaluation >= notableOverlap ? [`${format.percent(sharedWithEvaluation)} of it in the evaluation text too`] : []),
  ]
  return parts.join(', ')
}

/** What did not go as asked, layer by layer. */
function FindingList({ layers }: { readonly layers: readonly LayerResult[] }) {
  const groups = findingGroups(layers)
  if (groups.length === 0) return null
  return (
    <>
      <h3>What went otherwise</h3>
      <ul className="qs-finding-list">
        {groups.map((group) => (
          <li key={group.tried}>
            {findingText(group)} <span className="qs-muted">{group.layers.map(({ name }) => name).join(', ')}</span>
          </li>
        ))}
      </ul>
    </>
  )
}
