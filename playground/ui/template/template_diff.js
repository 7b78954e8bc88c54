// The edited template against its original, line by line, drawn in the browser: it follows the typing without a round
// trip, and a hostile template costs nobody else anything. `props.value` is {original, source}. Inside an accordion that
// was closed, Gradio now and then runs this script before it has set any property; they follow and are watched. So
// WORDS stands in the script itself.
const CONTEXT = 2; // Unchanged lines shown around a change.
const LONGEST = 800; // Changed stretches longer than this are shown as replaced, not compared: the table is quadratic.
const words = WORDS[(navigator.language || "en").toLowerCase().startsWith("ja") ? "ja" : "en"];
const root = element.querySelector(".source-diff");

const make = (tag, fields, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};

// [["=", line], ["-", line], ["+", line], ...]: a longest common subsequence of what differs in the middle.
function compare(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  const room = Math.min(before.length, after.length) - head;
  while (tail < room && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const olds = before.slice(head, before.length - tail);
  const news = after.slice(head, after.length - tail);
  return [
    ...before.slice(0, head).map((line) => ["=", line]),
    ...middle(olds, news),
    ...before.slice(before.length - tail).map((line) => ["=", line]),
  ];
}

function middle(olds, news) {
  const replaced = [...olds.map((line) => ["-", line]), ...news.map((line) => ["+", line])];
  if (olds.length > LONGEST || news.length > LONGEST) return replaced;
  const common = Array.from({ length: olds.length + 1 }, () => new Uint16Array(news.length + 1));
  for (let i = olds.length - 1; i >= 0; i--)
    for (let j = news.length - 1; j >= 0; j--)
      common[i][j] = olds[i] === news[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  const steps = [];
  let i = 0;
  let j = 0;
  while (i < olds.length || j < news.length) {
    if (i < olds.length && j < news.length && olds[i] === news[j]) steps.push(["=", olds[i++], j++]);
    else if (j >= news.length || (i < olds.length && common[i + 1][j] >= common[i][j + 1])) steps.push(["-", olds[i++]]);
    else steps.push(["+", news[j++]]);
  }
  return steps;
}

function line(kind, text) {
  const sign = { "+": "+", "-": "\u2212", "=": " " }[kind];
  const spoken = { "+": words.added, "-": words.removed }[kind];
  const mark = make("span", { className: "sign", textContent: sign });
  if (spoken) mark.setAttribute("aria-label", spoken);
  const tag = { "+": "ins", "-": "del", "=": "span" }[kind];
  return make("div", { className: "diff-line is-" + { "+": "added", "-": "removed", "=": "same" }[kind] },
    mark, make(tag, { textContent: text || "\u00a0" }));
}

function draw() {
  const { original = "", source = "" } = props.value || {};
  if (original === source) {
    root.replaceChildren(make("p", { className: "hint", textContent: original ? words.same : "" }));
    return;
  }
  const steps = compare(original.split("\n"), source.split("\n"));
  const near = steps.map((_, place) =>
    steps.slice(Math.max(0, place - CONTEXT), place + CONTEXT + 1).some(([kind]) => kind !== "="));
  const body = make("div", { className: "diff-lines" });
  for (let place = 0; place < steps.length; place++) {
    if (near[place]) { body.append(line(...steps[place])); continue; }
    const start = place;
    while (place + 1 < steps.length && !near[place + 1]) place++;
    body.append(make("div", { className: "diff-gap", textContent: words.unchanged.replace("{count}", place - start + 1) }));
  }
  const count = (kind) => steps.filter((step) => step[0] === kind).length;
  const told = words.changed.replace("{added}", count("+")).replace("{removed}", count("-"));
  if (!root.querySelector("details")) root.replaceChildren(make("details", {}));
  const title = make("summary", {}, make("span", { textContent: words.title }), make("small", { textContent: told }));
  root.firstChild.replaceChildren(title, body); // The fold itself stays, open or closed as it was.
}

watch("value", draw);
draw();
