"""The video encoder against CLIP itself, and against the same layers computed for every token under a mask."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPModel

from clipvip.config.learning import ModelSettings
from clipvip.model.video_encoder import VideoEncoder, drop_patches, normalise, resample

FRAMES, PATCHES = 3, 9


def encoder(folder: Path, **settings: object) -> VideoEncoder:
    """In double precision, with new parameters that are not zero."""
    clip = CLIPModel.from_pretrained(folder)
    chosen = ModelSettings(**{"num_frames": FRAMES, "temporal_std": 0.5, **settings})
    return VideoEncoder(clip.vision_model, clip.visual_projection, chosen, torch.Generator().manual_seed(3)).double()


def video(batch: int = 2, frames: int = FRAMES) -> Tensor:
    return torch.randn(batch, frames, 3, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def all_tokens(video_encoder: VideoEncoder, pixels: Tensor) -> Tensor:
    """The slow truth: one sequence with transformers' own layers, every token in every layer, under a dense mask."""
    model, settings = video_encoder.vision_model, video_encoder.settings
    frames = pixels.shape[1]
    embeddings, places = model.embeddings, model.embeddings.position_embedding.weight
    sequences = []
    for clip in pixels:
        heads = [embeddings.class_embedding + places[0]]
        heads += [row + places[0] for row in ([] if video_encoder.proxies is None else video_encoder.proxies)]
        rows = list(heads)
        for frame, image in enumerate(clip):
            patches = embeddings.patch_embedding(image[None])[0].flatten(1).T + places[1:]
            rows += list(patches + video_encoder.temporal_embedding[frame])
        sequences.append(torch.stack(rows))
    tokens = model.pre_layrnorm(torch.stack(sequences))
    home = [-1] * len(heads) + [place // PATCHES for place in range(frames * PATCHES)]
    allowed = torch.tensor([[settings.pooling == "full" or a == -1 or b in (-1, a) for b in home] for a in home])
    mask = torch.zeros(allowed.shape, dtype=tokens.dtype).masked_fill(~allowed, -1e30)[None, None]
    for layer in model.encoder.layers:
        tokens = layer(tokens, mask)
    projected = video_encoder.visual_projection(model.post_layernorm(tokens[:, 0]))
    return projected / projected.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("settings", [{"num_proxies": 1}, {"num_proxies": 4}, {"pooling": "full"}])
def test_equals_every_token_under_a_dense_mask_with_gradients(
    tiny_clip_folder: Path, settings: dict[str, object]
) -> None:
    ours, theirs = encoder(tiny_clip_folder, **settings), encoder(tiny_clip_folder, **settings)
    weight = torch.randn(2, 16, dtype=torch.float64)
    found, truth = ours(video()), all_tokens(theirs, video())
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-10)
    (found * weight).sum().backward()
    (truth * weight).sum().backward()
    wanted = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name].grad, rtol=1e-8, atol=1e-10)


def test_mean_equals_clips_own_images_averaged(tiny_clip_folder: Path) -> None:
    clip = CLIPModel.from_pretrained(tiny_clip_folder)
    pixels = video().float()
    images = clip.get_image_features(pixels.flatten(0, 1)).pooler_output.unflatten(0, (2, FRAMES))
    mean = (images / images.norm(dim=-1, keepdim=True)).mean(dim=1)
    found = encoder(tiny_clip_folder, pooling="mean").float()(pixels)
    torch.testing.assert_close(found, mean / mean.norm(dim=-1, keepdim=True), rtol=1e-5, atol=1e-6)


def test_mean_is_blind_to_order_unless_it_has_time(tiny_clip_folder: Path) -> None:
    pixels = video()
    for temporal, blind in ((None, True), (False, True), (True, False)):
        model = encoder(tiny_clip_folder, pooling="mean", temporal=temporal)
        assert torch.allclose(model(pixels), model(pixels.flip(1)), atol=1e-9) is blind
        assert (model.temporal_embedding is None) is blind


