// Hands in the code of the link, then keeps the page up to date once a second while it is visible.

// Lines of the log that stay on the page.
const LINES_MAX = 500;

const byId = (id) => document.getElementById(id);

const post = (path, body) =>
  fetch(path, {
    method: "POST",
    headers: { "X-Medusa": "1", "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });

const setText = (element, text) => {
  // Untouched text keeps the reader's selection, and a screen reader quiet.
  if (element.textContent !== String(text)) element.textContent = text;
};

const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();

function showChunks(chunks) {
  const rows = chunks.map((chunk) => {
    const row = element("li");
    row.append(
      element("span", "", chunk.job),
      element("span", "quiet", chunk.part),
      element("span", "num", chunk.phase),
    );
    if (chunk.done_pct !== null) {
      const done = element("span", "done");
      const bar = element("meter");
      bar.max = 100;
      bar.value = chunk.done_pct;
      bar.setAttribute("aria-label", `about ${chunk.done_pct} % done`);
      done.append(bar);
      row.append(done);
    }
    return row;
  });
  byId("chunks").replaceChildren(...rows);
  byId("none").hidden = chunks.length > 0;
}

function showWalls(walls) {
  const rows = walls.map((wall) => {
    const row = element("div", wall.is_low ? "low" : "");
    row.append(element("dt", "", wall.name), element("dd", "", wall.words));
    return row;
  });
  if (byId("walls").childElementCount !== rows.length) byId("walls").replaceChildren(...rows);
  byId("walls-unknown").hidden = rows.length > 0;
}

function showGauges(gauges) {
  const tiles = gauges.map((gauge) => {
    const tile = element("div");
    tile.append(element("dt", "", gauge.name), element("dd", "", gauge.text));
    if (gauge.most > 0) {
      const bar = element("meter");
      bar.max = gauge.most;
      bar.value = gauge.now;
      bar.setAttribute("aria-hidden", "true");
      tile.append(bar);
    }
    return tile;
  });
  byId("gauges").replaceChildren(...tiles);
}

// The account as the server of this page renders it; what the reader has opened stays open.
let account;

function showAccount(html) {
  const section = byId("account");
  // What the keyboard stands on is not taken away.
  if (account === html || section.contains(document.activeElement)) return;
  account = html;
  const open = [...section.querySelectorAll("details[open]")].map((one) => one.dataset.key);
  section.innerHTML = html;
  for (const key of open) section.querySelector(`details[data-key="${key}"]`)?.setAttribute("open", "");
}

const lastLine = () => byId("log").lastElementChild?.dataset.number ?? 0;

function showLog(lines) {
  const log = byId("log");
  const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  for (const line of lines) {
    if (line.number <= Number(lastLine())) continue;
    const row = element("li");
    row.dataset.level = line.level;
    row.dataset.number = line.number;
    row.append(element("time", "", clock(line.at)), ` ${line.text}`);
    log.append(row);
  }
  while (log.childElementCount > LINES_MAX) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function press(id, isPressed) {
  byId(id).setAttribute("aria-pressed", isPressed);
}

function show(state) {
  document.title = `${state.name} · Medusa agent`;
  for (const id of ["name", "slots", "server", "words", "rules", "unknown", "done", "failed", "speed"]) {
    setText(byId(id), state[id]);
  }
  setText(byId("earned"), state.earned || "–");
  byId("state").dataset.tone = state.tone;
  press("on", !state.paused && !state.finishing);
  press("finish", state.finishing);
  press("off", state.paused);
  setText(byId("on"), state.finishing ? "Go on" : state.paused ? "Start" : "On");
  byId("finish").disabled = state.paused;
  byId("leave").disabled = state.leaving;
  byId("wake").hidden = !state.snoozed;
  byId("unknown-line").hidden = !state.unknown;
  byId("enrol").hidden = !state.enrol;
  if (state.enrol) {
    setText(byId("code"), state.enrol.code);
    setText(byId("uri"), state.enrol.uri);
    byId("uri").href = state.enrol.uri_complete;
  }
  byId("revoked").hidden = !state.revoked;
  showAccount(state.account);
  showWalls(state.walls);
  byId("speed-line").hidden = !state.speed;
  showChunks(state.chunks);
  showGauges(state.gauges);
  showLog(state.log);
}

async function refresh() {
  try {
    const answer = await fetch(`/state.json?after=${lastLine()}`, { cache: "no-store" });
    if (answer.status === 401) return location.reload();
    show(await answer.json());
  } catch {
    byId("state").dataset.tone = "trouble";
    setText(byId("words"), "the agent does not run any more: start it again, and open its new link");
    setText(byId("rules"), "nothing: the agent does not run.");
    for (const id of ["on", "finish", "off"]) press(id, false);
    showChunks([]);
  }
}

// The same forms work without this script; with it, the page stays where it is.
async function send(event) {
  event.preventDefault();
  const button = event.submitter;
  const path = button?.getAttribute("formaction") ?? event.target.getAttribute("action");
  const fields = new URLSearchParams(new FormData(event.target, button));
  let refused;
  try {
    const answer = await fetch(path, { method: "POST", headers: { "X-Medusa": "1" }, body: fields });
    if (!answer.ok && answer.status !== 401) refused = await answer.text();
  } catch {
    refused = "not done: the agent does not run any more. Start it again, and open its new link";
  }
  await refresh();
  if (refused) setText(byId("words"), refused);
}

// Limits and hours: what was typed stays until it is kept, also when the agent is away.
async function keep(event) {
  event.preventDefault();
  const form = event.target;
  let refused;
  try {
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.getAttribute("action"), { method: "POST", headers: { "X-Medusa": "1" }, body });
    if (answer.ok) {
      history.replaceState(null, "", `/#${form.closest("section").getAttribute("aria-labelledby")}`);
      return location.reload();
    }
    refused = answer.status === 401 ? "not kept: open the agent's new link first" : await answer.text();
  } catch {
    refused = "not kept: the agent does not run any more. Start it again, and open its new link";
  }
  const words = form.querySelector("[role=alert]") ?? form.appendChild(element("p", "warn"));
  words.setAttribute("role", "alert");
  setText(words, refused);
}

// The names of days and hours turn a whole row or column; arrows go from square to square.
function followGrid() {
  const grid = byId("grid");
  const squares = [...grid.querySelectorAll("input")];
  const line = (head) =>
    squares.filter((square) =>
      head.dataset.day ? square.name === `h${head.dataset.day}` : square.value === head.dataset.hour,
    );
  for (const head of grid.querySelectorAll("th")) {
    const button = element("button", "", head.textContent);
    button.type = "button";
    button.setAttribute("aria-label", head.dataset.day ? `all of ${head.textContent}` : `${head.textContent}:00 on all days`);
    button.addEventListener("click", () => {
      const all = line(head);
      const isFull = all.every((square) => square.checked);
      for (const square of all) square.checked = !isFull;
    });
    head.replaceChildren(button);
  }
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -24, ArrowDown: 24 }[event.key];
    const next = squares[squares.indexOf(event.target) + step];
    if (!step || !squares.includes(event.target) || !next) return;
    event.preventDefault();
    next.focus();
  });
}

