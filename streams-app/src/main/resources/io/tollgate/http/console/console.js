// The console: one page for everything, one for each agent, the policies, and one for each of them. The address says which.
import { $, page } from "./page.js";
import { open } from "./overview.js";
import { draw } from "./chart.js";
import { openAgent, closeAgent } from "./agent.js";
import { openPolicies, openPolicy, closePolicy } from "./policies.js";

const PAGES = ["overview", "agents", "policies", "one-policy"];

/** An id stands encoded in the address; typed by hand, it may not be. */
function decoded(id) {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

let isFirst = true;
function route() {
  const [, name, rest] = location.hash.match(/^#\/(agents|policies)(?:\/(.*))?$/s) || [];
  const id = rest ? decoded(rest) : "";
  const shown = name === "agents" && id ? "agents" : name === "policies" ? (id ? "one-policy" : "policies") : "overview";
  for (const each of PAGES) $(each).hidden = each !== shown;
  const nav = shown === "one-policy" ? "policies" : shown;
  for (const to of document.querySelectorAll("nav a")) {
    if (to.dataset.page === nav) to.setAttribute("aria-current", "page");
    else to.removeAttribute("aria-current");
  }
  document.title = [id, shown === "policies" || shown === "one-policy" ? "Policies" : "", "Tollgate"].filter((part) => part).join(" · ");
  $(shown).querySelector(".token-here")?.append($("admin"));
  $("admin").hidden = !$(shown).querySelector(".token-here");
  closeAgent();
  closePolicy();
  if (shown === "agents") openAgent(id);
  if (shown === "policies") openPolicies();
  if (shown === "one-policy") openPolicy(id);
  if (shown === "overview") draw();
  if (!isFirst) $(shown).querySelector("h2").focus();
  isFirst = false;
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const to = page("agents", $("agent-id").value);
  if (location.hash === to) route();
  else location.hash = to;
});
// The address is the page's, so that it must not name a part of it.
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
addEventListener("hashchange", route);
route();
open();
