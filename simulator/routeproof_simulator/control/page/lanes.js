// One lane for each provider, and a bar for each attempt, from the request to the end of the answer. The picture moves
// as a whole; only the bars that run are drawn anew.

const ROW = 9, HEAD = 24, FOOT = 8, AXIS = 18;
const BARS_MAX = 160; // in one lane
const BAR_MIN = 5;

class Lanes {
  constructor(host, tip) {
    this.host = host;
    this.tip = tip;
    this.span = 30;
    this.lanes = new Map();
    this.bars = new Map();
    this.hops = [];
    this.base = null;
    this.svg = draw("svg", {role: "img", "aria-label": "Attempts over time"});
    this.names = make("div", {class: "names"});
    host.append(this.svg, this.names);
    new ResizeObserver(() => this.rebuild()).observe(host);
    host.addEventListener("pointermove", event => this.point(event));
    host.addEventListener("pointerdown", event => this.point(event));
    host.addEventListener("pointerleave", () => this.unpoint());
  }

  /** Take note of the providers; what each is struck by becomes a band in its lane. */
  fleet(providers, now) {
    if (this.base === null) this.base = now;
    const names = providers.map(each => each.name);
    if (names.join() !== [...this.lanes.keys()].join()) {
      const rows = names.length <= 3 ? 7 : names.length <= 6 ? 4 : 2;
      this.laneHeight = HEAD + rows * ROW + FOOT;
      this.lanes = new Map(names.map(name => [name, {rows: Array(rows).fill(-Infinity), bands: [], count: 0}]));
      this.rebuild();
    }
    for (const provider of providers) {
      const lane = this.lanes.get(provider.name), words = struckBy(provider), band = lane.bands.at(-1);
      lane.dot.className = words ? "dot struck" : "dot";
      if (band && band.until === null) {
        if (band.words === words) continue;
        band.until = now;
      }
      if (words) lane.bands.push({words, from: now, until: null});
      this.bands(lane);
    }
  }

  zoom(span) {
    this.span = span;
    this.rebuild();
  }

  rebuild() {
    const width = this.host.clientWidth, height = AXIS + this.lanes.size * this.laneHeight;
    if (!width || !this.lanes.size || this.base === null) return;
    this.width = width;
    this.scale = width / this.span;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    this.world = draw("g", {});
    this.front = draw("g", {});
    const back = draw("g", {});
    this.svg.replaceChildren(back, this.world);
    this.names.replaceChildren();
    let top = 0;
    for (const [name, lane] of this.lanes) {
      lane.top = top;
      back.append(draw("rect", {class: "lane-bg", x: 0, y: top, width, height: this.laneHeight}),
        draw("line", {class: "lane-line", x1: 0, x2: width, y1: top + this.laneHeight, y2: top + this.laneHeight}));
      lane.group = draw("g", {});
      this.world.append(lane.group);
      lane.dot = make("i", {class: struckNow(lane) ? "dot struck" : "dot"});
      lane.label = make("span", {}, lane.dot, name);
      lane.label.style.top = `${top + 3}px`;
      this.names.append(lane.label);
      lane.nameWidth = lane.label.offsetWidth + 18; // measured once: to measure in every frame costs a layout
      this.bands(lane);
      top += this.laneHeight;
    }
    this.axis(back, top);
    this.world.append(this.front);
    for (const bar of this.bars.values()) this.raise(bar);
    for (const hop of this.hops) this.link(hop);
  }

  axis(back, top) {
    const step = this.span <= 10 ? 2 : this.span <= 30 ? 5 : 30;
    for (let ago = step; ago < this.span; ago += step) {
      const x = this.width - ago * this.scale;
      back.append(draw("line", {class: "grid", x1: x, x2: x, y1: 0, y2: top}),
        draw("text", {class: "grid-text", x, y: top + 13, "text-anchor": "middle"}, `−${ago} s`));
    }
    back.append(draw("text", {class: "grid-text", x: this.width - 4, y: top + 13, "text-anchor": "end"}, "now"));
  }

