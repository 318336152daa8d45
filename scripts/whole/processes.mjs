// Processes as Linux describes them in /proc: resident memory and processor time.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

let ticks = 0

/** Resident bytes of a process, now and at most so far; see proc_pid_status(5). Throws for one that has ended. */
export function memoryOf(id) {
  const status = readFileSync(`/proc/${id}/status`, 'utf8')
  const bytesOf = (field) => 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
  const [now, peak] = [bytesOf('VmRSS'), bytesOf('VmHWM')]
  if (Number.isNaN(now)) throw new Error(`process ${id} has ended`)
  // The kernel notes a high-water mark on some paths only, so what is seen counts as well.
  return { now, peak: Math.max(now, peak) }
}

/** User and system seconds of all threads so far; see proc_pid_stat(5). */
export function processorSecondsOf(id) {
  ticks ||= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticks
}

/** Every process below the one whose command line contains `mark`, itself included: `{ id, command }`. */
export function processesBelow(mark) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((id) => {
      try {
        const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]
        return [{ id, parent, command: readFileSync(`/proc/${id}/cmdline`, 'utf8') }]
      } catch {
        return [] // ended between the two reads
      }
    })
  const top = all.find(({ command }) => command.includes(mark) && !command.includes('--type='))
  const isBelow = ({ id, parent }) => id === top?.id || all.some((one) => one.id === parent && isBelow(one))
  return all.filter(isBelow)
}

/** Samples `read` while `work` goes on and returns the largest value of each field of what it gave. */
export async function largestWhile(work, read, everyMs) {
  const largest = {}
  const sample = () => {
    try {
      for (const [name, value] of Object.entries(read())) largest[name] = Math.max(largest[name] ?? 0, value)
    } catch {
      // The process has ended.
    }
  }
  sample()
  const timer = setInterval(sample, everyMs)
  try {
    return { value: await work, largest }
  } finally {
    clearInterval(timer)
  }
}
