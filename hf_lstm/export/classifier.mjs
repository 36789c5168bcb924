/**
 * Run an exported classifier in a browser with onnxruntime-web and @huggingface/tokenizers.
 *
 *   import { load } from "./classifier.mjs";
 *   const classify = await load("/models/reviews");  // URL of the exported folder
 *   await classify("What a film.");                  // [{ label: "positive", score: 0.98, predicted: true }, ...]
 *
 * A bundler or an import map has to resolve the two packages.
 */
import * as ort from "onnxruntime-web/wasm";
import { Tokenizer } from "@huggingface/tokenizers";

/**
 * Load the graph, tokenizer and labels; return a function from a text to all labels with scores, best first. A label is
 * `predicted` if it reaches its threshold, and in single-label classification is the best one.
 */
export async function load(folder, model = "model.onnx") {
  const { session, tokenizer, config } = await open(folder, model);
  const isSingle = config.problem_type === "single_label_classification";
  if (session.inputNames.length > 2) {
    throw new Error("This model was exported with --stateful. Use stream.mjs, or export it without --stateful.");
  }
  return async (text) => {
    const { logits } = await session.run(inputs(tokenizer.encode(text.toWellFormed()).ids));
    return scores(Array.from(logits.data), config.problem_type)
      .map((score, i) => ({ label: config.id2label[i], score, predicted: reaches(score, i, config) }))
      .sort((a, b) => b.score - a.score)
      .map((row, rank) => (isSingle && rank ? { ...row, predicted: false } : row));
  };
}

/** Load the graph, the tokenizer and the config of an exported folder. */
export async function open(folder, model) {
  const read = async (name) => {
    const response = await fetch(`${folder}/${name}`);
    if (!response.ok) throw new Error(`${folder}/${name} was not found: ${response.status} ${response.statusText}`);
    return response.json();
  };
  const [rules, config] = [await read("tokenizer.json"), await read("config.json")];
  const session = await ort.InferenceSession.create(`${folder}/${model}`);
  return { session, tokenizer: new Tokenizer(adapt(rules), {}), config };
}

/** Return the tensors of the graph for the token ids of one text. */
export function inputs(ids) {
  const numbers = BigInt64Array.from(ids, BigInt);
  return {
    input_ids: new ort.Tensor("int64", numbers, [1, ids.length]),
    attention_mask: new ort.Tensor("int64", numbers.map(() => 1n), [1, ids.length]),
  };
}

/** Return the state tensors of a stateful graph before the first token: zeros. */
export function emptyState(session) {
  const arrays = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array };
  const state = {};
  for (const { name, type, shape } of session.inputMetadata.slice(2)) {
    const sizes = shape.map((size) => (typeof size === "string" ? 1 : size));
    state[name] = new ort.Tensor(type, new arrays[type](sizes.reduce((a, b) => a * b)), sizes);
  }
  return state;
}

/** Rewrite the two parts of tokenizer.json that @huggingface/tokenizers does not support, with the same result. */
function adapt(rules) {
  // JavaScript has no \K: this pattern also matches the position after each 64 characters without a space.
  rules.normalizer.normalizers[1].pattern.Regex = "(?<=(?:^| )(?:[^ ]{64})+)(?=[^ ])";
  if (rules.model.type === "WordLevel") {
    // WordPiece without continuation tokens looks up whole words, as WordLevel does.
    const wordpiece = { type: "WordPiece", continuing_subword_prefix: "##", max_input_chars_per_word: 10_000 };
    rules.model = { ...rules.model, ...wordpiece };
  }
  return rules;
}

/** Return whether a label reaches its threshold. Only a list applies to a single label; 1 is never reached. */
function reaches(score, i, { threshold, problem_type: problemType }) {
  if (problemType === "regression" || (problemType === "single_label_classification" && !Array.isArray(threshold))) {
    return true;
  }
  const limit = Array.isArray(threshold) ? threshold[i] : threshold;
  return limit < 1 && score >= limit;
}

/**
 * Convert logits to probabilities: softmax, sigmoid (multi-label) or unchanged (regression). Probabilities have single
 * precision, as those of the model, so that a stop rule with a probability of 1 can be met.
 */
export function scores(logits, problemType) {
  if (problemType === "regression") return logits;
  if (problemType === "multi_label_classification") {
    return logits.map((logit) => Math.fround(1 / (1 + Math.exp(-logit))));
  }
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => Math.fround(power / sum));
}
