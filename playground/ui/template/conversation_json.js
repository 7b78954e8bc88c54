// Conversations as JSON text: reading what people write, and saying where it is no JSON.
// JSON.parse stops with words that differ from browser to browser, some of which name no place. So the place and the
// reason are looked for here, but only once JSON.parse has refused the text.

// {messages, tools} of a list of messages, of {"messages": [...]} (one row of JSONL) or of one message;
// {mistake} where the text is none of these. A mistake is {what, at}: a key of words.mistakes and a place in the text,
// or {what, number}: the message meant.
function readConversation(text) {
  if (!text.trim()) return { mistake: { what: "empty" } };
  let given;
  try {
    given = JSON.parse(text);
  } catch {
    return { mistake: findMistake(text) };
  }
  const isRow = isObject(given) && Array.isArray(given.messages);
  const messages = Array.isArray(given) ? given : isRow ? given.messages : isObject(given) && "role" in given ? [given] : null;
  if (!messages) return { mistake: { what: "shape" } };
  const wrong = messages.findIndex((message) => !isObject(message));
  if (wrong >= 0) return { mistake: { what: "message", number: wrong + 1 } };
  return { messages, tools: isRow && Array.isArray(given.tools) ? given.tools : null };
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// A reader of JSON that keeps nothing: it only walks to the first mistake. {what, at}
function findMistake(text) {
  let at = 0;
  let depth = 0;
  const stop = (what, place = at) => { throw { what, at: place }; };
  const skip = () => { while (" \t\n\r".includes(text[at])) at += 1; };
  const ended = (otherwise) => stop(at >= text.length ? "ends" : otherwise);
  const isQuote = () => "'‘’“”「」`".includes(text[at]);

  function value() {
    skip();
    if (text[at] === "{") return inside("}", () => { name(); value(); });
    if (text[at] === "[") return inside("]", value);
    if (text[at] === '"') return string();
    const word = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])/y;
    word.lastIndex = at;
    if (word.test(text)) return (at = word.lastIndex);
    if (/^(?:true|false|null|none|nan|undefined)\b/i.test(text.slice(at, at + 12))) stop("word");
    ended(isQuote() ? "quotes" : "value");
  }

  function name() {
    skip();
    if (text[at] !== '"') ended(isQuote() ? "quotes" : "name");
    string();
    skip();
    if (text[at] !== ":") ended("colon");
    at += 1;
  }

  function inside(close, member) {
    if ((depth += 1) > 200) stop("deep");
    at += 1;
    skip();
    while (text[at] !== close) {
      member();
      skip();
      if (text[at] === close) break;
      if (text[at] !== ",") ended("comma");
      const comma = at;
      at += 1;
      skip();
      if (text[at] === close) stop("extra", comma);
      if (at >= text.length) stop("ends");
    }
    at += 1;
    depth -= 1;
  }

  function string() {
    const open = at;
    for (at += 1; text[at] !== '"'; at += 1) {
      if (at >= text.length || text[at] === "\n" || text[at] === "\r") stop("open", open);
      if (text[at] < " ") stop("control");
      if (text[at] !== "\\") continue;
      if (!/^(?:["\\/bfnrt]|u[\da-fA-F]{4})/.test(text.slice(at + 1, at + 6))) stop("escape");
      at += 1;
    }
    at += 1;
  }

  try {
    value();
    skip();
    stop("[{".includes(text[at]) ? "second" : "after");
  } catch (mistake) {
    if (!mistake.what) throw mistake;
    return mistake;
  }
}

// The mistake as a sentence, with line and column (both from 1, in characters as people count them) where it has a place.
function mistakeSentence(text, mistake) {
  const why = words.mistakes[mistake.what].replace("{number}", mistake.number);
  if (mistake.at === undefined) return why;
  const lines = text.slice(0, mistake.at).split("\n");
  const column = [...lines.at(-1)].length + 1;
  return words.where.replace("{line}", lines.length).replace("{column}", column).replace("{problem}", () => why);
}
