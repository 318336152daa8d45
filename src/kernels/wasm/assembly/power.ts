// Powers of four f32 >= 0, step for step as ../../reference/power.ts, which says how they work.

@inline
function inverseFifthRoot(x: v128): v128 {
  const scaled = f32x4.mul(f32x4.convert_i32x4_s(x), f32x4.splat(0.2))
  return i32x4.sub(i32x4.splat(1277923859), i32x4.trunc_sat_f32x4_s(scaled))
}

@inline
function residual(xy: v128, y: v128): v128 {
  const square = f32x4.mul(y, y)
  return f32x4.sub(f32x4.splat(1), f32x4.mul(xy, f32x4.mul(square, square)))
}

@inline
function cubic(e: v128, c3: f32, c2: f32, c1: f32, c0: f32): v128 {
  let p = f32x4.add(f32x4.mul(f32x4.splat(c3), e), f32x4.splat(c2))
  p = f32x4.add(f32x4.mul(p, e), f32x4.splat(c1))
  return f32x4.add(f32x4.mul(p, e), f32x4.splat(c0))
}

@inline
export function raiseTo2p4(x: v128): v128 {
  const y = inverseFifthRoot(x)
  const xy = f32x4.mul(x, y)
  const p = cubic(residual(xy, y), 0.413699, 0.48907313, 0.60010436, 0.9999727)
  return f32x4.mul(f32x4.mul(f32x4.mul(xy, xy), xy), p)
}

@inline
export function raiseToMinus0p3(x: v128): v128 {
  const y = inverseFifthRoot(x)
  const p = cubic(residual(f32x4.mul(x, y), y), 0.14856223, 0.19798518, 0.3000349, 0.999991)
  return f32x4.mul(f32x4.mul(y, f32x4.sqrt(y)), p)
}
