// Four codes of one word each to the bytes of one word.

struct Call {
  count: u32,
}

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> bytes: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) thread: vec3u) {
  let first = 4u * thread.x;
  if (first >= call.count) {
    return;
  }
  var word = 0u;
  for (var i = 0u; i < 4u && first + i < call.count; i++) {
    word |= codes[first + i] << (8u * i);
  }
  bytes[thread.x] = word;
}
