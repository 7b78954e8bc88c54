// Three linked views of one rendered conversation: its text, its tokens, its messages. gr.HTML gives `element`,
// `props`, `trigger` and `watch`; token_view.py says what the columns of `props.value` are.

const root = element.querySelector(".token-view");
const text = pane("lab-text", "pre", "exact", piece, 0);
const tokens = pane("lab-chips", "div", "chips", chip, LONGEST);
const counts = make("div", { id: "template-counts" });
const legend = make("ul", { className: "legend" });
const note = make("p", { className: "mask-note" });
const status = make("p", { className: "view-status" });
const table = make("div", { id: "lab-table" });
const findings = make("section", { id: "template-findings" });
const notice = make("p", { className: "view-notice", textContent: words.waiting });
const ids = make("input", { type: "checkbox", className: "show-ids" });
const jump = make("button", { type: "button", className: "view-button findings-jump" });
const copy = make("button", { type: "button", className: "view-button copy-text", textContent: words.copy });

const head = (title, ...beside) =>
  make("div", { className: "view-head" }, make("h3", { textContent: title }), ...beside);
const section = (title, className, box, ...beside) => make("section", { className }, head(title, ...beside), box);

function build() {
  text.box.tabIndex = table.tabIndex = 0; // So that the keyboard can scroll them.
  findings.tabIndex = -1;
  const name = (box, said) => { box.setAttribute("role", "group"); box.setAttribute("aria-label", said); };
  name(text.box, words.text);
  name(tokens.box, words.tokens);
  name(table, words.messages);
  name(findings, words.findings);
  status.id = element.id + "-status";
  status.setAttribute("role", "status");
  root.replaceChildren(
    notice,
    make("div", { className: "view-top" }, make("div", { className: "view-head" }, counts, jump), legend, note),
    make("div", { className: "view-panes" }, section(words.text, "view-pane", text.box, copy),
      section(words.tokens, "view-pane", tokens.box, make("label", { className: "view-toggle" }, ids, words.ids))),
    status,
    make("div", { className: "view-foot" }, section(words.messages, "view-messages", table), findings),
  );
}

function drawCounts(data, seen) {
  const trained = seen.filter((token) => token.trained).length;
  const bar = make("span", { className: "share-bar" }, make("span"));
  bar.setAttribute("aria-hidden", "true");
  bar.firstChild.style.width = (seen.length ? (100 * trained) / seen.length : 0) + "%";
  counts.replaceChildren(make("p", { className: "share" }, make("span", { textContent: data.counts }), bar));
  note.textContent = data.mask;
}

function drawLegend(cells, seen) {
  const roles = new Set(cells.map((cell) => cell.role)), entries = [];
  const entry = (kinds, textContent, ...after) =>
    entries.push(make("li", {}, make("span", { className: "k " + kinds, textContent }), ...after));
  for (const role of [...Object.keys(words.roles), ...roles])
    if (roles.delete(role)) entry(roleClass(role), roleWord(role));
  const sample = (kinds, said) => entry(kinds, "abc", " " + said);
  if (seen.some((token) => token.trained)) sample("t r-assistant", words.legend_trained);
  if (seen.some((token) => token.special)) sample("x r-template", words.special);
  if (cells.some((cell) => cell.mark)) sample("ev ev-warning first last", words.legend_evidence);
  legend.replaceChildren(...entries);
}

function row([message, role, count, trained], total) {
  const own = message < 0, share = total ? (100 * count) / total : 0;
  const bar = make("span", { className: "share-part" }, make("span"));
  bar.style.width = share + "%";
  bar.firstChild.style.width = (count ? (100 * trained) / count : 0) + "%";
  const light = make("button", { type: "button", className: "light-row", textContent: own ? words.own : message + 1 });
  const who = make("td", {}, make("span", { className: "who " + roleClass(role), textContent: roleWord(role) }));
  if (!own) light.setAttribute("aria-label", fill(words.message, { number: message + 1 }));
  if (!count) who.append(make("span", { className: "absent", textContent: words.absent }));
  const line = make("tr", {}, make("th", { scope: "row", colSpan: own ? 2 : 1 }, light), ...(own ? [] : [who]),
    ...[count, trained].map((amount) => make("td", { textContent: figure.format(amount) })),
    make("td", { className: "share-cell" }, make("span", { className: "share-track" }, bar),
      make("span", { textContent: figure.format(Math.round(share)) + " %" })));
  line.dataset.message = own ? "template" : message;
  return line;
}

function drawTable(rows) {
  if (drawn("rows", rows)) return;
  const [total, trained] = [2, 3].map((column) => rows.reduce((sum, one) => sum + one[column], 0));
  const columns = [words.number, words.role, words.tokens, words.trained_tokens, words.share];
  const foot = [figure.format(total), figure.format(trained), "100 %"];
  table.replaceChildren(rows.length ? make("table", {},
    make("thead", {}, make("tr", {}, ...columns.map((name) => make("th", { scope: "col", textContent: name })))),
    make("tbody", {}, ...rows.map((one) => row(one, total))),
    make("tfoot", {}, make("tr", {}, make("th", { scope: "row", colSpan: 2, textContent: words.total }),
      ...foot.map((shown) => make("td", { textContent: shown })))),
  ) : make("p", { className: "no-tokens", textContent: words.no_tokens }));
}

