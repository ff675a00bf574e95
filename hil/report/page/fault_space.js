// The fault space: what each fault, a bit of a byte before an instruction, comes to.
//
// Of each byte of a target it knows spans of time [start, end), in instructions: those in which the
// byte is part of the target, and those that a class of the campaign or an unread rest is. What is in
// no span of the second kind is overwritten before anything reads it.

const EFFECTS = 6; // masked, latent, sdc, crash, hang, detected: their order in the data
const NO_CLASS = -1;

/** The first index in [low, high) whose value in `sorted` is above `value`. */
function firstAbove(sorted, value, low, high) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Spans of bytes, added in any order of bytes, but by time within each; `seal` sorts them by byte. */
class Spans {
  constructor() {
    this.list = [];
  }

  add(byte, start, end, pattern, number) {
    this.list.push(byte, start, end, pattern, number);
  }

  seal(length) {
    const n = this.list.length / 5;
    this.first = new Uint32Array(length + 1); // of each byte
    for (let i = 0; i < n; i++) this.first[this.list[5 * i] + 1]++;
    for (let b = 0; b < length; b++) this.first[b + 1] += this.first[b];
    const next = this.first.slice();
    this.start = new Float64Array(n);
    this.end = new Float64Array(n);
    this.pattern = new Uint32Array(n);
    this.number = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const at = next[this.list[5 * i]]++;
      this.start[at] = this.list[5 * i + 1];
      this.end[at] = this.list[5 * i + 2];
      this.pattern[at] = this.list[5 * i + 3];
      this.number[at] = this.list[5 * i + 4];
    }
    this.list = [];
  }

  /** The span of `byte` at `time`; -1 if there is none. */
  at(byte, time) {
    const i = firstAbove(this.end, time, this.first[byte], this.first[byte + 1]);
    return i < this.first[byte + 1] && this.start[i] <= time ? i : -1;
  }
}

/** When each byte of the stack is part of it: where the stack pointer lies before each instruction. */
class StackTime {
  constructor(position, lowest, length) {
    this.position = position;
    this.lowest = lowest;
    this.length = length;
  }

  /** Call `found(start, end)` for the last `weight` instructions before `end` in which `byte` is part
   * of the stack, the earliest first. */
  last(byte, end, weight, found) {
    const spans = [];
    let run = firstAbove(this.position, end - 1, 0, this.position.length) - 1;
    for (; weight > 0 && run >= 0; run--) {
      if (this.lowest[run] <= byte) {
        const taken = Math.min(weight, end - this.position[run]);
        if (spans.length && spans[spans.length - 1][0] === end) spans[spans.length - 1][0] = end - taken;
        else spans.push([end - taken, end]);
        weight -= taken;
      }
      end = this.position[run];
    }
    for (const [start, stop] of spans.reverse()) found(start, stop);
  }
}

/** One target of the campaign. */
class Target {
  constructor(number, data, instructions) {
    Object.assign(this, data);
    this.id = number;
    this.instructions = instructions;
    this.life = new Spans();
    this.spans = new Spans();
  }

  /** Name a byte: a register and its byte, or its offset. */
  nameOf(byte) {
    for (const [first, length, name] of this.parts) {
      if (byte >= first && byte < first + length) return `${name} byte ${byte - first}`;
    }
    return `${this.name} byte ${byte} (0x${byte.toString(16)})`;
  }
}

/** All of it. `patterns[p]` are the effects of eight bits; `counts` how many of them each effect has. */
class FaultSpace {
  static async load(data) {
    const space = new FaultSpace();
    Object.assign(space, { result: data.result, instructions: data.instructions, effects: data.effects });
    Object.assign(space, { code: data.code, functions: data.functions, files: data.files, lines: data.lines });
    const columns = async (table, ascending) => {
      const names = Object.keys(table);
      const arrays = await Promise.all(names.map((name) => unpack(table[name], ascending.includes(name))));
      return Object.fromEntries(names.map((name, i) => [name, arrays[i]]));
    };
    space.classes = await columns(data.classes, ["position", "byte"]);
    space.unread = await columns(data.unread, ["byte"]);
    space.path = await columns(data.path, ["position"]);
    space.stack = await columns(data.stack, ["position", "byte"]);
    space.setPatterns(data.patterns);
    space.targets = data.targets.map((target, i) => new Target(i, target, data.instructions));
    space.addSpans();
    return space;
  }

