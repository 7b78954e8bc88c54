// One round of answers at a time, chosen with a slider. It follows the newest until somebody moves it, and stays
// where it was put while others come. gr.HTML gives `element`, `props` and `watch`; probes.py writes the rounds.
const root = element.querySelector(".probes-root");
let kept = null; // The step that was chosen; null follows the newest.

function take(html) {
  const hadFocus = root.contains(document.activeElement) && document.activeElement.type === "range";
  const open = [...root.querySelectorAll("details")].map((one) => one.open);
  root.innerHTML = html || "";
  const slider = root.querySelector("input[type=range]");
  if (!slider) return;
  [...root.querySelectorAll("details")].forEach((one, place) => { one.open = Boolean(open[place]); });
  const steps = slider.dataset.steps.split(" ").map(Number);
  const place = kept === null ? steps.length - 1 : steps.findLastIndex((step) => step <= kept);
  show(slider, steps, Math.max(place, 0));
  slider.addEventListener("input", () => {
    const chosen = Number(slider.value);
    kept = chosen === steps.length - 1 ? null : steps[chosen];
    show(slider, steps, chosen);
  });
  if (hadFocus) slider.focus({ preventScroll: true });
}

function show(slider, steps, place) {
  slider.value = place;
  const name = root.querySelectorAll(".probe-rounds span")[place].textContent;
  slider.setAttribute("aria-valuetext", name);
  root.querySelector(".probe-round output").textContent = name;
  for (const answer of root.querySelectorAll("[data-round]")) answer.hidden = Number(answer.dataset.round) !== place;
}

watch("value", () => take(props.value));
take(props.value);
