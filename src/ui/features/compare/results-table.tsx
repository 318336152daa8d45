import { ActionIcon, Button, Menu, Select } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { type ReactNode, useEffect } from 'react'
import { useStore } from 'zustand'
import { hoverRecipe, pinRecipe, recipesStore, toggleHidden } from '../../../state/recipes-store.ts'
import { aboveBaseline, type Result } from '../../../state/results.ts'
import { uiStore } from '../../../state/ui-store.ts'
import { type Domain, logPosition } from '../../charts/axis.ts'
import { toCsv } from '../../charts/csv.ts'
import { pictureFileName, saveBlob } from '../../charts/picture.ts'
import * as format from '../../format/numbers.ts'
import { Card } from '../../parts/card.tsx'
import { Icon } from '../../parts/icon.tsx'
import { PinBadge } from '../../parts/small-parts.tsx'
import { FloatMark, Marker } from '../../theme/recipe-style.tsx'
import { type Cell, type Column, columns, resultsCsv, type Sort, sortResults } from './columns.ts'
import { addressOfSort, sortAfterPress, sortInAddress } from './sort-address.ts'
import { type CompareData, pinLetter } from './use-compare.ts'

export interface ResultsTableProps {
  readonly data: CompareData
  readonly onEditCopy: (result: Result) => void
  readonly onExport: (result: Result) => void
  readonly onDetails: (result: Result) => void
}

/** All recipes with all figures, float first. */
export function ResultsTable(props: ResultsTableProps) {
  const { data } = props
  const sort = useStore(uiStore, (state) => state.sort)
  const chosen = useStore(uiStore, (state) => state.columns)
  const isNarrow = useMediaQuery('(max-width: 600px)', false, { getInitialValueInEffect: false })
  useSortInAddress()
  // Speed is measured while a prompt is continued; before that the column would be empty.
  const isEmpty = (column: Column): boolean => data.results.every((result) => column.sortBy(result, data.facts) === null)
  const shown = columns.filter((column) => (column.isOptional ? chosen.includes(column.key) : !isEmpty(column)))
  const rows = sortResults(data.results, sort, data.facts)
  const setSort = (next: Sort): void => {
    uiStore.setState({ sort: next })
    history.replaceState(history.state, '', addressOfSort(next))
  }
  const saveCsv = (): void => {
    const table = resultsCsv(rows, data.facts)
    saveBlob(
      new Blob([toCsv(table.columns, table.rows)], { type: 'text/csv;charset=utf-8' }),
      pictureFileName(data.source.model, 'all recipes', 'csv'),
    )
  }
  const tools = (
    <>
      {isNarrow ? (
        <Select
          size="xs"
          aria-label="Sort by"
          w={150}
          allowDeselect={false}
          value={sort.column}
          data={[{ value: 'recipe', label: 'Recipe' }, ...shown.map(({ key, title }) => ({ value: key, label: title }))]}
          onChange={(column) => setSort({ column: column ?? 'size', isDescending: false })}
        />
      ) : (
        <ColumnsMenu chosen={chosen} />
      )}
      <Button size="xs" variant="subtle" leftSection={<Icon name="save" />} onClick={saveCsv}>
        CSV
      </Button>
    </>
  )
  return (
    <Card title="All recipes" subtitle={`Against ${data.baselineName}. ± is one standard error.`} tools={tools} isFlush>
      {isNarrow ? <Rows {...props} rows={rows} /> : <Wide {...props} rows={rows} shown={shown} sort={sort} onSort={setSort} />}
    </Card>
  )
}

/** The address wins on arrival (a link); afterwards it follows the table. */
function useSortInAddress(): void {
  useEffect(() => {
    const asked = sortInAddress(location.hash)
    if (asked !== null && (asked.column === 'recipe' || columns.some((column) => column.key === asked.column)))
      uiStore.setState({ sort: asked })
  }, [])
}

function ColumnsMenu({ chosen }: { readonly chosen: readonly string[] }) {
  const toggle = (key: string): void => {
    uiStore.setState({ columns: chosen.includes(key) ? chosen.filter((other) => other !== key) : [...chosen, key] })
  }
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button size="xs" variant="subtle">
          Columns
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {columns
          .filter((column) => column.isOptional)
          .map((column) => (
            <Menu.CheckboxItem key={column.key} checked={chosen.includes(column.key)} onChange={() => toggle(column.key)}>
              {column.longTitle}
            </Menu.CheckboxItem>
          ))}
      </Menu.Dropdown>
    </Menu>
  )
}

interface WideProps extends ResultsTableProps {
  readonly rows: readonly Result[]
  readonly shown: readonly Column[]
  readonly sort: Sort
  readonly onSort: (sort: Sort) => void
}

