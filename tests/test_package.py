"""What `import hf_lstm` does, and what it offers."""

import json
import subprocess
import sys

import pytest
from helpers import ROOT

import hf_lstm

LISTED = "import json, sys\n{code}\njson.dump(result, sys.stdout)"


def run_python(code: str, *arguments):
    """The `result` of code that runs in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", LISTED.format(code=code), *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_loads_nothing_that_is_slow():
    code = "import hf_lstm; result = sorted({name.split('.')[0] for name in sys.modules})"
    assert not {"torch", "transformers", "datasets", "sklearn", "pandas", "evaluate"} & set(run_python(code))


def test_public_names_are_what_they_say():
    for name in hf_lstm.__all__:
        assert getattr(hf_lstm, name).__name__ == name and name in dir(hf_lstm)
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = hf_lstm.absent


@pytest.mark.parametrize(
    "imports",
    [
        "import hf_lstm; from transformers import pipeline",
        "from transformers import AutoModelForSequenceClassification, pipeline; import hf_lstm",
        # These two are imported by modules that import the Auto classes.
        "import hf_lstm; from transformers import GenerationMixin, PreTrainedModel, pipeline",
        "from hf_lstm import LstmConfig; from transformers import pipeline",
    ],
)
def test_auto_classes_are_registered_in_any_order_of_imports(tiny_classifier, imports):
    code = f"{imports}\nresult = pipeline('text-classification', model=sys.argv[1])('a film')[0]['label']"
    assert run_python(code, tiny_classifier) in ("LABEL_0", "LABEL_1")


def test_auto_config_is_registered_alone(tiny_classifier):
    code = (
        "import hf_lstm; from transformers import AutoConfig\n"
        "result = type(AutoConfig.from_pretrained(sys.argv[1])).__name__"
    )
    assert run_python(code, tiny_classifier) == "LstmConfig"


@pytest.fixture(scope="module")
def tiny_classifier(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = hf_lstm.train_tokenizer(["a film", "a book"], vocab_size=20, show_progress=False)
    config = hf_lstm.LstmConfig(vocab_size=len(tokenizer), embedding_size=4, hidden_size=4)
    hf_lstm.LstmForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
