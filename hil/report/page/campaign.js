// The page of a campaign: its map, and what is told of the fault under the pointer.

const EFFECT_TEXTS = {
  masked: "masked: output and state are right",
  latent: "latent: the output is right, the state is not",
  sdc: "silent data corruption (SDC): the output is wrong, and nothing shows it",
  crash: "crash",
  hang: "hang",
  detected: "detected",
};
const SIGNALS = { 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV", 31: "SIGSYS" };

const byId = (id) => document.getElementById(id);

function node(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Tells what a fault comes to. */
class FaultText {
  constructor(space) {
    this.space = space;
  }

  outcome(fault) {
    const effect = this.space.effects[fault.effect];
    const { detail } = fault;
    if (fault.kind === "outside") return "not part of the stack at this time: no fault";
    if (effect === "sdc" && detail) {
      return `${EFFECT_TEXTS.sdc}; ${detail === 255 ? "255 or more" : detail} wrong bit${detail > 1 ? "s" : ""}`;
    }
    if (effect === "crash" && detail) return `crash by ${SIGNALS[detail] || `signal ${detail}`}`;
    return EFFECT_TEXTS[effect];
  }

  reason(fault) {
    if (fault.kind === "class") {
      return `by experiment ${fault.number}.${fault.bit}, which stands for ${this.weight(fault)}`;
    }
    const why = fault.kind === "unread" ? "no instruction reads or overwrites it until the step ends" : "it is overwritten before any instruction reads it";
    return `without an experiment: ${why}`;
  }

  weight(fault) {
    const weight = this.space.classes.weight[fault.number];
    return weight === 1 ? "this instruction alone" : `${format(weight)} instructions, since the last access`;
  }

  /** An instruction with its place in the source, linked to the listing below. */
  instruction(position) {
    const [address, text, symbol, file, line] = this.space.code[this.space.instructionAt(position)];
    const place = node("span");
    place.append(node("span", { className: "number", textContent: `${format(position)}  ` }));
    place.append(node("a", { href: `#i${address}`, className: "code", textContent: text }));
    const name = symbol < 0 ? `at 0x${address}` : this.space.functions[symbol];
    place.append(node("span", { className: "dim", textContent: `  ${name}` }));
    if (file >= 0) {
      const path = this.space.files[file];
      place.append(node("span", { className: "dim", textContent: `, ${path.split("/").pop()}:${line}  ` }));
      const source = (this.space.lines[path] || {})[line];
      if (source) place.append(node("code", { className: "source", textContent: source }));
    }
    return place;
  }

  bits(fault) {
    const row = node("span", { className: "bits" });
    for (let bit = 7; bit >= 0; bit--) {
      const name = this.space.colourOf(fault, bit);
      const title = `bit ${bit}: ${fault.kind === "unread" && name === "overwritten" ? "never read" : name}`;
      const box = node("i", { className: `box ${name}`, title, textContent: bit });
      if (bit === fault.bit) box.classList.add("this");
      row.append(box);
    }
    return row;
  }

  command(fault) {
    if (fault.kind !== "class") return "";
    return `hil campaign ${this.space.result} --repeat ${fault.number}.${fault.bit}`;
  }

  fill(list, fault) {
    list.replaceChildren();
    const say = (term, content) => list.append(node("dt", { textContent: term }), node("dd", {}, content));
    const place = `${fault.target.parts.length ? `${fault.target.name}, ` : ""}${fault.target.nameOf(fault.byte)}, bit ${fault.bit}`;
    say("where", place);
    if (fault.kind === "outside") {
      say("outcome", this.outcome(fault));
      return;
    }
    say("outcome", node("span", {}, node("i", { className: `box ${this.space.colourOf(fault, fault.bit)}` }), ` ${this.outcome(fault)}`));
    say("known", this.reason(fault));
    say("all bits", this.bits(fault));
    say("before", this.instruction(fault.time));
    if (fault.kind === "class") say("read by", this.instruction(fault.reader));
  }
}

/** Copy the command, or at least select it. */
async function copyCommand() {
  const [command, button] = [byId("command"), byId("copy")];
  try {
    await navigator.clipboard.writeText(command.textContent);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(command);
    button.textContent = "selected: Ctrl+C";
  }
  setTimeout(() => (button.textContent = "copy"), 2000);
}

function showLine(command, isSelected) {
  byId("command").textContent = command || "no experiment stands for this fault: nothing to repeat";
  byId("command").classList.toggle("dim", !command);
  byId("copy").hidden = !command;
  byId("reproduce").hidden = !isSelected;
}

function tabs(map, space) {
  const list = byId("targets");
  space.targets.forEach((target, i) => {
    const button = node("button", { type: "button", textContent: target.name, disabled: !target.length });
    button.setAttribute("aria-pressed", String(i === 0));
    button.addEventListener("click", () => map.show(i));
    list.append(button);
  });
  return () => {
    [...list.children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === map.shownTarget)));
  };
}

async function main() {
  const space = await FaultSpace.load(JSON.parse(byId("data").textContent));
  const text = new FaultText(space);
  const list = byId("fault");
  let markTab = () => {};
  const tell = (fault) => {
    byId("hint").hidden = Boolean(fault);
    list.hidden = !fault;
    if (fault) text.fill(list, fault);
  };
  const map = new FaultMap(byId("map"), space, {
    onPoint: (fault) => tell(fault || map.selected),
    onSelect: (fault, isFromLink) => {
      tell(fault);
      showLine(fault ? text.command(fault) : "", Boolean(fault));
      const anchor = fault && fault.kind === "class" ? `#${fault.number}.${fault.bit}` : location.pathname;
      history.replaceState(null, "", anchor);
      if (fault && text.command(fault) && !isFromLink) copyCommand();
    },
    onView: (view, target) => {
      markTab();
      const [first, last] = [Math.floor(view.u0 / 8), Math.ceil(view.u1 / 8) - 1];
      byId("view").textContent =
        `${target.name}: instructions ${format(view.t0)} to ${format(Math.ceil(view.t1) - 1)} of ` +
        `${format(space.instructions)}, bytes ${format(first)} to ${format(last)} of ${format(target.length)}`;
    },
  });
  markTab = tabs(map, space);
  for (const box of document.querySelectorAll("#legend input")) {
    box.addEventListener("change", () => {
      map.shown[space.effects.indexOf(box.value)] = box.checked;
      map.draw();
    });
  }
  byId("in").addEventListener("click", () => map.zoom(0.5, 0.5, 2, 2));
  byId("out").addEventListener("click", () => map.zoom(0.5, 0.5, 0.5, 0.5));
  byId("whole").addEventListener("click", () => map.reset());
  byId("copy").addEventListener("click", copyCommand);
  const follow = () => {
    const fault = space.experiment(location.hash.slice(1));
    if (fault) map.select(fault, true);
  };
  addEventListener("hashchange", follow);
  map.drawNow();
  follow();
  globalThis.hilMap = map;
  document.documentElement.dataset.drawnMs = String(Math.round(performance.now()));
}

main().catch((error) => {
  byId("hint").textContent = `This browser cannot draw the map: ${error.message}`;
  document.documentElement.dataset.failed = error.message;
});
