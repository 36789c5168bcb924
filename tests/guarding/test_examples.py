"""Guards in front of other software, in about ten lines each: what a user copies is between the two comments."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.request import Request, urlopen

import pytest
from guarding.guarded import expected_verdict, tiny_classifier

from hf_lstm import guard
from hf_lstm.guarding import TextGuard
from hf_lstm.inference.stream_state import StopRule

CLASSIFIER = tiny_classifier(StopRule("LABEL_0", 0.1, 2))
REPLY = "a film that I loved once, don't you think? bad good worse naïve film that I loved " * 3
EXPECTED = expected_verdict(CLASSIFIER, REPLY)
PIECES = [REPLY[i : i + 5] for i in range(0, len(REPLY), 5)]


def test_the_reply_is_stopped_in_the_middle():
    assert EXPECTED.stopped and 0 < EXPECTED.start < len(REPLY) // 2


class Completions(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that streams the reply."""

    sent: list[str] = []

    def do_POST(self):
        assert json.loads(self.rfile.read(int(self.headers["Content-Length"])))["stream"] is True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            self.event(json.dumps({"choices": [{"delta": {"role": "assistant"}}]}))
            for piece in PIECES * 2_000:
                self.event(json.dumps({"choices": [{"delta": {"content": piece}}]}))
                self.sent.append(piece)
            self.event("[DONE]")
        except (BrokenPipeError, ConnectionResetError):
            pass

    def event(self, data):
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *args):
        pass


def test_server_sent_events():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Completions)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    classifier, url = CLASSIFIER, f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    question = {"model": "any", "stream": True, "messages": [{"role": "user", "content": "Tell me of a film."}]}

    # Example: an OpenAI-compatible stream of server-sent events. The connection is closed at a stop.
    def reply(url, question):
        with urlopen(Request(url, json.dumps(question).encode(), {"Content-Type": "application/json"})) as events:
            for event in events:
                if event.startswith(b"data: {"):
                    yield json.loads(event[6:])["choices"][0]["delta"].get("content") or ""

    shown = guard(reply(url, question), classifier)
    text = "".join(shown)
    # End of the example.
    server.shutdown()
    server.server_close()
    thread.join()
    assert text == REPLY[: EXPECTED.start] and shown.verdict.position == EXPECTED.position
    assert len(Completions.sent) < len(PIECES) * 2_000


def litellm_guard(base, classifier):
    # Example: a callback of the LiteLLM proxy (`litellm_settings: callbacks: my_module.guard`).
    class Guard(base):
        async def async_post_call_streaming_iterator_hook(self, user_api_key_dict, response, request_data):
            text = TextGuard(classifier)
            async for chunk in response:
                choice = chunk.choices[0]
                choice.delta.content = await text.feed_async(choice.delta.content or "")
                if choice.finish_reason is not None:
                    choice.delta.content += await text.finish_async()
                if text.verdict is not None and text.verdict.stopped:
                    choice.finish_reason = "content_filter"
                yield chunk
                if text.verdict is not None:
                    break

    # End of the example.
    return Guard()


def run_hook(hook, chunks):
    async def stream():
        for chunk in chunks:
            yield chunk

    async def collect():
        return [chunk async for chunk in hook.async_post_call_streaming_iterator_hook(None, stream(), {})]

    found = asyncio.run(collect())
    return "".join(chunk.choices[0].delta.content or "" for chunk in found), found[-1].choices[0].finish_reason


def chunk_like(content, finish_reason=None):
    choice = SimpleNamespace(delta=SimpleNamespace(content=content), finish_reason=finish_reason)
    return SimpleNamespace(choices=[choice])


def test_litellm_hook_on_chunks_of_its_shape():
    chunks = [*map(chunk_like, PIECES), chunk_like(None, "stop")]
    assert run_hook(litellm_guard(object, CLASSIFIER), chunks) == (REPLY[: EXPECTED.start], "content_filter")
    never = CLASSIFIER.stop_when("LABEL_1", 1.0, 9)
    chunks = [*map(chunk_like, PIECES), chunk_like(None, "stop")]
    assert run_hook(litellm_guard(object, never), chunks) == (REPLY, "stop")


def test_litellm_hook(monkeypatch):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # no download
    pytest.importorskip("litellm", reason="LiteLLM is not installed: pip install litellm")
    from litellm.integrations.custom_logger import CustomLogger
    from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices

    def chunk(content, finish_reason=None):
        choice = StreamingChoices(delta=Delta(content=content), finish_reason=finish_reason)
        return ModelResponseStream(choices=[choice])

    hook = litellm_guard(CustomLogger, CLASSIFIER)
    assert run_hook(hook, [*map(chunk, PIECES), chunk(None, "stop")]) == (REPLY[: EXPECTED.start], "content_filter")


NEMO_CONFIG = """
models: []
rails:
  output:
    flows: [guard output]
    streaming: {enabled: True, chunk_size: 20, context_size: 10, stream_first: False}
"""
NEMO_FLOWS = """
define bot refuse to respond
  "I cannot say that."

define subflow guard output
  $outcome = execute guard_output(bot_message=$bot_message)
  if $outcome.is_blocked
    bot refuse to respond
    stop
"""


def test_nemo_guardrails_output_rail():
    pytest.importorskip("nemoguardrails", reason="NeMo Guardrails is not installed: pip install nemoguardrails")
    from nemoguardrails import LLMRails, RailsConfig
    from nemoguardrails.actions.rail_outcome import RailOutcome

    classifier = CLASSIFIER
    rails = LLMRails(RailsConfig.from_content(colang_content=NEMO_FLOWS, yaml_content=NEMO_CONFIG))

    # Example: an action of an output rail, which NeMo Guardrails calls with each chunk of the reply.
    async def guard_output(bot_message: str, **context):
        text = TextGuard(classifier)
        text.feed(bot_message)
        text.finish()
        return RailOutcome.block(reason=str(text.verdict)) if text.verdict.stopped else RailOutcome.allow()

    rails.register_action(guard_output, name="guard_output")
    # End of the example. `guard(rails.stream_async(...), classifier)` reads each token once instead, with its context.

    async def stream():
        for piece in PIECES:
            yield piece

    async def collect():
        found = []
        async for piece in rails.stream_async(messages=[{"role": "user", "content": "hi"}], generator=stream()):
            found.append(piece)
        return found

    found = asyncio.run(collect())
    assert json.loads(found[-1])["error"]["code"] == "content_blocked"
    assert REPLY.startswith("".join(found[:-1]))
