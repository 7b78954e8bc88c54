// The form of a template's inputs. gr.HTML gives `element`, `props`, `trigger` and `watch`.
// `props.value` is what the server gets: RenderOptions' fields, only those that are set. `props.asked` says which
// controls the template wants; a control that stays is never redrawn, so nobody loses what they are typing.
const PAUSE_MS = 150;
const words = props.words[(navigator.language || "en").toLowerCase().startsWith("ja") ? "ja" : "en"];
const root = element.querySelector(".inputs");
const fields = new Map(); // "tools" or "template_kwargs.enable_thinking" -> {node, read(), write(value)}
let wanted = {}; // All that was ever set, by the same keys: a variable that comes back finds its value.
let brought = []; // Keys that a link or a fix set before the template is there that has controls for them.
let sent = null;
let pause = null;

const make = (tag, fields, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};
const hint = (text) => make("p", { className: "input-hint", textContent: text });

function flat(options) {
  const keys = {};
  for (const [name, value] of Object.entries(options || {})) {
    if (name !== "template_kwargs" && name !== "special_tokens") keys[name] = value;
    else for (const [inner, one] of Object.entries(value || {})) keys[name + "." + inner] = one;
  }
  return keys;
}

function read() {
  const options = {};
  for (const [key, field] of fields) wanted[key] = field.read();
  for (const key of [...fields.keys(), ...brought]) {
    const value = wanted[key];
    if (value === undefined || value === false && !key.includes(".")) continue;
    const [name, ...inner] = key.split(".");
    if (inner.length) (options[name] = options[name] || {})[inner.join(".")] = value;
    else options[name] = value;
  }
  return options;
}

function send(wait) {
  clearTimeout(pause);
  pause = setTimeout(() => {
    const options = read();
    marks();
    if (JSON.stringify(options) === sent) return;
    sent = JSON.stringify(options);
    props.value = options;
    trigger("input");
  }, wait);
}

function add(key, node, access, place) {
  node.dataset.key = key;
  fields.set(key, { node, ...access });
  access.write(wanted[key]);
  brought = brought.filter((one) => one !== key);
  place.append(node);
}

function checkbox(key, id, title, explained) {
  const box = make("input", { type: "checkbox" });
  box.addEventListener("change", () => {
    const other = { add_generation_prompt: "continue_final_message", continue_final_message: "add_generation_prompt" }[key];
    if (box.checked) fields.get(other).write(false); // A text cannot end in both ways.
    send(0);
  });
  const node = make("div", { className: "input-check", id },
    make("label", {}, box, make("span", { className: "input-name", textContent: title })), hint(explained));
  return [node, { read: () => box.checked, write: (value) => { box.checked = Boolean(value); } }];
}

function labelled(id, title, control, explained, mono) {
  const name = make("span", { className: "input-name" + (mono ? " is-code" : ""), textContent: title });
  const node = make("label", { className: "input", id }, name, control);
  if (explained) node.append(hint(explained));
  return node;
}

function text(id, title, { type = "text", placeholder = "", explained = "", mono = false } = {}) {
  const box = make("input", { className: "input-box", type, placeholder, autocomplete: "off", spellcheck: false });
  if (type === "datetime-local") box.step = 1;
  box.addEventListener("input", () => send(PAUSE_MS));
  return [labelled(id, title, box, explained, mono), {
    read: () => box.value || undefined,
    write: (value) => { box.value = value ?? ""; },
  }];
}

function choice(id, title, choices, explained) {
  const box = make("select", { className: "input-box" }, make("option", { value: "", textContent: words.unset }));
  choices.forEach((one) => box.append(make("option", { value: one, textContent: one })));
  box.addEventListener("change", () => send(0));
  return [labelled(id, title, box, explained, true), {
    read: () => box.value || undefined,
    write: (value) => { box.value = value ?? ""; },
  }];
}

// Three states, because "not set" is a state of its own: the template then does what it does by default.
function threeWay(id, title, explained) {
  const group = make("div", { className: "three-way" });
  const radios = [[undefined, words.unset], [true, "true"], [false, "false"]].map(([value, said]) => {
    const radio = make("input", { type: "radio", name: id, value: String(value) });
    radio.addEventListener("change", () => send(0));
    group.append(make("label", {}, radio, make("span", { textContent: said })));
    return [value, radio];
  });
  const node = make("fieldset", { className: "input", id },
    make("legend", { className: "input-name is-code", textContent: title }), group);
  if (explained) node.append(hint(explained));
  return [node, {
    read: () => radios.find(([, radio]) => radio.checked)?.[0],
    write: (value) => radios.forEach(([one, radio]) => { radio.checked = one === value; }),
  }];
}

