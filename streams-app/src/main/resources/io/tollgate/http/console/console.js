// The console: shows what /api/events sends once a second, and one agent that somebody looks at.
// Agents' ids are hostile text: everything goes into the page as text, never as markup.
"use strict";
(() => {
  const SECONDS = 300;
  const $ = (id) => document.getElementById(id);
  const text = (id, value) => { if ($(id).textContent !== value) $(id).textContent = value; };
  const element = (name, content, className) => {
    const made = document.createElement(name);
    if (content !== undefined) made.textContent = content;
    if (className) made.className = className;
    return made;
  };
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const short = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const number = (value) => (Math.abs(value) >= 1000 ? whole : short).format(value);
  const duration = (seconds) => {
    if (seconds < 1) return "less than a second";
    if (seconds < 90) return `${Math.round(seconds)} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
    return `${Math.round(seconds / 86400)} days`;
  };
  // The page's clock may be wrong: times are compared with the server's.
  let serverAhead = 0;
  const now = () => Date.now() + serverAhead;

  // ---- connection

  let lastEvent = 0;
  const connection = (state, words) => {
    if ($("connection").dataset.state !== state) $("connection").dataset.state = state;
    text("connection-text", words);
  };
  const events = new EventSource("/api/events");
  events.addEventListener("status", (event) => {
    lastEvent = Date.now();
    connection("good", "live");
    show(JSON.parse(event.data));
  });
  events.onerror = () => connection("bad", "no connection to the pipeline; trying again");
  setInterval(() => {
    if (lastEvent && Date.now() - lastEvent > 4000) connection("bad", `no news for ${duration((Date.now() - lastEvent) / 1000)}`);
  }, 1000);

  // ---- figures

  function show(status) {
    serverAhead = Date.parse(status.at) - Date.now();
    showRedis(status.breaker);
    text("approved", number(status.throughput.approved_per_second));
    text("rejected", number(status.throughput.rejected_per_second));
    showLag(status.lag_total, status.lag);
    const latency = status.decision_latency;
    text("latency", latency.mean_ms === null ? "–" : number(latency.mean_ms));
    text("latency-max", latency.max_ms === null ? "" : `at most ${number(latency.max_ms)} ms lately`);
    showShare(status.decided_by);
    for (const second of status.history) add(second.second, second.rates);
    if (!status.history.length) add(Math.floor(Date.parse(status.at) / 1000), status.throughput);
    draw();
    showThrottled(status.most_throttled);
    showInstances(status.instances);
  }

  function showLag(total, partitions) {
    text("lag", total === null ? "–" : number(total));
    const worst = Object.entries(partitions).sort((a, b) => b[1] - a[1])[0];
    if (total === null) text("lag-partition", "not known: Kafka does not answer");
    else text("lag-partition", worst && worst[1] > 0 ? `${number(worst[1])} of them on partition ${worst[0]}` : "published, not yet decided");
  }

  const REDIS = {
    in_use: ["good", "Redis is in use", "Every decision is made on the buckets in Redis, which other programs share."],
    away: ["bad", "Redis is away: deciding on local copies", "Nothing waits. Each agent's bucket goes on from the last known state, so that nobody gets more than its quota."],
    not_configured: ["off", "No Redis: local buckets only", "REDIS_URL is not set. Buckets live in the pipeline's own state."],
  };
  let redisSince = null;
  function showRedis(redis) {
    const [state, words, explained] = REDIS[redis.state];
    $("redis").dataset.state = state;
    text("redis-state", words);
    text("redis-explained", explained);
    redisSince = redis.since ? Date.parse(redis.since) : null;
    showSince();
  }
  function showSince() {
    const since = redisSince === null ? "" : `for ${duration(Math.max(0, (now() - redisSince) / 1000))}, since ${new Date(redisSince).toLocaleTimeString()}`;
    text("redis-since", since);
  }

  function showShare(share) {
    if (share.redis === undefined) {
      text("share-text", "no decisions in the last second");
      return;
    }
    $("share-redis").style.width = `${share.redis * 100}%`;
    text("share-text", `Redis ${Math.round(share.redis * 100)} %, local ${Math.round(share.local * 100)} %`);
  }

  function showThrottled(agents) {
    $("throttled-none").hidden = agents.length > 0;
    const list = $("throttled");
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.agent : undefined;
    list.replaceChildren(...agents.slice(0, 10).map((agent) => {
      const button = element("button");
      button.type = "button";
      button.dataset.agent = agent.agent_id;
      const bar = element("progress");
      bar.max = agents[0].rejections;
      bar.value = agent.rejections;
      bar.setAttribute("aria-hidden", "true");
      button.append(element("span", agent.agent_id, "name"), element("span", `${number(agent.rejections)} refused`, "count"), bar);
      button.addEventListener("click", () => {
        $("agent-id").value = agent.agent_id;
        look(agent.agent_id);
      });
      const item = element("li");
      item.append(button);
      return item;
    }));
    if (focused !== undefined) [...list.querySelectorAll("button")].find((button) => button.dataset.agent === focused)?.focus();
  }

  function showInstances(instances) {
    $("instances").replaceChildren(...instances.map((instance) => {
      const row = element("tr");
      const tasks = instance.threads.flatMap((thread) => thread.tasks);
      const rates = instance.rates;
      const redis = instance.redis ? instance.redis.state.replace("_", " ") : "–";
      row.append(
        element("td", instance.instance),
        element("td", instance.state.toLowerCase().replace("_", " "), instance.ready ? "yes" : "no"),
        element("td", redis),
        element("td", String(instance.threads.length)),
        element("td", String(tasks.length)),
        element("td", number(rates.approved_per_second + rates.rejected_per_second)));
      return row;
    }));
  }

  // ---- chart

  const seconds = new Map();
  let chart = null;
  function add(second, rates) {
    seconds.set(second, [rates.approved_per_second, rates.rejected_per_second]);
    for (const old of seconds.keys()) if (old < second - SECONDS) seconds.delete(old);
  }
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const width = () => Math.max(200, $("chart").clientWidth);
  function makeChart(data) {
    const axis = { stroke: () => colour("--quiet"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
    return new uPlot({
      width: width(), height: 220, cursor: { y: false }, legend: { show: false },
      scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(5, high * 1.15)] } },
      axes: [axis, { ...axis, size: 56, values: (u, ticks) => ticks.map(number) }],
      series: [{},
        { label: "approved", stroke: () => colour("--good"), width: 2, points: { show: false } },
        { label: "rejected", stroke: () => colour("--bad"), width: 2, dash: [6, 4], points: { show: false } }],
    }, data, $("chart"));
  }
  function draw() {
    const sorted = [...seconds.entries()].sort((a, b) => a[0] - b[0]);
    const data = [sorted.map((one) => one[0]), sorted.map((one) => one[1][0]), sorted.map((one) => one[1][1])];
    if (chart) chart.setData(data);
    else chart = makeChart(data);
    const last = sorted[sorted.length - 1];
    $("chart").setAttribute("aria-label", `Approved and rejected decisions per second; last: ${number(last[1][0])} approved, ${number(last[1][1])} rejected`);
  }
  addEventListener("resize", () => chart && chart.setSize({ width: width(), height: 220 }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (chart) { chart.destroy(); chart = null; draw(); } });

  // ---- one agent

  let agent = null; // as the API answered, and when
  let asked = 0;
  let chosen = null; // whose answer is awaited or shown
  // A segment of dots alone would be taken for a step in the path, even encoded; the semicolon ends it and is no part of the id.
  const path = (id) => encodeURIComponent(id) + (/^\.\.?$/.test(id) ? ";" : "");

  async function look(id) {
    const mine = ++asked;
    chosen = id; // before the answer: looking again meanwhile must not bring back the one before
    try {
      const response = await fetch(`/api/agents/${path(id)}`, { headers: { Accept: "application/json" } });
      const answer = await response.json();
      if (mine !== asked) return;
      if (!response.ok) throw new Error(answer.detail || answer.title);
      const isNew = !agent || agent.agent_id !== answer.agent_id;
      agent = answer;
      agent.at = performance.now();
      $("agent-error").hidden = true;
      $("agent").hidden = false;
      showAgent(isNew);
    } catch (problem) {
      if (mine !== asked) return;
      if (agent && !(problem instanceof TypeError)) chosen = agent.agent_id;
      text("agent-error", problem instanceof TypeError ? "The pipeline does not answer." : problem.message);
      $("agent-error").hidden = false;
    }
  }

  function showAgent(isNew) {
    const { bucket, policy } = agent;
    text("agent-name", agent.agent_id);
    text("capacity", number(bucket.capacity));
    text("refill", refills(bucket));
    text("read-from", bucket.read_from === "redis" ? "Redis" : "local copy");
    text("policy", policy.name === "default" ? `default (${policy.mode})` : `${policy.name} (${policy.mode})`);
    showLimits(bucket.limits || []);
    if (isNew) {
      $("new-capacity").value = bucket.capacity;
      $("new-period").value = bucket.period || "";
      $("new-rate").value = bucket.refill_rate;
      $("new-zone").value = bucket.zone || "UTC";
      showPeriod();
      $("new-mode").value = policy.mode;
      text("changed", "");
    }
    $("decisions-none").hidden = agent.recent_decisions.length > 0;
    $("decisions").replaceChildren(...agent.recent_decisions.map((decision) => {
      const row = element("tr");
      row.append(
        element("td", new Date(decision.decided_at).toLocaleTimeString()),
        element("td", decision.reason ? decision.reason.replaceAll("_", " ") : decision.decision, decision.decision === "approved" ? "yes" : "no"),
        element("td", number(decision.tokens)), element("td", number(decision.remaining)), element("td", decision.decided_by), explained(decision.source));
      return row;
    }));
    refill();
  }

  // A command to copy: what decided is on the topics, and no page should have to read them.
  function explained(source) {
    const cell = element("td");
    if (!source) return cell; // a stray: its decided record alone says where it was published
    const command = `./tollgate explain ${source}`;
    const copy = element("button", "copy command");
    copy.type = "button";
    copy.className = "plain";
    copy.title = command;
    copy.setAttribute("aria-label", `Copy: ${command}`);
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(command);
        copy.textContent = "copied";
      } catch { // not allowed, or not over HTTPS: it can be selected
        cell.replaceChildren(element("code", command));
      }
    });
    cell.append(copy);
    return cell;
  }

  function refills(limit) {
    if (limit.period) return `each ${limit.period} in ${limit.zone}`;
    return limit.refill_rate === 0 ? "never" : `${number(limit.refill_rate)} per second`;
  }

  /** A limit has a rate or a period. */
  function showPeriod() {
    const steady = $("new-period").value === "";
    $("of-rate").hidden = !steady;
    $("new-rate").required = steady;
    $("of-zone").hidden = steady;
  }
  $("new-period").addEventListener("change", showPeriod);

  // The limits beside the first: where their figures stand, and what the API said of them.
  let others = [];
  function showLimits(limits) {
    text("limit-name", limits.length ? `under the limit ${limits[0].name}` : "");
    $("several").hidden = $("limits").hidden = limits.length === 0;
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

  function fillGauge(meter, fill, words, limit, elapsed) {
    const tokens = Math.min(limit.capacity, limit.tokens + elapsed * limit.refill_rate);
    const share = Math.max(0, tokens / limit.capacity);
    const shown = limit.capacity >= 1000 ? whole.format(Math.floor(tokens)) : (Math.floor(tokens * 10) / 10).toFixed(1);
    if (words.textContent !== shown) words.textContent = shown;
    fill.style.width = `${share * 100}%`;
    meter.classList.toggle("low", share < 0.2);
    meter.setAttribute("aria-valuemin", 0);
    meter.setAttribute("aria-valuemax", limit.capacity);
    meter.setAttribute("aria-valuenow", Math.max(0, tokens).toFixed(1));
    if (tokens >= limit.capacity || limit.period) return 0;
    return (limit.capacity - tokens) / limit.refill_rate;
  }

  /** The bucket refills before your eyes: from what the API said, at the rate it said. */
  function refill() {
    if (!agent) return;
    const { bucket } = agent;
    const elapsed = (performance.now() - agent.at) / 1000;
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
  setInterval(() => { if (agent && !document.hidden) look(chosen); }, 2000);
  setInterval(showSince, 1000);

  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    look($("agent-id").value);
  });

  async function change(method, url, body, done) {
    const headers = { "Content-Type": "application/json" };
    if ($("token").value) headers.Authorization = `Bearer ${$("token").value}`;
    try {
      const response = await fetch(url, { method, headers, body });
      if (!response.ok) {
        const problem = await response.json();
        throw new Error(problem.detail || problem.title);
      }
      text("changed", typeof done === "function" ? done(await response.json()) : done);
      $("changed").className = "";
    } catch (problem) {
      text("changed", problem instanceof TypeError ? "The pipeline does not answer." : problem.message);
      $("changed").className = "error";
    }
    if (agent) look(chosen);
  }
  $("reset").addEventListener("click", () => change("POST", `/api/agents/${path(agent.agent_id)}/reset`, undefined, "The bucket has been filled."));
  function newPolicy() {
    const policy = { capacity: Number($("new-capacity").value), mode: $("new-mode").value };
    if ($("new-period").value === "") policy.refill_rate = Number($("new-rate").value);
    else Object.assign(policy, { period: $("new-period").value, zone: $("new-zone").value });
    return JSON.stringify(policy);
  }
  $("policy-form").addEventListener("submit", (event) => {
    event.preventDefault();
    change("PUT", `/api/policies/${path(agent.agent_id)}`, newPolicy(), "The policy has been set; decisions follow it within a second.");
  });
  $("try-policy").addEventListener("click", () => {
    text("changed", "Reading what was decided ...");
    change("POST", `/api/agents/${path(agent.agent_id)}/whatif`, newPolicy(), (trial) =>
      `Of ${number(trial.requests)} requests in the last hour ${number(trial.refused_then)} would have been refused, ${number(trial.refused_before)} were; `
      + `longest time without an approval ${duration(trial.longest_seconds)}, tokens saved ${number(trial.tokens_saved)}. Nothing was changed.`);
  });
  $("delete-policy").addEventListener("click", () => change("DELETE", `/api/policies/${path(agent.agent_id)}`, undefined, "The policy has been deleted: the next best applies."));
})();
