// Part of the token view: linking. What is lit in one view is lit in the others: while it is pointed at or has the
// focus, or, once clicked, tapped or chosen with Enter ("pinned"), until Escape or a click elsewhere.

// Each null or {tokens: [numbers], message: "0" | "template" | null, in: the view it is in}.
let pinned = null, hovered = null, focused = null;
let lit = [];
let roving = null; // The one chip that the Tab key reaches; the arrow keys move on from it.

const current = () => hovered || focused || pinned;
const chipAt = (at) => tokens.nodes[at];

// What a node stands for: a token, or a whole message where it is a row of the table, the tag of a role, or a turn of
// the conversation's editor elsewhere on the page.
function meant(node) {
  const within = [text.box, tokens.box, table, node.closest(".turn")].find((box) => box && box.contains(node));
  const of = within && node.closest("[data-token]"), around = within && node.closest("[data-message]");
  if (!around || !(of || node.closest("tr, .who, .turn"))) return null;
  return { tokens: of ? numbers(of.dataset.token) : [], message: around.dataset.message, in: within };
}

const same = (one, other) =>
  one && other && one.message === other.message && String(one.tokens) === String(other.tokens);

// The text's cells under a token.
function under(token) {
  const found = [];
  if (token.start < token.end)
    for (let at = cellAt(text.cells, token.start); at < text.cells.length && text.cells[at].start < token.end; at++)
      found.push(text.nodes[at]);
  return found;
}

const stretchesOf = (view, message) =>
  view.blocks.flatMap((one) => one.stretches.filter((stretch) => stretch.dataset.message === message));

function reveal(box, node) {
  if (!node || !box.contains(node)) return;
  const inner = node.getBoundingClientRect(), outer = box.getBoundingClientRect();
  if (inner.top < outer.top || inner.bottom > outer.bottom)
    box.scrollTop += inner.top - outer.top - Math.max(0, (outer.height - inner.height) / 3);
}

const spots = (target) => [...target.tokens.map(chipAt), ...target.tokens.flatMap((at) => under(tokens.cells[at]))];

function light(follow = true) {
  const now = current();
  lit.forEach((node) => node.classList.remove("lit", "pinned"));
  lit = pinned ? spots(pinned) : [];
  lit.forEach((node) => node.classList.add("pinned"));
  // The pointer's wanderings are not read aloud.
  status.setAttribute("aria-live", hovered ? "off" : "polite");
  status.textContent = now ? describe(now) : tokens.cells.length ? words.hint : "";
  if (!now) return;
  const nodes = spots(now), line = table.querySelector(`tr[data-message="${now.message}"]`);
  nodes.push(...document.querySelectorAll(`.turn[data-message="${now.message}"]`));
  for (const view of [text, tokens]) {
    const stretches = stretchesOf(view, now.message);
    if (follow && now.in !== view.box) reveal(view.box, nodes.find((node) => view.box.contains(node)) || stretches[0]);
    nodes.push(...stretches);
  }
  if (line) nodes.push(line);
  if (line && follow && now.in !== table) reveal(table, line);
  nodes.forEach((node) => node.classList.add("lit"));
  lit.push(...nodes);
}

const visible = (shown) =>
  [...shown].slice(0, 60).map((one) => (one.search(INVISIBLE) < 0 ? one : markOf(one))).join("");

function describe({ tokens: chosen, message }) {
  if (!chosen.length && message === null) return "";
  if (!chosen.length) return message === "template" ? words.own : fill(words.message, { number: Number(message) + 1 });
  const [first, last] = [chosen[0], chosen.at(-1)].map((at) => tokens.cells[at]);
  const span = first.from === last.to ? words.no_characters
    : fill(words.characters, { start: figure.format(first.from + 1), end: figure.format(last.to) });
  if (first !== last) return [fill(words.several, { count: figure.format(chosen.length) }), span].join(" · ");
  const stands = visible(under(first).map((node) => node.textContent).join(""));
  const shown = first.bytes ? fill(words.part, { bytes: first.shown, text: stands })
    : fill(words.quoted, { text: visible(first.shown) });
  return [
    fill(words.token, { number: figure.format(chosen[0] + 1), total: figure.format(tokens.cells.length) }),
    "id " + first.id, ...(first.shown ? [shown] : []), roleWord(first.role),
    first.trained ? words.trained : words.untrained, ...(first.special ? [words.special] : []), span,
  ].join(" · ");
}

function rove(node) {
  if (roving) ["tabindex", "role", "aria-describedby", "aria-pressed"].forEach((name) => roving.removeAttribute(name));
  roving = node || null;
  if (!roving) return;
  roving.tabIndex = 0;
  roving.setAttribute("role", "button");
  roving.setAttribute("aria-pressed", pinned !== null && pinned.tokens.includes(Number(roving.dataset.token)));
  roving.setAttribute("aria-describedby", status.id);
}

