"""The text tower against transformers' own, whatever the padding."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, CLIPModel

from clipvip.model.text_encoder import _group_sizes, text_features

TEXTS = ["water", "a red circle grows and then turns blue on the grass " * 3, "a green square vanishes", "the ring"] * 8


@pytest.fixture
def clip(tiny_clip_folder: Path) -> CLIPModel:
    return CLIPModel.from_pretrained(tiny_clip_folder).double()


def test_equals_transformers_with_gradients(tiny_clip_folder: Path, clip: CLIPModel) -> None:
    batch = AutoTokenizer.from_pretrained(tiny_clip_folder)(TEXTS, padding=True, return_tensors="pt")
    weight = torch.randn(len(TEXTS), 32, dtype=torch.float64)
    gradients = []
    truth = clip.text_model(**batch).pooler_output
    found = text_features(clip.text_model, **batch)
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-10)
    for features in (truth, found):
        clip.zero_grad()
        (features * weight).sum().backward()
        gradients.append({name: p.grad.clone() for name, p in clip.text_model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-8, atol=1e-10)


def test_many_lengths_make_groups_with_padding_in_them(clip: CLIPModel) -> None:
    torch.manual_seed(0)
    lengths, eos = torch.randint(2, 78, (150,)), clip.text_model.config.eos_token_id
    places = torch.arange(77)
    ids = torch.randint(4, eos, (150, 77)).where(places < lengths[:, None] - 1, eos)
    ends = lengths.sort().values
    sizes = _group_sizes(ends, 32)
    assert len(sizes) > 2
    assert sum(sizes) == 150
    assert any(len(group.unique()) > 1 for group in ends.split(sizes))
    found = text_features(clip.text_model, ids, (places < lengths[:, None]).long())
    torch.testing.assert_close(found, clip.text_model(ids).pooler_output, rtol=1e-10, atol=1e-10)


def test_padding_does_not_matter(tiny_clip_folder: Path, clip: CLIPModel) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip_folder)
    shortest = tokenizer(TEXTS, padding=True, return_tensors="pt")
    longest = tokenizer(TEXTS, padding="max_length", max_length=77, return_tensors="pt")
    assert shortest["input_ids"].shape[1] < 77 == longest["input_ids"].shape[1]
    found = text_features(clip.text_model, **shortest)
    torch.testing.assert_close(text_features(clip.text_model, **longest), found, rtol=1e-12, atol=1e-12)
    alone = torch.cat([text_features(clip.text_model, **tokenizer(text, return_tensors="pt")) for text in TEXTS[:4]])
    torch.testing.assert_close(alone, found[:4], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(clip.text_model(**longest).pooler_output, found, rtol=1e-10, atol=1e-10)


def test_another_end_of_text_id_and_the_old_configurations(clip: CLIPModel) -> None:
    ids = torch.tensor([[4, 9, 7, 1, 1], [4, 300, 5, 6, 7]])
    for eos, ends in ((7, [2, 4]), (2, [1, 1])):  # 2: the highest id ends the text, as before transformers 4.31
        clip.text_model.config.eos_token_id = clip.text_model.eos_token_id = eos
        hidden = clip.text_model(ids).last_hidden_state
        found = text_features(clip.text_model, ids)
        torch.testing.assert_close(found, hidden[torch.arange(2), ends], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(found, clip.text_model(ids).pooler_output, rtol=1e-10, atol=1e-10)


def test_bfloat16_on_a_cpu_stays_near(tiny_clip_folder: Path, clip: CLIPModel) -> None:
    batch = AutoTokenizer.from_pretrained(tiny_clip_folder)(TEXTS, padding=True, return_tensors="pt")
    exact = text_features(clip.text_model, **batch).float()
    found = text_features(clip.bfloat16().text_model, **batch).float()
    assert torch.nn.functional.cosine_similarity(found, exact).min() > 0.99


def test_texts_that_cannot_be_read_are_refused(clip: CLIPModel) -> None:
    eos = clip.text_model.config.eos_token_id
    with pytest.raises(ValueError, match=rf"text 1 of the batch has no end-of-text token \(id {eos}\)"):
        text_features(clip.text_model, torch.tensor([[4, eos], [4, 5]]))
    with pytest.raises(ValueError, match="text 0 of the batch is masked before its end"):
        text_features(clip.text_model, torch.tensor([[4, 5, eos]]), torch.tensor([[0, 1, 1]]))
    with pytest.raises(ValueError, match="a text has 78 tokens; this model reads 77"):
        text_features(clip.text_model, torch.tensor([[4] * 77 + [eos]]))
