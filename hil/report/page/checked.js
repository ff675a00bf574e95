/* A doer and its checkers: the outputs of all frames in which bounds are judged. */

const CHECKED_HEAD = 5; // bytes of the head of such a frame: its number, and the mask of the nodes with an output here

/** Where the outputs of a frame are, by the number of the frame; null for a run without checkers. */
async function checkedOf(data) {
  if (!data.checked) return null;
  const { frames, rows, lengths, heads: packed, outputs } = data.checked;
  const byFrame = new Map();
  const next = [0, 0];
  for (const { number, nodes } of await headsOf(packed, CHECKED_HEAD, frames)) {
    const row = new Map();
    for (const node of nodes) row.set(node, next[node ? 1 : 0]++);
    byFrame.set(number, { row, isReleased: null });
  }
  if (next[0] !== rows[0] || next[1] !== rows[1]) throw new Error("the outputs of this page are damaged");
  const planes = [await planesOf(outputs[0], lengths[0] * rows[0]), await planesOf(outputs[1], lengths[1] * rows[1])];
  return { byFrame, planes, voted: 0 };
}

/** Let the voter of this page begin with the bounds of the run. */
function beginChecked(voter, data) {
  const { bounds: packed, lengths, votes, after_frames: after, delivers_reduced: reduced } = data.checked;
  const bounds = bytesOf(packed);
  if (bounds.length > voter.checked_bounds_capacity()) throw new Error("the bounds of this page are too many");
  new Uint8Array(voter.memory.buffer, voter.checked_bounds(), bounds.length).set(bounds);
  if (!voter.checked_begin(bounds.length, ...lengths, votes, after, reduced ? 1 : 0)) {
    throw new Error("the bounds of this page are damaged");
  }
}

/** The node with whose output that of another one is here: itself, or a checker with the same digest; none: -1. */
function sourceOf(data, own, frame, node) {
  if (own.row.has(node)) return node;
  const at = (other) => HEADER + NODE * other + 2;
  const isAlike = (other) => other && same(frame.subarray(at(other)), frame.subarray(at(node)), 0, 8);
  return node ? ([...own.row.keys()].find(isAlike) ?? -1) : -1;
}

/** Give the voter the outputs of the next frame. Returns what is wrong with them. */
function checkedAgain(voter, data, checked, number, frame) {
  const own = checked.byFrame.get(number);
  let [differs, mask] = ["", 0];
  for (let node = 0; own && node < data.names.length; node++) {
    const from = HEADER + NODE * node;
    const source = frame[from] === 0 ? sourceOf(data, own, frame, node) : -1;
    if (source < 0) continue;
    const kind = node ? 1 : 0;
    const [length, rows, planes] = [data.checked.lengths[kind], data.checked.rows[kind], checked.planes[kind]];
    const output = new Uint8Array(voter.memory.buffer, voter.checked_output(node), length);
    for (let byte = 0; byte < length; byte++) output[byte] = planes[byte * rows + own.row.get(source)];
    mask |= 1 << node;
    const half = (at) => new DataView(frame.buffer, frame.byteOffset + at, 4).getUint32(0, true);
    const isOwn = half(from + 2) === voter.checked_digest(node, 0) >>> 0 && half(from + 6) === voter.checked_digest(node, 1) >>> 0;
    if (!isOwn) differs ||= `frame ${shown(number)}: the output of ${data.names[node]} is not that of its digest`;
  }
  voter.checked_known(mask);
  return differs;
}
