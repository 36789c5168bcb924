"""The JavaScript of the streaming classifier and its page have the same results as the package."""

import http.server
import json
import os
import random
import shutil
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from helpers import TEXTS, make_classifier

pytest.importorskip("onnxruntime")

from hf_lstm.export.guard_onnx import guard
from hf_lstm.export.onnx_export import export_onnx
from hf_lstm.export.run_onnx import OnnxClassifier
from hf_lstm.text import clean_text, stable_length, train_tokenizer

EXPORT = Path(__file__).parents[2] / "hf_lstm" / "export"
NODE_MODULES = os.environ.get("NODE_MODULES")  # folder with onnxruntime-web and @huggingface/tokenizers
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PARTS = [
    "good",
    "don't",
    " ",
    "\n",
    "<br />",
    "<BR",
    "/>",
    "[CLS]",
    "[C",
    "😀",
    "é",
    "漢" * 70,
    "x" * 100,
    "\u3000",
    "!!",
]

RULES = """
import { stableLength, units } from "./stream.mjs";
import { readFileSync } from "node:fs";
const texts = JSON.parse(readFileSync("texts.json", "utf-8"));
const words = (text) => [...units(text)].map(([start, end]) => text.slice(start, end));
console.log(JSON.stringify(texts.map((text) => [text.slice(0, stableLength(text)), words(text)])));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="requires Node.js")
def test_rules_for_cutting_a_text_are_those_of_the_package(tmp_path):
    rng = random.Random(0)
    texts = ["".join(rng.choices(PARTS, k=rng.randrange(8))) for _ in range(500)]
    shutil.copy(EXPORT / "stream.mjs", tmp_path)
    (tmp_path / "classifier.mjs").write_text("export const emptyState = 0, inputs = 0, open = 0, scores = 0;")
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    (tmp_path / "run.mjs").write_text(RULES)
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    tokenizer = train_tokenizer(texts * 2, "word", 5_000, show_progress=False).backend_tokenizer
    for text, (stable, words) in zip(texts, json.loads(done.stdout), strict=True):
        assert stable == text[: stable_length(text)], text
        encoding = tokenizer.encode(clean_text(text), add_special_tokens=False)
        assert words == [text[start:end] for start, end in encoding.offsets], text


MISTAKES = """
import { guard } from "./stream.mjs";
const state = { position: 0, streak: 0, verdict: null, scores: [0.5], numTokens: 1 };
const classifier = { rule: { label: "a" }, labels: ["a"], start: () => state, feed: async () => ({ state }) };
async function errorOf(stream, options) {
  try {
    for await (const text of guard(stream, classifier, options));
  } catch (error) {
    return error.message;
  }
}
const bytes = [new TextEncoder().encode("good")];
const mistakes = [["good"], [[], { release: "later" }], [[], { onStop: "explode" }], [bytes], [["good "]]];
console.log(JSON.stringify(await Promise.all(mistakes.map((arguments_) => errorOf(...arguments_)))));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="requires Node.js")
def test_mistakes_in_javascript_are_refused(tmp_path):
    shutil.copy(EXPORT / "stream.mjs", tmp_path)
    (tmp_path / "classifier.mjs").write_text("export const emptyState = 0, inputs = 0, open = 0, scores = 0;")
    (tmp_path / "run.mjs").write_text(MISTAKES)
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        "Expected an iterable of pieces of a text, got a single string.",
        "Unknown release later; choose one of: hold_back, immediate.",
        "Unknown onStop explode; choose one of: end, raise.",
        "Expected a string as the next piece of the text, got object.",
        None,
    ]


