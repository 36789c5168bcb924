"""The README is short, its commands exist, and its code runs."""

import re
import shlex

import pytest
from helpers import ROOT

from hf_lstm.cli.commands import COMMANDS, main

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Every README of the repository tells users what to type.
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "model_cards").rglob("README.md"))) if path.is_file()]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """The words of each `hf-lstm` command in the shell blocks."""
    joined = "\n".join(blocks(text, "bash")).replace("\\\n", " ")
    parts = re.findall(r"(?:^|\| |\$ )hf-lstm (.*?)(?:$|#| [<|] )", joined, flags=re.MULTILINE)
    return [shlex.split(part) for part in parts]


def test_readme_is_for_a_new_user():
    assert len(README.splitlines()) <= 260 and len(README.encode()) <= 15_360


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    headings = {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
                for line in text.splitlines() if line.startswith("#")}  # fmt: skip
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        assert (page.parent / path).exists(), target
        assert path or anchor in headings, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_commands_and_options_exist(page, capsys):
    helps = {}
    for name in COMMANDS:
        with pytest.raises(SystemExit):
            main([name, "--help_all" if name in ("train", "pretrain") else "--help"])
        helps[name] = capsys.readouterr().out.replace("--[no_]", "--no_") + " --help --help_all"
        helps[name] += helps[name].replace("--no_", "--")
    for words in commands(page.read_text(encoding="utf-8")):
        assert words[0] in COMMANDS, words
        for option in (word for word in words[1:] if word.startswith("--")):
            assert re.search(rf"{option}\b", helps[words[0]]), (words[0], option)


def test_python_that_needs_no_data_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    run = [code for code in blocks(README, "python") if "runs/" not in code and "owner/" not in code]
    assert len(run) >= 2
    for code in run:
        exec(compile(code, "README.md", "exec"), {})