// JSON that does not parse keeps its text and says so; the last valid value stays in use.
function json(id, title, { rows, isList = false, explained = "", mono = false, example = "" }) {
  const box = make("textarea", { className: "input-box", rows, spellcheck: false });
  const told = make("p", { className: "input-problem", hidden: true });
  told.setAttribute("role", "status");
  told.id = id + "-problem";
  box.setAttribute("aria-describedby", told.id);
  let valid;
  const parse = () => {
    let problem = "";
    try {
      const value = box.value.trim() ? JSON.parse(box.value) : undefined;
      if (isList && value !== undefined && !Array.isArray(value)) problem = words.notList;
      else valid = value;
    } catch {
      problem = words.notJson;
    }
    told.textContent = problem;
    told.hidden = !problem;
    box.setAttribute("aria-invalid", String(Boolean(problem)));
  };
  const put = (written) => { box.value = written; parse(); };
  box.addEventListener("input", () => { parse(); send(PAUSE_MS); });
  const node = labelled(id, title, box, "", mono);
  if (explained) node.insertBefore(hint(explained), box);
  const whole = make("div", { className: "input-json" }, node, told);
  if (example) {
    const insert = make("button", { type: "button", className: "input-button insert-example", textContent: words.example });
    const clear = make("button", { type: "button", className: "input-button clear-input", textContent: words.clear });
    insert.addEventListener("click", () => { put(example); send(0); });
    clear.addEventListener("click", () => { put(""); send(0); });
    whole.append(make("div", { className: "input-buttons" }, insert, clear));
  }
  return [whole, {
    read: () => valid,
    write: (value) => {
      if (value !== undefined && JSON.stringify(value) === JSON.stringify(valid) && box.value) return;
      put(value === undefined || value === null ? "" : JSON.stringify(value, null, 2));
    },
  }];
}

function fold(title) {
  const badge = make("span", { className: "input-badge" });
  const node = make("details", { className: "input-fold" },
    make("summary", {}, make("span", { textContent: title }), badge));
  node.badge = badge;
  return node;
}

const ends = make("div", { className: "input-ends" });
const variables = make("section", { className: "input-variables", hidden: true },
  make("h3", { textContent: words.variables }));
const folds = { tools: fold(words.tools), documents: fold(words.documents), more: fold(words.clockAndTokens) };
root.replaceChildren(ends, variables, folds.tools, folds.documents, folds.more);

add("add_generation_prompt", ...checkbox("add_generation_prompt", "generation-prompt", words.prompt, words.promptHint), ends);
add("continue_final_message", ...checkbox("continue_final_message", "continue-final", words.continue, words.continueHint), ends);
add("tools", ...json("tools", words.tools,
  { rows: 8, isList: true, explained: words.toolsHint, example: props.examples.tools }), folds.tools);
add("documents", ...json("documents", words.documents,
  { rows: 5, isList: true, explained: words.documentsHint, example: props.examples.documents }), folds.documents);
add("clock", ...text("clock", words.clock, { type: "datetime-local", explained: words.clockHint }), folds.more);

function variable({ name, kind, choices, default: preset }) {
  const id = "variable-" + name;
  const known = preset !== null && preset !== undefined;
  const explained = known ? words.default.replace("{value}", typeof preset === "string" ? preset : JSON.stringify(preset)) : "";
  if (choices && choices.length) return choice(id, name, choices, explained);
  if (kind === "boolean") return threeWay(id, name, explained);
  if (kind === "json") return json(id, name, { rows: 3, explained, mono: true });
  return text(id, name, { placeholder: words.unset, explained, mono: true });
}

// Draws only what is new and takes away only what is gone.
function keep(group, place, entries, build) {
  const there = new Set(entries.map(([key]) => key));
  for (const [key, field] of [...fields]) {
    if (!key.startsWith(group + ".") || there.has(key)) continue;
    wanted[key] = field.read();
    field.node.remove();
    fields.delete(key);
  }
  for (const [key, entry] of entries) {
    const shape = JSON.stringify(entry);
    if (fields.get(key)?.shape === shape) { place.append(fields.get(key).node); continue; }
    if (fields.has(key)) { wanted[key] = fields.get(key).read(); fields.get(key).node.remove(); }
    add(key, ...build(entry), place);
    fields.get(key).shape = shape;
  }
}

// What stands beside the title of a closed fold: how much is set in it, and whether the template reads it at all.
function mark(fold, set, isRead) {
  fold.badge.textContent = [set, isRead ? "" : words.unread].filter(Boolean).join(" · ");
  fold.badge.classList.toggle("is-set", Boolean(set) && isRead);
}

function marks() {
  const entries = (key) => fields.get(key).read()?.length || "";
  mark(folds.tools, entries("tools"), props.asked.tools);
  mark(folds.documents, entries("documents"), props.asked.documents);
  const keys = ["clock", ...[...fields.keys()].filter((key) => key.startsWith("special_tokens."))];
  mark(folds.more, keys.some((key) => fields.get(key).read() !== undefined) ? words.set : "", true);
}

function drawAsked() {
  const { variables: mentioned, special_tokens: tokens } = props.asked;
  const caret = document.activeElement;
  keep("template_kwargs", variables, mentioned.map((one) => ["template_kwargs." + one.name, one]), variable);
  variables.hidden = mentioned.length === 0;
  keep("special_tokens", folds.more, Object.entries(tokens).map(([name, own]) => ["special_tokens." + name, [name, own]]),
    ([name, own]) => text("special-" + name, name, { placeholder: own || words.unset, explained: "", mono: true }));
  if (caret && root.contains(caret) && caret !== document.activeElement) caret.focus(); // Moving a node drops its focus.
  marks();
}

function drawValue() {
  if (JSON.stringify(props.value || {}) === sent) return;
  clearTimeout(pause);
  sent = JSON.stringify(props.value || {});
  wanted = flat(props.value);
  brought = Object.keys(wanted).filter((key) => !fields.has(key));
  for (const [key, field] of fields) field.write(wanted[key]);
  if (wanted.tools !== undefined) folds.tools.open = true;
  if (wanted.documents !== undefined) folds.documents.open = true;
  marks();
}

watch("asked", () => { drawAsked(); send(0); });
watch("value", () => { const news = JSON.stringify(props.value || {}) !== sent; drawValue(); if (news) trigger("input"); });
drawAsked();
drawValue();
