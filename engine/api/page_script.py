"""Script of `/docs`: asks `/predict`, and says whether the service is ready. What people wrote is put in as text."""

SCRIPT = """
"use strict";
const $ = (id) => document.getElementById(id);
const root = document.documentElement;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function kept(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch { return null; }
}

function dark() {
  const chosen = root.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  $("theme").textContent = dark() ? "Light theme" : "Dark theme";
}

if (["light", "dark"].includes(kept("tagscope-theme"))) root.dataset.theme = kept("tagscope-theme");
showTheme();
$("theme").addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  kept("tagscope-theme", root.dataset.theme);
  showTheme();
});

function headers() {
  const key = $("key").value.trim();
  return { "Content-Type": "application/json", ...(key ? { Authorization: "Bearer " + key } : {}) };
}

function question() {
  const asked = { texts: $("texts").value.split("\\n").filter((line) => line.trim()) };
  if ($("run").value) asked.run_id = $("run").value;
  if ($("top_k").value) asked.top_k = Number($("top_k").value);
  if (Number($("threshold").value)) asked.threshold = Number($("threshold").value);
  return asked;
}

function showCommand() {
  const body = JSON.stringify(question()).replaceAll("'", "'\\\\''");
  const key = $("key").value.trim() ? " -H 'Authorization: Bearer '\\"$TAGSCOPE_API__KEY\\"" : "";
  $("command").textContent =
    "curl " + location.origin + "/predict -H 'Content-Type: application/json'" + key + " -d '" + body + "'";
}

function showAnswer(found) {
  const box = element("div", "answer");
  box.append(element("div", "text", found.input_text));
  if (found.error) {
    box.append(element("div", "error", found.error));
    return box;
  }
  const tag = element("div", "tag", found.predicted_tag);
  if (found.below_threshold) tag.append(element("small", "", "below the threshold"));
  if (found.cached) tag.append(element("small", "", "from the cache"));
  box.append(tag);
  for (const [name, share] of Object.entries(found.probabilities)) {
    const line = element("div", box.querySelector(".share") ? "share" : "share first");
    const bar = element("div", "bar");
    const filled = element("i");
    filled.style.width = 100 * share + "%";
    bar.append(filled);
    line.append(element("span", "", name), bar, element("span", "number", (100 * share).toFixed(1) + " %"));
    box.append(line);
  }
  return box;
}

function showProblem(status, problem) {
  const box = element("div", "answer error");
  box.append(element("strong", "", status + " " + (problem.title || "")));
  box.append(element("div", "", problem.detail || "The service did not say why."));
  return box;
}

async function predict(event) {
  event.preventDefault();
  $("send").disabled = true;
  const started = performance.now();
  const answers = $("answers");
  try {
    const reply = await fetch("/predict", { method: "POST", headers: headers(), body: JSON.stringify(question()) });
    const content = await reply.json();
    const took = performance.now() - started;
    answers.replaceChildren();
    if (reply.ok) {
      for (const found of content.predictions) answers.append(showAnswer(found));
      const by = content.model + " " + content.run_id.slice(0, 8);
      const computed = (1000 * content.seconds).toFixed(2) + " ms in the engine, ";
      answers.append(element("p", "empty", "Run " + by + "; " + computed + took.toFixed(0) + " ms in all."));
    } else {
      answers.append(showProblem(reply.status, content));
    }
    $("raw").textContent = JSON.stringify(content, null, 2);
    $("raw").parentElement.hidden = false;
  } catch {
    answers.replaceChildren(element("p", "error", "The service cannot be reached; is it still running?"));
  }
  $("send").disabled = false;
}

async function showState() {
  const pill = $("state");
  try {
    const reply = await fetch("/readyz");
    const found = await reply.json();
    pill.className = reply.ok ? "pill good" : "pill bad";
    pill.textContent = reply.ok ? "Ready: " + found.ready + " of " + found.processes + " processes" : found.detail;
  } catch {
    pill.className = "pill bad";
    pill.textContent = "Cannot be reached";
  }
}

async function listRuns() {
  try {
    const reply = await fetch("/runs", { headers: headers() });
    if (!reply.ok) return;
    const chosen = $("run").value;
    $("run").replaceChildren(new Option("The promoted run", ""));
    for (const run of (await reply.json()).runs) {
      if (!run.model_digest) continue;
      const label = run.run_id.slice(0, 8) + " " + run.model + (run.promoted ? " (promoted)" : "");
      $("run").append(new Option(label, run.run_id));
    }
    $("run").value = chosen;
  } catch { /* The state above says that the service cannot be reached. */ }
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

$("ask").addEventListener("submit", predict);
$("ask").addEventListener("input", showCommand);
$("key").addEventListener("change", listRuns);
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("command").textContent);
    $("copy").textContent = "Copied";
  } catch {
    // Over plain HTTP from another machine a page may not touch the clipboard.
    getSelection().selectAllChildren($("command"));
    $("copy").textContent = "Selected";
  }
});
addEventListener("hashchange", openTarget);
openTarget();
showCommand();
showState();
listRuns();
setInterval(showState, 5000);
"""