@contextmanager
def browser_page(folder):
    """Serve a folder with the JavaScript packages, and yield a page of a browser and the address of the folder."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not (BROWSER and NODE_MODULES):
        pytest.skip("requires Chromium and NODE_MODULES")
    (folder / "node_modules").symlink_to(Path(NODE_MODULES).resolve())
    page = (folder / "index.html").read_text(encoding="utf-8")
    for package in ("onnxruntime-web", "@huggingface/tokenizers"):
        before, after = page.split(f"https://cdn.jsdelivr.net/npm/{package}@", 1)
        page = f"{before}./node_modules/{package}/{after.split('/', 1)[1]}"
    (folder / "index.html").write_text(page, encoding="utf-8")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, playwright.sync_playwright() as driver:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        try:
            yield browser.new_page(), f"http://127.0.0.1:{server.server_address[1]}/index.html"
        finally:
            browser.close()
            server.shutdown()


GUARD = """async ([pieces, label, probability, tokens, release]) => {
  const { guard, loadStream } = await import("./stream.mjs");
  window.loaded ??= await loadStream(".");
  const guarded = guard(pieces, window.loaded.stopWhen(label, probability, tokens), { release });
  let shown = "";
  for await (const text of guarded) shown += text;
  return { shown, ...guarded.verdict };
}"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_guard_in_a_browser_has_the_verdict_of_the_python_guard(tmp_path, kind):
    texts = [text for text in TEXTS if text.isprintable() and text.strip()][:8]
    texts += ["Don’t <br/>miss: [CLS] ok! " + "good " * 5 + "x" * 70]
    tokenizer = train_tokenizer(texts * 2, kind, 300, show_progress=False)
    export_onnx(make_classifier(bidirectional=False), tokenizer, tmp_path, TEXTS, stateful=True)
    classifier, rng, stops = OnnxClassifier(tmp_path), random.Random(0), []
    with browser_page(tmp_path) as (page, address):
        page.goto(address)
        for text in texts:
            scores = {row["label"]: row["score"] for row in classifier(text, top_k=None)[0]}
            for release in ("hold_back", "immediate") * 2:
                probability, tokens = scores["LABEL_1"] + rng.uniform(-0.1, 0.05), rng.choice([1, 3])
                rule, size = ("LABEL_1", probability, tokens), rng.choice([1, 4, 50])
                pieces = [text[start : start + size] for start in range(0, len(text), size)]
                guarded = guard(pieces, classifier.stop_when(*rule), release=release)
                shown, verdict = "".join(guarded), guarded.verdict
                found = page.evaluate(GUARD, [pieces, *rule, release])
                stops.append((verdict.start, verdict.position))
                assert found["numTokens"] == verdict.num_tokens, text
                assert found["probability"] == pytest.approx(verdict.probability, abs=1e-4)
                if kind == "word":  # the tokens of a word have the span of the word
                    position = len(text[: verdict.position].encode("utf-16-le")) // 2
                    assert (found["shown"], found["position"]) == (shown, position), text
                    assert (found["start"] is not None) == verdict.stopped
        for rule in (["bad", 0.5, 1], ["LABEL_1", 1.5, 1], ["LABEL_1", 0.5, 0], ["LABEL_1", 0.5, 2.5]):
            with pytest.raises(Exception, match="There is no label bad|whole number of at least 1 token"):
                page.evaluate(GUARD, [[], *rule, "hold_back"])
    assert {start is None for start, _ in stops} == {True, False} and len(set(stops)) > 8


@pytest.mark.slow
def test_page_colours_a_text_while_it_is_typed_and_shows_where_it_stops(tokenizer, tmp_path):
    model = make_classifier(bidirectional=False)
    model.config.stop_rule = {"label": "LABEL_2", "probability": 1.0, "for_tokens": 2}
    export_onnx(model, tokenizer, tmp_path, TEXTS, stateful=True)
    classifier, text = OnnxClassifier(tmp_path), "a good film and a bad book"
    with browser_page(tmp_path) as (page, address):
        page.goto(address)
        page.wait_for_selector("#label:enabled")
        assert page.input_value("#label") == "LABEL_2" and page.input_value("#tokens") == "2"
        page.keyboard.type(text)  # the text area has the focus
        page.wait_for_function("document.querySelectorAll('#copy span').length === 7")
        assert page.inner_text("#status") == "The stop rule is not met."
        numbers = [float(number) for number in page.locator("dd").all_inner_texts()]
        scores = {row["label"]: row["score"] for row in classifier(text, top_k=None)[0]}
        assert numbers == pytest.approx(list(dict(sorted(scores.items())).values()), abs=6e-4)
        page.keyboard.press("Shift+Tab")  # to the number of tokens
        assert page.evaluate("document.activeElement.id") == "tokens"
        page.keyboard.type("3")
        page.keyboard.press("Shift+Tab")
        page.keyboard.type("0.01")
        page.wait_for_selector("#status.stopped")
        assert "Stopped at character 11, after 3 tokens" in page.inner_text("#status")
        assert page.locator("#copy .after").all_inner_texts() == text.split()[3:]
        page.locator("#text").press("Control+A")
        page.keyboard.type("good")  # an edit at the start
        page.wait_for_function("document.querySelectorAll('#copy span').length === 1")
        assert page.inner_text("#copy").strip() == "good" and not page.locator("#status.stopped").count()
        sizes = page.evaluate(
            "['#text', '#copy'].map((id) => document.querySelector(id).getBoundingClientRect().width)"
        )
        assert sizes[0] == sizes[1]
