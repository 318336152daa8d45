import { blockCases } from '../../testing/block-cases.ts'
import { describeEngine } from '../../testing/engine-suite.ts'
import { createOnnxEngine } from './onnxruntime.ts'

describeEngine('ONNX Runtime, WASM in the page', () => createOnnxEngine({ backend: 'wasm', threads: 2 }), { tolerance: 2e-5 })

// The shapes whose graphs differ; compiling shaders for each takes seconds in a software adapter.
const differing = blockCases.filter(({ name }) => /biases|in parts/.test(name))
describeEngine('ONNX Runtime, WebGPU', () => createOnnxEngine({ backend: 'webgpu', threads: 1 }), { tolerance: 5e-4, cases: differing })
