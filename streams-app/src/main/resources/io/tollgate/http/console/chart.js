// The chart of decisions. What is not known is a gap; gaps, times without an instance's figures and times without Redis are shaded.
import { $, number, percent, text, time, now } from "./page.js";

const SECONDS = 300;
/** Fewer missing seconds are the two clocks' rounding. */
const GAP_SECONDS = 3;
const HEIGHT = 220;

const seconds = new Map();
let chart = null;
let away = [];
let gaps = [];
let partial = [];

/** @param isPartial whether an instance is missing in the figures */
export function add(second, rates, redis, isPartial) {
  seconds.set(second, { rates, redis, isPartial });
}

const colour = (name) => getComputedStyle($("chart")).getPropertyValue(name).trim();
const width = () => Math.max(200, $("chart").clientWidth);
const minute = (second) => new Date(second * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
const nowSeconds = () => Math.floor(now() / 1000);

function shade(u, from, to, fill, hatched) {
  const left = Math.max(u.bbox.left, u.valToPos(from, "x", true));
  const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(to, "x", true));
  if (right <= left) return;
  const { ctx } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, u.bbox.top, right - left, u.bbox.height);
  ctx.clip();
  ctx.fillStyle = ctx.strokeStyle = fill;
  if (hatched) {
    ctx.lineWidth = 2;
    for (let x = left - u.bbox.height; x < right; x += 14) {
      ctx.beginPath();
      ctx.moveTo(x, u.bbox.top + u.bbox.height);
      ctx.lineTo(x + u.bbox.height, u.bbox.top);
      ctx.stroke();
    }
  } else {
    ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
  }
  ctx.restore();
}

function makeChart(data) {
  const axis = { stroke: () => colour("--quiet"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
  const line = (label, name, dash) => ({ label, stroke: () => colour(name), width: 2, dash, points: { show: false } });
  return new uPlot({
    width: width(), height: HEIGHT, legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: true, range: () => [nowSeconds() - SECONDS, nowSeconds()] }, y: { range: (u, low, high) => [0, Math.max(5, high * 1.15)] } },
    axes: [{ ...axis, size: 32, incrs: [60], values: (u, ticks) => ticks.map(minute) }, { ...axis, size: 56, values: (u, ticks) => ticks.map(number) }],
    series: [{}, line("approved", "--good"), line("rejected", "--bad", [6, 4]), line("local", "--warn", [2, 3])],
    hooks: {
      drawClear: [(u) => {
        away.forEach(([from, to]) => shade(u, from, to, colour("--away")));
        [...gaps, ...partial].forEach(([from, to]) => shade(u, from, to, colour("--gap"), true));
      }],
      setCursor: [readout],
    },
  }, data, $("chart"));
}

/** Says the values under the pointer; without one, the newest. */
function readout(u) {
  const { left } = u.cursor;
  const at = left >= 0 ? u.posToVal(left, "x") : u.data[0][u.data[0].length - 1];
  if (at === undefined) return;
  const second = Math.round(at);
  const isGap = gaps.some(([from, to]) => second > from && second < to);
  const known = isGap ? undefined : [0, -1, 1, -2, 2, -3, 3].map((d) => seconds.get(second + d)).find((one) => one);
  if (!known) {
    text("chart-readout", `${time(second * 1000)}: no figures`);
    return;
  }
  const { approved_per_second: approved, rejected_per_second: rejected, local_per_second: local, redis_per_second: shared } = known.rates;
  const all = approved + rejected;
  const shares = all > 0 ? ` (${percent(rejected / all)}), locally ${percent(local / Math.max(local + shared, 0.1))}` : "";
  text("chart-readout", `${time(second * 1000)}: approved ${number(approved)}/s, rejected ${number(rejected)}/s${shares}${known.redis === "away" ? ", Redis away" : ""}${known.isPartial ? ", without an instance that did not answer" : ""}`);
}

/** Adds the second to the last span, or begins another. */
function extend(spans, second) {
  const last = spans[spans.length - 1];
  if (last && second - last[1] <= GAP_SECONDS) last[1] = second;
  else spans.push([second - 1, second]);
}

export function draw() {
  const end = nowSeconds();
  for (const old of seconds.keys()) if (old < end - SECONDS - 5) seconds.delete(old);
  if (!seconds.size || !$("chart").clientWidth) return;
  const data = [[], [], [], []];
  const push = (second, ...values) => [second, ...values].forEach((value, i) => data[i].push(value));
  away = [];
  gaps = [];
  partial = [];
  let before = null;
  for (const second of [...seconds.keys(), end].sort((a, b) => a - b)) {
    const known = seconds.get(second);
    if (before !== null && second - before > GAP_SECONDS) {
      push(before + 1, null, null, null);
      gaps.push([before, second]);
    }
    if (known) {
      const { rates } = known;
      push(second, rates.approved_per_second, rates.rejected_per_second, rates.local_per_second);
      if (known.redis === "away") extend(away, second);
      if (known.isPartial) extend(partial, second);
      before = second;
    }
  }
  if (!chart) chart = makeChart(data);
  else if (chart.width !== width()) fit(); // while the page was hidden it had no width
  chart.setData(data);
  readout(chart);
  const last = seconds.get(before).rates;
  $("chart").setAttribute("aria-label", `Approved and rejected decisions per second; last: ${number(last.approved_per_second)} approved, ${number(last.rejected_per_second)} rejected. The arrow keys read earlier seconds.`);
}

// By keyboard: a step is two seconds.
$("chart").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -2, ArrowRight: 2, Home: -SECONDS, End: SECONDS }[event.key];
  if (!chart || !step) return;
  event.preventDefault();
  const from = chart.cursor.left >= 0 ? chart.posToVal(chart.cursor.left, "x") : nowSeconds();
  const at = Math.min(nowSeconds(), Math.max(nowSeconds() - SECONDS, from + step));
  $("chart-readout").setAttribute("aria-live", "polite");
  chart.setCursor({ left: Math.max(0, chart.valToPos(at, "x")), top: 10 });
});
$("chart").addEventListener("blur", () => {
  $("chart-readout").setAttribute("aria-live", "off");
  if (chart) chart.setCursor({ left: -10, top: -10 });
});
const fit = () => chart && $("chart").clientWidth && chart.setSize({ width: width(), height: HEIGHT });
addEventListener("resize", fit);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
