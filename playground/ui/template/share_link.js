// A link to the view: {messages, model, template, source, options} as JSON, deflated, base64url, after "#lab=".
// gr.HTML gives `element`, `props`, `trigger` and `watch`.
const MARK = "#lab=";
const words = props.words[(navigator.language || "en").toLowerCase().startsWith("ja") ? "ja" : "en"];
const root = element.querySelector(".link-out");

const make = (tag, fields, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};
const tell = (text, isError) =>
  root.replaceChildren(make("p", { className: "link-told" + (isError ? " is-error" : ""), textContent: text }));

class TooLarge extends Error {}

async function pour(stream, most) {
  const parts = [];
  let size = 0;
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.length;
    if (size > most) { await reader.cancel(); throw new TooLarge(); }
    parts.push(next.value);
  }
  return new Blob(parts);
}

async function pack(state) {
  const plain = new Blob([JSON.stringify(state)]);
  const packed = await pour(plain.stream().pipeThrough(new CompressionStream("deflate-raw")), Infinity);
  let bytes = "";
  for (const byte of new Uint8Array(await packed.arrayBuffer())) bytes += String.fromCharCode(byte);
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await (await pour(plain, props.limits.state)).text());
}

async function open() {
  if (!location.hash.startsWith(MARK)) return;
  try {
    const state = await unpack(location.hash.slice(MARK.length));
    if (!state || !Array.isArray(state.messages)) throw new Error("no state");
    root.replaceChildren();
    props.value = { open: state };
    trigger("input");
  } catch (error) {
    tell(error instanceof TooLarge ? words.tooLarge : words.broken, true);
  }
}

// The clipboard is closed to pages without https, a classroom's server among them; the old command still works there.
async function copy(box) {
  try {
    await navigator.clipboard.writeText(box.value);
    return true;
  } catch {
    box.select();
    return document.execCommand("copy");
  }
}

async function give() {
  const state = props.value && props.value.make;
  if (!state) return;
  const link = location.origin + location.pathname + location.search + MARK + (await pack(state));
  if (link.length > props.limits.link) {
    tell(words.tooLong.replace("{count}", link.length.toLocaleString("en")), true);
    return;
  }
  const box = make("input", { type: "text", readOnly: true, value: link, className: "link-box" });
  box.setAttribute("aria-label", words.link);
  box.addEventListener("focus", () => box.select());
  const told = make("p", { className: "link-told" });
  root.replaceChildren(told, box, make("p", { className: "input-hint", textContent: words.private }));
  told.textContent = (await copy(box)) ? words.copied : words.byHand;
}

watch("value", give);
addEventListener("hashchange", open);
open();
