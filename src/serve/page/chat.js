/* The chat page: keeps the conversation, streams answers from /v1/chat/completions, shows how fast they come.
 * Empty settings are not sent, so that the server's own defaults count. */
"use strict";
const at = (id) => document.getElementById(id);
const talk = at("talk"), prompt_field = at("prompt"), form = at("form"), settings = at("settings");
const numbers = ["temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed"];
let messages = [];     /* {role, content, thought, note, error} */
let answering = null;  /* AbortController of the answer that is coming */
let model = "";

/* ---- settings, kept in this browser ---- */
const kept = (() => {
  try { return JSON.parse(localStorage.getItem("hone") || "{}"); } catch { return {}; }
})();
const fields = settings.querySelector("form");
for (const e of fields.elements) if (e.name) e.value = kept[e.name] ?? "";
function keep() {
  for (const e of fields.elements) if (e.name) kept[e.name] = e.value;
  try { localStorage.setItem("hone", JSON.stringify(kept)); } catch { /* private windows keep nothing */ }
}
at("defaults").onclick = () => {
  for (const e of fields.elements) if (e.name && e.name !== "key") e.value = "";
};
settings.addEventListener("close", () => {
  keep();
  prompt_field.focus();
});

function headers() {
  const h = { "Content-Type": "application/json" };
  if (kept.key) h.Authorization = "Bearer " + kept.key;
  return h;
}

/* ---- showing ---- */
function element(name, classes, text) {
  const e = document.createElement(name);
  if (classes) e.className = classes;
  if (text !== undefined) e.textContent = text;
  return e;
}
function show_message(m, i) {
  const box = element("div", "message " + m.role);
  if (m.thought) box.append(element("div", "thought", m.thought));
  box.append(element("div", "words" + (m.error ? " error" : ""), m.error || m.content));
  const tools = element("div", "tools");
  if (m.note) tools.append(element("span", "note", m.note));
  if (!answering && m.role === "user") {
    const edit = element("button", "", "Edit");
    edit.onclick = () => edit_from(i);
    tools.append(edit);
  }
  if (!answering && m.role === "assistant") {
    const again = element("button", "", "Regenerate");
    again.onclick = () => { messages.length = i; answer(); };
    const copy = element("button", "", "Copy");
    copy.onclick = () => navigator.clipboard?.writeText(m.content);
    tools.append(again, copy);
  }
  if (tools.childNodes.length) box.append(tools);
  return box;
}
function show() {
  const follows = at("scroll").scrollHeight - at("scroll").scrollTop - at("scroll").clientHeight < 80;
  talk.replaceChildren(...messages.map(show_message));
  if (!messages.length) talk.append(element("div", "", "Ask " + (model || "the model") + " something."));
  if (!messages.length) talk.firstChild.id = "empty";
  at("send").hidden = !!answering;
  at("stop").hidden = !answering;
  if (follows) at("scroll").scrollTop = at("scroll").scrollHeight;
}
let due = false;
function show_soon() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; show(); });
}

/* ---- talking ---- */
function edit_from(i) {
  prompt_field.value = messages[i].content;
  messages.length = i;
  show();
  grow();
  prompt_field.focus();
}
function body() {
  const said = messages.filter((m) => !m.error).map(({ role, content }) => ({ role, content }));
  if (kept.system) said.unshift({ role: "system", content: kept.system });
  const b = { model, messages: said, stream: true, stream_options: { include_usage: true } };
  for (const n of numbers) if (kept[n] !== undefined && kept[n] !== "") b[n] = Number(kept[n]);
  return JSON.stringify(b);
}
/* Calls `take` with the data of each server-sent event. */
async function events(response, take) {
  const reader = response.body.getReader(), decoder = new TextDecoder();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += decoder.decode(value, { stream: true });
    let end;
    while ((end = held.indexOf("\n\n")) >= 0) {
      const line = held.slice(0, end);
      held = held.slice(end + 2);
      if (line.startsWith("data: ") && line !== "data: [DONE]") take(JSON.parse(line.slice(6)));
    }
  }
}
async function answer() {
  const m = { role: "assistant", content: "", thought: "", note: "" };
  const request = body();
  messages.push(m);
  answering = new AbortController();
  show();
  const began = performance.now();
  let first = 0, pieces = 0;
  const tell = (tokens) => {
    const seconds = (performance.now() - first) / 1000;
    if (first && seconds > 0.2 && tokens > 1) m.note = ((tokens - 1) / seconds).toFixed(1) + " tokens/s";
  };
  try {
    const response = await fetch("v1/chat/completions",
      { method: "POST", headers: headers(), body: request, signal: answering.signal });
    if (!response.ok) {
      const said = await response.json().catch(() => null);
      throw new Error(said?.error?.message || "the server answered " + response.status);
    }
    await events(response, (e) => {
      if (e.error) throw new Error(e.error.message);
      const delta = e.choices?.[0]?.delta;
      if (delta?.content || delta?.reasoning_content) {
        first = first || performance.now();
        pieces++;
        m.content += delta.content || "";
        m.thought += delta.reasoning_content || "";
        tell(pieces);
      }
      if (e.usage) {
        tell(e.usage.completion_tokens);
        m.note = [m.note, e.usage.completion_tokens + " tokens", "first after " +
          ((first - began) / 1000).toFixed(2) + " s"].filter(Boolean).join(", ");
      }
      show_soon();
    });
  } catch (error) {
    if (error.name === "AbortError") m.note = "stopped";
    else m.error = error.message;
  }
  answering = null;
  show();
  prompt_field.focus();
}
function send() {
  const text = prompt_field.value.trim();
  if (!text || answering) return;
  messages = messages.filter((m) => !m.error);
  messages.push({ role: "user", content: text });
  prompt_field.value = "";
  grow();
  answer();
}
function stop() { answering?.abort(); }
function fresh() { stop(); messages = []; show(); prompt_field.focus(); }
function grow() {
  prompt_field.style.height = "auto";
  prompt_field.style.height = prompt_field.scrollHeight + "px";
}

form.addEventListener("submit", (e) => { e.preventDefault(); send(); });
prompt_field.addEventListener("input", grow);
prompt_field.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
  if (e.key === "ArrowUp" && !prompt_field.value && !answering) {
    const i = messages.findLastIndex((m) => m.role === "user");
    if (i >= 0) { e.preventDefault(); edit_from(i); }
  }
});
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && !settings.open) stop();
  if (e.altKey && e.key === "n") { e.preventDefault(); fresh(); }
  if (e.altKey && e.key === "s") { e.preventDefault(); settings.showModal(); }
});
at("stop").onclick = stop;
at("fresh").onclick = fresh;
at("controls").onclick = () => settings.showModal();

/* ---- how the server is ---- */
async function look() {
  try {
    if (!model) {
      const list = await fetch("v1/models", { headers: headers() });
      if (list.status === 401) throw new Error("an API key is needed: Settings");
      model = (await list.json()).data[0].id;
      show();
    }
    const page = await (await fetch("metrics")).text();
    const read = (name) => Number((page.match(new RegExp("^vllm:" + name + "\\{[^}]*\\} (.*)$", "m")) || [])[1] || 0);
    at("state").textContent = model + ": " + read("num_requests_running") + " running, " +
      read("num_requests_waiting") + " waiting, memory " + Math.round(100 * read("kv_cache_usage_perc")) + "%";
  } catch (error) {
    at("state").textContent = error instanceof TypeError ? "the server does not answer" : error.message;
  }
}
look();
setInterval(look, 3000);
show();
