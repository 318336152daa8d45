import { useEffect, useRef, useState } from 'react'
import { useActions } from '../actions.ts'
import { filesOfDrop, isImatrixName } from './drop-target.ts'

/** The whole page accepts files and folders. Returns whether something is held over it. */
export function useDrop(): boolean {
  const { openFiles, takeImportance } = useActions()
  const [isOver, setOver] = useState(false)
  const depth = useRef(0)
  useEffect(() => {
    const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false
    const enter = (event: DragEvent): void => {
      if (!holdsFiles(event)) return
      event.preventDefault()
      depth.current += 1
      setOver(true)
    }
    const over = (event: DragEvent): void => {
      if (holdsFiles(event)) event.preventDefault()
    }
    const leave = (): void => {
      depth.current = Math.max(0, depth.current - 1)
      if (depth.current === 0) setOver(false)
    }
    const drop = (event: DragEvent): void => {
      if (event.dataTransfer === null || !holdsFiles(event)) return
      event.preventDefault()
      depth.current = 0
      setOver(false)
      void filesOfDrop(event.dataTransfer).then((files) => {
        const [first, ...more] = files
        if (first !== undefined && more.length === 0 && isImatrixName(first.path)) void takeImportance(first.file)
        else if (files.length > 0) void openFiles(files)
      })
    }
    addEventListener('dragenter', enter)
    addEventListener('dragover', over)
    addEventListener('dragleave', leave)
    addEventListener('drop', drop)
    return () => {
      removeEventListener('dragenter', enter)
      removeEventListener('dragover', over)
      removeEventListener('dragleave', leave)
      removeEventListener('drop', drop)
    }
  }, [openFiles, takeImportance])
  return isOver
}
