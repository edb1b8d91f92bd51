// One agent: its bucket, which refills before your eyes, its last decisions, and filling it.
import { $, text, element, row, number, percent, duration, time, moment, refills, path, page, call, say, complain, wait, command, argument, copyButton, showCommands, confirmed } from "./page.js";
import { isStale } from "./overview.js";

const STALE_MILLIS = 6000;

let chosen = null; // whose page is open
let agent = null; // as the API answered
let heard = 0; // when

export function openAgent(id) {
  chosen = id;
  agent = null;
  text("agent-name", id);
  wait("agent-error");
  say("changed", "");
  for (const part of ["agent", "agent-unknown", "agent-holds", "agent-decisions", "agent-actions"]) $(part).hidden = true;
  look();
}
export function closeAgent() {
  chosen = agent = null;
}

async function look() {
  const id = chosen;
  try {
    const { answer } = await call("GET", `/api/agents/${path(id)}`);
    if (chosen === id) show(answer);
  } catch (problem) {
    if (chosen === id) complain("agent-error", problem.message);
  }
}
async function again() {
  if (chosen !== null && !document.hidden && !isStale()) await look();
  setTimeout(again, 2000); // after the answer: a pipeline that does not answer must not be asked more and more
}
setTimeout(again, 2000);

function show(answer) {
  agent = answer;
  heard = performance.now();
  complain("agent-error");
  const { bucket, policy, known } = agent;
  $("agent-unknown").hidden = known;
  for (const part of ["bucket", "time-to-full", "where-read"]) $(part).hidden = !known;
  for (const part of ["agent", "agent-actions"]) $(part).hidden = false;
  $("agent-decisions").hidden = $("reset").hidden = !known;
  text("capacity", number(bucket.capacity));
  text("refill", refills(bucket));
  text("read-from", bucket.read_from === "redis" ? "Redis" : "local copy");
  text("policy", `${policy.name} (${policy.mode})`);
  $("policy").href = page("policies", policy.name === "default" ? agent.agent_id : policy.name.slice(0, policy.name.lastIndexOf("@")));
  $("own-policy").href = page("policies", agent.agent_id);
  showCommands("agent-commands",
    command("bucket", "show", ...argument(agent.agent_id)),
    ...known ? [command("bucket", "reset", ...argument(agent.agent_id))] : [],
    command("policy", "get", ...argument(agent.agent_id)));
  showLimits(bucket.limits || []);
  showHolds(agent.holds, agent.open_holds, Date.parse(bucket.read_at));
  showDecisions(agent.recent_decisions);
  refill();
}

const HOLDS_SHOWN = 50;
function showHolds(holds, open, now) {
  $("agent-holds").hidden = open === 0;
  const reserved = holds.reduce((sum, hold) => sum + hold.reserved, 0);
  const most = holds.length > HOLDS_SHOWN ? ` The ${HOLDS_SHOWN} that end first:` : "";
  text("holds-sum", `${number(open)} open, ${number(reserved)} tokens reserved.${most}`);
  $("holds").replaceChildren(...holds.slice(0, HOLDS_SHOWN).map((hold) => {
    const when = element("td");
    when.append(moment(hold.opened_at));
    const left = Math.max(0, (Date.parse(hold.deadline) - now) / 1000);
    return row(when, number(hold.reserved), duration(left), hold.hold, hold.request_id || "");
  }));
}

function verdict({ decision, reason }) {
  if (!reason) return decision;
  const [, shadow, words] = reason.match(/^(shadow:)?(.*)$/);
  return `${shadow ? "approved; it would be refused: " : ""}${words.replaceAll("_", " ")}`;
}
function showDecisions(decisions) {
  $("decisions-none").hidden = decisions.length > 0;
  $("decisions").replaceChildren(...decisions.map((decision) => {
    const when = element("td");
    when.append(moment(decision.decided_at));
    const why = element("td");
    // What decided is on the topics, and no page should have to read them. A stray has no source: its decided record alone says.
    if (decision.source) why.append(copyButton(command("explain", decision.source), "copy command"));
    return row(
      when,
      element("td", verdict(decision), decision.decision === "approved" ? "yes" : "no"),
      number(decision.tokens), number(decision.remaining), decision.decided_by, why);
  }));
}

