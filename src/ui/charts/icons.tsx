import type { ReactNode } from 'react'

function Icon({ children }: { readonly children: ReactNode }) {
  return (
    <svg
      width={16}
      height={16}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  )
}

export const PictureIcon = () => (
  <Icon>
    <rect x="1.75" y="2.75" width="12.5" height="10.5" rx="1.5" />
    <path d="m2 11 3.5-3.5 3 3 2-2L14 12" />
    <circle cx="10.5" cy="5.9" r=".8" />
  </Icon>
)

export const CsvIcon = () => (
  <Icon>
    <path d="M8 2v7.5M5 6.8 8 9.8l3-3M2.5 10.5v2A1.5 1.5 0 0 0 4 14h8a1.5 1.5 0 0 0 1.5-1.5v-2" />
  </Icon>
)

export const TableIcon = () => (
  <Icon>
    <rect x="1.75" y="2.75" width="12.5" height="10.5" rx="1.5" />
    <path d="M2 6.2h12M2 9.7h12M6 6.2v7" />
  </Icon>
)

export const ChartIcon = () => (
  <Icon>
    <path d="M2 2v12h12M4.5 10.5 7.5 7l2.5 2 3.5-4.5" />
  </Icon>
)
