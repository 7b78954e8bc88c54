// The table of runs: boxes that choose runs, and times in the reader's own zone. The server draws the table anew with
// each answer; one that was under way when a box was clicked does not know of it yet, so what is ticked here wins until
// the server has counted the click.
const boxes = () => [...element.querySelectorAll("input[data-run]")];
const counted = () => Number(element.querySelector("table")?.dataset.number || 0);
let number = 0, ticked = [], waiting = 0;

const send = (tries) => {
  number = Math.max(number, counted()) + 1;
  trigger("choose", { runs: ticked, number });
  mend(tries);
};
// An answer to an older click may come in last, however late, and stay.
const mend = (tries) => {
  clearTimeout(waiting);
  if (tries) waiting = setTimeout(() => { waiting = 0; if (counted() < number) send(tries - 1); }, 3000);
};
const choose = () => {
  ticked = boxes().filter((item) => item.checked).map((item) => item.dataset.run);
  send(3);
};

element.addEventListener("change", (event) => {
  const box = event.target;
  if (box.dataset.all !== undefined) boxes().forEach((item) => { item.checked = box.checked; });
  if (box.dataset.all !== undefined || box.dataset.run !== undefined) choose();
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
  // Gradio keeps the elements and changes what is in them: a tick would stay where another run now stands.
  const isNew = counted() < number, marks = boxes();
  for (const box of marks)
    box.checked = isNew ? ticked.includes(box.dataset.run) : box.closest("tr").classList.contains("is-chosen");
  const all = element.querySelector("input[data-all]"), some = marks.some((box) => box.checked);
  if (all) {
    all.checked = marks.every((box) => box.checked);
    all.indeterminate = some && !all.checked;
  }
};
watch("value", () => { dress(); if (counted() < number && !waiting) mend(3); });
dress();

// What another tab renamed or another device deleted shows when this one is looked at again.
const again = () => { if (!document.hidden && element.isConnected) trigger("refresh"); };
document.addEventListener("visibilitychange", again);
