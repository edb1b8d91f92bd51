// What /api/events sends once a second: the state of all instances. Says so where nothing comes any more.
import { $, text, element, row, link, number, percent, duration, time, page, now, setNow } from "./page.js";
import { add, draw } from "./chart.js";

const STALE_MILLIS = 5000;
const REOPEN_MILLIS = 15000;

let events = null;
let latest = null; // the status
let heard = performance.now(); // when it came
let opened = 0;
let decided = { lag: null, at: performance.now() }; // when something was decided last, and how much waited then

export const isStale = () => document.body.dataset.stale === "true";

// ---- connection

const connection = (state, words) => {
  if ($("connection").dataset.state !== state) $("connection").dataset.state = state;
  text("connection-text", words);
};
export function open() {
  if (events) events.close();
  opened = performance.now();
  events = new EventSource("/api/events");
  events.addEventListener("status", (event) => {
    heard = performance.now();
    latest = JSON.parse(event.data);
    setNow(latest.at);
    setStale(false);
    connection("good", "live");
    show(latest);
  });
  events.onerror = () => connection("bad", "no connection");
}
const silent = () => performance.now() - heard;
function setStale(stale) {
  if (isStale() === stale) return;
  document.body.dataset.stale = stale;
}
setInterval(() => {
  if (silent() > STALE_MILLIS) {
    setStale(true);
    connection("bad", latest ? `no news for ${duration(silent() / 1000)}` : "no connection");
    // A connection may be dead without a word.
    if (silent() > REOPEN_MILLIS && performance.now() - opened > REOPEN_MILLIS) open();
  }
  showNotices();
  showSince();
  draw();
}, 1000);

// ---- notices: what keeps the figures from being the whole truth

function notices() {
  if (isStale()) {
    return [latest
      ? `No news from the pipeline for ${duration(silent() / 1000)}. What you see is of ${time(Date.parse(latest.at))}.`
      : "The pipeline does not answer."];
  }
  if (!latest) return [];
  const found = [];
  for (const one of latest.instances) {
    if (one.state === "UNREACHABLE") found.push(`${one.instance} does not answer: its figures are missing.`);
    else if (!one.ready) found.push(`${one.instance} is not ready: it waits for ${one.waits_for || "its tasks"}.`);
  }
  const { lag_total: lag } = latest;
  const idle = performance.now() - decided.at;
  if (lag === null) found.push("Kafka does not tell how many requests wait.");
  const noise = Object.keys(latest.lag).length; // in each partition a commit marker may count as one
  if (idle > STALE_MILLIS && (lag === null || lag > decided.lag + noise)) {
    found.push(`Nothing was decided for ${duration(idle / 1000)}${lag === null ? "" : `, though ${number(lag)} requests wait`}.`);
  }
  return found;
}
function showNotices() {
  const now = notices();
  if ([...$("notices").children].map((one) => one.textContent).join("\n") === now.join("\n")) return;
  $("notices").replaceChildren(...now.map((words) => element("p", words)));
}

// ---- figures

function show(status) {
  const { approved_per_second: approved, rejected_per_second: rejected } = status.throughput;
  if (approved + rejected > 0 || decided.lag === null) decided = { lag: status.lag_total, at: performance.now() };
  showRedis(status.breaker);
  text("approved", number(approved));
  text("rejected", number(rejected));
  text("rejected-share", approved + rejected > 0 ? `${percent(rejected / (approved + rejected))} of all` : "");
  showLag(status.lag_total, status.lag);
  const { p50_ms: p50, p99_ms: p99, max_ms: most } = status.decision_latency;
  text("latency", p50 === null ? "–" : number(p50));
  text("latency-p99", p99 === null ? "" : `p99 ${number(p99)} ms, lately at most ${number(most)} ms`);
  showShare(status.decided_by);
  for (const { second, rates, redis } of status.history) add(second, rates, redis);
  const isPartial = status.instances.some((one) => one.state === "UNREACHABLE");
  if (!status.history.length) add(Math.floor(Date.parse(status.at) / 1000), status.throughput, status.breaker.state, isPartial);
  draw();
  showNotices();
  showThrottled(status.most_throttled);
  showInstances(status.instances);
  showFacts(status);
}

