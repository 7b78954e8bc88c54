// The conversation editor. gr.HTML gives `element`, `props`, `trigger` and `watch`; conversation_json.js and
// conversation_turn.js stand above this file in one script.
// `props.value` is the list of messages that the server sees. The turns are DOM that is built here and never redrawn
// while someone types: a redraw would drop the caret and break a half-composed Japanese word.
// Numbers go through the browser's: 1.0 comes out as 1, and whole numbers above 2**53 are rounded.
const PAUSE_MS = 150;
const words = props.words[(navigator.language || "en").toLowerCase().startsWith("ja") ? "ja" : "en"];
const find = (selector) => element.querySelector(selector);
const list = find(".turns");
const add = find(".add-turn");
const box = find(".json");
const problem = find(".json-problem");
let view = "turns";
let sent = null; // The messages as the server has them, as JSON.
let boxShows = null; // What `sent` was when the box was last in step with it.
let toolsSeen = "null";
let pause = null;
let composing = false;

// ---- from the fields to the server

function changed(wait = PAUSE_MS) {
  clearTimeout(pause);
  pause = setTimeout(settle, wait);
}

function settle() {
  clearTimeout(pause);
  pause = null;
  if (composing) return; // The end of the composition comes here again.
  if (view === "json") readBox();
  else publish([...list.children].map((turn) => messageOf.get(turn)));
}

function publish(messages) {
  const text = JSON.stringify(messages);
  if (text === sent) return;
  sent = text;
  props.value = JSON.parse(text);
  mentionBox();
  trigger("input");
}

function readBox() {
  const { messages, tools, mistake } = readConversation(box.value);
  problem.hidden = !mistake;
  box.setAttribute("aria-invalid", Boolean(mistake));
  find(".json-sentence").textContent = mistake ? mistakeSentence(box.value, mistake) : "";
  find(".go-to-mistake").hidden = mistake?.at === undefined;
  find(".go-to-mistake").onclick = () => goTo(mistake.at);
  if (!mistake) {
    publish(messages);
    bringTools(tools);
  }
  boxShows = sent;
}

// Browsers do not scroll to a selection that a script makes, so about where its line is.
function goTo(at) {
  const lines = (text) => text.split("\n").length;
  box.focus();
  box.setSelectionRange(at, at + 1);
  box.scrollTop = (box.scrollHeight * lines(box.value.slice(0, at))) / lines(box.value) - box.clientHeight / 2;
}

// Text that is no JSON waits in its box for as long as the turns stay as they are.
function mentionBox() {
  find(".json-waits").hidden = problem.hidden || boxShows !== sent;
}

// A row pasted whole may bring tools. They are no messages: whoever holds the page's tools listens to this event.
function bringTools(tools) {
  const text = JSON.stringify(tools);
  if (tools && text !== toolsSeen) trigger("tools", { tools });
  toolsSeen = text;
}

// ---- from the server to the fields

// Set by the server (an example, a fix): told to the page as if it had been typed, so that one event does all.
function take() {
  if (JSON.stringify(props.value) === sent) return;
  show();
  trigger("input");
}

function show() {
  clearTimeout(pause);
  sent = JSON.stringify(props.value || []);
  tell("");
  mentionBox();
  if (view === "json") fillBox();
  else drawTurns();
}

// Turns that stay the same are left alone, with their caret and their height.
function drawTurns() {
  const messages = JSON.parse(sent);
  messages.forEach((message, place) => {
    const turn = list.children[place];
    if (!turn) list.append(turnOf(message));
    else if (JSON.stringify(messageOf.get(turn)) !== JSON.stringify(message)) turn.replaceWith(turnOf(message));
  });
  while (list.children.length > messages.length) list.lastElementChild.remove();
  number();
  grow(list.querySelectorAll("textarea"));
}

function fillBox() {
  box.value = JSON.stringify(JSON.parse(sent), null, 2);
  readBox();
  grow([box]);
}

function number() {
  [...list.children].forEach((turn, place) => {
    if (turn.dataset.message !== String(place)) {
      turn.dataset.message = place;
      turn.querySelector(".turn-number").textContent = place + 1;
      nameFields(turn);
    }
    turn.querySelector(".move-up").setAttribute("aria-disabled", place === 0);
    turn.querySelector(".move-down").setAttribute("aria-disabled", place === list.children.length - 1);
  });
  find(".no-turns").hidden = list.children.length > 0;
}

// Heights for browsers without field-sizing: all are measured before any is set, or each would cost a layout.
function grow(areas) {
  if (CSS.supports("field-sizing", "content")) return;
  areas.forEach((area) => { area.style.height = "auto"; });
  const heights = [...areas].map((area) => area.scrollHeight);
  areas.forEach((area, place) => { if (heights[place]) area.style.height = heights[place] + 2 + "px"; });
}

// ---- what one can do with turns

