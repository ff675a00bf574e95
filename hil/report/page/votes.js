/* Votes on all recorded frames again, with the voter that decided when they were recorded. */

const HEADER = 32;
const NODE = 18;
const SHOWN = 5;

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const shown = (number) => number.toLocaleString("en-US");

/** Compressed planes of so many bytes: all first bytes of records, all second ones, and so on. */
async function planesOf(base64, length) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (planes.length !== length) throw new Error("the frames of this page are damaged");
  return planes;
}

/** The heads of frames, of some bytes each: the number of the frame, a mask of nodes, and what else there is. */
async function headsOf(packed, bytes, count) {
  const planes = await planesOf(packed, bytes * count);
  return Array.from({ length: count }, (_, i) => {
    const head = Array.from({ length: bytes }, (_, number) => planes[number * count + i]);
    const number = head[0] + (head[1] << 8) + (head[2] << 16) + head[3] * 2 ** 24;
    const nodes = [0, 1, 2, 3, 4, 5, 6, 7].filter((node) => (head[4] >> node) & 1);
    return { number, mask: head[4], nodes, head };
  });
}

/** Some frames as they were recorded: what hil/report/run_page/frames.py did to them is undone. */
function framesOf(data, planes, first, number) {
  const { length, count, names } = data;
  const frames = new Uint8Array(length * number);
  for (let column = 0; column < length; column++) {
    const from = column * count + first;
    for (let i = 0, at = column; i < number; i++, at += length) frames[at] = planes[from + i];
  }
  for (let at = 0; at < frames.length; at += length) {
    for (let node = 0; node < names.length; node++) {
      const own = at + HEADER + NODE * node + 2;
      for (let byte = 0; byte < 16; byte++) frames[own + byte] ^= frames[at + 16 + byte];
    }
  }
  return frames;
}

const PARTS = [
  [8, 9, "verdict"],
  [10, 11, "voters"],
  [11, 12, "flags"],
  [12, 13, "agreeing nodes"],
  [13, 14, "dissenting nodes"],
  [14, 15, "nodes with another state"],
  [15, 16, "the one that commands"],
  [16, 24, "agreed output digest"],
  [24, 32, "agreed state digest"],
];

/** What the vote makes otherwise than the record has it; `where`: which verdict it is. */
function difference(data, where, recorded, again) {
  const named = (mask) => data.names.filter((_, node) => (mask >> node) & 1).join(" ") || "none";
  const words = (part, bytes) => {
    if (part === "verdict") return data.kinds[bytes[0]] || `number ${bytes[0]}`;
    if (part === "the one that commands") return data.names[bytes[0] - 1] || "none";
    if (/nodes|voters/.test(part)) return named(bytes[0]);
    return hex(bytes);
  };
  for (const [from, to, part] of PARTS) {
    const [a, b] = [recorded.slice(from, to), again.slice(from, to)];
    if (a.some((byte, i) => byte !== b[i])) {
      return `${where}: ${part}: recorded ${words(part, a)}, voted again ${words(part, b)}`;
    }
  }
  return `${where}: its bytes differ`;
}

/** The voter of this page, as the run was voted. */
async function voterOf(data) {
  const { instance } = await WebAssembly.instantiate(bytesOf(data.voter), {});
  if (data.primary) instance.exports.voter_primary(data.primary.votes, data.primary.frames);
  if (data.values) beginValues(instance.exports, data);
  if (data.checked) beginChecked(instance.exports, data);
  return instance.exports;
}

/** Vote on some frames again. Returns how many could be read, and what they become. */
function framesAgain(voter, data, part) {
  const space = new Uint8Array(voter.memory.buffer, voter.voter_frames(), part.length);
  space.set(part);
  const done = voter.voter_again(part.length / data.length, data.length);
  return { done, frames: space.slice() };
}

/** Whether so many bytes are the same in both from `at` on. */
function same(one, other, at, length) {
  for (let byte = at; byte < at + length; byte++) if (one[byte] !== other[byte]) return false;
  return true;
}

/** What the vote makes of one frame otherwise; empty if nothing. */
function frameAgain(voter, data, voters, values, number, recorded, again) {
  let differs = "";
  if (voters?.byFrame.has(number)) {
    const own = votersAgain(voter, data, voters, values, number, recorded);
    if (own.frame === null) return own.differs;
    [again, differs] = [own.frame, own.differs];
  }
  if (same(recorded, again, 0, data.length)) return differs;
  return differs || difference(data, `frame ${shown(number)}`, recorded, again);
}

/** Vote on some frames again: several that need nothing but their records, or one. Returns which it could read, what
 * they become, and what is wrong with the outputs of the one. */
function partAgain(voter, data, voters, values, first, part) {
  const damage = values ? outputsAgain(voter, data, values, first, part) : "";
  // What a voter by value remembers follows from the voters of the nodes, not from a vote of its own.
  if (values && voters?.byFrame.has(first)) return { done: 1, frames: part, damage };
  return { ...framesAgain(voter, data, part), damage };
}

/** How many frames from `first` on are voted on at once. */
function numberAtOnce(data, voters, values, first, most) {
  if (!values) return most;
  const special = nextSpecial(values, voters, first);
  return special === first ? 1 : Math.min(most, special - first);
}

