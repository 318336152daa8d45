// What both shaders of a sweep are told, and the rows of U that both read. After ordinary.wgsl.

struct Call {
  rows: u32,
  columns: u32,
  zero: u32,
  // The block: positions [first, first + count), at most 128.
  first: u32,
  count: u32,
  // First position of the rows of U at hand.
  firstUpper: u32,
  // From here on of sweep.wgsl alone.
  groups: u32,
  // 0 fit, 1 uniform, 2 levels.
  kind: u32,
  // Of `fit`.
  isSymmetric: u32,
  // Levels in a table, and between the tables of two groups: 0 when all share one.
  levelCount: u32,
  tableStride: u32,
  // Of `fit` and `uniform`.
  largestCode: f32,
}

@group(0) @binding(0) var<uniform> call: Call;
// Rows of U from `firstUpper` on, [rows, columns]; the block's are among them.
@group(0) @binding(2) var<storage, read> upper: array<f32>;
// Column and group of each position.
@group(0) @binding(3) var<storage, read> places: array<vec2u>;

// U[m][position .. position + 4) of a position m of the block; 0 beyond the block and the row.
fn fourOfFactor(m: u32, position: u32) -> vec4f {
  var four = vec4f(0.0);
  for (var i = 0u; i < 4u; i++) {
    if (m < call.count && position + i < call.columns) {
      four[i] = upper[(call.first - call.firstUpper + m) * call.columns + position + i];
      requireTerm(four[i]);
    }
  }
  return four;
}