  setPatterns(texts) {
    const alike = this.effects.map((_, effect) => String(effect).repeat(8));
    this.unreadPattern = texts.length; // the pattern of effect e of what is unread: this + e
    const all = [...texts, ...alike];
    this.patterns = new Uint8Array(8 * all.length);
    this.counts = new Uint8Array(EFFECTS * all.length);
    all.forEach((text, p) => {
      for (let bit = 0; bit < 8; bit++) {
        const effect = Number(text[bit]);
        this.patterns[8 * p + bit] = effect;
        this.counts[EFFECTS * p + effect]++;
      }
    });
  }

  /** Whether a pattern is that of bits that nothing reads any more, and that harm nothing. */
  isNeverRead(pattern) {
    return pattern === this.unreadPattern + this.effects.indexOf("masked");
  }

  /** The colour of a bit of a fault's byte, by its name in the legend. */
  colourOf(fault, bit) {
    if (fault.kind === "outside") return "outside";
    if (fault.kind === "overwritten" || this.isNeverRead(fault.pattern)) return "overwritten";
    return this.effects[this.patterns[8 * fault.pattern + bit]];
  }

  addSpans() {
    const { classes, unread, targets, instructions } = this;
    const time = new StackTime(this.stack.position, this.stack.byte, instructions);
    for (const target of targets) {
      for (let byte = 0; byte < target.length; byte++) {
        const live = (start, end) => target.life.add(byte, start, end, 0, NO_CLASS);
        if (target.stack) time.last(byte, instructions, Infinity, live);
        else live(0, instructions);
      }
    }
    for (let i = 0; i < classes.position.length; i++) {
      const target = targets[classes.target[i]];
      const [byte, end, weight] = [classes.byte[i], classes.position[i] + 1, classes.weight[i]];
      const add = (start, stop) => target.spans.add(byte, start, stop, classes.pattern[i], i);
      if (target.stack) time.last(byte, end, weight, add);
      else add(end - weight, end);
    }
    for (let i = 0; i < unread.byte.length; i++) {
      const target = targets[unread.target[i]];
      const pattern = this.unreadPattern + unread.effect[i];
      const add = (start, stop) => target.spans.add(unread.byte[i], start, stop, pattern, NO_CLASS);
      if (target.stack) time.last(unread.byte[i], instructions, unread.weight[i], add);
      else add(instructions - unread.weight[i], instructions);
    }
    for (const target of targets) {
      target.life.seal(target.length);
      target.spans.seal(target.length);
      target.used = firstAbove(target.life.first, 0, 1, target.length) - 1; // below it there is no fault
    }
  }

  /** The number of the instruction before which a fault at `time` strikes. */
  instructionAt(time) {
    const { position, instruction } = this.path;
    const run = firstAbove(position, time, 0, position.length) - 1;
    return run < 0 ? 0 : Math.min(instruction[run] + time - position[run], this.code.length - 1);
  }

  /** What a fault comes to, and why. `kind`: class, unread, overwritten, or outside (no fault). */
  faultAt(target, byte, bit, time) {
    const fault = { target, byte, bit, time, effect: 0, kind: "outside", start: time, end: time + 1 };
    if (target.life.at(byte, time) < 0) return fault;
    const span = target.spans.at(byte, time);
    if (span < 0) {
      const next = firstAbove(target.spans.start, time, target.spans.first[byte], target.spans.first[byte + 1]);
      const isLast = next === target.spans.first[byte + 1];
      return { ...fault, kind: "overwritten", end: isLast ? this.instructions : target.spans.start[next] };
    }
    const pattern = target.spans.pattern[span];
    const number = target.spans.number[span];
    Object.assign(fault, { start: target.spans.start[span], end: target.spans.end[span], pattern });
    fault.effect = this.patterns[8 * pattern + bit];
    if (number === NO_CLASS) return { ...fault, kind: "unread" };
    const detail = (this.classes.details[2 * number + (bit >> 2)] >>> (8 * (bit & 3))) & 0xff;
    return { ...fault, kind: "class", number, detail, reader: this.classes.position[number] };
  }

  /** The fault of an experiment, `CLASS.BIT`; null if there is none. */
  experiment(id) {
    const match = /^(\d+)\.([0-7])$/.exec(id);
    const number = match ? Number(match[1]) : -1;
    if (number < 0 || number >= this.classes.position.length) return null;
    const target = this.targets[this.classes.target[number]];
    const byte = this.classes.byte[number];
    let last = target.spans.first[byte + 1] - 1; // its last span: what reads it may lie behind that
    while (last >= target.spans.first[byte] && target.spans.number[last] !== number) last--;
    return last < 0 ? null : this.faultAt(target, byte, Number(match[2]), target.spans.end[last] - 1);
  }
}
