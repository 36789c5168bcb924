/**
 * Classify a text in a browser while it arrives, and stop it. The model must be exported with --stateful.
 *
 *   import { guard, loadStream } from "./stream.mjs";
 *   const model = await loadStream("/models/reviews");                   // with the stop rule of the model, if any
 *   const guarded = guard(pieces, model.stopWhen("toxic", 0.9, 5));      // pieces of any (async) iterable
 *   for await (const text of guarded) show(text);
 *   guarded.verdict;  // { label: "toxic", probability: 0.93, position: 120, numTokens: 28, start: 96 }
 *
 * `start` is the first character of the tokens that met the rule, or null. Positions count the units of a string.
 */
import { emptyState, inputs, open, scores } from "./classifier.mjs";

// The rules of boundaries.py and of the tokenizer.
const MAX_RUN_LENGTH = 64;
const SPACE = "[\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const SEPARATOR = `<[bB][rR]${SPACE}?/?>|${SPACE}`;
const SPECIAL = "\\[(?:PAD|UNK|CLS|SEP)\\]";
const RUN_END = new RegExp(`${SEPARATOR}|(${SPECIAL})`, "gu");
const UNFINISHED = new RegExp(
  `(?:<(?:[bB](?:[rR]${SPACE}?/?)?)?|\\[(?:P(?:AD?)?|U(?:NK?)?|C(?:LS?)?|S(?:EP?)?)?)$`,
  "u",
);
const LETTERS = "[\\p{L}\\p{M}\\u200c\\u200d]+";
const PIECE = new RegExp(
  `${LETTERS}(?:'${LETTERS})*|\\p{N}+|([^ \\p{L}\\p{M}\\p{N}])\\1{0,2}[\\p{M}\\u200d]*`,
  "gu",
);

/** Load a classifier that reads a text in pieces. Its states are not modified, so they can be used several times. */
export async function loadStream(folder, model = "model.onnx") {
  const { session, tokenizer, config } = await open(folder, model);
  if (session.inputNames.length === 2) throw new Error("This model was exported without --stateful.");
  const labels = Object.keys(config.id2label).map((i) => config.id2label[i]);

  /** Return the tensors and the scores of all labels, in the order of `labels`, after one more token. */
  async function step(tensors, id) {
    const { logits, ...next } = await session.run({ ...inputs([id]), ...tensors });
    const after = Object.fromEntries(Object.keys(tensors).map((name) => [name, next[`next_${name}`]]));
    return [after, scores(Array.from(logits.data), config.problem_type)];
  }

  const [tensors, first] = await step(emptyState(session), tokenizer.encode("").ids[0]);
  const nothing = { held: "", position: 0, streak: 0, streakStart: 0, verdict: null };
  const start = { tensors, scores: first, numTokens: 1, ...nothing };

  /** Read the next piece of a text; return the state after it, and the read tokens with their spans and scores. */
  async function feed(rule, state, piece, atEnd = false) {
    const text = state.held + piece;
    const ready = atEnd ? text.length : stableLength(text);
    const next = { ...state, held: text.slice(ready) };
    const tokens = [];
    for (const [start, end] of units(text.slice(0, ready))) {
      const { ids } = tokenizer.encode(text.slice(start, end).toWellFormed(), { add_special_tokens: false });
      for (const id of ids) {
        [next.tensors, next.scores] = await step(next.tensors, id);
        next.numTokens += 1;
        const token = { start: state.position + start, end: state.position + end, scores: next.scores };
        tokens.push(token);
        if (rule) applyRule(rule, next, token);
      }
    }
    next.position += ready;
    return { state: next, tokens };
  }

  /** Update the streak of a stop rule and its verdict after a token. */
  function applyRule(rule, state, token) {
    const probability = token.scores[labels.indexOf(rule.label)];
    if (probability < rule.probability) {
      state.streak = 0;
      return;
    }
    if (!state.streak) state.streakStart = token.start;
    state.streak += 1;
    if (state.streak !== rule.for_tokens || state.verdict) return;
    const { numTokens, streakStart } = state;
    state.verdict = { label: rule.label, probability, position: token.end, numTokens, start: streakStart };
  }

  /** Return a classifier with a stop rule: a label has at least a probability after each of some consecutive tokens. */
  function withRule(rule) {
    if (rule && (!labels.includes(rule.label) || config.problem_type === "regression")) {
      throw new Error(`There is no label ${rule.label} with a probability; labels: ${labels.join(", ")}.`);
    }
    if (rule && !(rule.probability > 0 && rule.probability <= 1 && rule.for_tokens >= 1 && rule.for_tokens % 1 === 0)) {
      throw new Error("A stop rule needs a probability above 0 and at most 1, and a whole number of at least 1 token.");
    }
    return {
      labels,
      rule,
      start: () => start,
      feed: (...args) => feed(rule, ...args),
      stopWhen: (label, probability, forTokens = 1) => withRule({ label, probability, for_tokens: forTokens }),
    };
  }
  return withRule(config.stop_rule ?? null);
}

