// What every part of the console needs: elements, figures, calls, commands to copy, questions.
// Agents' ids are hostile text: everything goes into the page as text, never as markup.
export const $ = (id) => document.getElementById(id);
export const text = (id, value) => { if ($(id).textContent !== value) $(id).textContent = value; };
export const element = (name, content, className) => {
  const made = document.createElement(name);
  if (content !== undefined) made.textContent = content;
  if (className) made.className = className;
  return made;
};
export const row = (...cells) => {
  const made = element("tr");
  made.append(...cells.map((cell) => cell instanceof Node ? cell : element("td", cell)));
  return made;
};
export const link = (content, href) => {
  const made = element("a", content);
  made.href = href;
  return made;
};
export const say = (id, words, isError) => {
  text(id, words);
  $(id).className = isError ? "error" : "";
};
const tell = (id, words, className) => {
  text(id, words || "");
  $(id).hidden = !words;
  $(id).className = className;
};
/** Shows an error, or hides it where there is none. */
export const complain = (id, words) => tell(id, words, "error");
/** Says in the place of an error what is none. */
export const remark = (id, words) => tell(id, words, "quiet");
/** Says that the answer is not there yet, unless it comes at once. */
export const wait = (id) => tell(id, "Asking the pipeline …", "quiet late");

// ---- figures

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
export const number = (value) => (Math.abs(value) >= 1000 ? whole : short).format(value);
/** A share never looks like none or all of it unless it is. */
export const percent = (share) => {
  if (share > 0 && share < 0.001) return "under 0.1 %";
  if (share < 1 && share > 0.999) return "over 99.9 %";
  return `${(share * 100).toFixed(share > 0 && (share < 0.1 || share > 0.9) && share < 1 ? 1 : 0)} %`;
};
export const duration = (seconds) => {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
};
export const time = (millis) => new Date(millis).toLocaleTimeString();
/** A time of day; with the day unless that is today. */
export const moment = (iso) => {
  const then = new Date(iso);
  const made = element("time", then.toDateString() === new Date().toDateString() ? then.toLocaleTimeString() : then.toLocaleString());
  made.dateTime = made.title = iso;
  return made;
};
// The page's clock may be wrong: times are compared with the server's.
let serverAhead = 0;
export const setNow = (iso) => { serverAhead = Date.parse(iso) - Date.now(); };
export const now = () => Date.now() + serverAhead;

export const refills = (limit) => {
  if (limit.period) return `each ${limit.period} in ${limit.zone || "UTC"}`;
  return limit.refill_rate === 0 ? "never" : `${number(limit.refill_rate)} per second`;
};
const limitText = (limit) => {
  const name = limit.name ? `${limit.name}: ` : "";
  if (limit.period) return `${name}${number(limit.capacity)} ${refills(limit)}`;
  return `${name}${number(limit.capacity)} at once, ${limit.refill_rate === 0 ? "never refills" : refills(limit)}`;
};
/** The limits of a policy's document in words. */
export const limitsText = (policy) => (policy.limits || [policy]).map(limitText).join("; ");

// ---- calls

// A segment of dots alone would be taken for a step in the path, even encoded; the semicolon ends it and is no part of the id.
export const path = (id) => encodeURIComponent(id) + (/^\.\.?$/.test(id) ? ";" : "");
export const page = (name, id) => `#/${name}/${encodeURIComponent(id)}`;

/** Returns body and ETag of the answer; throws an error whose message is for the reader, with the status if there was an answer. */
export async function call(method, url, body, headers = {}) {
  const isChange = method !== "GET";
  const all = { Accept: "application/json", ...headers };
  if (isChange) all["Content-Type"] = "application/json";
  if (isChange && $("token").value) all.Authorization = `Bearer ${$("token").value}`;
  let response;
  try {
    response = await fetch(url, { method, headers: all, body, signal: AbortSignal.timeout(isChange ? 60000 : 20000) });
    const answer = response.status === 204 ? null : await response.json();
    if (response.ok) return { answer, etag: response.headers.get("ETag") };
    const problem = new Error(answer.detail || answer.title);
    problem.status = response.status;
    if (response.status === 401) $("token").focus();
    throw problem;
  } catch (problem) {
    if (problem.status) throw problem;
    throw new Error(isChange ? "The pipeline does not answer: whether this was done is not known. Look again." : "The pipeline does not answer.");
  }
}

// ---- commands

const quoted = (word) => /^[\w@%+=:,.\/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
export const command = (...words) => ["./tollgate", ...words.map(quoted)].join(" ");
/** The last argument of a command: an id that looks like an option comes after two dashes. */
export const argument = (id) => id.startsWith("-") ? ["--", id] : [id];

/** A button that copies; where that is not allowed, or not over HTTPS, the command stands there to be selected. */
export function copyButton(words, label = "copy") {
  const copy = element("button", label, "plain small");
  copy.type = "button";
  copy.title = words;
  copy.setAttribute("aria-label", `Copy: ${words}`);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(words);
      copy.textContent = "copied";
    } catch {
      copy.replaceWith(element("code", words));
    }
  });
  return copy;
}
export function showCommands(id, ...commands) {
  const shown = [...$(id).querySelectorAll("code")].map((code) => code.textContent);
  if (shown.join("\n") === commands.join("\n")) return; // a button that is being pressed stays
  $(id).replaceChildren(...commands.map((words) => {
    const line = element("div", undefined, "command");
    line.append(element("code", words), copyButton(words));
    return line;
  }));
}

// ---- questions

/** Returns whether the reader agrees. */
export function confirmed(title, words, yes, command) {
  text("confirm-title", title);
  text("confirm-text", words);
  text("confirm-yes", yes);
  showCommands("confirm-command", command);
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}
