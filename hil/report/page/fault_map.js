// The fault-space map: time across, memory down, colour = what a fault comes to.

const MARGIN = { left: 92, right: 64, top: 22, bottom: 62 }; // [CSS pixel] around the picture
const PROFILE = 38; // [CSS pixel] height of the profile below it
const LEAST_TIME = 6; // [instruction] shown at most enlarged
const LEAST_BITS = 8;
const REST_MS = 140; // without a move, until the picture is painted in full resolution
const FUNCTION_HUES = 6;

const format = (number) => Math.round(number).toLocaleString("en");

/** Steps of an axis: about `wanted` round numbers from `low` to `high`. */
function ticks(low, high, wanted, powersOfTwo = false) {
  const rough = Math.max((high - low) / wanted, 1);
  const power = powersOfTwo ? 2 ** Math.ceil(Math.log2(rough)) : 10 ** Math.floor(Math.log10(rough));
  const factor = powersOfTwo ? 1 : [1, 2, 5, 10].find((f) => f * power >= rough);
  const step = power * factor;
  const all = [];
  for (let at = Math.ceil(low / step) * step; at < high; at += step) all.push(at);
  return all;
}

class FaultMap {
  /** `place`: the element to fill; `onPoint(fault)`, `onSelect(fault, isClose)`: the pointer rests on
   * a fault (null: on none), or one was chosen. */
  constructor(place, space, { onPoint, onSelect, onView }) {
    Object.assign(this, { place, space, onPoint, onSelect, onView });
    this.painter = new Painter(space);
    this.canvas = place.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.buffer = document.createElement("canvas");
    this.shown = space.effects.map(() => true);
    this.selected = null;
    this.pointed = null;
    this.readColours();
    this.show(Math.max(0, space.targets.findIndex((target) => target.length))); // the first with bytes
    this.listen();
  }