/**
 * Guard a stream of strings; tokens that met the stop rule are not shown. The release "hold_back" releases only words
 * that the rule has seen, and holds the words of a streak of probable tokens until it ends; "immediate" releases all
 * that has arrived. At a stop, `onStop` "end" ends the stream, and "raise" throws an error with the verdict. The result
 * is an async iterable with the property `verdict`.
 */
export function guard(stream, classifier, { release = "hold_back", onStop = "end" } = {}) {
  const { rule, labels } = classifier;
  if (!rule) throw new Error("The model has no stop rule: call stopWhen(label, probability, forTokens).");
  if (typeof stream === "string") throw new TypeError("Expected an iterable of pieces of a text, got a single string.");
  const options = [["release", release, ["hold_back", "immediate"]], ["onStop", onStop, ["end", "raise"]]];
  for (const [name, value, choices] of options) {
    if (!choices.includes(value)) throw new Error(`Unknown ${name} ${value}; choose one of: ${choices.join(", ")}.`);
  }
  const guarded = { verdict: null, [Symbol.asyncIterator]: run };
  async function* run() {
    let [state, held, released] = [classifier.start(), "", 0];
    for await (const [text, atEnd] of withEnd(stream)) {
      ({ state } = await classifier.feed(state, text, atEnd));
      held += text;
      const arrived = released + held.length;
      let limit = state.streak ? state.streakStart : state.position;
      if (release === "immediate" || atEnd) limit = arrived;
      if (state.verdict) limit = state.verdict.start;
      const shown = held.slice(0, Math.max(0, limit - released));
      held = held.slice(shown.length);
      released += shown.length;
      if (state.verdict || atEnd) {
        const [probability, { numTokens }] = [state.scores[labels.indexOf(rule.label)], state];
        const atTheEnd = { label: rule.label, probability, position: arrived, numTokens, start: null };
        guarded.verdict = state.verdict ?? atTheEnd;
      }
      if (shown) yield shown;
      if (state.verdict) break; // closes the source
    }
    if (state.verdict && onStop === "raise") {
      throw Object.assign(new Error("The text was stopped."), { verdict: state.verdict });
    }
  }
  return guarded;
}

/** Yield each piece and whether it is the end, which is a piece of its own. */
async function* withEnd(stream) {
  for await (const piece of stream) {
    if (typeof piece !== "string") {
      throw new TypeError(`Expected a string as the next piece of the text, got ${typeof piece}.`);
    }
    yield [piece, false];
  }
  yield ["", true];
}

/** Return the number of leading characters whose tokens do not depend on the text that follows. */
export function stableLength(text) {
  const whole = /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text; // half a character waits for the other half
  const end = UNFINISHED.exec(whole)?.index ?? whole.length;
  let runStart = 0;
  for (const match of whole.slice(0, end).matchAll(RUN_END)) runStart = match.index + match[0].length;
  const run = Array.from(whole.slice(runStart, end)); // characters, not units
  return runStart + run.slice(0, run.length - (run.length % MAX_RUN_LENGTH)).join("").length;
}

/** Yield the start and end of the parts of a text that have tokens of their own. */
export function* units(text) {
  let runStart = 0;
  for (const match of [...text.matchAll(RUN_END), { index: text.length, 0: "" }]) {
    const characters = Array.from(text.slice(runStart, match.index));
    for (let i = 0; i < characters.length; i += MAX_RUN_LENGTH) {
      const part = characters.slice(i, i + MAX_RUN_LENGTH).join("");
      // Where normalisation changes characters, it may change the pieces, so that their positions are not known.
      const isNormal = part.normalize("NFKC") === part;
      const pieces = isNormal ? part.replaceAll("’", "'").matchAll(PIECE) : [{ index: 0, 0: part }];
      for (const piece of pieces) yield [runStart + piece.index, runStart + piece.index + piece[0].length];
      runStart += part.length;
    }
    if (match[1]) yield [match.index, match.index + match[1].length];
    runStart = match.index + match[0].length;
  }
}
