/**
 * Powers in f32 steps that every backend repeats, bit for bit. With y close to x^(-1/5) and e = 1 - x y^5, x^(-1/5) is
 * y (1 - e)^(-1/5) exactly; a cubic through the last factor's power makes up for what y is off by (|e| < 0.17).
 */

const floatView = new Float32Array(1)
const bitView = new Int32Array(floatView.buffer)
const { fround } = Math

/** x^(-1/5) for x >= 0 within 4 %, by dividing the bits; finite at 0. */
function inverseFifthRoot(x: number): number {
  floatView[0] = x
  const [bits = 0] = bitView
  bitView[0] = 1277923859 - Math.trunc(fround(fround(bits) * fround(0.2)))
  const [y = 0] = floatView
  return y
}

function residual(x: number, y: number): number {
  const square = fround(y * y)
  return fround(1 - fround(fround(x * y) * fround(square * square)))
}

/** Coefficients from the cube down. */
function cubic(e: number, [c3, c2, c1, c0]: readonly [number, number, number, number]): number {
  return fround(fround(fround(fround(fround(fround(c3 * e) + c2) * e) + c1) * e) + c0)
}

const toMinusThreeFifths = [fround(0.413699), fround(0.48907313), fround(0.60010436), fround(0.9999727)] as const
const toMinusThreeTenths = [fround(0.14856223), fround(0.19798518), fround(0.3000349), fround(0.999991)] as const

/** x^2.4 for x >= 0 within 3e-5: x^3 times x^(-3/5). */
export function raiseTo2p4(x: number): number {
  const y = inverseFifthRoot(x)
  const xy = fround(x * y)
  return fround(fround(fround(xy * xy) * xy) * cubic(residual(x, y), toMinusThreeFifths))
}

/** x^(-0.3) for x >= 0 within 2e-5; large, not infinite, at 0. */
export function raiseToMinus0p3(x: number): number {
  const y = inverseFifthRoot(x)
  return fround(fround(y * fround(Math.sqrt(y))) * cubic(residual(x, y), toMinusThreeTenths))
}
