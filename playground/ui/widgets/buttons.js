// Buttons inside HTML that the server wrote: each names the event that it fires and what it hands over.
// A press may redraw the button away; the keyboard then goes on at what stands in its place, not at the page's top.
const keyOf = (button) => button.dataset.event + (button.dataset.given || "");
let pressed = null;

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-event]");
  if (!button || !EVENTS.includes(button.dataset.event)) return;
  const peers = [...element.querySelectorAll("button[data-event]")];
  pressed = { key: keyOf(button), place: peers.indexOf(button), at: Date.now() };
  trigger(button.dataset.event, JSON.parse(button.dataset.given || "{}"));
});

watch("value", () => {
  if (!pressed || Date.now() - pressed.at > 20000) return;
  const lost = document.activeElement === document.body || !document.activeElement;
  const peers = [...element.querySelectorAll("button[data-event]")];
  if (lost && peers.length) {
    const same = peers.find((button) => keyOf(button) === pressed.key);
    (same || peers[Math.min(pressed.place, peers.length - 1)]).focus({ preventScroll: true });
  }
});
