// Part of the token view (token_view.py joins the files): the columns of its value read into cells, and cells drawn.
// A cell is a token, or a piece of the text that no token, message or evidence cuts further.
// Whatever a person or a template wrote becomes text nodes, never markup. What is drawn stays until it differs: one
// typed letter must not cost 8,000 chips, nor the place where someone is reading.
const language = (navigator.language || "en").toLowerCase().startsWith("ja") ? "ja" : "en";
const words = props.words[language];
const figure = new Intl.NumberFormat(language);
const BLOCK = 200; // Cells in one block. The browser lays out a block only when it comes into view.
const LONGEST = 600; // Chips in one block at most, where no line ends.
// As token_chips.py has it: characters that draw nothing, or that turn the writing direction.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Zs}\p{Cs}]/gu;
const MARKS = { " ": "·", "\n": "↵", "\t": "→", "\u00a0": "⍽", "\u3000": "□" };

const make = (tag, fields, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const numbers = (column) => (column ? column.split(" ").map(Number) : []);
const roleClass = (role) => (role in words.roles ? "r-" + role : "r-template");
const roleWord = (role) => words.roles[role] || role;
const markOf = (character) =>
  MARKS[character] || "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
const glyph = (name) => { // The icons are the page's own.
  const holder = document.createElement("span");
  holder.innerHTML = props.icons[name];
  return holder.firstChild;
};

// ---- reading the columns

// Python counts characters, JavaScript halves of some: where each character begins. null where both agree.
function halves(text) {
  if (!/[\ud800-\udfff]/.test(text)) return null;
  const begins = [];
  for (let at = 0; at < text.length; at += text.codePointAt(at) > 0xffff ? 2 : 1) begins.push(at);
  begins.push(text.length);
  return begins;
}

function runs(column, roles) {
  const found = numbers(column), result = [];
  for (let at = 0; at < found.length; at += 3) {
    const message = found[at + 2] < 0 ? "template" : String(found[at + 2]);
    result.push({ length: found[at], role: roles[found[at + 1]], message });
  }
  return result;
}

function readTokens(data, place) {
  const ids = numbers(data.ids), starts = numbers(data.starts), lengths = numbers(data.lengths);
  const pieces = JSON.parse(data.pieces), tokens = [];
  let from = 0;
  for (const run of runs(data.runs, data.roles)) {
    for (let left = run.length; left > 0; left--) {
      const at = tokens.length;
      from += starts[at];
      const start = place(from), end = place(from + lengths[at]), piece = pieces[at];
      const shown = piece === undefined ? data.text.slice(start, end) : piece;
      tokens.push({
        id: ids[at], shown, start, end, from, to: from + lengths[at], role: run.role, message: run.message,
        bytes: piece !== undefined && /^[0-9A-F]{2}( [0-9A-F]{2})*$/.test(piece), name: String(at),
        trained: data.trained[at] === "1", special: data.special[at] === "1", opens: left === run.length,
        ends: shown.includes("\n"),
      });
    }
  }
  return tokens;
}

// The text cut wherever a token, a message or the evidence of a finding begins or ends.
function readPieces(data, tokens, place, evidence) {
  const text = data.text, cuts = new Uint8Array(text.length + 1), opening = new Map(), result = [];
  [...tokens, ...evidence].forEach((one) => { cuts[one.start] = cuts[one.end] = 1; });
  let characters = 0;
  for (const run of runs(data.spans, data.roles)) {
    opening.set(place(characters), run);
    cuts[place(characters)] = 1;
    characters += run.length;
  }
  cuts[text.length] = 1;
  let start = 0, first = 0, run = { role: "template", message: "template" };
  for (let end = 1; end <= text.length; end++) {
    if (!cuts[end]) continue;
    const opens = opening.has(start), here = [];
    run = opening.get(start) || run;
    while (first < tokens.length && tokens[first].end <= start) first++;
    for (let at = first; at < tokens.length && tokens[at].start < end; at++) if (tokens[at].end > start) here.push(at);
    result.push({
      shown: text.slice(start, end), start, end, role: run.role, message: run.message, opens, name: here.join(" "),
      trained: here.some((at) => tokens[at].trained), special: here.some((at) => tokens[at].special), mark: "",
      tokens: here, ends: text[end - 1] === "\n",
    });
    start = end;
  }
  evidence.toReversed().forEach((one) => markEvidence(result, one)); // The gravest comes first and is drawn last.
  return result;
}

// The place of the first cell that ends after `start`: cells lie in order and cover the text.
function cellAt(cells, start) {
  let low = 0, high = cells.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cells[middle].end > start) high = middle; else low = middle + 1;
  }
  return low;
}

function markEvidence(cells, { start, end, severity }) {
  const first = cellAt(cells, start);
  if (start === end && cells.length) { // Something is missing here.
    const at = Math.min(first, cells.length - 1);
    cells[at].mark = severity + (at === first ? " before" : " after");
  }
  for (let at = first; at < cells.length && cells[at].start < end; at++)
    cells[at].mark = severity + (cells[at].start === start ? " first" : "") + (cells[at].end === end ? " last" : "");
}

// ---- drawing cells