  readColours() {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const style = getComputedStyle(this.place);
    const rgb = (name) => {
      probe.fillStyle = style.getPropertyValue(name).trim();
      probe.fillRect(0, 0, 1, 1);
      return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    this.colours = [...this.space.effects.map((e) => rgb(`--${e}`)), rgb("--overwritten"), rgb("--outside")];
    this.css = (name) => style.getPropertyValue(name).trim();
  }

  get target() {
    return this.space.targets[this.shownTarget];
  }

  show(number) {
    this.shownTarget = number;
    this.reset();
  }

  reset() {
    this.view = { t0: 0, t1: this.space.instructions, u0: 8 * this.target.used, u1: 8 * this.target.length };
    this.draw();
  }

  /** The picture's place in the canvas [CSS pixel]. */
  get frame() {
    const box = this.canvas.getBoundingClientRect();
    const width = Math.max(80, box.width - MARGIN.left - MARGIN.right);
    const height = Math.max(40, box.height - MARGIN.top - MARGIN.bottom);
    return { x: MARGIN.left, y: MARGIN.top, width, height };
  }

  // --- views ---------------------------------------------------------------------------------------

  /** Show from t0 to t1 and u0 to u1, kept within the target. */
  setView(t0, t1, u0, u1) {
    const fit = (low, high, begin, end, least) => {
      const size = Math.min(end - begin, Math.max(high - low, Math.min(least, end - begin)));
      const start = Math.min(Math.max(begin, low), end - size);
      return [start, start + size];
    };
    const [a, b] = fit(t0, t1, 0, this.space.instructions, LEAST_TIME);
    const [c, d] = fit(u0, u1, 8 * this.target.used, 8 * this.target.length, LEAST_BITS);
    this.view = { t0: a, t1: b, u0: c, u1: d };
    this.draw(true);
  }

  /** Enlarge around a point (0 to 1 across and down) by a factor for time and one for memory. */
  zoom(x, y, time, memory) {
    const { t0, t1, u0, u1 } = this.view;
    const [t, u] = [t0 + x * (t1 - t0), u0 + y * (u1 - u0)];
    this.setView(t - (t - t0) / time, t + (t1 - t) / time, u - (u - u0) / memory, u + (u1 - u) / memory);
  }

  /** Move by shares of what is shown. */
  pan(time, memory) {
    const { t0, t1, u0, u1 } = this.view;
    const [dt, du] = [time * (t1 - t0), memory * (u1 - u0)];
    this.setView(t0 + dt, t1 + dt, u0 + du, u1 + du);
  }

  /** Choose a fault and show it; where `isClose`, enlarged so that its bit can be seen. */
  select(fault, isClose = false) {
    this.selected = fault;
    if (fault && isClose) {
      if (fault.target.id !== this.shownTarget) this.show(fault.target.id);
      const time = Math.max(60, 4 * (fault.end - fault.start));
      const middle = (fault.start + fault.end) / 2;
      this.setView(middle - time / 2, middle + time / 2, 8 * fault.byte - 60, 8 * fault.byte + 68);
    }
    this.onSelect(fault, isClose);
    this.draw();
  }

  // --- what lies where -----------------------------------------------------------------------------

  faultAt(x, y) {
    const frame = this.frame;
    const [across, down] = [(x - frame.x) / frame.width, (y - frame.y) / frame.height];
    if (across < 0 || across >= 1 || down < 0 || down >= 1) return null;
    const time = Math.floor(this.view.t0 + across * (this.view.t1 - this.view.t0));
    const unit = Math.floor(this.view.u0 + down * (this.view.u1 - this.view.u0));
    if (time >= this.space.instructions || unit >= 8 * this.target.length) return null;
    return this.space.faultAt(this.target, unit >> 3, unit & 7, time);
  }

  listen() {
    const { canvas } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const share = (event) => {
      const [x, y] = at(event);
      const frame = this.frame;
      const within = (value) => Math.min(1, Math.max(0, value));
      return [within((x - frame.x) / frame.width), within((y - frame.y) / frame.height)];
    };
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      drag = { from: [event.clientX, event.clientY], view: { ...this.view }, moved: false };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) {
        this.point(this.faultAt(...at(event)));
        return;
      }
      const [dx, dy] = [event.clientX - drag.from[0], event.clientY - drag.from[1]];
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      drag.moved = true;
      canvas.classList.add("dragged");
      const { t0, t1, u0, u1 } = drag.view;
      const dt = (dx / this.frame.width) * (t1 - t0);
      const du = (dy / this.frame.height) * (u1 - u0);
      this.setView(t0 - dt, t1 - dt, u0 - du, u1 - du);
    });
    canvas.addEventListener("pointerup", (event) => {
      canvas.classList.remove("dragged");
      const wasClick = drag && !drag.moved;
      drag = null;
      if (!wasClick) return;
      const fault = this.faultAt(...at(event));
      if (fault) this.select(fault);
    });
    canvas.addEventListener("pointercancel", () => (drag = null));
    canvas.addEventListener("pointerleave", () => drag || this.point(null));
    canvas.addEventListener("dblclick", (event) => this.zoom(...share(event), 3, 3));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (document.activeElement !== canvas && !event.ctrlKey) return; // the page scrolls
        event.preventDefault();
        const turned = event.deltaY || event.deltaX;
        const factor = Math.exp(-Math.sign(turned) * Math.min(Math.abs(turned), 240) * 0.0025);
        this.zoom(...share(event), event.altKey ? 1 : factor, event.shiftKey ? 1 : factor);
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.readColours();
      this.draw();
    });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey) return;
    const factor = 1.6;
    const [time, memory] = [event.altKey ? 1 : factor, event.shiftKey ? 1 : factor];
    const actions = {
      ArrowLeft: () => this.pan(-0.15, 0),
      ArrowRight: () => this.pan(0.15, 0),
      ArrowUp: () => this.pan(0, -0.15),
      ArrowDown: () => this.pan(0, 0.15),
      "+": () => this.zoom(0.5, 0.5, time, memory),
      "=": () => this.zoom(0.5, 0.5, time, memory),
      "-": () => this.zoom(0.5, 0.5, 1 / time, 1 / memory),
      0: () => this.reset(),
      Home: () => this.reset(),
      Escape: () => this.select(null),
      Enter: () => {
        const { x, y, width, height } = this.frame;
        this.select(this.pointed || this.faultAt(x + width / 2, y + height / 2));
      },
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  point(fault) {
    this.pointed = fault;
    this.onPoint(fault);
    this.draw(false, true);
  }

  // --- drawing -------------------------------------------------------------------------------------

  /** Draw soon: coarsely while the view moves; `isOverlay`: the picture itself has not changed. */
  draw(isMoving = false, isOverlay = false) {
    this.isPainted = this.isPainted && isOverlay;
    this.isMoving = isMoving || (isOverlay && this.isMoving);
    clearTimeout(this.timer);
    if (this.isMoving) this.timer = setTimeout(() => this.draw(), REST_MS);
    if (!this.waiting) this.waiting = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    const scale = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height });
      this.isPainted = false;
    }
    if (!this.isPainted) this.paint(this.isMoving ? scale / 2 : scale);
    this.isPainted = true;
    const { context, frame } = this;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, box.width, box.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.buffer, frame.x, frame.y, frame.width, frame.height);
    context.font = `12px ${this.css("--sans")}`;
    this.drawFunctions(frame);
    this.drawAxes(frame);
    this.drawProfiles(frame);
    this.drawSelected(frame);
    this.onView(this.view, this.target);
  }

  paint(scale) {
    const { frame, buffer } = this;
    buffer.width = Math.max(1, Math.round(frame.width * scale));
    buffer.height = Math.max(1, Math.round(frame.height * scale));
    const context = buffer.getContext("2d");
    const image = context.createImageData(buffer.width, buffer.height);
    this.margins = this.painter.paint(this.target, this.view, image, this.colours, this.shown);
    context.putImageData(image, 0, 0);
  }

  /** The band above: which function is being executed. */
  drawFunctions({ x, width }) {
    const { context, space, view } = this;
    const spans = [];
    for (let i = 0; i < width; i++) {
      const time = Math.floor(view.t0 + ((i + 0.5) / width) * (view.t1 - view.t0));
      const name = space.code[space.instructionAt(time)][2];
      const last = spans[spans.length - 1];
      if (last && last.name === name) last.end = i + 1;
      else spans.push({ name, start: i, end: i + 1 });
    }
    context.textAlign = "left";
    context.textBaseline = "middle";
    for (const { name, start, end } of spans) {
      if (name < 0) continue;
      context.fillStyle = this.css(`--function${name % FUNCTION_HUES}`);
      context.fillRect(x + start, 3, Math.max(1, end - start - 0.5), 14);
      const text = space.functions[name];
      if (context.measureText(text).width + 8 > end - start) continue;
      context.fillStyle = this.css("--ink");
      context.fillText(text, x + start + 4, 10.5);
    }
  }

  drawAxes({ x, y, width, height }) {
    const { context, view, target } = this;
    context.fillStyle = this.css("--dim");
    context.strokeStyle = this.css("--line");
    context.lineWidth = 1;
    context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
    context.textBaseline = "top";
    const axis = y + height + PROFILE + 8;
    for (const time of ticks(view.t0, view.t1, width / 110)) {
      const at = x + ((time - view.t0) / (view.t1 - view.t0)) * width;
      context.fillRect(at, axis - 3, 1, 3);
      context.textAlign = at > x + width - 24 ? "right" : "center";
      context.fillText(format(time), at, axis + 1);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [unit, text] of this.rowLabels(height)) {
      const at = y + ((unit - view.u0) / (view.u1 - view.u0)) * height;
      if (at < y - 1 || at > y + height + 1) continue;
      context.fillRect(x - 4, Math.round(at), 4, 1);
      context.fillText(text, x - 7, Math.min(Math.max(at, y + 6), y + height - 6));
    }
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText("instruction", 4, axis + 1);
    context.save();
    context.translate(5, y + height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText(`${target.parts.length ? "register" : "byte"}, bits downwards`, 0, 0);
    context.restore();
  }

  /** Labels of rows, as [bit unit, text]: registers where there are some, else offsets. */
  rowLabels(height) {
    const { view, target } = this;
    const most = height / 15;
    const perByte = height / ((view.u1 - view.u0) / 8);
    if (perByte > 8 * 13) {
      const all = [];
      for (let unit = Math.floor(view.u0); unit < view.u1; unit++) {
        all.push([unit + 0.5, unit % 8 ? `bit ${unit % 8}` : `${this.shortName(unit >> 3)}  bit 0`]);
      }
      return all;
    }
    if (target.parts.length) {
      const parts = target.parts.filter(([first, length]) => 8 * (first + length) > view.u0 && 8 * first < view.u1);
      if (perByte > 15) return this.byteLabels(1);
      const every = Math.ceil(parts.length / most);
      return parts
        .filter((_, i) => i % every === 0)
        .map(([first, length, name]) => [Math.max(view.u0, Math.min(view.u1, 8 * (first + length / 2))), name]);
    }
    if (perByte > 15) return this.byteLabels(1);
    return ticks(view.u0 / 8, view.u1 / 8, most / 2, true).map((byte) => [8 * byte, `0x${byte.toString(16)}`]);
  }

  byteLabels(step) {
    const all = [];
    for (let byte = Math.floor(this.view.u0 / 8); 8 * byte < this.view.u1; byte += step) {
      all.push([8 * byte + 4, this.shortName(byte)]);
    }
    return all;
  }

  shortName(byte) {
    for (const [first, length, name] of this.target.parts) {
      if (byte >= first && byte < first + length) return `${name}[${byte - first}]`;
    }
    return `0x${byte.toString(16)}`;
  }

  /** The margins: what shares of the faults of each column and each row have which effect. */
  drawProfiles({ x, y, width, height }) {
    const { context, margins, buffer } = this;
    const bars = (counts, n, draw) => {
      for (let i = 0; i < n; i++) {
        const all = counts[CHANNELS * i + EFFECTS];
        let from = 0;
        for (const effect of SEVERITY) {
          const share = all > 0 && this.shown[effect] ? counts[CHANNELS * i + effect] / all : 0;
          if (share > 0.001) draw(i, from, share, effect);
          from += share;
        }
      }
    };
    context.fillStyle = this.css("--overwritten");
    context.fillRect(x, y + height + 5, width, PROFILE);
    context.fillRect(x + width + 5, y, MARGIN.right - 12, height);
    const colour = (effect) => `rgb(${this.colours[effect].join()})`;
    const [dx, dy] = [width / buffer.width, height / buffer.height];
    bars(margins.columns, buffer.width, (i, from, share, effect) => {
      context.fillStyle = colour(effect);
      context.fillRect(x + i * dx, y + height + 5 + PROFILE * (1 - from - share), dx + 0.3, PROFILE * share);
    });
    bars(margins.rows, buffer.height, (i, from, share, effect) => {
      context.fillStyle = colour(effect);
      context.fillRect(x + width + 5 + (MARGIN.right - 12) * from, y + i * dy, (MARGIN.right - 12) * share, dy + 0.3);
    });
  }

  drawSelected({ x, y, width, height }) {
    const { context, view } = this;
    for (const [fault, name] of [[this.pointed, "--pointed"], [this.selected, "--ink"]]) {
      if (!fault || fault.target !== this.target) continue;
      const across = (time) => x + ((time - view.t0) / (view.t1 - view.t0)) * width;
      const down = (unit) => y + ((unit - view.u0) / (view.u1 - view.u0)) * height;
      const unit = 8 * fault.byte + fault.bit;
      const [left, right] = [across(fault.start), across(fault.end)];
      const [top, bottom] = [down(unit), down(unit + 1)];
      context.save();
      context.beginPath();
      context.rect(x, y, width, height);
      context.clip();
      context.strokeStyle = this.css(name);
      context.lineWidth = fault === this.selected ? 2 : 1;
      const [w, h] = [Math.max(right - left, 5), Math.max(bottom - top, 5)];
      context.strokeRect((left + right - w) / 2, (top + bottom - h) / 2, w, h);
      context.restore();
    }
  }
}
