import { fileEnding, type Guide, shell } from '../guide.ts'

/** llama2.c: one C file that runs anywhere, and its relatives on microcontrollers. */
const llama2c: Guide = {
  targets: ['llama2c'],
  firstCommand: ({ files }) => `./runq ${fileEnding(files, 'model.bin')} -z tokenizer.bin -t 0 -n 200 -i "Once upon a time"`,
  steps: (scene) =>
    `## Run\n\n${shell(
      'git clone --depth 1 https://github.com/karpathy/llama2.c',
      'gcc -O3 -o runq llama2.c/runq.c -lm',
      llama2c.firstCommand(scene),
    )}\n\nOn a microcontroller the model lies in flash or PSRAM and is read in place; a port of the runner for the board (for an ESP32-S3 there are several) reads the same two files.`,
  files: () => [],
}

export default llama2c
