// The requests behind the attempts. A marker tells for certain which attempts are one request. Without one, an attempt
// is the next try of a request that asked the same, whose last try did not go well, and not long ago. One that still
// runs is asked again elsewhere (a hedge), not at the same provider: there the next one is a request of its own.

const REQUESTS_MAX = 200;
const SHOWN_MAX = 15;
const AGAIN_SECONDS = 10;

class Requests {
  constructor(list) {
    this.list = list;
    this.all = new Map();
    this.of = new Map();
    this.changed = true;
  }

  /** Take *attempt* in; return the attempt of the same request before it, if any. */
  take(attempt) {
    const known = this.of.get(attempt.id);
    this.changed = true;
    if (known) {
      known.tries[known.tries.findIndex(each => each.id === attempt.id)] = attempt;
      return null;
    }
    let key = requestOf(attempt);
    const last = this.all.get(key);
    if (last && !attempt.marker && !this.goesOn(last, attempt)) {
      this.all.delete(key);
      this.all.set(`${key} ${attempt.id}`, last);
    }
    const request = this.all.get(key) || {tries: [], name: attempt.marker || (attempt.path || "request").replace(/^\/v1\//, "")};
    const before = request.tries.at(-1) || null;
    request.tries.push(attempt);
    this.all.delete(key);
    this.all.set(key, request);
    this.of.set(attempt.id, request);
    if (this.all.size > REQUESTS_MAX) this.forget();
    return before;
  }

  goesOn(request, attempt) {
    const last = request.tries.at(-1);
    if (kindOf(last) === "good") return false;
    if (last.ended_at === undefined) return last.provider !== attempt.provider;
    return attempt.received_at - last.ended_at < AGAIN_SECONDS;
  }

  forget() {
    const [key, request] = this.all.entries().next().value;
    for (const attempt of request.tries) this.of.delete(attempt.id);
    this.all.delete(key);
  }

  render() {
    if (!this.changed) return;
    this.changed = false;
    const newest = [...this.all.values()].slice(-SHOWN_MAX).reverse();
    this.list.replaceChildren(...newest.map(request => this.item(request)));
    if (!newest.length) this.list.append(make("li", {class: "empty"}, "None yet."));
  }

  item(request) {
    const tries = make("span", {class: "tries"});
    request.tries.slice(-12).forEach((attempt, index) => {
      if (index) tries.append(make("span", {class: "arrow", "aria-label": "then"}, "→"));
      const words = `${attempt.provider} ${outcomeOf(attempt)}`;
      tries.append(make("span", {class: `try ${kindOf(attempt)}`, title: story(attempt)}, words));
    });
    const last = request.tries.at(-1), first = request.tries[0];
    if (last.ended_at !== undefined) tries.append(make("span", {class: "dim"}, seconds(last.ended_at - first.received_at)));
    return make("li", {"data-request": request.name}, make("span", {class: "name", title: request.name}, request.name), tries);
  }
}
