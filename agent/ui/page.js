// Hands in the code of the link, then keeps the page up to date once a second while it is visible.

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
      element("span", "quiet", `chunk ${chunk.number} of ${chunk.of}`),
      element("span", "num", chunk.phase),
    );
    return row;
  });
  byId("chunks").replaceChildren(...rows);
  byId("none").hidden = chunks.length > 0;
}

function showLog(lines) {
  const log = byId("log");
  const last = lines.at(-1);
  const key = last ? `${lines.length} ${last.at} ${last.text}` : "";
  if (log.dataset.key === key) return;
  log.dataset.key = key;
  const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const rows = lines.map((line) => {
    const row = element("li");
    row.dataset.level = line.level;
    row.append(element("time", "", clock(line.at)), ` ${line.text}`);
    return row;
  });
  log.replaceChildren(...rows);
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function show(state) {
  document.title = `${state.name} · Medusa agent`;
  for (const id of ["name", "slots", "server", "words", "done", "failed"]) {
    setText(byId(id), state[id]);
  }
  setText(byId("earned"), state.earned || "–");
  byId("state").dataset.tone = state.tone;
  byId("switch").dataset.paused = state.paused;
  setText(byId("switch"), state.paused ? "Start" : "Pause");
  byId("finish").disabled = state.finishing;
  byId("enrol").hidden = !state.enrol;
  if (state.enrol) {
    setText(byId("code"), state.enrol.code);
    setText(byId("uri"), state.enrol.uri);
    byId("uri").href = state.enrol.uri_complete;
  }
  byId("revoked").hidden = !state.revoked;
  showChunks(state.chunks);
  showLog(state.log);
}

async function refresh() {
  try {
    const answer = await fetch("/state.json", { cache: "no-store" });
    if (answer.status === 401) return location.reload();
    show(await answer.json());
  } catch {
    byId("state").dataset.tone = "trouble";
    setText(byId("words"), "the agent does not run any more");
  }
}

function follow() {
  for (const time of document.querySelectorAll("time[data-at]")) {
    time.textContent = clock(Number(time.dataset.at));
  }
  byId("log").scrollTop = byId("log").scrollHeight;
  byId("switch").addEventListener("click", async () => {
    const button = byId("switch");
    button.disabled = true;
    await post(button.dataset.paused === "true" ? "/start" : "/pause");
    await refresh();
    button.disabled = false;
  });
  byId("finish").addEventListener("click", async () => {
    byId("finish").disabled = true;
    await post("/finish");
    await refresh();
  });
  byId("again").addEventListener("click", async () => {
    await post("/enrol");
    await refresh();
  });
  setInterval(() => document.hidden || refresh(), 1000);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  refresh();
}

async function open() {
  const code = location.hash.slice(1);
  if (!code) return;
  // The code must not stay in the address bar or the history.
  history.replaceState(null, "", "/");
  const answer = await post("/session", { code });
  if (answer.ok) location.reload();
  else setText(byId("words"), await answer.text());
}

if (document.body.dataset.page === "state") {
  if (location.hash) history.replaceState(null, "", "/");
  follow();
} else {
  open();
}
