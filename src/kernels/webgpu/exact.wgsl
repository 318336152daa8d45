// Arithmetic that must give the same bits on every adapter. WGSL lets a compiler fuse a * b + c into one rounding; a product
// whose bits go through `^ call.zero`, which is 0 but not known to be, cannot be fused. Needs a uniform `call` with `zero`.

fn alone(value: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(value) ^ call.zero);
}

fn alone4(value: vec4f) -> vec4f {
  return bitcast<vec4f>(bitcast<vec4u>(value) ^ vec4u(call.zero));
}
