/* Votes on all recorded frames again, with the voter that decided when they were recorded. */

const HEADER = 32;
const NODE = 18;
const SHOWN = 5;

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const shown = (number) => number.toLocaleString("en-US");

/** The compressed planes of the frames: all first bytes, all second ones, and so on. */
async function planesOf(data) {
  const stream = new Blob([bytesOf(data.frames)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (planes.length !== data.length * data.count) throw new Error("the frames of this page are damaged");
  return planes;
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
  [16, 24, "agreed output digest"],
  [24, 32, "agreed state digest"],
];

/** What of a frame the vote makes otherwise than the record has it. */
function difference(data, frame, recorded, again) {
  const named = (mask) => data.names.filter((_, node) => (mask >> node) & 1).join(" ") || "none";
  const words = (part, bytes) => {
    if (part === "verdict") return data.kinds[bytes[0]] || `number ${bytes[0]}`;
    if (/nodes|voters/.test(part)) return named(bytes[0]);
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  for (const [from, to, part] of PARTS) {
    const [a, b] = [recorded.slice(from, to), again.slice(from, to)];
    if (a.some((byte, i) => byte !== b[i])) {
      return `frame ${shown(frame)}: ${part}: recorded ${words(part, a)}, voted again ${words(part, b)}`;
    }
  }
  return `frame ${shown(frame)}: its bytes differ`;
}

/** Vote on all frames; report how far it is. */
async function vote(data, planes, report) {
  const { instance } = await WebAssembly.instantiate(bytesOf(data.voter), {});
  const { memory, voter_frames, voter_capacity, voter_again } = instance.exports;
  const { length, count } = data;
  const atOnce = Math.floor(voter_capacity() / length);
  const result = { voted: 0, equal: 0, differences: [], verdicts: {} };
  for (let first = 0; first < count; first += atOnce) {
    const number = Math.min(atOnce, count - first);
    const part = framesOf(data, planes, first, number);
    const space = new Uint8Array(memory.buffer, voter_frames(), part.length);
    space.set(part);
    const done = voter_again(number, length);
    for (let i = 0; i < number; i++) {
      const at = i * length;
      let same = i < done;
      for (let byte = 0; same && byte < length; byte++) same = part[at + byte] === space[at + byte];
      if (same) {
        const kind = data.kinds[part[at + 8]];
        result.verdicts[kind] = (result.verdicts[kind] || 0) + 1;
        result.equal++;
      } else if (result.differences.length < SHOWN) {
        const [recorded, again] = [part.subarray(at, at + length), space.subarray(at, at + length)];
        const text = i < done ? difference(data, first + i, recorded, again) : `frame ${shown(first + i)} cannot be read`;
        result.differences.push(text);
      }
      if (i >= done) break;
    }
    result.voted += Math.min(number, done + 1);
    if (done < number) break;
    if (report && (first / atOnce) % 16 === 15) {
      report(result.voted);
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  return result;
}

/** The run digest (hil/record/digest.py), computed again from the frames of this page. */
async function digestAgain(data, planes) {
  if (!data.digest || !globalThis.crypto?.subtle) return null;
  const frames = framesOf(data, planes, 0, data.count);
  const ours = new Uint8Array(await crypto.subtle.digest("SHA-256", frames));
  const events = data.events.match(/../g).map((pair) => parseInt(pair, 16));
  const all = await crypto.subtle.digest("SHA-256", Uint8Array.from([...ours, ...events]));
  return Array.from(new Uint8Array(all), (byte) => byte.toString(16).padStart(2, "0")).join("");
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
    const planes = await planesOf(data);
    const all = shown(data.count);
    const result = await vote(data, planes, (voted) => say(`${shown(voted)} of ${all} frames are voted again ...`));
    const digest = await digestAgain(data, planes);
    const other = digest !== null && digest !== data.digest;
    const equal = result.equal === data.count && !other;
    const ms = Math.max(1, Math.round(performance.now() - began));
    say(
      result.equal === data.count
        ? `✔ ${all} of ${all} verdicts are equal.`
        : `✘ ${shown(result.equal)} of ${all} verdicts are equal: the record in this page was changed.`,
    );
    const counts = Object.entries(result.verdicts).map(([kind, number]) => `${shown(number)} ${kind}`);
    add("verdicts", counts.join(", ") || "none");
    for (const text of result.differences) add("differs", text);
    if (digest !== null) {
      add("run digest", other ? `✘ ${digest}: it is not that of the run, ${data.digest}` : `✔ ${digest}: that of the run`);
    }
    add("took", `${shown(ms)} ms in this browser`);
    box.dataset.equal = equal ? "yes" : "no";
  } catch (error) {
    say(`✘ The page cannot vote: ${error.message}`);
    box.dataset.equal = "no";
  }
}

// The page is shown first.
addEventListener("load", () => setTimeout(voteAgain, 50));
