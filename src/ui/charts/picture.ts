import { markerPath } from '../theme/recipe-style.tsx'

/** Turns the SVG of a chart on the page into a picture that stands alone: styles written in, title above, source below. */
export interface PictureText {
  readonly title: string
  /** What it is, direction, scale. */
  readonly subtitle: string
  /** Model, protocol, date. */
  readonly source: string
  /** Whose marks are whose: on the page the shelf says it. */
  readonly legend: readonly LegendEntry[]
}

export interface LegendEntry {
  readonly id: string
  readonly slot: number | null
}

export interface Picture {
  /** A complete SVG document. */
  readonly svg: string
  readonly width: number
  readonly height: number
}

/** Properties a chart sets through style sheets; everything else is in attributes already. */
const carried = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linejoin',
  'stroke-linecap',
  'stroke-opacity',
  'opacity',
  'font-family',
  'font-size',
  'font-weight',
  'letter-spacing',
  'text-anchor',
  'paint-order',
  'visibility',
  'display',
] as const

const margin = 16
const headHeight = 48
const footHeight = 28

/** Composes the picture from the live chart, in the theme that is on. Marks with `data-picture="no"` (hover, focus) are left out. */
export function composePicture(chart: SVGSVGElement, text: PictureText): Picture {
  const { width, height } = chart.getBoundingClientRect()
  const copy = chart.cloneNode(true) as SVGSVGElement
  writeStylesIn(chart, copy)
  for (const mark of copy.querySelectorAll('[data-picture="no"]')) mark.remove()
  copy.setAttribute('x', String(margin))
  copy.setAttribute('y', String(headHeight))
  copy.setAttribute('width', String(width))
  copy.setAttribute('height', String(height))

  const page = getComputedStyle(chart)
  const ink = page.color
  const family = page.fontFamily.replaceAll('"', "'")
  const legend = placeLegend(text.legend, width)
  const whole = { width: Math.ceil(width) + 2 * margin, height: Math.ceil(height) + headHeight + legend.height + footHeight }
  const line = (y: number, size: number, content: string, style = ''): string =>
    `<text x="${margin}" y="${y}" font-family="${family}" font-size="${size}" fill="${ink}" ${style}>${escapeXml(content)}</text>`
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${whole.width}" height="${whole.height}" viewBox="0 0 ${whole.width} ${whole.height}">`,
    `<rect width="100%" height="100%" fill="${backgroundOf(chart)}"/>`,
    line(24, 15, text.title, 'font-weight="600"'),
    line(41, 12, text.subtitle, 'opacity="0.75"'),
    new XMLSerializer().serializeToString(copy),
    ...legend.entries.map(({ id, slot, x, y }) => {
      const place = `translate(${margin + x} ${headHeight + Math.ceil(height) + y})`
      const colour = page.getPropertyValue(slot === null ? '--qs-ink-3' : `--qs-recipe-${slot}`)
      const mark = `<path d="${markerPath(slot)}" fill="${escapeXml(colour)}"/>`
      return `<g transform="${place}">${mark}<text x="18" y="10" font-family="monospace" font-size="11.5" fill="${ink}">${escapeXml(id)}</text></g>`
    }),
    line(whole.height - 10, 11, text.source, 'opacity="0.75"'),
    '</svg>',
  ].join('')
  return { svg, ...whole }
}

const legendRow = 20
const legendCharacter = 7

/** Names in rows of the chart's width, under the chart. */
export function placeLegend(
  entries: readonly LegendEntry[],
  width: number,
): { readonly height: number; readonly entries: readonly (LegendEntry & { readonly x: number; readonly y: number })[] } {
  let x = 0
  let row = 0
  const placed = entries.map((entry) => {
    const needed = 18 + entry.id.length * legendCharacter + 20
    if (x > 0 && x + needed > width) {
      x = 0
      row += 1
    }
    const at = { ...entry, x, y: 8 + row * legendRow }
    x += needed
    return at
  })
  return { height: entries.length === 0 ? 0 : 8 + (row + 1) * legendRow, entries: placed }
}

function writeStylesIn(original: Element, copy: Element): void {
  const originals = [original, ...original.querySelectorAll('*')]
  const copies = [copy, ...copy.querySelectorAll('*')]
  for (const [index, element] of originals.entries()) {
    const target = copies[index]
    if (target === undefined) continue
    const style = getComputedStyle(element)
    target.removeAttribute('class')
    target.removeAttribute('style')
    target.removeAttribute('tabindex')
    for (const property of carried) {
      const value = style.getPropertyValue(property)
      if (value !== '') target.setAttribute(property, value.replaceAll('"', "'"))
    }
    // A chip under the pointer fades the others on the page, not in the picture.
    if (element.classList.contains('qs-fade')) target.setAttribute('opacity', '1')
  }
}

/** The nearest opaque background behind an element. */
function backgroundOf(element: Element): string {
  for (let at: Element | null = element; at !== null; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor
    if (colour !== '' && colour !== 'transparent' && !/,\s*0\)$/.test(colour)) return colour
  }
  return 'white'
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** PNG of a picture at `scale` pixels per CSS pixel. Throws when the browser refuses the canvas. */
export async function rasterize(picture: Picture, scale: number): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([picture.svg], { type: 'image/svg+xml' }))
  try {
    const image = new Image()
    image.src = address
    await image.decode()
    const canvas = document.createElement('canvas')
    canvas.width = picture.width * scale
    canvas.height = picture.height * scale
    const context = canvas.getContext('2d')
    if (context === null) throw new Error('This browser gives no 2D canvas.')
    context.drawImage(image, 0, 0, canvas.width, canvas.height)
    return await new Promise<Blob>((resolve, reject) => {
      canvas.toBlob((blob) => {
        if (blob === null) reject(new Error('The chart is too large for a PNG.'))
        else resolve(blob)
      }, 'image/png')
    })
  } finally {
    URL.revokeObjectURL(address)
  }
}

/** Offers a blob as a download. */
export function saveBlob(blob: Blob, fileName: string): void {
  const address = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = address
  link.download = fileName
  link.click()
  // The download has taken its own reference once the click was handled.
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}

/** `TinyLlama-1.1B_size-against-quality.png`. */
export function pictureFileName(model: string, title: string, extension: string): string {
  const part = (text: string): string =>
    text
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 60)
  return `${[part(model), part(title).toLowerCase()].filter((piece) => piece !== '').join('_')}.${extension}`
}
