import { SegmentedControl, TextInput } from '@mantine/core'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef, useState } from 'react'
import { useStore } from 'zustand'
import type { ModelSummary, TensorRow } from '../../../rpc/contract.ts'
import { modelStore } from '../../../state/model-store.ts'
import { useActions } from '../../actions.ts'
import { counted, megabytes, shape, significant } from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { type Grouping, shortName, shownTensors } from './tensor-rows.ts'

const rowHeight = 32

function Row({ tensor, index }: { readonly tensor: TensorRow; readonly index: number }) {
  const { selectTensor } = useActions()
  const isSelected = useStore(modelStore, (state) => state.selectedTensor === tensor.name)
  const description = useStore(modelStore, (state) => state.descriptions[tensor.name])
  const largest = description === undefined ? null : Math.max(Math.abs(description.min), Math.abs(description.max))
  return (
    <tr data-row aria-rowindex={index + 2} aria-selected={isSelected} onClick={() => selectTensor(tensor.name)}>
      <td className="qs-mono">
        <button type="button" aria-pressed={isSelected} aria-label={`Show ${tensor.name}`}>
          {shortName(tensor.name)}
        </button>
      </td>
      <td>{shape(tensor.shape)}</td>
      <td className="qs-col-wide">{tensor.dtype}</td>
      <td>{megabytes(tensor.sizeBytes)}</td>
      <td className="qs-col-wide">{largest === null ? <Unread /> : significant(largest, 2)}</td>
      <td className="qs-col-wide">{description === undefined ? <Unread /> : significant(description.outlierRatio, 2)}</td>
    </tr>
  )
}

/** Weights are read for the selected tensor only. */
const Unread = () => (
  <span className="qs-least" title="Known once the tensor is selected">
    <span aria-hidden="true">–</span>
    <span className="qs-hidden-text">not read</span>
  </span>
)

const isGrouping = (value: string): value is Grouping => value === 'block' || value === 'kind'

/** Every tensor of the model; drawn only where it is seen. */
export function TensorTable({ summary }: { readonly summary: ModelSummary }) {
  const [filter, setFilter] = useState('')
  const [grouping, setGrouping] = useState<Grouping>('block')
  const rows = useMemo(() => shownTensors(summary.tensors, { filter, grouping }), [summary, filter, grouping])
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  })
  const items = virtual.getVirtualItems()
  const above = items[0]?.start ?? 0
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0)
  return (
    <Card
      title="Tensors"
      isFlush
      tools={
        <>
          <TextInput
            className="qs-filter"
            aria-label="Filter tensors"
            data-filter
            placeholder="Filter, e.g. down_proj"
            value={filter}
            onChange={({ currentTarget }) => setFilter(currentTarget.value)}
          />
          <SegmentedControl
            aria-label="Group tensors"
            value={grouping}
            data={[
              { value: 'block', label: 'By block' },
              { value: 'kind', label: 'By kind' },
            ]}
            onChange={(value) => {
              if (isGrouping(value)) setGrouping(value)
            }}
          />
        </>
      }
    >
      <div ref={scroller} className="qs-tensors" role="region" aria-label="Tensors of the model" tabIndex={0}>
        <table aria-rowcount={rows.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <th scope="col">Name</th>
              <th scope="col">Shape</th>
              <th scope="col" className="qs-col-wide">
                Type
              </th>
              <th scope="col">MB</th>
              <th scope="col" className="qs-col-wide">
                Largest weight
              </th>
              <th scope="col" className="qs-col-wide">
                Outlier ratio
              </th>
            </tr>
          </thead>
          <tbody>
            {above > 0 ? (
              <tr className="qs-spacer" aria-hidden="true">
                <td colSpan={6} style={{ height: above }} />
              </tr>
            ) : null}
            {items.map(({ index }) => {
              const tensor = rows[index]
              return tensor === undefined ? null : <Row key={tensor.name} tensor={tensor} index={index} />
            })}
            {below > 0 ? (
              <tr className="qs-spacer" aria-hidden="true">
                <td colSpan={6} style={{ height: below }} />
              </tr>
            ) : null}
          </tbody>
        </table>
        {rows.length === 0 ? (
          <p className="qs-muted" style={{ padding: 16 }}>
            No tensor has “{filter}” in its name.
          </p>
        ) : null}
      </div>
      <div className="qs-hidden-text" role="status">
        {filter === '' ? '' : `${counted(rows.length, 'tensor')} shown`}
      </div>
    </Card>
  )
}
