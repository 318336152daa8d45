import { createElement, Suspense } from 'react'
import { renderToString } from 'react-dom/server'
import { expect, it } from 'vitest'
import { laterScreen } from './later-screen.tsx'

it('is waited for while it is fetched, and drawn at once when it is there', async () => {
  const { Screen, fetch } = laterScreen(async () => () => createElement('h1', null, 'Export'))
  const drawn = (): string => renderToString(createElement(Suspense, { fallback: 'waiting' }, createElement(Screen)))
  expect(drawn()).toContain('waiting')
  await fetch()
  expect(drawn()).toContain('<h1>Export</h1>')
})
