// One turn: its fields made from a message, each field writing back into that message as it is typed in.
// What a field does not show stays in the message as it came: unknown keys, blocks of content, ids of calls.
const ROLES = ["system", "user", "assistant", "tool", "developer"];
const messageOf = new WeakMap(); // turn (li) -> its message

const make = (tag, fields, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};

const SHAPES = {
  "show-more": "M3.5 8h.01M8 8h.01M12.5 8h.01",
  "move-up": "M8 13V3M4 7l4-4 4 4",
  "move-down": "M8 3v10M4 9l4 4 4-4",
  "duplicate-turn": "M6 6h7v7H6zM10 6V3H3v7h3",
  "remove-turn": "M4 4l8 8M12 4l-8 8",
  "remove-part": "M4 4l8 8M12 4l-8 8",
};

// A button whose name a screen reader hears after the turn's: "Turn 2: move up".
function iconButton(kind, says, keys = "") {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  icon.setAttribute("viewBox", "0 0 16 16");
  icon.setAttribute("class", "glyph");
  icon.setAttribute("aria-hidden", "true");
  line.setAttribute("d", SHAPES[kind]);
  icon.append(line);
  const button = make("button", { type: "button", className: "turn-button " + kind, title: says + keys }, icon);
  button.dataset.says = says;
  return button;
}

function textArea(className, says, value, fields = {}) {
  const area = make("textarea", { className, rows: 1, spellcheck: false, value, ...fields });
  area.dataset.says = says;
  return area;
}

function turnOf(given) {
  const message = JSON.parse(JSON.stringify(given));
  const turn = make("li", { className: "turn" });
  messageOf.set(turn, message);
  turn.append(
    headOf(turn, message),
    make("div", { className: "turn-more", hidden: true }),
    make("div", { className: "parts parts-before" }),
    contentOf(message),
    make("div", { className: "parts parts-after" }),
  );
  turn.dataset.role = message.role;
  drawParts(turn);
  return turn;
}

function headOf(turn, message) {
  const roles = ROLES.includes(message.role) ? ROLES : [...ROLES, message.role];
  const choice = make("select", { className: "turn-role" });
  roles.forEach((role, place) => {
    choice.append(make("option", { value: place, textContent: words.roles[role] || (role === undefined ? words.noRole : String(role)) }));
  });
  choice.value = roles.indexOf(message.role);
  choice.dataset.says = words.role;
  choice.addEventListener("change", () => {
    message.role = roles[choice.value];
    turn.dataset.role = message.role;
    closeMore(turn);
    drawParts(turn);
    changed(0);
  });
  const buttons = make(
    "div", { className: "turn-buttons" },
    iconButton("show-more", words.more), iconButton("move-up", words.up, " (Alt+↑)"), iconButton("move-down", words.down, " (Alt+↓)"),
    iconButton("duplicate-turn", words.duplicate), iconButton("remove-turn", words.remove),
  );
  return make("div", { className: "turn-head" }, make("span", { className: "turn-number" }), choice, buttons);
}

// The words of the turn. Content that is no text (a list of blocks, null) stays what it is until it is edited.
function contentOf(message) {
  const { content } = message;
  const isList = Array.isArray(content);
  const shown = isList ? content.map((block) => block?.text ?? JSON.stringify(block)).join("") : content ?? "";
  const area = textArea("turn-text", words.text, typeof shown === "string" ? shown : JSON.stringify(shown), { placeholder: words.placeholder });
  const note = make("p", { className: "turn-note", hidden: typeof shown === "string" && !isList });
  note.textContent = isList ? words.blocks.replace("{count}", content.length) : words.noText;
  area.addEventListener("input", () => {
    message.content = area.value;
    note.hidden = true;
    grow([area]);
    changed();
  });
  return make("div", { className: "turn-content" }, area, note);
}

// Only with a call or reasoning may a message come without content.
function fillContent(message) {
  if (message.content == null && !message.tool_calls && !message.reasoning_content) message.content = "";
}

// Reasoning, names, calls and keys that the editor does not know. Drawn anew only when a part is added or removed.
function drawParts(turn) {
  const message = messageOf.get(turn);
  const remove = (key) => () => {
    delete message[key];
    fillContent(message);
    drawParts(turn);
    turn.querySelector(".turn-text").focus();
    changed(0);
  };
  const before = ["reasoning_content", "name", "tool_call_id"].filter((key) => typeof message[key] === "string");
  turn.querySelector(".parts-before").replaceChildren(...before.map((key) => textPart(message, key, remove(key))));
  const calls = areCalls(message.tool_calls) ? message.tool_calls.map((call) => callPart(turn, call)) : [];
  const shown = ["role", "content", ...before, ...(calls.length ? ["tool_calls"] : [])];
  const others = Object.keys(message).filter((key) => !shown.includes(key));
  turn.querySelector(".parts-after").replaceChildren(...calls, ...others.map((key) => otherPart(message, key, remove(key))));
  turn.querySelector(".show-more").hidden = !additions(message).length;
  nameFields(turn);
}

function part(className, title, remove, ...fields) {
  const button = iconButton("remove-part", words.removePart.replace("{part}", () => title));
  button.addEventListener("click", remove);
  const body = make("div", { className: "part-body" }, make("span", { className: "part-title", textContent: title }), ...fields);
  return make("div", { className: "part " + className }, body, button);
}

