"""A model folder that brings code (auto_map) is read without it or refused in a line: never run, nobody asked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from caption_files import write_git
from tiny_clip_parts import write_tiny_clip

from clipvip.corpora.captions.captioner import Captioner
from clipvip.model.clip_vip import ClipVip
from clipvip.model.source import read_config, read_tokenizer

CLASSES = {
    "config.json": ("AutoConfig", "AutoModel", "AutoModelForImageTextToText"),
    "tokenizer_config.json": ("AutoTokenizer", "AutoProcessor"),
    "preprocessor_config.json": ("AutoImageProcessor", "AutoProcessor"),
}


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def bring_code(folder: Path, ran: Path, kind: str | None) -> None:
    """Code in a folder, named by each of its settings; `kind` is what the model is said to be."""
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Own: pass\n")
    for name, classes in CLASSES.items():
        path = folder / name
        content: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        given = [None, "own.Own"] if name.startswith("tokenizer") else "own.Own"
        content["auto_map"] = dict.fromkeys(classes, given)
        if kind is not None:
            content |= {"model_type": kind, "tokenizer_class": "Own", "processor_class": "Own"}
            content |= {"image_processor_type": "Own"}
        path.write_text(json.dumps(content))


READERS: dict[str, Callable[[Path], object]] = {
    "configuration": read_config,
    "model": ClipVip.from_pretrained,
    "tokenizer": read_tokenizer,
    "captioner": Captioner.load,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", [None, "own"])
def test_code_of_a_model_folder_is_never_run(
    tmp_path: Path, ran: Path, name: str, kind: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("builtins.input", lambda *words: asked.append(words) or "y")
    folder = tmp_path / "model"
    (write_git if name == "captioner" else write_tiny_clip)(folder)
    bring_code(folder, ran, kind)
    said = ""
    try:
        READERS[name](folder)
    except ValueError as error:
        said = str(error)
    assert not ran.exists()
    assert asked == []
    assert "\n" not in said
    assert (str(folder) in said) is (kind is not None)
    assert kind is None or name in ("configuration", "model") or "needs code of its own" in said
