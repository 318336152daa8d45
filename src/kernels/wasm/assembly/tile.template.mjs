// AssemblyScript has neither closures nor macros, so the inner loop of the matrix product is written by this script.

const rows = 4
const range = (count) => [...Array(count).keys()]
const each = (line) => range(rows).map(line).join('\n')

/** Not unrolled over k: V8 moves the loads of an unrolled loop to its front and has to spill them, at two thirds of the speed. */
const kernel = (name, purpose, store) => `
/** ${purpose} */
export function ${name}(a0: usize, b0: usize, depth: i32, c0: usize, stride: usize): void {
  for (let half: usize = 0; half < 8; half += ${rows}) {
    let a = a0 + (half << 2)
    const zero = f32x4.splat(0)
${each((r) => `    let p${r} = zero\n    let q${r} = zero`)}
    for (let b = b0, end = b0 + (<usize>depth << 5); b < end; a += 32, b += 32) {
      const x = v128.load(b)
      const y = v128.load(b, 16)
      let v = zero
${each(
  (r) => `      v = v128.load32_splat(a, ${r * 4})
      p${r} = f32x4.add(p${r}, f32x4.mul(v, x))
      q${r} = f32x4.add(q${r}, f32x4.mul(v, y))`,
)}
    }
    let c = c0 + half * stride
${each((r) => `${store(r)}\n    c += stride`)}
  }
}
`

export const source = `// Written by tile.template.mjs; change that.
// C[8][8] from A[depth][8]^T B[depth][8]: panels of 8 columns, each sum taken in order of k from zero.
${kernel(
  'addTile',
  'Adds the product to the 8 x 8 tile at c0, whose rows are `stride` bytes apart.',
  (r) => `    v128.store(c, f32x4.add(v128.load(c), p${r}))\n    v128.store(c, f32x4.add(v128.load(c, 16), q${r}), 16)`,
)}${kernel(
  'storeTile',
  'Stores the product as the 8 x 8 tile at c0, whose rows are `stride` bytes apart.',
  (r) => `    v128.store(c, p${r})\n    v128.store(c, q${r}, 16)`,
)}${kernel(
  'subtractTile',
  'Subtracts the product from the 8 x 8 tile at c0, whose rows are `stride` bytes apart.',
  (r) => `    v128.store(c, f32x4.sub(v128.load(c), p${r}))\n    v128.store(c, f32x4.sub(v128.load(c, 16), q${r}), 16)`,
)}`
