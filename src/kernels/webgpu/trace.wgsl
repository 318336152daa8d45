// Parts of trace(D G D^T) for a band of rows of G, given by its upper triangle: SUM_r SUM_i d_ri (G_ii d_ri + 2 SUM_{j>i} G_ij d_rj).
// A workgroup takes 64 rows of D and 64 rows of G and leaves one number, which the host adds up in f64. Sums over j are cut into
// pieces of 128 so that f32 loses no more than it does in WASM.

struct Call {
  deltaRows: u32,
  columns: u32,
  // Of the band; `firstRow` is a multiple of the tile.
  firstRow: u32,
  rows: u32,
}

@group(0) @binding(0) var<uniform> call: Call;
// [deltaRows, columns]
@group(0) @binding(1) var<storage, read> delta: array<f32>;
// [rows, columns]
@group(0) @binding(2) var<storage, read> gram: array<f32>;
// A number for each workgroup.
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;

const tile = 64u;
const depth = 16u;
const piece = 128u;

var<workgroup> left: array<vec4f, 256>;
var<workgroup> right: array<vec4f, 256>;
var<workgroup> reduced: array<f32, 256>;

fn deltaAt(row: u32, column: u32) -> f32 {
  if (row >= call.deltaRows || column >= call.columns) {
    return 0.0;
  }
  return delta[row * call.columns + column];
}

// 2 G above the diagonal, G on it, 0 below.
fn gramAt(row: u32, column: u32) -> f32 {
  if (row >= call.firstRow + call.rows || column >= call.columns || column < row) {
    return 0.0;
  }
  let value = gram[(row - call.firstRow) * call.columns + column];
  return select(2.0 * value, value, row == column);
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) thread: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let firstDelta = group.y * tile;
  let firstGram = call.firstRow + group.x * tile;
  var total0 = vec4f(0.0);
  var total1 = vec4f(0.0);
  var total2 = vec4f(0.0);
  var total3 = vec4f(0.0);
  // Columns before the tile's own lie below the diagonal.
  for (var start = firstGram; start < call.columns; start += piece) {
    let end = min(start + piece, call.columns);
    var sum0 = vec4f(0.0);
    var sum1 = vec4f(0.0);
    var sum2 = vec4f(0.0);
    var sum3 = vec4f(0.0);
    for (var column = start; column < end; column += depth) {
      workgroupBarrier();
      // Sixteen neighbouring threads read sixteen neighbouring columns.
      let k = index % 16u;
      let quad = index / 16u;
      let d = firstDelta + 4u * quad;
      let g = firstGram + 4u * quad;
      left[k * 16u + quad] = vec4f(deltaAt(d, column + k), deltaAt(d + 1u, column + k), deltaAt(d + 2u, column + k), deltaAt(d + 3u, column + k));
      right[k * 16u + quad] = vec4f(gramAt(g, column + k), gramAt(g + 1u, column + k), gramAt(g + 2u, column + k), gramAt(g + 3u, column + k));
      workgroupBarrier();
      for (var i = 0u; i < depth; i++) {
        let a = left[i * 16u + thread.y];
        let b = right[i * 16u + thread.x];
        sum0 += a.x * b;
        sum1 += a.y * b;
        sum2 += a.z * b;
        sum3 += a.w * b;
      }
    }
    total0 += sum0;
    total1 += sum1;
    total2 += sum2;
    total3 += sum3;
  }
  let row = firstDelta + 4u * thread.y;
  let column = firstGram + 4u * thread.x;
  reduced[index] = dot(total0, fourOfDelta(row, column)) + dot(total1, fourOfDelta(row + 1u, column))
    + dot(total2, fourOfDelta(row + 2u, column)) + dot(total3, fourOfDelta(row + 3u, column));
  for (var step = 128u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (index < step) {
      reduced[index] += reduced[index + step];
    }
  }
  if (index == 0u) {
    parts[group.y * groups.x + group.x] = reduced[0];
  }
}

fn fourOfDelta(row: u32, column: u32) -> vec4f {
  return vec4f(deltaAt(row, column), deltaAt(row, column + 1u), deltaAt(row, column + 2u), deltaAt(row, column + 3u));
}
