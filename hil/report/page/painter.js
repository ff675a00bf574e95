// Paints a part of a target's fault space into pixels, and adds up its margins.
//
// A pixel stands for many faults: its hue is that of the most frequent effect among them that is not
// masked, the stronger the more of them have an effect at all. Below it lies what most of the others
// are: masked by an experiment, or masked without one (overwritten, or never read). Where single bits
// are tall enough to be seen each has its own colour, and nothing is mixed.

const LIFE = EFFECTS; // the channel that counts all faults of a pixel, whatever they come to
const CHANNELS = EFFECTS + 1;
const SEVERITY = [2, 3, 4, 5, 1]; // which of equally frequent effects is shown
const STRENGTHS = Float32Array.from({ length: 257 }, (_, i) => (i ? 0.18 + 0.82 * Math.sqrt(i / 256) : 0));

class Painter {
  constructor(space) {
    this.space = space;
  }

  /** Paint `view` of `target` (times t0 to t1, bits u0 to u1: byte * 8 + bit) into `image`.
   *
   * `colours`: of the six effects (masked: by an experiment), then of what is overwritten or never
   * read, then of no fault, as [r, g, b]; `shown[effect]`: whether it is coloured; what is not looks
   * like no fault. Returns the counts by row and by column, EFFECTS + 1
   * numbers each: relative to other pixels, not faults. */
  paint(target, view, image, colours, shown) {
    const { width, height, data } = image;
    const pixels = new Uint32Array(data.buffer);
    const rows = new Float64Array(CHANNELS * height);
    const columns = new Float64Array(CHANNELS * width);
    this.line = new Float64Array(CHANNELS * (width + 2));
    this.width = width;
    this.perTime = width / (view.t1 - view.t0);
    const bitsPerRow = (view.u1 - view.u0) / height;
    const end = 8 * target.length;
    let before = null;
    for (let y = 0; y < height; y++) {
      const low = view.u0 + y * bitsPerRow;
      const high = Math.min(low + bitsPerRow, end);
      const first = Math.floor(low);
      const isOneBit = high <= first + 1;
      if (!(isOneBit && before === first)) {
        this.line.fill(0);
        this.addRow(target, view, low, high);
        this.integrate();
      }
      before = isOneBit ? first : null;
      this.colourRow(pixels, y, colours, shown, rows, columns);
    }
    return { rows, columns };
  }

  /** Add the faults of the bits from `low` to `high`. */
  addRow(target, view, low, high) {
    for (let byte = Math.floor(low / 8); 8 * byte < high; byte++) {
      const from = Math.max(0, low - 8 * byte);
      const to = Math.min(8, high - 8 * byte);
      if (to <= from) continue;
      this.addLife(target.life, byte, view, to - from);
      this.addSpans(target.spans, byte, view, from, to);
    }
  }

  addLife(life, byte, view, bits) {
    const last = life.first[byte + 1];
    for (let i = firstAbove(life.end, view.t0, life.first[byte], last); i < last && life.start[i] < view.t1; i++) {
      this.add(LIFE, life.start[i], life.end[i], view, bits);
    }
  }

  addSpans(spans, byte, view, from, to) {
    const { counts, patterns } = this.space;
    const isWhole = from === 0 && to === 8;
    const last = spans.first[byte + 1];
    for (let i = firstAbove(spans.end, view.t0, spans.first[byte], last); i < last && spans.start[i] < view.t1; i++) {
      const pattern = spans.pattern[i];
      if (this.space.isNeverRead(pattern)) continue; // masked, but by no experiment
      if (isWhole) {
        for (let effect = 0; effect < EFFECTS; effect++) {
          const bits = counts[EFFECTS * pattern + effect];
          if (bits) this.add(effect, spans.start[i], spans.end[i], view, bits);
        }
      } else {
        for (let bit = Math.floor(from); bit < to; bit++) {
          const bits = Math.min(bit + 1, to) - Math.max(bit, from);
          this.add(patterns[8 * pattern + bit], spans.start[i], spans.end[i], view, bits);
        }
      }
    }
  }

  /** Add `amount` to a channel between two times, as differences between neighbouring pixels. */
  add(channel, start, end, view, amount) {
    const line = this.line;
    const base = channel * (this.width + 2);
    const x0 = Math.max(0, (start - view.t0) * this.perTime);
    const x1 = Math.min(this.width, (end - view.t0) * this.perTime);
    if (x1 <= x0) return;
    const i = Math.floor(x0);
    const j = Math.floor(x1);
    line[base + i] += amount * (1 - (x0 - i));
    line[base + i + 1] += amount * (x0 - i);
    line[base + j] -= amount * (1 - (x1 - j));
    line[base + j + 1] -= amount * (x1 - j);
  }

  integrate() {
    const { line, width } = this;
    for (let channel = 0; channel < CHANNELS; channel++) {
      const base = channel * (width + 2);
      for (let x = 1; x < width; x++) line[base + x] += line[base + x - 1];
    }
  }

  colourRow(pixels, y, colours, shown, rows, columns) {
    const { line, width } = this;
    const step = width + 2;
    for (let x = 0; x < width; x++) {
      const all = line[LIFE * step + x];
      let at = colours[EFFECTS + 1]; // no fault
      let strength = 0;
      let hue = at;
      if (all > 1e-9) {
        let most = 1e-9;
        let effective = 0;
        let hidden = 0;
        for (const effect of SEVERITY) {
          const count = line[effect * step + x];
          rows[CHANNELS * y + effect] += count;
          columns[CHANNELS * x + effect] += count;
          if (!shown[effect]) {
            hidden += count;
            continue;
          }
          effective += count;
          if (count > most + 1e-9) {
            most = count;
            hue = colours[effect];
          }
        }
        rows[CHANNELS * y + LIFE] += all;
        columns[CHANNELS * x + LIFE] += all;
        strength = STRENGTHS[Math.min(256, Math.ceil((256 * effective) / all - 1e-6))];
        const masked = line[x];
        const without = all - effective - hidden - masked;
        if (hidden <= Math.max(masked, without)) at = masked > without ? colours[0] : colours[EFFECTS];
      }
      const r = at[0] + strength * (hue[0] - at[0]);
      const g = at[1] + strength * (hue[1] - at[1]);
      const b = at[2] + strength * (hue[2] - at[2]);
      pixels[y * width + x] = 0xff000000 | (b << 16) | (g << 8) | r;
    }
  }
}
