// The policies on their topic, one of them, and changing it.
import { $, text, element, row, link, number, percent, duration, time, moment, limitsText, path, page, call, say, complain, remark, wait, command, argument, showCommands, confirmed } from "./page.js";

const MOST_ROWS = 500;
const isForMany = (key) => key.endsWith("*");
const OF_ONE_LIMIT = ["capacity", "refill_rate", "period", "zone"];

const score = ({ requests, would_refuse: refused, since }) => {
  const words = element("span", `${number(refused)} of ${number(requests)} (${percent(requests ? refused / requests : 0)})`);
  words.title = `since ${since}`;
  return words;
};
const cell = (...content) => {
  const made = element("td");
  made.append(...content);
  return made;
};

// ---- all

let all = [];
export async function openPolicies() {
  showCommands("policies-commands", "./tollgate policy list", "./tollgate policy export");
  wait("policies-error");
  try {
    const { answer } = await call("GET", "/api/policies");
    all = answer.policies;
    complain("policies-error");
    showAll();
    text("policies-count", `${$("policies-count").textContent} Read at ${time(Date.now())}.`);
  } catch (problem) {
    complain("policies-error", problem.message);
  }
}
function showAll() {
  const wanted = $("filter").value.toLowerCase();
  const found = all.filter(({ agent_id: key, document }) => `${key}\n${document?.note || ""}`.toLowerCase().includes(wanted));
  const shown = found.slice(0, MOST_ROWS);
  text("policies-count", `${number(shown.length)} of ${number(all.length)} policies.`);
  $("policy-rows").replaceChildren(...shown.map((one) => {
    const { agent_id: key, document, mistake, shadow } = one;
    const limits = document ? (document.mode === "off" ? "none: mode off" : limitsText(document)) : "";
    const many = cell(limits);
    many.className = "note";
    if (mistake) many.append(element("p", `${document ? "A later record is" : "It is"} ignored: ${mistake}`, "error"));
    const mode = document ? document.mode || "enforce" : "–";
    return row(
      cell(link(key, page("policies", key))),
      cell(element("span", mode, `mode ${mode}`)),
      many,
      shadow ? cell(score(shadow)) : document?.mode === "shadow" ? "no request yet" : "–",
      element("td", document?.note || "", "note"),
      cell(moment(one.changed_at)),
      element("td", one.changed_by || "–"));
  }));
}
$("filter").addEventListener("input", showAll);
$("policies-again").addEventListener("click", openPolicies);
$("open-policy").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("filter").value) location.hash = page("policies", $("filter").value);
});

// ---- one

let key = null; // whose page is open
let current = null; // its record; null: none
let base = {}; // the document that the form begins with
let etag = null;
let reads = 0; // the newest alone is shown

export function openPolicy(id) {
  key = id;
  text("policy-key", id);
  text("policy-whose", !isForMany(id) ? `The policy of the agent ${id}.`
    : id === "*" ? "The policy of every agent that has no other." : `The policy of agents whose ids begin with ${id.slice(0, -1)}, unless they have one of their own, or of a longer prefix.`);
  $("try-policy").hidden = isForMany(id);
  say("policy-result", "");
  wait("policy-error");
  for (const part of ["policy-facts", "shadow", "policy-mistake"]) $(part).hidden = true;
  $("history").replaceChildren();
  $("policy-form").hidden = true;
  return read(true);
}
export function closePolicy() {
  key = null;
  reads++;
}