function follow() {
  for (const time of document.querySelectorAll("time[data-at]")) {
    time.textContent = clock(Number(time.dataset.at));
  }
  byId("log").scrollTop = byId("log").scrollHeight;
  for (const form of document.querySelectorAll("form[data-live]")) {
    form.addEventListener("submit", send);
  }
  for (const form of document.querySelectorAll("form[data-keep]")) {
    form.addEventListener("submit", keep);
  }
  const filter = byId("filter");
  filter.querySelector("button").hidden = true;
  filter.addEventListener("change", () => {
    byId("log").dataset.show = filter.elements.level.value;
    byId("log").scrollTop = byId("log").scrollHeight;
  });
  followGrid();
  setInterval(() => document.hidden || refresh(), 1000);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  refresh();
}

const CODE = /^#[0-9a-f]{64}$/;

async function open() {
  // The name of a section is no code.
  if (!CODE.test(location.hash)) return;
  const code = location.hash.slice(1);
  // The code must not stay in the address bar or the history.
  history.replaceState(null, "", "/");
  const answer = await post("/session", { code });
  if (answer.ok) location.reload();
  else setText(byId("words"), await answer.text());
}

if (document.body.dataset.page === "state") {
  // A code that was not needed must not stay; the name of a section may.
  if (CODE.test(location.hash)) history.replaceState(null, "", "/");
  follow();
} else {
  // A new link that is put into the tab of an old one changes nothing else.
  addEventListener("hashchange", open);
  open();
}