def test_time_is_off_where_the_settings_say_so(tiny_clip_folder: Path) -> None:
    model = encoder(tiny_clip_folder, temporal=False)
    assert model.temporal_embedding is None
    torch.testing.assert_close(model(video()), model(video().flip(1)), rtol=0, atol=1e-9)


def test_start_of_the_new_parameters(tiny_clip_folder: Path) -> None:
    clip = CLIPModel.from_pretrained(tiny_clip_folder)
    model = VideoEncoder(clip.vision_model, clip.visual_projection, ModelSettings(num_proxies=200, proxy_std=2.0))
    assert model.proxies.shape == (199, 32)
    assert model.proxies.std().item() == pytest.approx(2.0, rel=0.05)
    assert torch.equal(model.temporal_embedding, torch.zeros(12, 32))


def test_another_number_of_frames_stretches_time_linearly(tiny_clip_folder: Path) -> None:
    slots = torch.tensor([[0.0], [4.0]])
    assert resample(slots, 4)[:, 0].tolist() == [0, 1, 3, 4]  # half-pixel centres, the ends held
    assert resample(slots, 1)[:, 0].tolist() == [2]
    assert encoder(tiny_clip_folder)(video(frames=5)).shape == (2, 16)
    assert encoder(tiny_clip_folder)(video(frames=1)).shape == (2, 16)


def test_decoded_frames_are_normalised_as_clips_processor_does(tiny_clip_folder: Path) -> None:
    pixels = torch.randint(0, 256, (2, FRAMES, 24, 24, 3), dtype=torch.uint8)
    processor = CLIPImageProcessor(do_resize=False, do_center_crop=False)
    wanted = processor(list(pixels.flatten(0, 1).numpy()), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(normalise(pixels).flatten(0, 1), wanted, rtol=1e-5, atol=1e-5)
    model = encoder(tiny_clip_folder)
    torch.testing.assert_close(model(pixels), model(normalise(pixels, torch.float64)), rtol=0, atol=0)


def test_frames_of_another_size_are_refused(tiny_clip_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"32 x 24 pixels; expected 24 x 24"):
        encoder(tiny_clip_folder)(torch.randn(1, FRAMES, 3, 32, 24, dtype=torch.float64))


def test_dropped_patches_are_drawn_anew_and_only_in_training(tiny_clip_folder: Path) -> None:
    patches = torch.arange(2 * FRAMES * PATCHES, dtype=torch.float32).view(2, FRAMES, PATCHES, 1)
    kept = drop_patches(patches, 0.5)
    assert kept.shape == (2, FRAMES, 4, 1)
    for whole, part in zip(patches.flatten(0, 1), kept.flatten(0, 1), strict=True):
        assert len(set(part.flatten().tolist())) == 4  # each at most once, from its own frame
        assert set(part.flatten().tolist()) <= set(whole.flatten().tolist())
    model = encoder(tiny_clip_folder, patch_dropping=0.5)
    assert not torch.allclose(model(video()), model(video()))
    whole = encoder(tiny_clip_folder)
    assert torch.equal(model.eval()(video()), whole(video()))


def test_recomputing_changes_nothing(tiny_clip_folder: Path) -> None:
    plain, thrifty = encoder(tiny_clip_folder), encoder(tiny_clip_folder)
    thrifty.recompute = True
    for model in (plain, thrifty):
        model(video()).square().cumsum(0).sum().backward()
    wanted = dict(plain.named_parameters())
    for name, parameter in thrifty.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name].grad, rtol=0, atol=1e-12)


def test_half_precision_stays_near(tiny_clip_folder: Path) -> None:
    model = encoder(tiny_clip_folder).float()
    exact = model(video().float())
    with torch.autocast("cpu", torch.bfloat16):
        found = model(video().float())
    assert found.dtype == torch.float32
    assert (found * exact).sum(dim=-1).min() > 0.999
