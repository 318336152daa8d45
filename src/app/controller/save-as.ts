/**
 * Browsers start a download from a link only; the address is released once they have taken it. Sent as bytes of no known kind, since
 * a browser adds `.txt` to a text without an ending (Modelfile, SHA256SUMS).
 */
export function saveAs(file: Blob, name: string): void {
  const url = URL.createObjectURL(new Blob([file], { type: 'application/octet-stream' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