function textPart(message, key, remove) {
  const area = textArea("part-text", words.parts[key], message[key]);
  area.addEventListener("input", () => {
    message[key] = area.value;
    fillContent(message);
    grow([area]);
    changed();
  });
  return part("part-" + key, words.parts[key], remove, area);
}

function otherPart(message, key, remove) {
  const title = words.other.replace("{key}", () => key);
  return part("part-other", title, remove, jsonField(title, message[key], false, (value) => { message[key] = value; }));
}

// A call is {"type": "function", "function": {"name", "arguments"}}, or, in older data, {"name", "arguments"} by itself.
const bodyOf = (call) => (isObject(call.function) ? call.function : call);
const areCalls = (calls) =>
  Array.isArray(calls) && calls.length > 0 && calls.every((call) => isObject(call) && typeof bodyOf(call).name === "string");

function callPart(turn, call) {
  const message = messageOf.get(turn);
  const body = bodyOf(call);
  const line = (holder, key, says) => {
    const input = make("input", { type: "text", className: "call-" + key, spellcheck: false, autocomplete: "off", value: holder[key] ?? "" });
    input.dataset.says = says;
    input.addEventListener("input", () => {
      if (key === "id" && !input.value) delete holder[key];
      else holder[key] = input.value;
      changed();
    });
    return make("label", { className: "call-field" }, make("span", { textContent: says }), input);
  };
  const remove = () => {
    message.tool_calls.splice(message.tool_calls.indexOf(call), 1);
    if (!message.tool_calls.length) delete message.tool_calls;
    fillContent(message);
    drawParts(turn);
    turn.querySelector(".turn-text").focus();
    changed(0);
  };
  const lines = make("div", { className: "call-lines" }, line(body, "name", words.callName), line(call, "id", words.callId));
  const json = jsonField(words.arguments, body.arguments ?? {}, typeof body.arguments === "string", (value) => { body.arguments = value; });
  return part("part-call", words.call, remove, lines, make("span", { className: "call-label", textContent: words.arguments }), json);
}

// A field of JSON; while what stands in it is none, the last value that was stays in the message, and the field says so.
// `isText`: arguments that came as text, as OpenAI writes them, stay text.
function jsonField(says, value, isText, put) {
  const area = textArea("part-json", says, isText ? value : JSON.stringify(value, null, 2));
  const problem = make("p", { className: "problem", hidden: true });
  problem.setAttribute("role", "status");
  area.addEventListener("input", () => {
    grow([area]);
    const mistake = isText ? null : putJson(area.value, put);
    area.setAttribute("aria-invalid", mistake !== null);
    problem.hidden = !mistake;
    problem.textContent = mistake ? mistakeSentence(area.value, mistake) : "";
    if (mistake) problem.append(make("span", { textContent: words.lastStays }));
    if (isText) put(area.value);
    changed();
  });
  return make("div", { className: "json-field" }, area, problem);
}

function putJson(text, put) {
  if (!text.trim()) return { what: "noValue" };
  try {
    put(JSON.parse(text));
    return null;
  } catch {
    return findMistake(text);
  }
}

// What "More" offers for a message: [title, what to do, the field to go to].
function additions(message) {
  const text = (key) => [words.parts[key], () => { message[key] = ""; }, ".part-" + key + " textarea"];
  const call = () => {
    if (!areCalls(message.tool_calls)) message.tool_calls = [];
    message.tool_calls.push({ type: "function", function: { name: "", arguments: {} } });
  };
  const offered = { assistant: ["reasoning_content"], tool: ["name", "tool_call_id"] }[message.role] || [];
  const texts = offered.filter((key) => !(key in message)).map(text);
  const mayCall = message.role === "assistant" && (!("tool_calls" in message) || areCalls(message.tool_calls));
  return mayCall ? [...texts, [words.call, call, ".part-call .call-name"]] : texts;
}

function closeMore(turn) {
  turn.querySelector(".turn-more").hidden = true;
  turn.querySelector(".show-more").setAttribute("aria-expanded", false);
}

function toggleMore(turn) {
  const row = turn.querySelector(".turn-more");
  if (!row.hidden) return closeMore(turn);
  row.replaceChildren(...additions(messageOf.get(turn)).map(([title, add, target]) => {
    const button = make("button", { type: "button", className: "add-part", textContent: "+ " + title });
    button.addEventListener("click", () => {
      add();
      closeMore(turn);
      drawParts(turn);
      grow(turn.querySelectorAll("textarea"));
      [...turn.querySelectorAll(target)].at(-1).focus();
      changed(0);
    });
    return button;
  }));
  row.hidden = false;
  turn.querySelector(".show-more").setAttribute("aria-expanded", true);
  row.firstElementChild.focus();
}

// Fields are named after their turn, since a screen reader meets many of each.
function nameFields(turn) {
  if (turn.dataset.message === undefined) return;
  const named = words.field.replace("{number}", Number(turn.dataset.message) + 1);
  turn.querySelectorAll("[data-says]").forEach((field) => {
    field.setAttribute("aria-label", named.replace("{field}", () => field.dataset.says));
  });
}