// Text as it is, so that a copy is true; the marks of what cannot be seen are the style sheet's.
function spell(node, text, breaks) {
  if (text[0] === " " && text.slice(1).search(INVISIBLE) < 0) {
    node.classList.add("sp");
    node.append(text);
    return;
  }
  let plain = 0;
  for (const found of text.matchAll(INVISIBLE)) {
    if (found.index > plain) node.append(text.slice(plain, found.index));
    plain = found.index + found[0].length;
    const kind = { " ": "sp", "\n": "nl" }[found[0]] || (MARKS[found[0]] ? "on" : "cp");
    const mark = make("i", { className: kind });
    if (found[0] !== " ") mark.dataset.mark = markOf(found[0]);
    if (found[0] !== "\n" || breaks) mark.append(found[0]);
    node.append(mark);
  }
  if (plain < text.length) node.append(text.slice(plain));
}

function chip(token) {
  const kinds = (token.trained ? " t" : "") + (token.special ? " x" : "") + (token.bytes ? " b" : "");
  const node = make("span", { className: "k " + roleClass(token.role) + kinds });
  node.dataset.id = token.id;
  if (token.bytes) node.append(token.shown);
  else if (/^\p{M}/u.test(token.shown)) node.append(make("i", { textContent: "◌" }), token.shown);
  else if (token.shown) spell(node, token.shown, false);
  else node.append(make("i", { textContent: "∅" }));
  return node;
}

function piece(cell) {
  const node = make("span", { className: "a" + (cell.trained ? " t" : "") + (cell.special ? " x" : "") });
  if (cell.mark) node.className += " ev ev-" + cell.mark;
  spell(node, cell.shown, true);
  return node;
}

const alike = (one, other) =>
  one.shown === other.shown && one.id === other.id && one.message === other.message && one.role === other.role &&
  one.trained === other.trained && one.special === other.special && one.opens === other.opens &&
  one.mark === other.mark;

// ---- panes: blocks of cells, replaced only where cells differ

const pane = (id, tag, className, draw, longest) => ({
  box: make(tag, { id, className }), draw, longest, cells: [], nodes: [], blocks: [],
});

// The cells from `from` to `to` as one block. `stays(at)` is the node of a cell that was drawn before, if there is one.
function block(view, cells, from, to, stays) {
  const box = make("div", { className: "lines" }), nodes = [], stretches = [];
  for (let at = from; at < to; at++) {
    const cell = cells[at];
    let last = stretches[stretches.length - 1];
    if (!last || cell.opens) {
      last = make("span", { className: "stretch " + roleClass(cell.role) + (cell.opens ? " opens" : "") });
      last.dataset.message = cell.message;
      if (cell.opens && cell.role !== "template") {
        const who = roleWord(cell.role);
        if (view.longest) last.append(make("span", { className: "who " + roleClass(cell.role), textContent: who }));
        else last.dataset.who = who; // Not in the text, so that a copy is true.
      }
      stretches.push(last);
    }
    const node = stays(at) || view.draw(cell);
    node.dataset.token = cell.name;
    last.append(node);
    if (view.longest && cell.ends) last.append(document.createElement("br"));
    nodes.push(node);
  }
  box.append(...stretches);
  return { box, nodes, stretches };
}

// A block may end where a line does, so that cutting there changes nothing for the eye.
function split(view, cells, from, to, stays) {
  const fresh = [];
  let start = from;
  for (let at = from; at < to; at++) {
    const size = at + 1 - start;
    if (at + 1 === to || (size >= BLOCK && cells[at].ends) || (view.longest && size >= view.longest)) {
      fresh.push(block(view, cells, start, at + 1, stays));
      start = at + 1;
    }
  }
  return fresh;
}

// Draws `cells`; returns how many cells at the head and the tail are those that stood there before.
function patch(view, cells) {
  const { blocks, cells: old } = view, most = Math.min(old.length, cells.length), shift = cells.length - old.length;
  let head = 0, tail = 0, front = 0, from = 0, back = blocks.length, kept = 0;
  while (head < most && alike(old[head], cells[head])) head++;
  while (tail < most - head && alike(old[old.length - 1 - tail], cells[cells.length - 1 - tail])) tail++;
  if (head === old.length && shift === 0) front = blocks.length, from = cells.length;
  else {
    while (front < blocks.length && from + blocks[front].nodes.length <= head) from += blocks[front++].nodes.length;
    // The block before an edit is drawn again with it, where it is short or ends within a line.
    const before = front > 0 ? blocks[front - 1].nodes.length : 0;
    if (before && (before < BLOCK || (!old[from - 1].ends && before !== view.longest))) from -= before, front--;
    while (back > front && kept + blocks[back - 1].nodes.length <= tail) kept += blocks[--back].nodes.length;
    const edge = cells[cells.length - kept - 1];
    if (back < blocks.length && edge && !edge.ends) kept -= blocks[back++].nodes.length;
  }
  const stays = (at) => (at < head ? view.nodes[at] : at >= cells.length - tail ? view.nodes[at - shift] : null);
  const fresh = split(view, cells, from, cells.length - kept, stays);
  blocks.slice(front, back).forEach((gone) => gone.box.remove());
  const after = blocks[back] ? blocks[back].box : null;
  fresh.forEach((made) => view.box.insertBefore(made.box, after));
  view.blocks = [...blocks.slice(0, front), ...fresh, ...blocks.slice(back)];
  view.nodes = view.blocks.flatMap((one) => one.nodes);
  view.cells = cells;
  for (let at = cells.length - kept; at < cells.length; at++)
    if (cells[at].name !== old[at - shift].name) view.nodes[at].dataset.token = cells[at].name;
  return { head, tail, shift };
}