function Wide(props: WideProps) {
  const { data, rows, shown, sort, onSort } = props
  const hovered = useStore(recipesStore, (state) => state.hovered)
  const changes = data.results.map(({ report }) => aboveBaseline(report, data.baseline).value).filter((value) => value > 0)
  const domain: Domain = [Math.min(1e-4, ...changes), Math.max(1e-3, ...changes)]
  const head = (key: string, title: string): ReactNode => {
    const isSorted = sort.column === key
    return (
      <th key={key} scope="col" aria-sort={isSorted ? (sort.isDescending ? 'descending' : 'ascending') : undefined}>
        <button type="button" onClick={() => onSort(sortAfterPress(sort, key))}>
          {title}
          <span aria-hidden="true">{isSorted ? (sort.isDescending ? ' ↓' : ' ↑') : ''}</span>
        </button>
      </th>
    )
  }
  return (
    <div className="qs-compare-scroll" role="region" aria-label="Table of all recipes" tabIndex={0}>
      <table className="qs-compare-table">
        <thead>
          <tr>
            {head('recipe', 'Recipe')}
            {shown.map((column) => head(column.key, column.key === 'above' ? `Above ${data.baselineName}` : column.title))}
            <th scope="col">
              <span className="qs-hidden-text">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">
              <span className="qs-compare-name">
                <FloatMark />
                float
              </span>
            </th>
            {shown.map((column) => {
              const cell = column.float(data.report.evaluation.float, data.facts)
              return (
                <td key={column.key} title={cell.title} className={/^(baseline|0|–)$/.test(cell.text) ? 'qs-compare-least' : undefined}>
                  <CellText cell={cell} />
                </td>
              )
            })}
            <td />
          </tr>
          {rows.map((result) => {
            const pin = pinLetter(result.recipe.id, data.pins)
            return (
              <tr
                key={result.recipe.id}
                data-pinned={pin !== null}
                data-hovered={hovered === result.recipe.id}
                onPointerEnter={() => hoverRecipe(result.recipe.id)}
                onPointerLeave={() => hoverRecipe(null)}
              >
                <th scope="row">
                  <RecipeName result={result} pin={pin} />
                </th>
                {shown.map((column) => {
                  const cell = column.cell(result, data.facts)
                  return (
                    <td key={column.key} title={cell.title}>
                      {column.key === 'above' ? (
                        <>
                          <ChangeBar value={aboveBaseline(result.report, data.baseline).value} domain={domain} />
                          <span className="qs-compare-figure">
                            <CellText cell={cell} />
                          </span>
                        </>
                      ) : (
                        <CellText cell={cell} />
                      )}
                    </td>
                  )
                })}
                <td>
                  <RowMenu {...props} result={result} />
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function CellText({ cell }: { readonly cell: Cell }) {
  return (
    <>
      {cell.text}
      {cell.error === undefined ? null : <span className="qs-compare-error"> {cell.error}</span>}
    </>
  )
}

/** How much perplexity a recipe costs, on the log scale of the table. */
function ChangeBar({ value, domain }: { readonly value: number; readonly domain: Domain }) {
  return (
    <span className="qs-compare-bar" aria-hidden="true">
      <i style={{ width: `${Math.max(3, logPosition(value, domain) * 100)}%` }} />
    </span>
  )
}

function RecipeName({ result, pin }: { readonly result: Result; readonly pin: 'A' | 'B' | null }) {
  const isHidden = useStore(recipesStore, (state) => state.hidden.has(result.recipe.id))
  return (
    <span className="qs-compare-name" data-hidden={isHidden}>
      <Marker slot={result.slot} />
      {result.recipe.id}
      {pin !== null && (
        <>
          <PinBadge pin={pin === 'A' ? 'a' : 'b'} />
          <span className="qs-hidden-text">, pinned as {pin}</span>
        </>
      )}
      {isHidden && <span className="qs-compare-error">hidden in charts</span>}
    </span>
  )
}

function RowMenu({ result, onEditCopy, onExport, onDetails }: ResultsTableProps & { readonly result: Result }) {
  const { id } = result.recipe
  const isHidden = useStore(recipesStore, (state) => state.hidden.has(id))
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon size="xs" aria-label={`More for ${id}`}>
          <Icon name="more" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => pinRecipe('a', id)}>Pin as A</Menu.Item>
        <Menu.Item onClick={() => pinRecipe('b', id)}>Pin as B</Menu.Item>
        <Menu.Item onClick={() => toggleHidden(id)}>{isHidden ? 'Show in charts' : 'Hide in charts'}</Menu.Item>
        <Menu.Item onClick={() => onEditCopy(result)}>Edit a copy</Menu.Item>
        <Menu.Item onClick={() => onExport(result)}>Export</Menu.Item>
        <Menu.Item onClick={() => onDetails(result)}>How it was made</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

/** Two lines a recipe, for narrow screens. */
function Rows(props: ResultsTableProps & { readonly rows: readonly Result[] }) {
  const { data, rows } = props
  const { float } = data.report.evaluation
  const text = (key: string, result: Result): string => columns.find((column) => column.key === key)?.cell(result, data.facts).text ?? ''
  return (
    <ul className="qs-compare-rows">
      <li>
        <span className="qs-compare-name">
          <FloatMark />
          float
        </span>
        <span>{data.baseline === null ? 'baseline' : format.changePercent(float.perplexity / data.baseline.perplexity - 1)}</span>
        <span className="qs-compare-second">
          {format.bytes(data.report.model.sourceBytes)} · perplexity {format.perplexity(float.perplexity)}{' '}
          {format.plusMinus(float.perplexityError)}
        </span>
      </li>
      {rows.map((result) => {
        const pin = pinLetter(result.recipe.id, data.pins)
        return (
          <li key={result.recipe.id} data-pinned={pin !== null}>
            <RecipeName result={result} pin={pin} />
            <span className="qs-row">
              {text('above', result)}
              <RowMenu {...props} result={result} />
            </span>
            <span className="qs-compare-second">
              {format.bytes(result.report.bytes)} · {text('bits', result)} bit · {text('perplexity', result)} · KL {text('kl', result)} ·{' '}
              {text('same-top', result)} same top
            </span>
          </li>
        )
      })}
    </ul>
  )
}