const said = (className, sentence) => (sentence ? [make("span", { className, textContent: sentence })] : []);

function finding(one, place, refused) {
  const actions = make("span", { className: "finding-actions" });
  const offer = (className, shown) => {
    const button = make("button", { type: "button", className: "view-button " + className, textContent: shown });
    button.dataset.finding = place;
    button.setAttribute("aria-label", shown + ": " + one.message);
    actions.append(button);
  };
  if (one.evidence && !refused) offer("show-evidence", words.show);
  if (one.action) offer("apply-fix", words.apply);
  return make("li", { className: "finding is-" + one.severity }, glyph(one.severity), make("div", {},
    make("span", { className: "finding-head" }, make("strong", { textContent: one.word })),
    ...said("finding-message", one.message), ...said("finding-why", one.why), ...said("finding-fix", one.fix),
    ...(actions.firstChild ? [actions] : [])));
}

function drawFindings({ refusal, findings: found }) {
  if (drawn("findings", [refusal, found])) return;
  const inside = [], held = findings.contains(document.activeElement);
  if (refusal) {
    const box = make("div", { className: "callout is-error" }, glyph("error"),
      make("div", {}, ...refusal.map((part) => make("p", { textContent: part }))));
    box.setAttribute("role", "status");
    inside.push(box);
  } else inside.push(head(words.findings));
  const items = found.map((one, at) => finding(one, at, refusal));
  if (items.length) inside.push(make("ul", { className: "findings" }, ...items));
  else if (!refusal) inside.push(make("p", { className: "faultless" }, glyph("done"), words.faultless));
  findings.replaceChildren(...inside);
  if (held) findings.focus({ preventScroll: true }); // The button that was pressed may be gone.
  const kinds = [...new Set(found.map((one) => one.severity))];
  jump.replaceChildren(words.findings, ...kinds.map((kind) => make("span", { className: "is-" + kind },
    glyph(kind), String(found.filter((one) => one.severity === kind).length))));
  jump.hidden = !found.length;
}

// ---- a new value

const before = {};
let evidence = []; // Of each finding: [{start, end, severity}], in halves of characters.

// Whether `value` was drawn before under this name: what is the same keeps its focus and its place.
function drawn(name, value) {
  const now = JSON.stringify(value), unchanged = before[name] === now;
  before[name] = now;
  return unchanged;
}

function evidenceOf(data, place) {
  return data.findings.map(({ evidence: column, severity }) => {
    const edges = numbers(column), found = [];
    for (let at = 0; at < edges.length; at += 2)
      found.push({ start: place(edges[at]), end: place(edges[at + 1]), severity });
    return found;
  });
}

// Tokens after an edit have new numbers, and those in it are gone.
function moved(target, { head, tail, shift }, count) {
  if (!target) return null;
  const kept = target.tokens.filter((at) => at < head || at >= count - tail).map((at) => (at < head ? at : at + shift));
  return kept.length === target.tokens.length ? { ...target, tokens: kept } : null;
}

function drawViews(data) {
  const begins = halves(data.text), place = begins ? (at) => begins[at] : (at) => at;
  const read = readTokens(data, place), count = tokens.cells.length;
  const held = roving && document.activeElement === roving, at = roving ? Number(roving.dataset.token) : 0;
  if (held) roving.blur(); // It may move to another place in the page, which costs the focus anyway.
  evidence = evidenceOf(data, place);
  const pieces = readPieces(data, read, place, evidence.flat());
  patch(text, pieces);
  const change = patch(tokens, read);
  [pinned, focused, hovered] = [moved(pinned, change, count), null, null];
  if (!roving || !roving.isConnected) rove(chipAt(Math.min(at, read.length - 1)));
  if (held && roving) roving.focus({ preventScroll: true });
  drawCounts(data, read);
  drawLegend(pieces, read);
  drawTable(data.rows);
}

function draw() {
  const data = props.value;
  if (!data) return;
  const start = performance.now(), stands = ["shown", "stale"].includes(root.dataset.state);
  root.dataset.state = data.state === "refused" && stands ? "stale" : data.state;
  if (data.state === "empty") notice.replaceChildren(...data.empty.map((part) => make("span", { textContent: part })));
  else {
    notice.textContent = root.dataset.state === "stale" ? words.stale : "";
    if (data.state === "shown") drawViews(data);
    drawFindings(data);
    light(false);
  }
  performance.measure("token-view", { start }); // In the browser's own timings, and what the test prints.
}

root.dataset.state = "waiting";
build();
link();
jump.addEventListener("click", () => {
  findings.scrollIntoView({ block: "nearest" });
  findings.focus({ preventScroll: true });
});
watch("value", draw);
draw();
