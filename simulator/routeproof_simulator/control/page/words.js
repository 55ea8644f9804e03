// What happened, in words and in one of five kinds: good, bad, cut, left, open.

const seconds = value =>
  value < 0.0995 ? `${Math.max(1, Math.round(value * 1000))} ms` : value < 10 ? `${value.toFixed(2)} s` : `${value.toFixed(0)} s`;

function clock(value) {
  const left = Math.max(0, Math.ceil(value));
  return left < 60 ? `${left} s` : `${Math.floor(left / 60)} min ${String(left % 60).padStart(2, "0")} s`;
}

function kindOf(attempt) {
  if (attempt.ended_at === undefined) return "open";
  if (attempt.ended === "left") return "left";
  if (attempt.ended !== "complete") return "cut";
  return attempt.status === undefined || attempt.status >= 400 ? "bad" : "good";
}

function outcomeOf(attempt) {
  const frames = attempt.frames || 0;
  switch (kindOf(attempt)) {
    case "open": return attempt.status === undefined ? "waiting" : `${attempt.status}, running`;
    case "left": return "client left";
    case "cut": return `${attempt.ended} after ${frames} ${frames === 1 ? "frame" : "frames"}`;
    default: return attempt.status === undefined ? "no answer" : String(attempt.status);
  }
}

const lengthOf = attempt => attempt.ended_at === undefined ? "" : seconds(attempt.ended_at - attempt.received_at);

function story(attempt) {
  const lines = [`${attempt.provider}: ${outcomeOf(attempt)}${attempt.ended_at === undefined ? "" : ` after ${lengthOf(attempt)}`}`];
  if (attempt.first_byte_at !== undefined) lines.push(`first byte after ${seconds(attempt.first_byte_at - attempt.received_at)}`);
  if (attempt.faults) lines.push(`changed by ${attempt.faults.join(", ")}`);
  lines.push(attempt.marker ? `request ${attempt.marker}` : attempt.path || "");
  return lines.join("\n");
}

/** What a provider is struck by, in words; nothing where it is as configured. */
function struckBy(provider) {
  const words = [];
  if (provider.door !== provider.configured_door) words.push(`door ${provider.door}`);
  if (provider.beyond) words.push(provider.beyond);
  return words.join(", ");
}

/** What is tried again as the same request: by its marker, or by what it asks where it bears none. */
const requestOf = attempt => attempt.marker ? `m ${attempt.marker}` : attempt.asks ? `a ${attempt.asks}` : `s ${attempt.sequence}`;
