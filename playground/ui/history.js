// The table of runs: boxes that choose runs, and times in the reader's own zone. The server draws the table anew with
// each answer; one that was under way when a box was clicked does not know of it yet, so what is ticked here wins until
// the server has counted the click.
const boxes = () => [...element.querySelectorAll("input[data-run]")];
const counted = () => Number(element.querySelector("table")?.dataset.number || 0);
let number = 0, ticked = [], pressed = null, waiting = 0;

const send = (tries) => {
  number = Math.max(number, counted()) + 1;
  trigger("choose", { runs: ticked, number });
  // An answer to an older click may come in last, and stay.
  clearTimeout(waiting);
  if (tries) waiting = setTimeout(() => { if (counted() < number) send(tries - 1); }, 3000);
};
const choose = (box) => {
  ticked = boxes().filter((item) => item.checked).map((item) => item.dataset.run);
  pressed = { run: box.dataset.run || "", at: Date.now() };
  send(3);
};

element.addEventListener("change", (event) => {
  const box = event.target;
  if (box.dataset.all !== undefined) boxes().forEach((item) => { item.checked = box.checked; });
  if (box.dataset.all !== undefined || box.dataset.run !== undefined) choose(box);
});

// On a phone a run is a card: all of it chooses, not only the small box.
element.addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  if (!row || event.target.closest("input, a, button") || String(getSelection())) return;
  row.querySelector("input[data-run]").click();
});

const clock = new Intl.DateTimeFormat(navigator.language, { dateStyle: "medium", timeStyle: "short" });
const dress = () => {
  for (const time of element.querySelectorAll("time[datetime]"))
    time.textContent = clock.format(new Date(time.getAttribute("datetime")));
  if (counted() < number) boxes().forEach((box) => { box.checked = ticked.includes(box.dataset.run); });
  const marks = boxes(), all = element.querySelector("input[data-all]");
  if (all) all.indeterminate = marks.some((box) => box.checked) && !marks.every((box) => box.checked);
  if (!pressed || Date.now() - pressed.at > 20000) return;
  if (document.activeElement && document.activeElement !== document.body) return;
  const same = pressed.run ? marks.find((box) => box.dataset.run === pressed.run) : all;
  same?.focus({ preventScroll: true });
};
watch("value", dress);
dress();

// What another tab renamed or another device deleted shows when this one is looked at again.
const again = () => { if (!document.hidden && element.isConnected) trigger("look"); };
document.addEventListener("visibilitychange", again);
