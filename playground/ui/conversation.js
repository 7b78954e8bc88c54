// The conversation editor. gr.HTML gives `element`, `props`, `trigger` and `watch`.
// The DOM is built here and never redrawn while someone types: a redraw would drop the caret and break a
// half-composed Japanese word. `props.value` is the list of messages that the server sees.
const PAUSE_MS = 250;
const words = props.words[(navigator.language || "en").toLowerCase().startsWith("ja") ? "ja" : "en"];
const list = element.querySelector(".turns");
const add = element.querySelector(".add-turn");
let sent = null;
let pause = null;

const make = (tag, fields, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};

function read() {
  return [...list.children].map((turn) => ({
    role: turn.querySelector("select").value,
    content: turn.querySelector("textarea").value,
  }));
}

function send(wait) {
  clearTimeout(pause);
  pause = setTimeout(() => {
    const messages = read();
    if (JSON.stringify(messages) === sent) return;
    sent = JSON.stringify(messages);
    props.value = messages;
    trigger("input");
  }, wait);
}

function grow(area) {
  area.style.height = "auto";
  // A hidden tab has no height to measure; the style sheet's field-sizing does it in browsers that know it.
  if (area.scrollHeight) area.style.height = area.scrollHeight + 2 + "px";
}

function number() {
  [...list.children].forEach((turn, place) => {
    const name = words.turn.replace("{number}", place + 1);
    turn.querySelector("select").setAttribute("aria-label", name + ": " + words.role);
    turn.querySelector("textarea").setAttribute("aria-label", name + ": " + words.text);
    turn.querySelector(".remove-turn").setAttribute("aria-label", words.remove + " " + (place + 1));
  });
  element.querySelector(".no-turns").hidden = list.children.length > 0;
}

function turnOf(message) {
  const roles = ["system", "user", "assistant", "tool"];
  const choice = make("select", { className: "turn-role" });
  roles.forEach((role) => choice.append(make("option", { value: role, textContent: words.roles[role] })));
  choice.value = roles.includes(message.role) ? message.role : "user";
  const area = make("textarea", { rows: 1, value: message.content, placeholder: words.placeholder, spellcheck: false });
  const remove = make("button", { type: "button", className: "remove-turn", title: words.remove, textContent: "×" });
  const turn = make("li", { className: "turn" }, make("div", { className: "turn-head" }, choice, remove), area);
  turn.dataset.role = choice.value;
  choice.addEventListener("change", () => { turn.dataset.role = choice.value; send(0); });
  area.addEventListener("input", () => { grow(area); send(PAUSE_MS); });
  remove.addEventListener("click", () => {
    const next = turn.nextElementSibling || turn.previousElementSibling;
    turn.remove();
    number();
    (next ? next.querySelector("textarea") : add).focus();
    send(0);
  });
  return turn;
}

function draw() {
  if (JSON.stringify(props.value) === sent) return;
  clearTimeout(pause);
  sent = JSON.stringify(props.value);
  list.replaceChildren(...(props.value || []).map(turnOf));
  number();
  requestAnimationFrame(() => list.querySelectorAll("textarea").forEach(grow));
}

add.textContent = words.add;
element.querySelector(".no-turns").textContent = words.none;
add.addEventListener("click", () => {
  const last = list.lastElementChild;
  const role = last && last.dataset.role === "user" ? "assistant" : "user";
  const turn = turnOf({ role, content: "" });
  list.append(turn);
  number();
  turn.querySelector("textarea").focus();
  send(0);
});
// A tab that was hidden gets its width later; the text areas then know their height.
new ResizeObserver(() => list.querySelectorAll("textarea").forEach(grow)).observe(list);
// Set by the server (an example was chosen): tell the page as if it had been typed, so that one event does all.
watch("value", () => { if (JSON.stringify(props.value) !== sent) { draw(); trigger("input"); } });
draw();
