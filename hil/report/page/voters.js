/* The voters of single nodes, in frames in which their views of the replies differed: each votes again on its own. */

const FRAME_BYTES = 5; // of the head of such a frame: its number, and the mask of the nodes with a voter

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** Where the verdicts of the voters of a frame are, by the number of the frame; null if no views differed. */
async function votersOf(data) {
  if (!data.voters) return null;
  const { frames, rows } = data.voters;
  const byFrame = new Map();
  let row = 0;
  for (const { number, nodes } of await headsOf(data.voters.heads, FRAME_BYTES, frames)) {
    byFrame.set(number, { nodes, row });
    row += nodes.length;
  }
  if (row !== rows) throw new Error("the voters of this page are damaged");
  return { byFrame, rows, voted: 0, equal: 0, planes: await planesOf(data.voters.records, data.length * rows) };
}

/** The recorded verdicts of the voters of a frame, one after another; `frame` is its own record. */
function verdictsOf(data, voters, { nodes, row }, frame) {
  const { length } = data;
  const verdicts = new Uint8Array(length * nodes.length);
  for (let i = 0; i < nodes.length; i++) {
    for (let column = 0; column < length; column++) {
      verdicts[i * length + column] = voters.planes[column * voters.rows + row + i] ^ frame[column];
    }
  }
  return verdicts;
}

/** Let the voters of a frame vote again. Returns what the frame becomes by them, and what differs. */
function votersAgain(voter, data, voters, values, number, frame) {
  const own = voters.byFrame.get(number);
  const { length } = data;
  const recorded = verdictsOf(data, voters, own, frame);
  const space = new Uint8Array(voter.memory.buffer, voter.voter_frames(), length + recorded.length);
  space.set(frame);
  space.set(recorded, length);
  voters.voted += own.nodes.length;
  const damage = values ? copiesAgain(voter, data, values, number, own, frame, recorded) : "";
  const mask = own.nodes.reduce((all, node) => all | (1 << node), 0);
  const where = `frame ${shown(number)}`;
  if (!voter.voter_replicas(mask, length)) return { frame: null, differs: `${where}: its voters cannot be read` };
  let differs = damage;
  own.nodes.forEach((node, i) => {
    const before = recorded.subarray(i * length, (i + 1) * length);
    const again = space.subarray((i + 1) * length, (i + 2) * length);
    if (before.every((byte, at) => byte === again[at])) voters.equal++;
    else differs ||= difference(data, `${where}, voter of ${data.names[node]}`, before, again);
  });
  return { frame: space.slice(0, length), differs };
}

/** The digest of the record (hil/record/seal.py), computed again with the verdicts of voters in this page. */
async function sealAgain(data, voters, planes) {
  if (!data.seal || !voters || !globalThis.crypto?.subtle) return null;
  const rows = [];
  for (const [number, own] of voters.byFrame) {
    const verdicts = verdictsOf(data, voters, own, framesOf(data, planes, number, 1));
    for (let i = 0; i < own.nodes.length; i++) {
      const record = verdicts.subarray(i * data.length, (i + 1) * data.length);
      const verdict = await sha256(Uint8Array.from([...record, ...(own.evidence?.[i] ?? [])]));
      rows.push([number, own.nodes[i], ["sha256", hex(verdict)]]);
    }
  }
  const lines = [["frame", "node", "verdict"]];
  for (let i = 0; i < rows.length; i += data.seal_rows) lines.push(rows.slice(i, i + data.seal_rows));
  const digest = async (values) => hex(await sha256(new TextEncoder().encode(values.map(JSON.stringify).join("\n") + "\n")));
  const { schema, tables } = data.seal;
  const replicas = [rows.length, await digest(lines)];
  const names = Object.keys(tables).sort();
  const content = Object.fromEntries(names.map((name) => [name, name === "replicas" ? replicas : tables[name]]));
  return digest([{ schema, tables: content }]);
}
