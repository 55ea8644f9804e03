// The live stream comes in, the picture goes on, and what is clicked goes out.

const DRAWN_MAX = 60; // bars of one event; beyond, nobody could tell them apart

const page = {offset: Infinity, settled: null, fleet: null, live: null, paused: false, counted: []};
const nowHere = () => performance.now() / 1000;
const nowThere = () => nowHere() - page.offset;

const requests = new Requests(byId("requests"));
const lanes = new Lanes(byId("lanes"), byId("tip"));
const cards = new Cards(byId("providers"), {act, open: provider => form?.open(provider)});
let form = null;

function notice(error) {
  const box = byId("notice");
  box.hidden = !error;
  if (error) box.replaceChildren(make("b", {}, error.message || "That did not work."), `found ${error.found}; wanted ${error.wanted}`);
}

/** Ask for a change and show the fleet as it is then; *lasting* says whether the change is to last as long as chosen. */
async function act(method, path, body, lasting = false) {
  try {
    await change(method, path, body, lasting);
    notice(null);
  } catch (error) {
    notice(error);
  }
}

async function change(method, path, body, lasting) {
  const ttl = byId("ttl").value;
  await ask(method, path, lasting && ttl ? {...body, ttl: Number(ttl)} : body);
  showFleet(await ask("GET", "/fleet"));
}

function showFleet(fleet) {
  page.offset = Math.min(page.offset, nowHere() - fleet.now);
  page.fleet = fleet;
  lanes.fleet(fleet.providers, fleet.now);
  cards.fleet(fleet.providers);
  const undo = byId("undo"), last = fleet.undo;
  undo.disabled = !last;
  undo.title = last ? `Undo: ${last.says}` : "Nothing to undo";
  undo.setAttribute("aria-label", undo.title);
  byId("heal-all").disabled = !fleet.providers.some(struckBy) && !fleet.schedule;
  document.title = `${fleet.providers.filter(struckBy).length || "No"} of ${fleet.providers.length} struck · fleet`;
  showSchedule();
}

function showSchedule() {
  const {schedule, now} = page.fleet, box = byId("schedule");
  box.hidden = !schedule;
  if (!schedule) return;
  const elapsed = schedule.elapsed + Math.max(0, nowThere() - now) * schedule.scale, {next} = schedule;
  const says = step => step.behaviour ? Object.keys(Object.assign({}, ...step.behaviour)).join(" and ") : step.door ? `door ${step.door}` : "healed";
  const then = next ? `next in ${clock((next.at - elapsed) / schedule.scale)}: ${next.provider} ${says(next)} · ${schedule.remaining} steps to come` : "no more steps";
  say(box, `A scenario plays${schedule.scale === 1 ? "" : `, ${schedule.scale} times as fast`}: ${clock(elapsed)} in, ${then}`);
}

function take(attempts) {
  const drawn = attempts.length - DRAWN_MAX;
  for (const [index, seen] of attempts.entries()) {
    const attempt = {...seen, id: `${seen.sequence}-${seen.received_at}`};
    const before = requests.take(attempt);
    if (index >= drawn || lanes.bars.has(attempt.id)) lanes.take(attempt, before);
  }
  if (attempts.length) byId("quiet").hidden = true;
}

function listen() {
  if (page.live || document.hidden) return;
  const live = page.live = new EventSource(page.settled === null ? "/journal/stream" : `/journal/stream?after=${page.settled}`);
  const on = (name, call) => live.addEventListener(name, event => {
    linked("live");
    if (event.lastEventId) page.settled = event.lastEventId;
    call(JSON.parse(event.data));
  });
  on("fleet", showFleet);
  on("attempts", take);
  on("lost", ({attempts}) => linked("live", `live, ${attempts} too many to show`));
  live.onerror = () => {
    linked("", "no connection, trying again");
    if (live.readyState !== EventSource.CLOSED) return;
    page.live = null;
    setTimeout(listen, 2000);
  };
}

function linked(kind, words = kind) {
  const link = byId("link");
  link.className = `link ${kind}`;
  say(link, words);
}

// A browser has six connections to one host: a page that nobody looks at leaves its own to the others.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return listen();
  page.live?.close();
  page.live = null;
});

function frame() {
  if (page.fleet && !page.paused) lanes.frame(nowThere());
  requestAnimationFrame(frame);
}

setInterval(() => {
  if (!page.fleet) return;
  requests.render();
  cards.tick(nowThere());
  showSchedule();
  const sum = what => page.fleet.providers.reduce((total, each) => total + each[what], 0);
  page.counted = [...page.counted.slice(-40), sum("attempts")]; // ten seconds of them
  const rate = (page.counted.at(-1) - page.counted[0]) / Math.max(1, (page.counted.length - 1) / 4);
  say(byId("rate"), `${rate.toFixed(rate < 10 ? 1 : 0)} attempts a second, ${sum("running")} running`);
}, 250);
setInterval(() => page.fleet && lanes.says(), 3000);

byId("undo").addEventListener("click", () => page.fleet?.undo && act("POST", "/undo", {change: page.fleet.undo.change}));
byId("heal-all").addEventListener("click", () => act("POST", "/heal"));
byId("pause").addEventListener("click", ({target}) => {
  page.paused = !page.paused;
  target.setAttribute("aria-pressed", String(page.paused));
});
for (const button of document.querySelectorAll("[data-seconds]")) {
  button.addEventListener("click", () => {
    for (const each of document.querySelectorAll("[data-seconds]")) each.setAttribute("aria-pressed", String(each === button));
    lanes.zoom(Number(button.dataset.seconds));
  });
}

try {
  showFleet(await ask("GET", "/fleet"));
  const {faults} = await ask("GET", "/faults");
  form = new FaultForm(faults, (provider, behaviour) =>
    change("PUT", `/providers/${provider.name}/behaviour`, {behaviour}, true));
} catch (error) {
  notice(error);
}
listen();
requestAnimationFrame(frame);
