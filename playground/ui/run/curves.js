// Keeps the curves on the page while the server sends them anew each second: what changed is put in part by part, so that
// the step that is looked at, the chosen plot, an open table and the keyboard's place stay. gr.HTML gives `element`,
// `props`, `trigger` and `watch`; curves.py writes what `props.value` holds.
const root = element.querySelector(".curves-root");
let data = null;
let pinned = null; // The step that was clicked, tapped or moved to; null follows the newest.

const parts = (box) => [...box.querySelectorAll("[data-part]")];
const names = (box) => parts(box).map((part) => part.dataset.part).join(" ");

function take(html) {
  const fresh = document.createElement("div");
  fresh.innerHTML = html || "";
  if (!fresh.firstElementChild) { root.replaceChildren(); data = pinned = null; return; }
  const chosen = root.querySelector(".curve-chooser input:checked")?.value;
  if (names(fresh) !== names(root) || !root.firstElementChild) {
    const open = root.querySelector("details")?.open;
    root.replaceChildren(...fresh.childNodes);
    if (open) root.querySelector("details").open = true;
    const again = [...root.querySelectorAll(".curve-chooser input")].find((input) => input.value === chosen);
    if (again) again.checked = true;
  } else {
    const old = parts(root);
    parts(fresh).forEach((part, place) => {
      const mine = old[place];
      if (part.dataset.part === "readout") return;
      if (mine.innerHTML !== part.innerHTML) mine.innerHTML = part.innerHTML;
    });
    const after = fresh.querySelector(".readout"), before = root.querySelector(".readout");
    before.dataset.points = after.dataset.points;
    before.querySelector(".at-values").replaceWith(after.querySelector(".at-values")); // More may be measured by now.
    before.querySelector("input").max = after.querySelector("input").max;
  }
  data = JSON.parse(root.querySelector(".readout").dataset.points);
  pin(pinned);
}

const nearest = (step) =>
  data.steps.reduce((best, one, place) => (Math.abs(one - step) <= Math.abs(data.steps[best] - step) ? place : best), 0);

function pin(step) {
  pinned = step === null || data.steps.at(-1) <= step ? null : step;
  show(pinned === null ? data.steps.length - 1 : nearest(pinned), pinned !== null);
}

const words = (value, unit) => (value === null ? "–" : String(value) + (unit ? " " + unit : ""));

function show(place, marked) {
  const step = data.steps[place], slider = root.querySelector(".at-step input");
  root.querySelector(".at-step output").textContent = step;
  slider.value = place;
  const said = [...root.querySelectorAll(".at-values > div")].map((cell) => {
    const value = words(data.values[cell.dataset.key][place], cell.lastElementChild.dataset.unit);
    cell.lastElementChild.textContent = value;
    return cell.firstElementChild.textContent + " " + value;
  });
  slider.setAttribute("aria-valuetext", [step, ...said].join(", "));
  for (const area of root.querySelectorAll(".plot-area")) {
    let line = area.querySelector(".at-line");
    if (!line) area.append((line = Object.assign(document.createElement("i"), { className: "at-line" })));
    line.style.setProperty("--at", step / data.right);
    line.hidden = !marked;
  }
}

function under(event) {
  const area = event.target.closest?.(".plot-area");
  if (!area || !data) return null;
  const box = area.querySelector("svg").getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  return share < -0.05 || share > 1.05 ? null : Math.min(Math.max(share, 0), 1) * data.right;
}

root.addEventListener("pointermove", (event) => {
  const step = under(event);
  if (step === null) return;
  if (event.pointerType === "mouse") show(nearest(step), true);
  else pin(data.steps[nearest(step)]);
});
root.addEventListener("pointerout", (event) => {
  if (!data || event.pointerType !== "mouse" || event.relatedTarget?.closest?.(".plot-area")) return;
  pin(pinned);
});
root.addEventListener("click", (event) => {
  const step = under(event);
  if (step !== null) pin(data.steps[nearest(step)]);
});
root.addEventListener("input", (event) => {
  if (event.target.type === "range") pin(data.steps[Number(event.target.value)]);
});
root.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && data) pin(null);
});
watch("value", () => take(props.value));
take(props.value);