function showLag(total, partitions) {
  text("lag", total === null ? "–" : number(total));
  const worst = Object.entries(partitions).sort((a, b) => b[1] - a[1])[0];
  if (total === null) text("lag-partition", "not known: Kafka does not answer");
  else text("lag-partition", worst && worst[1] > 0 ? `${number(worst[1])} of them on partition ${worst[0]}` : "published, not yet decided");
}

const REDIS = {
  in_use: ["good", "Redis is in use", "Decisions are made on the buckets in Redis, which other programs share."],
  away: ["bad", "Redis is away: deciding on local copies", "Nothing waits. Each agent's bucket goes on from the last known state, so that nobody gets more than its quota."],
  // It is asked with requests only.
  idle: ["off", "Redis was in use when it was last asked", "Nothing has been decided for some seconds. The next request asks Redis again."],
  not_configured: ["off", "No Redis: local buckets only", "REDIS_URL is not set. Buckets live in the pipeline's own state."],
};
let redisSince = null;
function showRedis(redis) {
  const isIdle = redis.state === "in_use" && performance.now() - decided.at > STALE_MILLIS;
  const [state, words, explained] = REDIS[isIdle ? "idle" : redis.state];
  $("redis").dataset.state = state;
  text("redis-state", words);
  text("redis-explained", explained);
  redisSince = redis.since && !isIdle ? Date.parse(redis.since) : null;
  showSince();
}
function showSince() {
  if (redisSince === null) return text("redis-since", "");
  const until = isStale() ? Date.parse(latest.at) : now();
  text("redis-since", `for ${duration(Math.max(0, (until - redisSince) / 1000))}, since ${time(redisSince)}`);
}

function showShare(share) {
  const local = share.local || 0;
  $("share-redis").style.flexGrow = share.redis || 0;
  $("share-local").style.flexGrow = local;
  $("share-local").hidden = local === 0;
  text("share-text", share.redis === undefined ? "no decisions in the last second" : `Redis ${percent(share.redis)}, local ${percent(local)}`);
}

function showThrottled(agents) {
  $("throttled-none").hidden = agents.length > 0;
  const list = $("throttled");
  const focused = document.activeElement?.dataset?.agent;
  list.replaceChildren(...agents.slice(0, 10).map((agent) => {
    const to = link(undefined, page("agents", agent.agent_id));
    to.dataset.agent = agent.agent_id;
    const bar = element("progress");
    bar.max = agents[0].rejections;
    bar.value = agent.rejections;
    bar.setAttribute("aria-hidden", "true");
    to.append(element("span", agent.agent_id, "name"), element("span", `${number(agent.rejections)} refused`, "count"), bar);
    const item = element("li");
    item.append(to);
    return item;
  }));
  if (focused !== undefined) [...list.querySelectorAll("a")].find((one) => one.dataset.agent === focused)?.focus();
}

function showInstances(instances) {
  $("instances").replaceChildren(...instances.map((one) => {
    const isSilent = one.state === "UNREACHABLE";
    const tasks = one.threads.flatMap((thread) => thread.tasks).length;
    const p99 = one.decision_latency.p99_ms;
    return row(
      one.instance,
      element("td", one.state.toLowerCase().replaceAll("_", " "), one.ready ? "yes" : "no"),
      one.redis ? one.redis.state.replace("_", " ") : "–",
      isSilent ? "–" : `${tasks} on ${one.threads.length} ${one.threads.length === 1 ? "thread" : "threads"}`,
      isSilent ? "–" : number(one.rates.approved_per_second + one.rates.rejected_per_second),
      p99 === null ? "–" : `${number(p99)} ms`);
  }));
}

function showFacts(status) {
  const versions = [...new Set(status.instances.map((one) => one.version).filter((one) => one))];
  text("facts", `Tollgate ${versions.join(" and ")} · application ${status.application_id} · Kafka cluster ${status.cluster_id || "not known"}`);
}