// The limits beside the first: where their figures stand, and what the API said of them.
let others = [];
function showLimits(limits) {
  text("limit-name", limits.length ? `under the limit ${limits[0].name}` : "");
  $("limits").hidden = limits.length === 0;
  others = limits.slice(1).map((limit) => ({ limit, fill: element("span"), meter: element("div", undefined, "meter"), tokens: element("strong") }));
  $("limits").replaceChildren(...others.map(({ limit, fill, meter, tokens }) => {
    meter.setAttribute("role", "meter");
    meter.setAttribute("aria-label", `Tokens under the limit ${limit.name}`);
    meter.append(fill);
    const words = element("p");
    const rate = limit.period ? `full ${refills(limit)}` : limit.refill_rate === 0 ? "never refills" : `refills ${refills(limit)}`;
    words.append(tokens, ` of ${number(limit.capacity)} tokens `, element("span", `under the limit ${limit.name}, ${rate}`, "quiet"));
    const item = element("li");
    item.append(meter, words);
    return item;
  }));
}

const shownTokens = (limit, tokens) => limit.capacity >= 1000 ? number(Math.floor(tokens)) : (Math.floor(tokens * 10) / 10).toFixed(1);
function fillGauge(meter, fill, words, limit, elapsed) {
  const tokens = Math.min(limit.capacity, limit.tokens + elapsed * limit.refill_rate);
  const share = Math.max(0, tokens / limit.capacity);
  const shown = shownTokens(limit, tokens);
  if (words.textContent !== shown) words.textContent = shown;
  fill.style.width = `${share * 100}%`;
  meter.classList.toggle("low", share < 0.2);
  meter.setAttribute("aria-valuemin", 0);
  meter.setAttribute("aria-valuemax", limit.capacity);
  meter.setAttribute("aria-valuenow", Math.max(0, tokens).toFixed(1));
  meter.setAttribute("aria-valuetext", `${shown} of ${number(limit.capacity)}, ${percent(share)}`);
  if (tokens >= limit.capacity || limit.period) return 0;
  return (limit.capacity - tokens) / limit.refill_rate;
}

/** From what the API said, at the rate it said; but not for longer than the answer is good for. */
function refill() {
  if (!agent) return;
  const { bucket } = agent;
  const age = performance.now() - heard;
  const stale = isStale() || age > STALE_MILLIS;
  $("agents").dataset.stale = stale;
  text("agent-as-of", stale ? `As of ${time(Date.parse(bucket.read_at))}; it is not known what came since.` : "");
  if (stale) return;
  const elapsed = age / 1000;
  let toFull = fillGauge($("gauge"), $("gauge-fill"), $("tokens"), bucket, elapsed);
  for (const { limit, fill, meter, tokens } of others) {
    toFull = Math.max(toFull, fillGauge(meter, fill, tokens, limit, elapsed));
  }
  // When a period ends, the API knows.
  const byCalendar = bucket.period || others.some(({ limit }) => limit.period);
  if (byCalendar) toFull = bucket.time_to_full_ms === null ? Infinity : Math.max(0, bucket.time_to_full_ms / 1000 - elapsed);
  text("full", toFull === 0 ? "now" : toFull === Infinity ? "never" : `in ${duration(toFull)}`);
}
setInterval(refill, 100);

$("reset").addEventListener("click", async () => {
  const { agent_id: id, bucket } = agent;
  const many = bucket.limits ? "in every limit" : `of ${number(bucket.capacity)} tokens`;
  if (!await confirmed(`Fill the bucket of ${id}?`,
    `The agent may then spend a full bucket ${many} at once. Who filled it, and when, goes on record as the event bucket_reset.`,
    "Fill the bucket", command("bucket", "reset", ...argument(id)))) return;
  say("changed", "Filling ...");
  try {
    const { answer } = await call("POST", `/api/agents/${path(id)}/reset`);
    const { bucket: now } = answer;
    const told = now.read_from === "redis" ? "" : " Redis does not hold it yet: it is told as soon as it is used again.";
    say("changed", `Filled at ${time(Date.parse(now.read_at))}; ${shownTokens(now, now.tokens)} of ${number(now.capacity)} tokens were there then.${told}`);
    if (chosen === id) show(answer);
  } catch (problem) {
    say("changed", problem.message, true);
  }
});
