const paths = {
  plus: 'M8 3v10M3 8h10',
  tick: 'm3 8.5 3.2 3.2L13 4.8',
  dash: 'M5 8h6',
  cross: 'm4 4 8 8M12 4l-8 8',
  lock: 'M4.5 7h7A1.5 1.5 0 0 1 13 8.500V12.500A1.5 1.5 0 0 1 11.5 14h-7A1.5 1.5 0 0 1 3 12.500V8.500A1.5 1.5 0 0 1 4.5 7zM5.2 7V5a2.8 2.8 0 0 1 5.6 0v2',
  save: 'M8 2.500v8M4.8 7.5 8 10.700l3.2-3.200M3 13.500h10',
  warning: 'M8 2.2 14.3 13H1.700zM8 6.500v3M8 11.200v.1',
  info: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 7.300v3.400M8 5.200v.1',
  play: 'M5 3.2 12.5 8 5 12.800z',
  stop: 'M5 4h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1z',
  copy: 'M7 5.500h5A1.5 1.5 0 0 1 13.5 7v5a1.5 1.5 0 0 1-1.5 1.500H7A1.5 1.5 0 0 1 5.5 12V7A1.5 1.5 0 0 1 7 5.500zM3.5 10.500h-1v-8h8v1',
  link: 'M6.8 9.200a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.700l-.9.9M9.2 6.800a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.700l.9-.9',
  chip: 'M5 4h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM6 1.500V4M10 1.500V4M6 12v2.500M10 12v2.500M1.5 6H4M1.5 10H4M12 6h2.500M12 10h2.5',
  phone: 'M5.5 1.500h5a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1h-5a1 1 0 0 1-1-1v-11a1 1 0 0 1 1-1zM7.2 12.300h1.600',
  window:
    'M3 2.500h10A1.5 1.5 0 0 1 14.5 4v8a1.5 1.5 0 0 1-1.5 1.500H3A1.5 1.5 0 0 1 1.5 12V4A1.5 1.5 0 0 1 3 2.500zM1.5 5.500h13M3.6 4h.1M5.400 4h.1',
  laptop: 'M4 3h8a1 1 0 0 1 1 1v6.500H3V4a1 1 0 0 1 1-1zM1.500 13h13',
  server:
    'M3 2.500h10a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1v-3a1 1 0 0 1 1-1zM3 8.500h10a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1v-3a1 1 0 0 1 1-1zM4.500 5h.1M4.500 11h.1',
  wait: 'M8 2.500a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3l2 1.5',
  settings:
    'M2.5 4.500h6M12 4.500h1.500M2.5 11.500H4M7.5 11.500h6M10.2 2.800a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.400zM5.8 9.800a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.400z',
  more: 'M3.5 8h.1M8 8h.1M12.5 8h.1',
  edit: 'm3 13 .6-2.9 7-7a1.3 1.3 0 0 1 1.9 0l.4.400a1.3 1.3 0 0 1 0 1.900l-7 7z',
} as const

export type IconName = keyof typeof paths | 'theme'

/** A 16 px line icon: decoration beside a text or inside a labelled button. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="qs-icon" viewBox="0 0 16 16" aria-hidden="true">
      {name === 'theme' ? (
        <>
          <circle cx="8" cy="8" r="5.5" />
          <path d="M8 2.5v11a5.5 5.5 0 0 0 0-11z" fill="currentColor" />
        </>
      ) : (
        <path d={paths[name]} />
      )}
    </svg>
  )
}
