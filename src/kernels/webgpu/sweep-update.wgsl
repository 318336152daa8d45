// Takes the errors of a block off the positions after it: W[:, end + j] -= SUM_m E[m] U[m][end + j]. Every element is one thread's
// sum in the order of m, each product rounded before it is added, and one subtraction: the order of the reference. A workgroup
// makes a tile of 64 rows and 64 positions, a thread 4 x 4 of it. After exact.wgsl, exact-division.wgsl, ordinary.wgsl
// and sweep-call.wgsl.

// [rows, columns]
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
// [count][rows]
@group(0) @binding(4) var<storage, read> errors: array<f32>;
@group(0) @binding(5) var<storage, read_write> uncertain: atomic<u32>;

const tile = 64u;
const depth = 16u;

var<workgroup> left: array<vec4f, 256>;
var<workgroup> right: array<vec4f, 256>;

fn fourErrors(m: u32, row: u32) -> vec4f {
  var four = vec4f(0.0);
  for (var i = 0u; i < 4u; i++) {
    if (m < call.count && row + i < call.rows) {
      four[i] = errors[m * call.rows + row + i];
    }
  }
  return four;
}

fn subtractFour(row: u32, position: u32, four: vec4f) {
  for (var i = 0u; i < 4u; i++) {
    if (row < call.rows && position + i < call.columns) {
      let at = row * call.columns + places[position + i].x;
      let weight = weights[at];
      if (call.first == 0u) {
        requireWeight(weight);
      }
      weights[at] = weight - four[i];
    }
  }
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) thread: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let firstRow = group.y * tile;
  let firstPosition = call.first + call.count + group.x * tile;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var m = 0u; m < call.count; m += depth) {
    workgroupBarrier();
    left[index] = fourErrors(m + index / 16u, firstRow + 4u * (index % 16u));
    right[index] = fourOfFactor(m + index / 16u, firstPosition + 4u * (index % 16u));
    workgroupBarrier();
    for (var k = 0u; k < depth; k++) {
      let e = left[k * 16u + thread.y];
      let u = right[k * 16u + thread.x];
      sum0 += alone4(e.x * u);
      sum1 += alone4(e.y * u);
      sum2 += alone4(e.z * u);
      sum3 += alone4(e.w * u);
    }
  }
  let row = firstRow + 4u * thread.y;
  let position = firstPosition + 4u * thread.x;
  subtractFour(row, position, sum0);
  subtractFour(row + 1u, position, sum1);
  subtractFour(row + 2u, position, sum2);
  subtractFour(row + 3u, position, sum3);
  if (isUncertain) {
    atomicStore(&uncertain, 1u);
  }
}