/** @param intoForm not after a change: somebody may be typing already */
async function read(intoForm) {
  const id = key;
  const mine = ++reads;
  try {
    let found = { answer: null, etag: null };
    try {
      found = await call("GET", `/api/policies/${path(id)}`);
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
    // An agent without a policy of its own gets what applies to it now as a beginning.
    const follows = found.answer || isForMany(id) ? null : (await call("GET", `/api/agents/${path(id)}`)).answer;
    const { answer } = await call("GET", `/api/policies/${path(id)}/history`);
    if (mine !== reads) return;
    current = found.answer;
    etag = found.etag;
    base = current?.document || (follows ? promised(follows.policy) : {});
    show(follows);
    if (intoForm) fill();
    showHistory(answer.changes);
    suggest();
  } catch (problem) {
    if (mine === reads) complain("policy-error", problem.message);
  }
}

function show(follows) {
  const document = current?.document;
  $("policy-facts").hidden = !current;
  $("delete-policy").hidden = !current;
  if (!current) {
    remark("policy-error", follows ? `${key} has no policy of its own. It follows ${follows.policy.name} (${follows.policy.mode}).` : `There is no policy ${key}.`);
  } else {
    complain("policy-error");
    text("policy-name", current.policy || "none that can be read");
    text("policy-mode", document ? document.mode || "enforce" : "–");
    text("policy-limits", document ? limitsText(document) : "–");
    $("policy-changed").replaceChildren(moment(current.changed_at), ` by ${current.changed_by || "somebody"}`);
    text("policy-note", document?.note || "–");
  }
  complain("policy-mistake", current?.mistake && `The newest record is ignored: ${current.mistake}`);
  $("several").hidden = !base.limits;
  text("several", base.limits ? `It has several limits. These fields change the first, ${base.limits[0].name}; the others stay.` : "");
  const shadow = current?.shadow;
  $("shadow").hidden = document?.mode !== "shadow";
  if (shadow) $("shadow").replaceChildren("Would have refused ", score(shadow), " requests since ", moment(shadow.since), ". Nothing was refused: it is in shadow mode.");
  else text("shadow", "In shadow mode. It has looked at no request yet.");
}

function showHistory(changes) {
  $("history-none").hidden = changes.length > 0;
  $("history").replaceChildren(...changes.map((one) => row(
    cell(moment(one.changed_at)),
    one.changed_by || "–",
    one.change === "deleted" ? "deleted" : one.change === "ignored" ? `ignored: ${one.mistake}` : `${limitsText(one.document)}, ${one.document.mode || "enforce"}`,
    element("td", one.document?.note || "", "note"),
    one.policy)));
}

/** Puts what is there into the form; a new policy begins with the limits that applied before. */
function fill() {
  const first = base.limits ? base.limits[0] : base;
  $("new-capacity").value = first.capacity ?? "";
  $("new-period").value = first.period || "";
  $("new-rate").value = first.refill_rate ?? "";
  $("new-zone").value = first.zone || "UTC";
  $("new-mode").value = base.mode || "enforce";
  $("new-note").value = base.note || "";
  $("policy-form").hidden = false;
  showPeriod();
}

/** Returns what a policy in force promises, as a document says it. */
function promised({ mode, limits, ...first }) {
  const limit = ({ name, capacity, refill_rate, period, zone }) => ({ ...limits && { name }, capacity, ...period ? { period, zone } : { refill_rate } });
  return limits ? { limits: limits.map(limit), mode } : { ...limit(first), mode };
}

/** A limit has a rate or a period. */
function showPeriod() {
  const steady = $("new-period").value === "";
  $("of-rate").hidden = !steady;
  $("new-rate").required = steady;
  $("of-zone").hidden = steady;
}
$("new-period").addEventListener("change", showPeriod);

/** What the fields say. */
function fields() {
  const policy = { capacity: Number($("new-capacity").value), mode: $("new-mode").value, note: $("new-note").value || null };
  if ($("new-period").value === "") policy.refill_rate = Number($("new-rate").value);
  else Object.assign(policy, { period: $("new-period").value, zone: $("new-zone").value });
  return policy;
}
/** What stands there once this is written, as the pipeline merges it: what is not named stays. */
function merged() {
  const said = fields();
  const { note, ...result } = base;
  if (said.note) result.note = said.note;
  const limit = result.limits ? { ...result.limits[0] } : result;
  for (const field of OF_ONE_LIMIT) {
    delete limit[field];
    if (said[field] !== undefined) limit[field] = said[field];
  }
  if (result.limits) result.limits = [limit, ...result.limits.slice(1)];
  result.mode = said.mode;
  return result;
}
/** What is sent: where a policy stands, the fields; else all of it. */
const wanted = () => JSON.stringify(current ? fields() : merged());
/** The commands that do what the buttons do. */
function suggest() {
  const policy = merged();
  const { capacity, refill_rate: rate, period, zone, mode, note, ...more } = policy;
  const options = ["--capacity", String(capacity), ...period ? ["--period", period, "--zone", zone] : ["--refill-rate", String(rate)], "--mode", mode, ...!note ? [] : note.startsWith("-") ? [`--note=${note}`] : ["--note", note]];
  const file = command("x", JSON.stringify({ [key]: policy })).slice("./tollgate x ".length);
  const set = Object.keys(more).length
    ? `printf %s ${file} | ./tollgate policy load -`
    : command("policy", "set", ...options, ...argument(key));
  showCommands("policy-commands",
    set,
    ...isForMany(key) ? [] : [`printf %s ${file} | ./tollgate whatif -`],
    ...current ? [command("policy", "delete", ...argument(key))] : [],
    command("policy", "history", ...argument(key)));
}
$("policy-form").addEventListener("input", suggest);

// ---- changes

const expected = () => etag ? { "If-Match": etag } : { "If-None-Match": "*" };
async function change(id, waiting, work) {
  say("policy-result", waiting);
  try {
    const done = await work();
    if (key === id) say("policy-result", done);
  } catch (problem) {
    const words = problem.status === 412 ? "Somebody has changed this policy meanwhile: nothing was done. It is read again." : problem.message;
    if (key === id) say("policy-result", words, true);
    if (problem.status === 412 && key === id) read(false);
  }
}
/** Looks which policy an agent follows until it is one that fits, for at most five seconds. */
async function follows(id, fits) {
  let name = "";
  for (let tries = 0; tries < 10; tries++) {
    try {
      name = (await call("GET", `/api/agents/${path(id)}`)).answer.policy.name;
      if (fits(name)) return name;
    } catch { // it is not known, which is said
    }
    await new Promise((later) => setTimeout(later, 500));
  }
  return null;
}

$("policy-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = key;
  change(id, "Writing ...", async () => {
    const { answer } = await call("PUT", `/api/policies/${path(id)}`, wanted(), expected());
    if (key === id) await read(false);
    const written = `Written as ${answer.policy}.`;
    if (isForMany(id)) return `${written} Every instance follows it as soon as it has read it, usually within a second.`;
    if (key === id) say("policy-result", `${written} Looking whether it is followed ...`);
    return await follows(id, (name) => name === answer.policy)
      ? `${written} The policy has been set, and decisions follow it.`
      : `${written} Whether decisions follow it yet is not known.`;
  });
});
$("try-policy").addEventListener("click", () => {
  const id = key;
  change(id, "Reading what was decided ...", async () => {
    const { answer: trial } = await call("POST", `/api/agents/${path(id)}/whatif`, wanted());
    return `Of ${number(trial.requests)} requests in the last hour ${number(trial.refused_then)} would have been refused, ${number(trial.refused_before)} were; `
      + `longest time without an approval ${duration(trial.longest_seconds)}, tokens saved ${number(trial.tokens_saved)}. Nothing was changed.`;
  });
});
$("delete-policy").addEventListener("click", async () => {
  const id = key;
  const whose = isForMany(id) ? "Every agent that follows it" : id;
  if (!await confirmed(`Delete the policy ${id}?`, `${whose} then follows the next best: a prefix of its id, everybody's policy, or the default. The history stays.`,
    "Delete policy", command("policy", "delete", ...argument(id)))) return;
  change(id, "Deleting ...", async () => {
    const deleted = current?.policy || id;
    await call("DELETE", `/api/policies/${path(id)}`, undefined, expected());
    if (isForMany(id)) {
      if (key === id) await read(false);
      return `${deleted} has been deleted.`;
    }
    const next = await follows(id, (name) => name !== deleted);
    if (key === id) await read(false); // what is followed has changed only now
    return next ? `${deleted} has been deleted: ${id} follows ${next} now.` : `${deleted} has been deleted. Whether decisions follow that yet is not known.`;
  });
});
