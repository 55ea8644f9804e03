// One card for each provider: what it does now, what it has seen, and one click to break or heal it.

const QUICK = [
  {label: "Kill", hint: "refuse connections", door: "refused"},
  {label: "Slow", hint: "first token after 5 s", behaviour: [{ttft: {seconds: 5}}]},
  {label: "429", hint: "rate limit error, retry after 2 s", behaviour: [{fail: {status: 429, retry_after: 2}}]},
  {label: "Cut streams", hint: "cut streams after 3 frames", behaviour: [{cut: {frames: 3}}]},
];

class Cards {
  /** *act* is called with what is to be asked: method, path, body. *open* opens the form for a provider. */
  constructor(host, {act, open}) {
    this.host = host;
    this.act = act;
    this.open = open;
    this.cards = new Map();
  }

  fleet(providers) {
    const names = providers.map(each => each.name);
    if (names.join() !== [...this.cards.keys()].join()) {
      this.cards = new Map(providers.map(each => [each.name, this.build(each)]));
      this.host.replaceChildren(...[...this.cards.values()].map(card => card.node));
    }
    for (const provider of providers) this.show(this.cards.get(provider.name), provider);
  }

  build(provider) {
    const card = {provider}, name = provider.name;
    const button = (label, hint, click) =>
      make("button", {type: "button", title: hint, "aria-label": `${label} ${name}: ${hint}`, onclick: click}, label);
    card.dot = make("i", {class: "dot"});
    card.state = make("div", {class: "state"});
    card.counts = Object.fromEntries(["answered", "failed", "running"].map(what => [what, make("b", {}, "0")]));
    card.quick = QUICK.map(quick => {
      const node = button(quick.label, quick.hint, () => this.toggle(card, quick));
      node.setAttribute("aria-pressed", "false");
      return node;
    });
    card.heal = button("Heal", "as configured again", () => this.heal(card));
    card.heal.className = "good";
    const url = make("code", {title: provider.base_url}, provider.base_url);
    const copy = make("button", {type: "button", class: "plain", "aria-label": `Copy the base URL of ${name}`}, "Copy");
    copy.addEventListener("click", () => copied(copy, provider.base_url));
    card.node = make("article", {class: "card", "aria-label": name, "data-provider": name},
      make("header", {}, card.dot, make("h3", {}, name), make("span", {class: "chip"}, provider.dialect)),
      card.state,
      make("div", {class: "counts"}, ...Object.entries(card.counts).map(([what, node]) =>
        make("div", {class: what}, node, make("span", {}, what)))),
      make("div", {class: "quick", role: "group", "aria-label": `Break ${name}`}, ...card.quick),
      make("div", {class: "more"}, button("More faults…", "every fault there is", () => this.open(card.provider)), card.heal),
      make("div", {class: "address"}, url, copy));
    return card;
  }

  show(card, provider) {
    card.provider = provider;
    const struck = struckBy(provider);
    card.node.className = struck ? "card struck" : "card";
    card.dot.className = struck ? "dot struck" : "dot";
    card.heal.disabled = !struck;
    const counts = {answered: provider.attempts - provider.failed, failed: provider.failed, running: provider.running};
    for (const [what, count] of Object.entries(counts)) say(card.counts[what], count.toLocaleString("en"));
    card.counts.failed.parentNode.className = provider.failed ? "failed" : "failed none";
    QUICK.forEach((quick, index) => card.quick[index].setAttribute("aria-pressed", String(isOn(provider, quick))));
    const words = struck || (provider.configured.length ? `healthy, as configured: ${provider.says}` : "healthy, as configured");
    if (card.words !== words) {
      card.words = words;
      card.until = make("small", {});
      card.state.replaceChildren(struck ? make("code", {}, words) : words, card.until);
    }
  }

  /** Say how long what stands will last, at *now*. */
  tick(now) {
    for (const {provider, until} of this.cards.values()) {
      const ends = [provider.behaviour_until, provider.door_until].filter(each => each !== null && each !== undefined);
      say(until, ends.length ? `heals by itself in ${clock(Math.min(...ends) - now)}` : struckBy(provider) ? "until healed" : "");
    }
  }

  async toggle(card, quick) {
    const {provider} = card, path = `/providers/${provider.name}`, on = isOn(provider, quick);
    if (quick.door) return this.act("PUT", `${path}/door`, {door: on ? provider.configured_door : quick.door}, !on);
    // Behind a shut door no behaviour shows.
    if (isShut(provider)) await this.act("PUT", `${path}/door`, {door: provider.configured_door});
    const behaviour = on ? provider.configured : [...provider.configured, ...quick.behaviour];
    return this.act("PUT", `${path}/behaviour`, {behaviour}, !on);
  }

  async heal({provider}) {
    const path = `/providers/${provider.name}`;
    if (isShut(provider)) await this.act("PUT", `${path}/door`, {door: provider.configured_door});
    if (provider.beyond)
      await this.act("PUT", `${path}/behaviour`, {behaviour: provider.configured});
  }
}

function isShut(provider) {
  return provider.door !== provider.configured_door;
}

function isOn(provider, quick) {
  if (quick.door) return provider.door === quick.door;
  return !isShut(provider) && JSON.stringify(provider.behaviour) === JSON.stringify([...provider.configured, ...quick.behaviour]);
}

async function copied(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}
