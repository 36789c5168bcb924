import pytest
import torch
from guarding.guarded import expected_verdict, same, tiny_classifier
from guarding.test_detokenizer import TOKENIZERS
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from hf_lstm.guarding.generation import GuardStoppingCriteria, GuardStreamer
from hf_lstm.inference.stream_state import StopRule

CLASSIFIER = tiny_classifier(StopRule("LABEL_1", 0.47, 3))
NAMES = ["byte-level", "wordpiece", "metaspace"]


def language_model(tokenizer, kind="gpt2"):
    torch.manual_seed(0)
    tokens = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    if kind == "gpt2":
        config = GPT2Config(vocab_size=len(tokenizer), n_embd=8, n_layer=1, n_head=1, initializer_range=1.0, **tokens)
        return GPT2LMHeadModel(config).eval()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        **tokens,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def generate(model, tokenizer, rows=6, **options):
    torch.manual_seed(1)
    prompt = torch.randint(2, len(tokenizer) - 2, (rows, 4))
    options = {"max_new_tokens": 60, "do_sample": True, "pad_token_id": tokenizer.eos_token_id} | options
    output = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), **options)
    return output[:, 4:]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_each_row_stops_by_itself_with_the_verdict_of_its_decoded_text(name, kind):
    tokenizer = TOKENIZERS[name]
    model = language_model(tokenizer, kind)
    shown = [""] * 6

    def show(row, text):
        shown[row] += text

    streamer = GuardStreamer(CLASSIFIER, tokenizer, show)
    ids = generate(model, tokenizer, streamer=streamer, stopping_criteria=streamer.stopping_criteria)
    criteria = GuardStoppingCriteria(CLASSIFIER, tokenizer, prompt_length=4)
    assert torch.equal(generate(model, tokenizer, stopping_criteria=[criteria]), ids)
    verdicts = criteria.finish()
    assert criteria.verdicts == verdicts == streamer.verdicts
    for row in range(len(ids)):
        text = tokenizer.decode(ids[row], skip_special_tokens=True)
        expected = expected_verdict(CLASSIFIER, text)
        assert same(verdicts[row], expected), (row, text)
        assert streamer.texts[row] == shown[row] == text[: expected.start]
        if expected.stopped:  # as soon as the next white space, or 64 characters of a word, had arrived
            assert len(text) - expected.position <= 70
    assert any(verdict.stopped for verdict in verdicts)


def test_a_stopped_row_is_padded_while_the_others_go_on():
    tokenizer = TOKENIZERS["wordpiece"]
    criteria = GuardStoppingCriteria(CLASSIFIER, tokenizer, prompt_length=4)
    ids = generate(language_model(tokenizer), tokenizer, rows=8, stopping_criteria=[criteria])
    stopped = [verdict is not None and verdict.stopped for verdict in criteria.finish()]
    lengths = (ids != tokenizer.eos_token_id).sum(1)
    assert any(stopped) and len(set(lengths.tolist())) > 1


def test_criteria_return_one_flag_per_row():
    tokenizer = TOKENIZERS["wordpiece"]
    criteria = GuardStoppingCriteria(CLASSIFIER.stop_when("LABEL_1", 1e-9, 2), tokenizer, prompt_length=1)
    words = tokenizer("do you think so")["input_ids"]
    rows = torch.tensor([[9, *words], [9, *[tokenizer.bos_token_id] * len(words)]])
    assert criteria(rows[:, :1], None).tolist() == [False, False]
    flags = criteria(rows, None)
    assert flags.dtype == torch.bool and flags.tolist() == [True, False]


def test_immediate_release_and_escalation():
    tokenizer = TOKENIZERS["byte-level"]
    asked = []
    streamer = GuardStreamer(
        CLASSIFIER, tokenizer, release="immediate", escalate=lambda text, verdict: asked.append(text) or False
    )
    model, criteria = language_model(tokenizer), streamer.stopping_criteria
    ids = generate(model, tokenizer, streamer=streamer, stopping_criteria=criteria)
    assert asked and not any(verdict.stopped for verdict in streamer.verdicts)
    assert streamer.texts == [tokenizer.decode(row, skip_special_tokens=True) for row in ids]


def test_streamer_alone_shows_nothing_after_a_stop():
    tokenizer = TOKENIZERS["metaspace"]
    both = GuardStreamer(CLASSIFIER, tokenizer)
    generate(language_model(tokenizer), tokenizer, streamer=both, stopping_criteria=both.stopping_criteria)
    alone = GuardStreamer(CLASSIFIER, tokenizer)
    ids = generate(language_model(tokenizer), tokenizer, streamer=alone)
    assert ids.shape[1] == 60 or (ids == tokenizer.eos_token_id).any()
    assert alone.texts == both.texts
    assert all(same(a, b) for a, b in zip(alone.verdicts, both.verdicts, strict=True) if a.stopped)


def test_assisted_generation_puts_several_tokens_at_once():
    tokenizer = TOKENIZERS["byte-level"]
    model = language_model(tokenizer)
    streamer = GuardStreamer(CLASSIFIER, tokenizer)
    ids = generate(
        model, tokenizer, rows=1, do_sample=False, assistant_model=language_model(tokenizer), streamer=streamer,
        stopping_criteria=streamer.stopping_criteria,
    )  # fmt: skip
    text = tokenizer.decode(ids[0], skip_special_tokens=True)
    assert same(streamer.verdicts[0], expected_verdict(CLASSIFIER, text))


def test_beams_and_reuse_are_refused():
    tokenizer = TOKENIZERS["byte-level"]
    model = language_model(tokenizer)
    never = CLASSIFIER.stop_when("LABEL_1", 1.0, 3)
    criteria = GuardStoppingCriteria(never, tokenizer, prompt_length=4)
    with pytest.raises(ValueError, match="num_beams=1"):
        generate(model, tokenizer, num_beams=3, stopping_criteria=[criteria])
    criteria = GuardStoppingCriteria(never, tokenizer, prompt_length=4)
    generate(model, tokenizer, stopping_criteria=[criteria])
    with pytest.raises(ValueError, match="new object for each call"):
        generate(model, tokenizer, stopping_criteria=[criteria])
    streamer = GuardStreamer(never, tokenizer)
    generate(model, tokenizer, streamer=streamer, max_new_tokens=2)
    with pytest.raises(ValueError, match="new object for each call"):
        generate(model, tokenizer, streamer=streamer, max_new_tokens=2)
    with pytest.raises(ValueError, match="no stop rule"):
        GuardStreamer(tiny_classifier(None), tokenizer)

    async def agree(text, verdict):
        return True

    with pytest.raises(TypeError, match="An async `escalate`"):
        GuardStreamer(never, tokenizer, escalate=agree)
