import { fileEnding, type Guide, shell } from '../guide.ts'

/** int8 QDQ: TensorRT on a Jetson, ONNX Runtime elsewhere. */
const tensorrt: Guide = {
  targets: ['onnx-qdq'],
  firstCommand: ({ files }) => `trtexec --onnx=${fileEnding(files, '.onnx')} --int8 --fp16 --saveEngine=model.plan`,
  steps: (scene) =>
    `## TensorRT\n\n${shell(
      tensorrt.firstCommand(scene),
    )}\n\nThe scales are in the graph, so TensorRT calibrates nothing. An older graph without them takes the calibration cache beside it: \`--calib=calibration.cache\`. An engine runs on the board that built it.\n\n## ONNX Runtime\n\n${shell(
      'pip install onnxruntime-gpu',
      `python -c "import onnxruntime as ort; print(ort.InferenceSession('${fileEnding(scene.files, '.onnx')}', providers=['TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider']).get_providers())"`,
    )}`,
  files: () => [],
}

export default tensorrt