  bands(lane) {
    if (!lane.group) return;
    lane.bandNodes?.remove();
    lane.bandNodes = draw("g", {});
    lane.bands = lane.bands.slice(-20);
    for (const band of lane.bands) {
      const x = this.x(band.from);
      band.length = undefined;
      band.node = draw("rect", {class: "band", x, y: lane.top, width: 1, height: this.laneHeight});
      band.text = draw("text", {class: "band-text", x: x + 6, y: lane.top + 15}, band.words);
      lane.bandNodes.append(band.node, draw("line", {class: "band-edge", x1: x, x2: x, y1: lane.top, y2: lane.top + this.laneHeight}), band.text);
      if (band.until !== null) {
        const end = this.x(band.until);
        band.node.setAttribute("width", Math.max(0, end - x));
        lane.bandNodes.append(draw("line", {class: "band-edge", x1: end, x2: end, y1: lane.top, y2: lane.top + this.laneHeight}));
      }
    }
    lane.group.prepend(lane.bandNodes);
  }

  /** Draw *attempt*, or draw it anew; *before* is the try of the same request before it. */
  take(attempt, before) {
    const lane = this.lanes.get(attempt.provider);
    if (!lane) return;
    let bar = this.bars.get(attempt.id);
    if (bar) bar.attempt = attempt;
    else {
      const row = freeRow(lane, attempt.received_at);
      bar = {attempt, lane, row};
      this.bars.set(attempt.id, bar);
      if (++lane.count > BARS_MAX) this.drop(this.oldest(lane));
    }
    const shown = Math.max((attempt.ended_at ?? Infinity) - attempt.received_at, (BAR_MIN + 2) / (this.scale || 1));
    lane.rows[bar.row] = attempt.received_at + shown;
    this.raise(bar);
    if (before && this.bars.has(before.id)) {
      const hop = {from: before.id, to: attempt.id};
      this.hops.push(hop);
      this.link(hop);
    }
  }

  raise(bar) {
    if (!this.world) return;
    const kind = kindOf(bar.attempt);
    if (!bar.node || bar.node.parentNode !== bar.lane.group) {
      bar.node?.remove();
      bar.wait = draw("rect", {class: "wait", height: ROW - 2, rx: 2.5});
      bar.flow = draw("rect", {class: "flow", height: ROW - 2, rx: 2.5});
      bar.tick = draw("rect", {class: "tick", width: 1.5, height: ROW + 1});
      bar.node = draw("g", {"data-id": bar.attempt.id, "data-provider": bar.attempt.provider}, bar.wait, bar.flow, bar.tick);
      bar.lane.group.append(bar.node);
    }
    bar.node.setAttribute("class", `bar ${kind}`);
    bar.node.setAttribute("data-kind", kind);
    this.stretch(bar, bar.attempt.ended_at ?? this.now ?? bar.attempt.received_at);
  }

  stretch(bar, until) {
    const {attempt} = bar, y = bar.lane.top + HEAD + bar.row * ROW;
    const x = this.x(attempt.received_at), end = Math.max(this.x(until), x + BAR_MIN);
    const first = attempt.first_byte_at === undefined ? end : Math.min(this.x(attempt.first_byte_at), end);
    const flow = first > end - BAR_MIN && kindOf(attempt) !== "open" ? Math.max(x, end - BAR_MIN) : first;
    place(bar.wait, x, y, flow - x);
    place(bar.flow, flow, y, end - flow);
    bar.tick.setAttribute("visibility", attempt.first_byte_at === undefined || end - x < 12 ? "hidden" : "visible");
    place(bar.tick, first, y - 1.5);
  }

  link(hop) {
    const from = this.bars.get(hop.from), to = this.bars.get(hop.to);
    hop.node?.remove();
    if (!from || !to || !this.front) return;
    const middle = bar => bar.lane.top + HEAD + bar.row * ROW + (ROW - 2) / 2;
    const end = from.attempt.ended_at === undefined ? from.attempt.received_at : from.attempt.ended_at;
    const x2 = this.x(to.attempt.received_at), x1 = Math.min(Math.max(this.x(end), this.x(from.attempt.received_at) + 3), x2);
    const y1 = middle(from), y2 = middle(to), bend = Math.max(14, Math.min(40, Math.abs(y2 - y1) / 3));
    hop.node = draw("g", {}, draw("path", {class: "hop", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}),
      draw("circle", {class: "hop-end", cx: x2, cy: y2, r: 2.6}));
    this.front.append(hop.node);
  }