function pin(target) {
  const again = same(pinned, target);
  pinned = again ? null : target;
  if (again) hovered = focused = null;
  rove(roving);
  light();
}

// The chip in the line above or below that is nearest to the side.
function across(from, step) {
  const middle = (box) => (box.left + box.right) / 2, here = chipAt(from).getBoundingClientRect();
  let best = from, line = null, gap = Infinity;
  for (let at = from + step; at >= 0 && at < tokens.nodes.length; at += step) {
    const box = chipAt(at).getBoundingClientRect();
    if (Math.abs(box.top - here.top) < here.height / 2) continue;
    if (line === null) line = box.top;
    if (Math.abs(box.top - line) > here.height / 2) break;
    const away = Math.abs(middle(box) - middle(here));
    if (away < gap) [best, gap] = [at, away];
  }
  return best;
}

function step(event) {
  const at = Number(roving.dataset.token), last = tokens.nodes.length - 1;
  const to = {
    ArrowRight: () => Math.min(at + 1, last), ArrowLeft: () => Math.max(at - 1, 0), Home: () => 0, End: () => last,
    ArrowDown: () => across(at, 1), ArrowUp: () => across(at, -1),
  }[event.key];
  if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  hovered = null;
  rove(chipAt(to()));
  roving.focus();
}

function show(place) {
  const stretches = evidence[place];
  const chosen = [...tokens.cells.keys()].filter((at) => stretches.some(({ start, end }) =>
    tokens.cells[at].start < Math.max(end, start + 1) && tokens.cells[at].end > start));
  const messages = [...new Set(chosen.map((at) => tokens.cells[at].message))];
  pinned = { tokens: chosen, message: messages.length === 1 ? messages[0] : null, in: findings };
  hovered = focused = null;
  light();
  reveal(text.box, text.nodes[Math.min(cellAt(text.cells, stretches[0].start), text.nodes.length - 1)]);
  text.box.closest(".view-panes").scrollIntoView({ block: "nearest" });
}

async function copyText() {
  const whole = text.box.textContent;
  try { await navigator.clipboard.writeText(whole); } catch { // Pages without https have no such clipboard.
    getSelection().selectAllChildren(text.box);
    document.execCommand("copy");
    getSelection().removeAllRanges();
  }
  copy.textContent = words.copied;
  setTimeout(() => { copy.textContent = words.copy; }, 1500);
}

function link() {
  let rests = ""; // Where the pointer is: what scrolls under it while it rests is not pointed at.
  document.addEventListener("pointerover", (event) => {
    const spot = event.screenX + "," + event.screenY;
    if (event.pointerType !== "mouse" || spot === rests) return;
    rests = spot;
    const next = meant(event.target);
    // Between two chips, what was lit last stays, or the views would flicker.
    if (next ? same(next, hovered) : !hovered || hovered.in.contains(event.target)) return;
    if (next && next.in === tokens.box && next.tokens.length) event.target.closest(".k").title = describe(next);
    hovered = next;
    light();
  });
  document.documentElement.addEventListener("pointerleave", () => { hovered = null; light(); });
  element.addEventListener("focusin", (event) => { focused = meant(event.target); hovered = null; light(); });
  element.addEventListener("focusout", () => { focused = null; light(); });
  element.addEventListener("keydown", (event) => {
    if (!roving || event.target !== roving) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pin(meant(roving));
    } else step(event);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && current()) { pinned = hovered = focused = null; rove(roving); light(); }
  });
  document.addEventListener("click", (event) => {
    const next = element.contains(event.target) ? meant(event.target) : null;
    // Selecting text and using the view's own buttons leave lit what is lit.
    if (!getSelection().isCollapsed) return;
    if (!next && element.contains(event.target.closest("button, label, input"))) return;
    if (next && next.in === tokens.box && next.tokens.length) {
      rove(chipAt(next.tokens[0]));
      roving.focus({ preventScroll: true });
    }
    if (next || pinned) pin(next);
  });
  findings.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-finding]");
    if (!button) return;
    const chosen = props.value.findings[button.dataset.finding];
    if (button.classList.contains("apply-fix")) trigger("fix", { action: JSON.parse(chosen.action) });
    else show(button.dataset.finding);
  });
  text.box.addEventListener("copy", (event) => {
    const chosen = getSelection().rangeCount && getSelection().getRangeAt(0);
    if (!chosen || !text.box.contains(chosen.commonAncestorContainer)) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", chosen.toString());
  });
  ids.addEventListener("change", () => tokens.box.classList.toggle("with-ids", ids.checked));
  copy.addEventListener("click", copyText);
}
