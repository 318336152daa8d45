// AssemblyScript has neither closures nor macros, so the unrolled inner loop of the matrix product is written by this script.

const rows = 4
const unroll = 4
const range = (count) => [...Array(count).keys()]
const each = (count, line) => range(count).map(line).join('\n')

/** One step of k: `rows` values of a against one panel row of 8 columns of b. */
const step = (u) => `
      x = v128.load(b, ${u * 32})
      y = v128.load(b, ${u * 32 + 16})
${each(
  rows,
  (r) => `      v = v128.load32_splat(a, ${u * 32 + r * 4})
      p${r} = f32x4.add(p${r}, f32x4.mul(v, x))
      q${r} = f32x4.add(q${r}, f32x4.mul(v, y))`,
)}`

const kernel = (name, purpose, store) => `
/** ${purpose} */
export function ${name}(a0: usize, b0: usize, depth: i32, c0: usize, stride: usize): void {
  for (let half: usize = 0; half < 8; half += ${rows}) {
    let a = a0 + (half << 2)
    let b = b0
    const zero = f32x4.splat(0)
    let x = zero
    let y = zero
    let v = zero
${each(rows, (r) => `    let p${r} = zero\n    let q${r} = zero`)}
    for (const end = b0 + (<usize>depth << 5); b < end; a += ${unroll * 32}, b += ${unroll * 32}) {${each(unroll, step)}
    }
    let c = c0 + half * stride
${each(rows, (r) => `${store(r)}\n    c += stride`)}
  }
}
`

export const source = `// Written by tile.template.mjs; change that.
// C[8][8] from A[depth][8]^T B[depth][8]: panels of 8 columns, each sum taken in order of k from zero. depth % ${unroll} == 0.
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
