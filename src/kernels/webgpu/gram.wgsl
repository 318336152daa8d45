// Adds the upper triangle of X^T X to a band of rows of a Gram matrix. Every element is one thread's sum in token order, each
// product rounded before it is added, blocks of `tokenBlock` tokens from zero: the order of the reference, so the same bytes.
// A workgroup makes a tile of 64 x 64, a thread 4 x 4 of it; tiles below the diagonal end at once.

struct Call {
  tokens: u32,
  columns: u32,
  // Of the band; `firstRow` is a multiple of the tile.
  firstRow: u32,
  rows: u32,
  zero: u32,
}

@group(0) @binding(0) var<uniform> call: Call;
// [tokens, columns]
@group(0) @binding(1) var<storage, read> x: array<f32>;
// [rows, columns]
@group(0) @binding(2) var<storage, read_write> gram: array<f32>;

override tokenBlock: u32;

const tile = 64u;
const depth = 16u;

var<workgroup> left: array<vec4f, 256>;
var<workgroup> right: array<vec4f, 256>;

fn valueAt(token: u32, column: u32) -> f32 {
  if (token >= call.tokens || column >= call.columns) {
    return 0.0;
  }
  return x[token * call.columns + column];
}

fn fourAt(token: u32, column: u32) -> vec4f {
  return vec4f(valueAt(token, column), valueAt(token, column + 1u), valueAt(token, column + 2u), valueAt(token, column + 3u));
}

fn isInBand(row: u32, column: u32) -> bool {
  return row < call.firstRow + call.rows && column < call.columns && column >= row;
}

fn fourOfGram(row: u32, column: u32) -> vec4f {
  var four = vec4f(0.0);
  for (var i = 0u; i < 4u; i++) {
    if (isInBand(row, column + i)) {
      four[i] = gram[(row - call.firstRow) * call.columns + column + i];
    }
  }
  return four;
}

fn setFourOfGram(row: u32, column: u32, four: vec4f) {
  for (var i = 0u; i < 4u; i++) {
    if (isInBand(row, column + i)) {
      gram[(row - call.firstRow) * call.columns + column + i] = four[i];
    }
  }
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) thread: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let tileRow = call.firstRow + group.y * tile;
  let tileColumn = group.x * tile;
  if (tileColumn < tileRow) {
    return;
  }
  let row = tileRow + 4u * thread.y;
  let column = tileColumn + 4u * thread.x;
  var total0 = fourOfGram(row, column);
  var total1 = fourOfGram(row + 1u, column);
  var total2 = fourOfGram(row + 2u, column);
  var total3 = fourOfGram(row + 3u, column);
  for (var block = 0u; block < call.tokens; block += tokenBlock) {
    let blockEnd = min(block + tokenBlock, call.tokens);
    var sum0 = vec4f(0.0);
    var sum1 = vec4f(0.0);
    var sum2 = vec4f(0.0);
    var sum3 = vec4f(0.0);
    for (var token = block; token < blockEnd; token += depth) {
      workgroupBarrier();
      let loaded = token + index / 16u;
      left[index] = fourAt(loaded, tileRow + 4u * (index % 16u));
      right[index] = fourAt(loaded, tileColumn + 4u * (index % 16u));
      workgroupBarrier();
      for (var k = 0u; k < depth; k++) {
        let a = left[k * 16u + thread.y];
        let b = right[k * 16u + thread.x];
        sum0 += alone4(a.x * b);
        sum1 += alone4(a.y * b);
        sum2 += alone4(a.z * b);
        sum3 += alone4(a.w * b);
      }
    }
    total0 += sum0;
    total1 += sum1;
    total2 += sum2;
    total3 += sum3;
  }
  setFourOfGram(row, column, total0);
  setFourOfGram(row + 1u, column, total1);
  setFourOfGram(row + 2u, column, total2);
  setFourOfGram(row + 3u, column, total3);
}