  oldest(lane) {
    for (const bar of this.bars.values()) if (bar.lane === lane) return bar;
  }

  drop(bar) {
    bar.node?.remove();
    bar.lane.count -= 1;
    this.bars.delete(bar.attempt.id);
  }

  /** Move the picture to *now*. */
  frame(now) {
    if (!this.world) return;
    this.now = now;
    this.world.setAttribute("transform", `translate(${this.width - this.x(now)} 0)`);
    for (const bar of this.bars.values()) {
      if (bar.attempt.ended_at === undefined) this.stretch(bar, now);
      else if (bar.attempt.ended_at < now - 125) this.drop(bar);
    }
    const gone = this.hops.length - 400;
    this.hops = this.hops.filter((hop, index) => {
      const stays = index >= gone && this.bars.has(hop.from) && this.bars.has(hop.to);
      if (!stays) hop.node?.remove();
      return stays;
    });
    this.label(now);
  }

  /** Let the words of a band stay in sight, beside the provider's name, as long as there is room for them. */
  label(now) {
    const left = this.x(now) - this.width;
    for (const lane of this.lanes.values()) {
      for (const band of lane.bands) {
        const begin = this.x(band.from), end = this.x(band.until ?? now);
        if (band.until === null) band.node.setAttribute("width", Math.max(0, end - begin));
        const x = Math.max(begin + 6, left + lane.nameWidth);
        band.length ??= band.text.getComputedTextLength();
        const fits = band.until === null ? x < end : x + band.length < end;
        band.text.setAttribute("x", band.until === null ? Math.max(Math.min(x, end - band.length - 6), left + lane.nameWidth) : x);
        band.text.setAttribute("visibility", fits ? "visible" : "hidden");
      }
    }
  }

  says() {
    const kinds = {};
    for (const bar of this.bars.values()) {
      if ((bar.attempt.ended_at ?? this.now) < this.now - this.span) continue;
      const key = `${bar.attempt.provider} ${kindOf(bar.attempt)}`;
      kinds[key] = (kinds[key] || 0) + 1;
    }
    const told = Object.entries(kinds).map(([key, count]) => `${key} ${count}`).join(", ");
    this.svg.setAttribute("aria-label", `Attempts of the last ${this.span} seconds: ${told || "none"}`);
  }

  x(time) {
    return (time - this.base) * this.scale;
  }

  point(event) {
    const node = event.target.closest?.(".bar");
    const bar = node && this.bars.get(node.dataset.id);
    if (!bar) return this.unpoint();
    if (this.pointed !== bar) {
      this.unpoint();
      this.pointed = bar;
      const request = requestOf(bar.attempt);
      for (const each of this.bars.values()) each.node?.classList.toggle("known", requestOf(each.attempt) === request);
    }
    this.tip.textContent = story(bar.attempt);
    this.tip.hidden = false;
    const width = Math.min(320, innerWidth - 16);
    this.tip.style.left = `${Math.max(8, Math.min(event.clientX + 12, innerWidth - width - 8))}px`;
    this.tip.style.top = `${event.clientY + 16}px`;
  }

  unpoint() {
    if (!this.pointed) return;
    this.pointed = null;
    this.tip.hidden = true;
    for (const each of this.bars.values()) each.node?.classList.remove("known");
  }
}

function struckNow(lane) {
  const band = lane.bands.at(-1);
  return band !== undefined && band.until === null;
}

function freeRow(lane, at) {
  const free = lane.rows.findIndex(end => end <= at);
  return free >= 0 ? free : lane.rows.indexOf(Math.min(...lane.rows));
}

function place(node, x, y, width) {
  node.setAttribute("x", x);
  node.setAttribute("y", y);
  if (width !== undefined) node.setAttribute("width", Math.max(0, width));
}
