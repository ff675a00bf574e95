/* A voter by value: the outputs of the nodes in frames in which they were not all identical. */

const OUTPUTS_BYTES = 6; // of the head of such a frame: its number, the mask of the nodes, whether one was released
const PLACES = 8; // of outputs in the voter: of each node
const FLAGS = 11; // in a packed frame
const DELIVERED = 1; // one of them

/** Where the outputs of a frame are, by the number of the frame; null if the voter compares no values. */
async function valuesOf(data) {
  if (!data.values) return null;
  const { frames, rows, output_len: length } = data.values;
  const byFrame = new Map();
  let row = 0;
  for (const { number, mask, nodes, head } of await headsOf(data.values.heads, OUTPUTS_BYTES, frames)) {
    byFrame.set(number, { nodes, mask, isReleased: head[5] !== 0, row });
    row += nodes.length + head[5];
  }
  if (row !== rows) throw new Error("the outputs of this page are damaged");
  const values = { byFrame, rows, length, voted: 0, at: 0, planes: await planesOf(data.values.outputs, length * rows) };
  values.evidence = data.voters ? await planesOf(data.voters.evidence, data.voters.evidence_len) : new Uint8Array();
  return values;
}

/** Let the voter of this page begin with the rules of the run. */
function beginValues(voter, data) {
  const rules = bytesOf(data.values.rules);
  if (rules.length > voter.value_rules_capacity()) throw new Error("the rules of this page are too many");
  new Uint8Array(voter.memory.buffer, voter.value_rules(), rules.length).set(rules);
  if (!voter.value_begin(rules.length, data.values.output_len, data.values.ignore_states ? 1 : 0)) {
    throw new Error("the rules of this page are damaged");
  }
}

/** The output in one row of a frame, whose others are differences to the first. */
function outputAt(values, { row }, i) {
  const out = new Uint8Array(values.length);
  for (let byte = 0; byte < values.length; byte++) {
    const at = byte * values.rows + row;
    out[byte] = i ? values.planes[at] ^ values.planes[at + i] : values.planes[at];
  }
  return out;
}

/** Write an output to a place of the voter. Returns whether its digest is the one in the packed frame at `from`. */
function writeOutput(voter, values, place, output, frame, from) {
  new Uint8Array(voter.memory.buffer, voter.value_output(place), values.length).set(output);
  const half = (at) => new DataView(frame.buffer, frame.byteOffset + at, 4).getUint32(0, true);
  return half(from) === voter.value_digest(place, 0) >>> 0 && half(from + 4) === voter.value_digest(place, 1) >>> 0;
}

/** Give the voter the outputs of the next frame. Returns what is wrong with them. */
function outputsAgain(voter, data, values, number, frame) {
  if (data.checked) return checkedAgain(voter, data, values, number, frame);
  const own = values.byFrame.get(number);
  let differs = "";
  own?.nodes.forEach((node, i) => {
    if (writeOutput(voter, values, node, outputAt(values, own, i), frame, HEADER + NODE * node + 2)) return;
    differs ||= `frame ${shown(number)}: the output of ${data.names[node]} is not that of its digest`;
  });
  voter.value_known(0, own ? own.mask : 0, 0);
  return differs;
}

/** Give each voter of a node the outputs that it received. Returns what is wrong with them. */
function copiesAgain(voter, data, values, number, own, frame, verdicts) {
  const sent = values.byFrame.get(number)?.mask || 0;
  let differs = "";
  own.evidence = own.nodes.map((receiver, i) => {
    const begin = values.at;
    const view = verdicts.subarray(i * data.length, (i + 1) * data.length);
    let [known, copies] = [0, 0];
    for (let node = 0; node < data.names.length; node++) {
      const at = HEADER + NODE * node;
      const isAsSent = same(view, frame, at, NODE);
      if (isAsSent) known |= sent & (1 << node);
      if (isAsSent || view[at] !== 0) continue;
      const place = PLACES * (1 + receiver) + node;
      const output = values.evidence.subarray(values.at, (values.at += values.length));
      if (output.length === values.length && writeOutput(voter, values, place, output, view, at + 2)) {
        [known, copies] = [known | (1 << node), copies | (1 << node)];
      } else {
        differs ||= `frame ${shown(number)}: what the voter of ${data.names[receiver]} received is not that of its digest`;
      }
    }
    voter.value_known(1 + receiver, known, copies);
    return values.evidence.subarray(begin, values.at);
  });
  return differs;
}

/** Whether what was decided is what left the system; what differs. */
function releasedAgain(voter, values, number, frame) {
  const own = values.byFrame.get(number);
  if (!own) return "";
  values.voted++;
  if (own.isReleased === null) return ""; // the output of a node, by its digest
  if (!own.isReleased) {
    return frame[FLAGS] & DELIVERED ? `frame ${shown(number)}: the output that left the system is missing` : "";
  }
  const at = voter.value_delivered();
  const decided = at ? new Uint8Array(voter.memory.buffer, at, values.length) : new Uint8Array();
  const released = outputAt(values, own, own.nodes.length);
  if (decided.length === values.length && same(decided, released, 0, values.length)) return "";
  return `frame ${shown(number)}: the output that left the system was recorded as ${hex(released)}, decided again ${hex(decided) || "none"}`;
}

/** The first frame from `first` on of which there are outputs, or voters of single nodes; infinity without. */
function nextSpecial(values, voters, first) {
  if (!values.order) {
    values.order = [...new Set([...values.byFrame.keys(), ...(voters?.byFrame.keys() ?? [])])].sort((a, b) => a - b);
    values.next = 0;
  }
  while (values.next < values.order.length && values.order[values.next] < first) values.next++;
  return values.next < values.order.length ? values.order[values.next] : Infinity;
}
