// A form for every fault, made from what `GET /faults` says of it. What is typed goes to the control API as it is: that
// knows best what is wrong with it, and says so.

const WHEN_ALWAYS = "always";

class FaultForm {
  /** *apply* is called with the provider and the behaviour; it throws what the control API refuses. */
  constructor(faults, apply) {
    this.apply = apply;
    this.dialog = byId("sheet");
    this.form = byId("fault-form");
    this.name = byId("fault-name");
    this.add = byId("fault-add");
    this.faults = new Map(faults.map(fault => [fault.name, fault]));
    this.wrapping = faults.filter(fault => fault.attributes.some(each => each.type === "behaviour"));
    this.choices(faults.filter(fault => !this.wrapping.includes(fault)));
    this.when();
    this.name.addEventListener("change", () => this.chosen());
    this.form.addEventListener("input", () => this.preview());
    this.form.addEventListener("submit", event => { event.preventDefault(); this.submit(); });
    byId("sheet-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", event => { if (event.target === this.dialog) this.dialog.close(); });
  }

  choices(faults) {
    const groups = new Map();
    for (const fault of faults) {
      if (!groups.has(fault.group)) groups.set(fault.group, make("optgroup", {label: fault.group}));
      groups.get(fault.group).append(make("option", {value: fault.name}, fault.name.replaceAll("_", " ")));
    }
    this.name.replaceChildren(...groups.values());
    if (this.faults.has("fail")) this.name.value = "fail";
  }

  when() {
    const labels = {first: "the first attempts of a request", chance: "by chance", flap: "now and then"};
    this.whenName = make("select", {id: "fault-when-name"}, make("option", {value: WHEN_ALWAYS}, "always"),
      ...this.wrapping.map(each => make("option", {value: each.name}, labels[each.name] || each.name)));
    this.whenFields = [];
    this.whenName.addEventListener("change", () => {
      const fault = this.faults.get(this.whenName.value);
      this.whenFields = fault ? fault.attributes.filter(each => each.type !== "behaviour").map(field) : [];
      byId("fault-when").replaceChildren(whenField, ...this.whenFields.map(each => each.node));
      this.preview();
    });
    const whenField = make("label", {class: "field"}, make("span", {}, "When"), this.whenName);
    byId("fault-when").replaceChildren(whenField);
  }

  open(provider) {
    this.provider = provider;
    say(byId("sheet-title"), `Break ${provider.name}`);
    this.add.checked = false;
    this.chosen();
    this.dialog.showModal();
    this.name.focus();
  }

  chosen() {
    const fault = this.faults.get(this.name.value);
    say(byId("fault-summary"), fault.summary.replaceAll("*", ""));
    this.fields = fault.attributes.map(field);
    byId("fault-fields").replaceChildren(...this.fields.map(each => each.node));
    this.wrong(null);
    this.preview();
  }

  behaviour() {
    let one = {[this.name.value]: valuesOf(this.fields)};
    const wrap = this.faults.get(this.whenName.value);
    if (wrap) {
      const inner = wrap.attributes.find(each => each.type === "behaviour").name;
      one = {[wrap.name]: {...valuesOf(this.whenFields), [inner]: [one]}};
    }
    return [...(this.add.checked ? this.provider.behaviour : this.provider.configured), one];
  }

  preview() {
    say(byId("fault-preview"), JSON.stringify(this.behaviour()));
  }

  async submit() {
    try {
      await this.apply(this.provider, this.behaviour());
      this.dialog.close();
    } catch (error) {
      this.wrong(error);
    }
  }

  /** Show what is wrong at the field that it is about, and in words below. */
  wrong(error) {
    const box = byId("fault-error");
    const place = error?.key?.split(".").at(-1);
    for (const each of [...this.fields, ...this.whenFields]) each.wrong(error && each.name === place ? error : null);
    box.hidden = !error;
    if (!error) return;
    box.replaceChildren(make("b", {}, error.key ? `${error.key.split(".").slice(-2).join(" · ")} is wrong` : error.message),
      `found ${error.found}; wanted ${error.wanted}`);
  }
}

/** A field for one attribute; `value` is undefined where nothing is said. */
function field(attribute) {
  const {name, type, unit, required, choices, min, max, is_above: above} = attribute;
  const known = {boolean: ["true", "false"], choice: choices}[type];
  const said = bound => bound !== null && bound !== undefined && Math.abs(bound) < 1e6;
  const bounds = [said(min) ? `${above ? "above" : "from"} ${min}` : "", said(max) ? `to ${max}` : ""];
  const hint = [unit === name ? "" : unit, bounds.filter(Boolean).join(" ")].filter(Boolean).join(", ");
  const usual = attribute.default === null || attribute.default === undefined ? "" : String(attribute.default);
  const input = known
    ? make("select", {}, ...(required ? [] : [make("option", {value: ""}, usual ? `${usual} (usual)` : "—")]), ...known.map(each => make("option", {value: each}, each)))
    : make("input", {type: "text", autocomplete: "off", spellcheck: "false", placeholder: usual || (required ? "needed" : "—"), inputmode: type === "integer" ? "numeric" : type === "number" ? "decimal" : "text"});
  input.name = name;
  const told = make("em", {hidden: true, id: `wrong-${name}`});
  const node = make("label", {class: "field"}, make("span", {}, `${name.replaceAll("_", " ")}${hint ? ` (${hint})` : ""}`), input, told);
  return {
    name, node,
    get value() { return input.value === "" ? undefined : typed(type, input.value); },
    wrong(error) {
      node.classList.toggle("wrong", Boolean(error));
      if (error) input.focus();
      input.setAttribute("aria-invalid", String(Boolean(error)));
      input.setAttribute("aria-describedby", told.id);
      told.hidden = !error;
      say(told, error ? `wanted ${error.wanted}` : "");
    },
  };
}

function typed(type, text) {
  const number = text.trim() === "" ? NaN : Number(text);
  switch (type) {
    case "boolean": return text === "true";
    case "integer": case "number": case "number or text": return Number.isFinite(number) ? number : text;
    case "numbers": return text.split(/[\s,]+/).filter(Boolean).map(each => typed("number", each));
    default: return text;
  }
}

function valuesOf(fields) {
  return Object.fromEntries(fields.map(each => [each.name, each.value]).filter(([, value]) => value !== undefined));
}
