/** The layering rule of the studio. A room may import its own files and the rooms listed for it, nothing else. */
const rooms = ['core', 'io', 'kernels', 'models', 'devices', 'formats', 'checkpoint', 'runtime', 'quantization', 'calibration', 'evaluation', 'export', 'pipeline', 'testdrive', 'rpc', 'state', 'ui', 'app', 'headless', 'testing'];
const mayImport = {
  core: [],
  io: ['core'],
  kernels: ['core'],
  models: ['core'],
  devices: ['core', 'models'],
  formats: ['core', 'io'],
  checkpoint: ['core', 'io', 'formats', 'kernels', 'models'],
  runtime: ['core', 'io', 'formats', 'kernels', 'models'],
  quantization: ['core', 'kernels', 'models'],
  calibration: ['core', 'kernels', 'models', 'runtime'],
  evaluation: ['core', 'kernels', 'models', 'runtime'],
  export: ['core', 'io', 'kernels', 'formats', 'models', 'devices', 'checkpoint', 'quantization'],
  pipeline: ['core', 'io', 'kernels', 'models', 'formats', 'checkpoint', 'runtime', 'quantization', 'calibration', 'evaluation', 'export'],
  testdrive: ['core'],
  rpc: ['core'],
  state: ['core', 'rpc'],
  ui: ['core', 'state', 'devices'],
  app: ['core', 'rpc', 'state', 'ui'],
  headless: rooms.filter((r) => !['state', 'ui', 'app', 'testing'].includes(r)),
  testing: rooms.filter((r) => !['state', 'ui', 'app'].includes(r)),
};
/** Rooms whose *types* may be known on the main thread although their code runs in workers. */
const mayKnowTypesOf = {
  pipeline: ['rpc'],
  rpc: ['models', 'quantization', 'evaluation', 'export', 'pipeline', 'testdrive'],
  state: ['models', 'quantization', 'evaluation', 'export', 'pipeline', 'testdrive'],
  ui: ['models', 'quantization', 'evaluation', 'export', 'pipeline', 'rpc', 'testdrive'],
  app: ['models', 'quantization', 'evaluation', 'export', 'pipeline', 'testdrive'],
};
const inRoom = (r) => `^src/${r}/`;
const TESTS = '\\.(test|bench)\\.tsx?$';
const layers = rooms.flatMap((r) => {
  const types = mayKnowTypesOf[r] ?? [];
  const closed = rooms.filter((x) => x !== r && !mayImport[r].includes(x) && !types.includes(x));
  const from = { path: inRoom(r), pathNot: TESTS };
  return [
    closed.length && { name: `${r}-layer`, severity: 'error', comment: `src/${r} may import ${[r, ...mayImport[r]].join(', ')}`, from, to: { path: closed.map(inRoom) } },
    types.length && { name: `${r}-types-only`, severity: 'error', comment: 'that code runs in a worker; import its types, not its code', from, to: { path: types.map(inRoom), dependencyTypesNot: ['type-only'] } },
  ].filter(Boolean);
});
module.exports = {
  forbidden: [
    ...layers,
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: ['^vite/client$', '\\?url$'] } },
    { name: 'backends-are-anonymous', severity: 'error', comment: 'only workers/, headless/, tests, the conformance suite and the values of blocks name a concrete backend', from: { path: '^src/', pathNot: ['^src/kernels/((reference|wasm|webgpu|conformance)/|ggml-values.ts)', '^src/(testing|headless)/', TESTS] }, to: { path: '^src/kernels/(reference|wasm|webgpu)/' } },
    { name: 'backends-are-strangers', severity: 'error', from: { path: '^src/kernels/(reference|wasm|webgpu)/' }, to: { path: '^src/kernels/(reference|wasm|webgpu)/', pathNot: '^src/kernels/$1/' } },
    { name: 'plugins-are-strangers', severity: 'error', comment: 'one method, target or family never imports another; share through the room', from: { path: '^src/(quantization/(transforms|grids|rounding|allocation|encodings)|export/targets|checkpoint/source-formats|models/families)/', pathNot: TESTS }, to: { path: '^src/(quantization/(transforms|grids|rounding|allocation|encodings)|export/targets|checkpoint/source-formats|models/families)/' } },
    { name: 'workers-are-reached-by-url', severity: 'error', from: { path: '^(src|e2e)/' }, to: { path: '^workers/' } },
    { name: 'workers-are-headless', severity: 'error', from: { path: '^workers/' }, to: { path: ['^src/(ui|state|app)/', '^node_modules/(react|react-dom|zustand|recharts)/'] } },
    { name: 'react-stays-in-ui', severity: 'error', from: { path: '^(src|workers)/', pathNot: '^src/(ui|app)/' }, to: { path: '^node_modules/(react|react-dom|recharts)/' } },
    { name: 'engines-stay-in-runtime', severity: 'error', comment: 'ONNX Runtime, transformers.js, tokenizers and Jinja are adapters, not a foundation; a test drive is in the runtime itself', from: { path: '^(src|workers)/', pathNot: '^src/(runtime/engines|testdrive/runtimes)/' }, to: { path: '^node_modules/(onnxruntime-(node|web)|@huggingface/(transformers|tokenizers|jinja))/' } },
    { name: 'comlink-stays-in-rpc', severity: 'error', from: { path: '^src/', pathNot: '^src/(rpc|app)/' }, to: { path: '^node_modules/comlink/' } },
    { name: 'no-test-code-in-product', severity: 'error', from: { path: '^(src|workers)/', pathNot: [TESTS, '^src/testing/', '^src/kernels/conformance/'] }, to: { path: '^src/(testing|kernels/conformance)/' } },
  ],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' }, enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] }, doNotFollow: { path: 'node_modules' } },
};