function placeAfter(turn, message) {
  const added = turnOf(message);
  if (turn) turn.after(added);
  else list.append(added);
  number();
  grow(added.querySelectorAll("textarea"));
  added.querySelector(".turn-text").focus();
  tell("");
  changed(0);
}

// Who speaks next: results for each call that has none yet, then the other side.
function nextMessage(turn) {
  let before = turn;
  let answered = 0;
  for (; before && messageOf.get(before).role === "tool"; before = before.previousElementSibling) answered += 1;
  const last = before && messageOf.get(before);
  const call = last && areCalls(last.tool_calls) && last.tool_calls[answered];
  if (call) return { role: "tool", name: bodyOf(call).name, ...(call.id && { tool_call_id: call.id }), content: "" };
  return { role: turn && ["user", "tool"].includes(messageOf.get(turn).role) ? "assistant" : "user", content: "" };
}

// The neighbour moves, not the turn itself: the focused field keeps its caret and what Ctrl+Z knows.
function move(turn, up) {
  const neighbour = up ? turn.previousElementSibling : turn.nextElementSibling;
  if (!neighbour) return;
  if (up) turn.after(neighbour);
  else turn.before(neighbour);
  number();
  turn.scrollIntoView({ block: "nearest" });
  tell(words.moved.replace("{number}", Number(turn.dataset.message) + 1));
  changed(0);
}

function removeTurn(turn) {
  const place = Number(turn.dataset.message);
  const next = turn.nextElementSibling || turn.previousElementSibling;
  turn.remove();
  number();
  (next ? next.querySelector(".remove-turn") : add).focus();
  tell(words.removed.replace("{number}", place + 1), () => {
    list.insertBefore(turn, list.children[place] || null);
    number();
    turn.querySelector(".turn-text").focus();
    changed(0);
  });
  changed(0);
}

function tell(text, undo = null) {
  find(".editor-status-text").textContent = text;
  const button = find(".undo-remove");
  button.hidden = !undo;
  button.onclick = () => {
    undo();
    tell("");
  };
}

// ---- the two views

function choose(name) {
  settle();
  view = name;
  ["turns", "json"].forEach((each) => {
    const tab = find(".view-" + each);
    tab.setAttribute("aria-selected", each === name);
    tab.tabIndex = each === name ? 0 : -1;
    find("." + each + "-view").hidden = each !== name;
  });
  tell("");
  if (name === "json" && boxShows !== sent) fillBox();
  if (name === "turns") drawTurns();
  mentionBox();
}

function wireViews() {
  ["turns", "json"].forEach((name) => {
    const tab = find(".view-" + name);
    const panel = find("." + name + "-view");
    panel.id = element.id + "-" + name;
    tab.id = panel.id + "-tab";
    tab.textContent = words.views[name];
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => choose(name));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = name === "turns" ? "json" : "turns";
      choose(other);
      find(".view-" + other).focus();
    });
  });
}

const actions = {
  "show-more": toggleMore,
  "move-up": (turn) => move(turn, true),
  "move-down": (turn) => move(turn, false),
  "duplicate-turn": (turn) => placeAfter(turn, messageOf.get(turn)),
  "remove-turn": removeTurn,
};

list.addEventListener("click", (event) => {
  const button = event.target.closest(".turn-button");
  const action = button && Object.keys(actions).find((name) => button.classList.contains(name));
  if (action) actions[action](button.closest(".turn"));
});
list.addEventListener("keydown", (event) => {
  const turn = event.target.closest(".turn");
  const arrow = { ArrowUp: "move-up", ArrowDown: "move-down" }[event.key];
  if (event.isComposing || !turn) return;
  if (event.altKey && arrow && event.target.tagName !== "SELECT") actions[arrow](turn); // There Alt+Down opens the list.
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) placeAfter(turn, nextMessage(turn));
  else if (event.key === "Escape" && !turn.querySelector(".turn-more").hidden) {
    closeMore(turn);
    turn.querySelector(".show-more").focus();
  } else return;
  event.preventDefault();
});
element.addEventListener("compositionstart", () => { composing = true; });
element.addEventListener("compositionend", () => {
  composing = false;
  changed();
});
add.addEventListener("click", () => placeAfter(list.lastElementChild, nextMessage(list.lastElementChild)));
box.addEventListener("input", () => {
  grow([box]);
  changed();
});
// A tab that was hidden gets its width later; the text areas then know their height.
new ResizeObserver(() => grow(element.querySelectorAll("textarea"))).observe(find(".views"));

add.textContent = words.add;
box.setAttribute("aria-label", words.boxLabel);
find(".views").setAttribute("aria-label", words.boxLabel);
find(".no-turns").textContent = words.none;
find(".json-hint").textContent = words.boxHint;
find(".go-to-mistake").textContent = words.goTo;
find(".json-waits").textContent = words.waits;
find(".undo-remove").textContent = words.undo;
wireViews();
watch("value", take);
show();
