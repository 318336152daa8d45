import { Button } from '@mantine/core'
import { useRef } from 'react'
import { useActions } from '../../actions.ts'
import { filesOfList } from '../../frame/drop-target.ts'

/** Hidden file inputs behind real buttons: the only way to a picker that every browser has. */
export function usePickers() {
  const { openFiles } = useActions()
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)
  const take = (input: HTMLInputElement): void => {
    const picked = filesOfList(input.files ?? [])
    input.value = ''
    if (picked.length > 0) void openFiles(picked)
  }
  const inputs = (
    <>
      <input ref={files} type="file" multiple hidden data-picker="files" onChange={({ currentTarget }) => take(currentTarget)} />
      <input
        ref={(element) => {
          // Not among React's attributes; every engine has it.
          element?.setAttribute('webkitdirectory', '')
          folder.current = element
        }}
        type="file"
        multiple
        hidden
        data-picker="folder"
        onChange={({ currentTarget }) => take(currentTarget)}
      />
    </>
  )
  return { inputs, pickFiles: () => files.current?.click(), pickFolder: () => folder.current?.click() }
}

export function DropCard() {
  const { inputs, pickFiles, pickFolder } = usePickers()
  return (
    <section className="qs-drop" aria-labelledby="drop-title">
      <svg viewBox="0 0 40 40" aria-hidden="true">
        <path d="M20 6v20M12.5 18.5 20 26l7.5-7.5" />
        <path d="M6 26v6a2 2 0 0 0 2 2h24a2 2 0 0 0 2-2v-6" />
      </svg>
      <div>
        <h2 id="drop-title">Drop a model folder here</h2>
        <p className="qs-muted">
          config.json, tokenizer.json and the .safetensors files, in one piece or in shards; or a .gguf file. Only the headers are read at
          first.
        </p>
        <div className="qs-row">
          <Button onClick={pickFiles}>Choose files</Button>
          <Button onClick={pickFolder}>Choose folder</Button>
        </div>
        {inputs}
      </div>
    </section>
  )
}
