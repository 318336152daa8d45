import type { OnnxGraph } from '../../formats/onnx/model.ts'

/** JetPack 6.0. A reader compares these digits with its own version. */
const version = '8602'

/**
 * TensorRT's calibration cache (trtexec `--calib`): a line for each activation with the bits of its scale in f32, in hexadecimal.
 * Scales and names are those of the graph's `QuantizeLinear`.
 */
export function calibrationCache(graph: OnnxGraph): string {
  const scales = new Map(
    graph.initializers.flatMap((each) =>
      'data' in each && each.data instanceof Float32Array ? [[each.name, each.data[0] ?? 0] as const] : [],
    ),
  )
  const lines = graph.nodes.flatMap(({ op, inputs: [value = '', scale = ''] }) =>
    op === 'QuantizeLinear' ? [`${value}: ${hexadecimal(scales.get(scale) ?? 0)}`] : [],
  )
  return `TRT-${version}-EntropyCalibration2\n${lines.join('\n')}\n`
}

function hexadecimal(value: number): string {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value)
  return view.getUint32(0).toString(16).padStart(8, '0')
}
