import { Modal } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useStore } from 'zustand'
import { modelStore } from '../../state/model-store.ts'
import { uiStore } from '../../state/ui-store.ts'
import { bytes, count } from '../format/numbers.ts'
import { Pairs } from '../parts/small-parts.tsx'

interface HostTraffic {
  readonly host: string
  readonly requests: number
  readonly receivedBytes: number
}

/** What this page's thread has asked for, by host, as the browser recorded it (Resource Timing). */
export function trafficByHost(entries: readonly PerformanceResourceTiming[]): readonly HostTraffic[] {
  const hosts = new Map<string, HostTraffic>()
  for (const entry of entries) {
    if (!URL.canParse(entry.name)) continue
    const { host, protocol } = new URL(entry.name)
    if (!protocol.startsWith('http')) continue
    const before = hosts.get(host) ?? { host, requests: 0, receivedBytes: 0 }
    hosts.set(host, { host, requests: before.requests + 1, receivedBytes: before.receivedBytes + entry.transferSize })
  }
  return [...hosts.values()].toSorted((one, other) => other.requests - one.requests)
}

/** The policy this page was served with, asked of its own server; `null` when it has none or cannot be asked. */
async function readPolicy(): Promise<string | null> {
  try {
    const response = await fetch(location.pathname, { method: 'HEAD', cache: 'no-store' })
    const policy = response.headers.get('content-security-policy')
    return (
      policy
        ?.split(';')
        .map((rule) => rule.trim())
        .find((rule) => rule.startsWith('connect-src')) ?? null
    )
  } catch {
    return null
  }
}

function Proof() {
  const [policy, setPolicy] = useState<string | null | undefined>(undefined)
  const summary = useStore(modelStore, (state) => state.summary)
  const hubBytes = useStore(modelStore, (state) => state.storage?.hubBytes ?? 0)
  const traffic = trafficByHost(performance.getEntriesByType('resource') as PerformanceResourceTiming[])
  useEffect(() => {
    void readPolicy().then(setPolicy)
  }, [])
  const elsewhere = traffic.filter(({ host }) => host !== location.host)
  return (
    <>
      <p className="qs-muted" style={{ margin: '0 0 12px' }}>
        Weights, text and results stay on this computer. There is no server to send them to: the page only reads, and its security policy
        permits connections to itself and to the Hub addresses below, nothing else.
      </p>
      <Pairs
        pairs={[
          ...traffic
            .filter(({ host }) => host === location.host)
            .map(
              ({ host, requests, receivedBytes }) => [`Read from ${host}`, `${count(requests)} files, ${bytes(receivedBytes)}`] as const,
            ),
          ['Requests of this page to other hosts', count(elsewhere.reduce((sum, { requests }) => sum + requests, 0))],
          ...(summary?.originKind === 'hub' ? [['Parts of Hub models kept here', bytes(hubBytes)] as const] : []),
          ['Needs the network once loaded', summary?.originKind === 'hub' ? 'for parts of the model not read yet' : 'no'],
        ]}
      />
      <h3 style={{ margin: '12px 0 6px' }}>Policy in force</h3>
      <pre tabIndex={0} style={{ whiteSpace: 'pre-wrap' }}>
        {policy === undefined
          ? 'Asking this page’s server …'
          : (policy ?? 'This server sends no policy; the studio’s own server (npm start) does.')}
      </pre>
    </>
  )
}

/** The proof of "Nothing leaves this tab". */
export function PrivacySheet() {
  const isOpen = useStore(uiStore, (state) => state.sheet === 'privacy')
  return (
    <Modal
      opened={isOpen}
      onClose={() => uiStore.setState({ sheet: null })}
      title="Nothing leaves this tab"
      size={520}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Proof />
    </Modal>
  )
}