/** Vote on all frames; report how far it is. */
async function vote(data, planes, voters, values, report) {
  const voter = await voterOf(data);
  const { length } = data;
  const count = votedCount(data);
  const atOnce = Math.floor(voter.voter_capacity() / length);
  const result = { voted: 0, equal: 0, differences: [], verdicts: {}, changes: 0 };
  let reported = performance.now();
  for (let first = 0; first < count; first = result.voted) {
    const number = numberAtOnce(data, voters, values, first, Math.min(atOnce, count - first));
    const part = framesOf(data, planes, first, number);
    const { done, frames, damage } = partAgain(voter, data, voters, values, first, part);
    for (let i = 0; i < Math.min(number, done + 1); i++) {
      const at = i * length;
      const own = (bytes) => bytes.subarray(at, at + length);
      let differs = "";
      if (i >= done) differs = `frame ${shown(first + i)} cannot be read`;
      else if (voters?.byFrame.has(first + i) || !same(part, frames, at, length)) {
        differs = frameAgain(voter, data, voters, values, first + i, own(part), own(frames));
      }
      differs = damage || differs || (values && i < done ? releasedAgain(voter, values, first + i, own(part)) : "");
      if (!differs) {
        const kind = data.kinds[part[at + 8]];
        result.verdicts[kind] = (result.verdicts[kind] || 0) + 1;
        result.equal++;
      } else if (result.differences.length < SHOWN) {
        result.differences.push(differs);
      }
    }
    result.voted += Math.min(number, done + 1);
    if (done < number) break;
    if (report && performance.now() - reported > 100) {
      report(result.voted);
      await new Promise((resolve) => setTimeout(resolve));
      reported = performance.now();
    }
  }
  result.changes = voter.voter_changes();
  return result;
}

/** How many frames this page votes on: all, unless their outputs would make it too large. */
const votedCount = (data) => (data.values ?? data.checked)?.until ?? data.count;

/** The run digest (hil/record/digest.py), computed again from the frames of this page. */
async function digestAgain(data, planes) {
  if (!data.digest || !globalThis.crypto?.subtle) return null;
  const frames = framesOf(data, planes, 0, data.count);
  const events = data.events.match(/../g).map((pair) => parseInt(pair, 16));
  return hex(await sha256(Uint8Array.from([...(await sha256(frames)), ...events])));
}

/** Lines of what was compared besides verdicts: name, text, and whether it is equal. */
async function comparisons(data, planes, voters, values, result) {
  const lines = [];
  const add = (name, equal, text) => lines.push([name, equal, `${equal ? "✔" : "✘"} ${text}`]);
  if (voters) {
    const all = `${shown(voters.equal)} of ${shown(voters.rows)}`;
    const where = `frames with different views: ${shown(voters.byFrame.size)}`;
    add("voters of nodes", voters.equal === voters.rows, `${all} verdicts are equal (${where})`);
  }
  if (values) {
    const { frames } = data.values ?? data.checked;
    add(data.checked ? "bounds" : "values", values.voted === frames, `${data.checked ? "judged" : "compared"} in ${shown(values.voted)} of the ${shown(frames)} frames whose outputs are in this page`);
  }
  if (data.primary) {
    const { changes } = data.primary;
    const known = changes === null || changes === result.changes;
    add("command", known, `passed ${shown(result.changes)} ${result.changes === 1 ? "time" : "times"}` + (known ? "" : `; the result says ${changes}`));
  }
  const digests = [
    ["run digest", await digestAgain(data, planes), data.digest, "the run"],
    ["record digest", await sealAgain(data, voters, planes), data.seal?.record_digest, "the record"],
  ];
  for (const [name, again, recorded, whose] of digests) {
    if (again === null) continue;
    const equal = again === recorded;
    add(name, equal, equal ? `${again}: that of ${whose}` : `${again}: it is not that of ${whose}, ${recorded}`);
  }
  return lines;
}

async function voteAgain() {
  const box = document.getElementById("votes");
  const say = (text) => (document.getElementById("voted").textContent = text);
  const list = document.getElementById("vote-facts");
  const add = (name, text) => {
    list.append(Object.assign(document.createElement("dt"), { textContent: name }));
    list.append(Object.assign(document.createElement("dd"), { textContent: text }));
  };
  try {
    const began = performance.now();
    const data = JSON.parse(document.getElementById("frames").textContent);
    const planes = await planesOf(data.frames, data.length * data.count);
    const voters = await votersOf(data);
    const values = (await valuesOf(data)) ?? (await checkedOf(data));
    const all = shown(votedCount(data));
    const result = await vote(data, planes, voters, values, (voted) => say(`${shown(voted)} of ${all} frames are voted again ...`));
    const lines = await comparisons(data, planes, voters, values, result);
    const equal = result.equal === votedCount(data) && lines.every(([, same]) => same);
    const ms = Math.max(1, Math.round(performance.now() - began));
    say(
      result.equal === votedCount(data)
        ? `✔ ${all} of ${all} verdicts are equal.`
        : `✘ ${shown(result.equal)} of ${all} verdicts are equal: the record in this page was changed.`,
    );
    const counts = Object.entries(result.verdicts).map(([kind, number]) => `${shown(number)} ${kind}`);
    add("verdicts", counts.join(", ") || "none");
    for (const text of result.differences) add("differs", text);
    for (const [name, , text] of lines) add(name, text);
    add("took", `${shown(ms)} ms in this browser`);
    box.dataset.equal = equal ? "yes" : "no";
  } catch (error) {
    say(`✘ The page cannot vote: ${error.message}`);
    box.dataset.equal = "no";
  }
}

// The page is shown first.
addEventListener("load", () => setTimeout(voteAgain, 50));
