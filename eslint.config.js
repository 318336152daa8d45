import { defineConfig } from 'eslint/config'
import reactHooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

const numericRooms = ['src/kernels/**/*.ts', 'src/quantization/**/*.ts']
const offsetRooms = ['src/io/**/*.ts', 'src/formats/**/*.ts', 'src/export/**/*.ts']
/** Codes and fields within bytes and words, never offsets of files: the formats are defined on them. */
const bitFiles = [
  'src/export/**/{packing,unpacking}.ts',
  'src/export/**/same-*.ts',
  'src/export/{block-codes,code-rows}.ts',
  'src/export/matrix-parts.test.ts',
  'src/export/onnx/code-matrix.ts',
]
const noIdLiterals = {
  selector:
    "BinaryExpression[operator=/^[!=]==$/][left.property.name='id'][right.type='Literal'], SwitchStatement[discriminant.property.name='id']",
  message: 'Never branch on a plug-in id. Add a declared capability to the plug-in and ask that.',
}
const noMathRound = {
  selector: "MemberExpression[object.name='Math'][property.name='round']",
  message: 'Math.round rounds halves towards +infinity. Use roundHalfEven or roundHalfAway from core/rounding.ts, as the format says.',
}
const noBitOps = {
  selector: 'BinaryExpression[operator=/^(\\||&|\\^|<<|>>|>>>)$/]',
  message: 'Bit operators truncate to 32 bits; offsets pass 2 GiB. Use arithmetic from core/align.ts.',
}

export default defineConfig(
  {
    ignores: [
      'dist/**',
      'src/kernels/*/assembly/**',
      'src/kernels/*/build/**',
      'dist-headless/**',
      'public/**',
      '**/*.mjs',
      '*.config.ts',
      '.dependency-cruiser.cjs',
      'eslint.config.js',
    ],
  },
  {
    files: ['src/**/*.{ts,tsx}', 'workers/**/*.ts', 'e2e/**/*.ts', 'bench/**/*.ts', 'scripts/{interop,quality}/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.app.json', './tsconfig.worker.json', './tsconfig.test.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { 'react-hooks': reactHooks },
    rules: {
      ...reactHooks.configs.recommended.rules,
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/require-await': 'off', // rpc methods are async by contract
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/max-params': ['error', { max: 4 }],
      'no-console': 'error',
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', noIdLiterals],
    },
  },
  { files: numericRooms, rules: { 'no-restricted-syntax': ['error', noIdLiterals, noMathRound] } },
  { files: offsetRooms, rules: { 'no-restricted-syntax': ['error', noIdLiterals, noBitOps] } },
  { files: bitFiles, rules: { 'no-restricted-syntax': ['error', noIdLiterals] } },
)
