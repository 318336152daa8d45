import { operatorKinds } from '../../formats/tflite/schema.ts'
import { arenaBytes } from './arena.ts'
import type { BuiltGraph } from './graph-builder.ts'

/** Bytes of a model on a line of C. */
const bytesALine = 16
/** "0x00,": every byte takes as many characters, so that the file's size is known before its first byte. */
const byteCharacters = 5
const newline = 10

const dataStart = `#include "model_data.h"

alignas(16) const unsigned char g_model_data[] = {
`
const dataEnd = (sizeBytes: number): string => `};
const unsigned int g_model_data_len = ${sizeBytes};
`

/** Declares the model's bytes. */
export const dataHeader = `#ifndef MODEL_DATA_H_
#define MODEL_DATA_H_

// model.tflite as it is; aligned, so that it runs from flash in place.
extern const unsigned char g_model_data[];
extern const unsigned int g_model_data_len;

#endif  // MODEL_DATA_H_
`

/** What a program needs beside the model: its operators, an arena, and the sizes of input and output. */
export function settingsHeader(graph: BuiltGraph): string {
  const names = [...new Set(graph.operators.map(({ kind }) => operatorKinds[kind].micro))].sort((a, b) => a.localeCompare(b))
  const [tokens = 0] = graph.tensors[graph.inputs[0] ?? 0]?.shape ?? []
  const vocabulary = graph.tensors[graph.outputs[0] ?? 0]?.shape.at(-1) ?? 0
  const calls = names.map((name) => `  TF_LITE_ENSURE_STATUS(resolver.${name}());`)
  return `#ifndef MODEL_SETTINGS_H_
#define MODEL_SETTINGS_H_

#include <cstddef>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

// Input: int32 ids [kSequenceLength]. Output: float logits [kSequenceLength, kVocabularySize]; row i follows token i.
constexpr int kSequenceLength = ${tokens};
constexpr int kVocabularySize = ${vocabulary};

// From above; interpreter.arena_used_bytes() says what is used.
constexpr std::size_t kTensorArenaBytes = ${arenaBytes(graph)};

constexpr int kOperatorCount = ${names.length};

inline TfLiteStatus RegisterModelOperators(tflite::MicroMutableOpResolver<kOperatorCount>& resolver) {
${calls.join('\n')}
  return kTfLiteOk;
}

#endif  // MODEL_SETTINGS_H_
`
}

/** Characters of the source that holds so many bytes. */
export function dataSourceBytes(sizeBytes: number): number {
  return dataStart.length + byteCharacters * sizeBytes + Math.ceil(sizeBytes / bytesALine) + dataEnd(sizeBytes).length
}

/** The model's bytes as an array in C. */
export async function* dataSource(
  model: AsyncIterable<Uint8Array<ArrayBuffer>>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder()
  const words = Array.from({ length: 256 }, (_, byte) => encoder.encode(`0x${byte.toString(16).padStart(2, '0')},`))
  yield encoder.encode(dataStart)
  let done = 0
  for await (const piece of model) {
    for (let start = 0; start < piece.length; start += textStep) {
      const part = piece.subarray(start, start + textStep)
      const text = new Uint8Array(part.length * (byteCharacters + 1))
      let at = 0
      for (const byte of part) {
        text.set(words[byte] ?? [], at)
        at += byteCharacters
        done++
        if (done % bytesALine === 0 || done === sizeBytes) text[at++] = newline
      }
      yield text.slice(0, at)
    }
  }
  yield encoder.encode(dataEnd(sizeBytes))
}

/** Bytes of the model turned into text at a time. */
const textStep = 1024 * 1024

/** The bytes that an array in C spells, read by its text alone; `null` where it is none of `dataSource`'s form. */
export function parseDataSource(text: Uint8Array, sizeBytes: number): Uint8Array<ArrayBuffer> | null {
  const decoder = new TextDecoder()
  const bodyEnd = text.length - dataEnd(sizeBytes).length
  if (decoder.decode(text.subarray(0, dataStart.length)) !== dataStart) return null
  if (decoder.decode(text.subarray(bodyEnd)) !== dataEnd(sizeBytes)) return null
  const bytes = new Uint8Array(sizeBytes)
  let at = dataStart.length
  for (let index = 0; index < sizeBytes; index++) {
    const word = decoder.decode(text.subarray(at, at + byteCharacters))
    if (!/^0x[0-9a-f]{2},$/.test(word)) return null
    bytes[index] = Number.parseInt(word.slice(2, 4), 16)
    at += byteCharacters
    // Lines end after 16 bytes, the last one where the bytes end.
    if (((index + 1) % bytesALine === 0 || index + 1 === sizeBytes) && text[at++] !== newline) return null
  }
  return at === bodyEnd ? bytes : null
}
