"""A small image captioner, trained here where there are no weights at hand: a GIT (generative image-to-text
transformer) of random start on a COCO-style corpus. Stands in for the captioner of paper section 3.3.
"""

import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from clipvip.config.data import FramesSettings
from clipvip.config.learning import CaptionerSettings, OptimSettings, TinyCaptioner
from clipvip.data import manifest
from clipvip.data.batches import Batch, Batches, texts_by_clip
from clipvip.data.clips import open_clips
from clipvip.runtime.context import Run
from clipvip.training.schedule import num_steps, rate

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # in the order of their ids, as BERT has them
MAX_TOKENS = 40  # of a caption in training
INIT_STD = 0.1  # at 0.02, which is GIT's own, a width of 64 learns shapes much later
ROWS = 100  # of the history, at most
PLAIN = ("eps", "eps_uncorrected", "temperature_lr", "clamp_first", "keep_partial", "published_schedule")


def train(
    settings: CaptionerSettings, inputs: dict[str, Path], run: Run
) -> tuple[Any, Any, list[dict[str, int | float]]]:
    """Processor, model and history of a captioner trained on the train split of inputs["corpus"].

    ValueError where the settings do not make one, or the frame cache is of another size than the model reads.
    """
    shape, optim = settings.shape, settings.optim
    if shape is None or optim is None or "corpus" not in inputs:
        raise ValueError("captioner: give either `source` (folder or hub id) or all of `shape`, `corpus` and `optim`")
    if optim.precision != "fp32":
        raise ValueError(f"captioner.optim.precision: the small captioner trains in fp32, not {optim.precision}")
    if other := {name for name in PLAIN if getattr(optim, name) != OptimSettings.model_fields[name].default}:
        raise ValueError(f"captioner.optim: the small captioner knows no {', '.join(sorted(other))}; leave it out")
    clips = open_clips(inputs, settings.frames or FramesSettings(size=shape.image_size), work=run.work)
    texts = texts_by_clip(manifest.read(inputs["corpus"], split="train"))
    processor = make_processor([text for known in texts.values() for text in known], shape)
    torch.manual_seed(settings.seed)
    model = make_model(shape, processor.tokenizer)
    batches = Batches(
        clips=clips,
        clip_ids=list(texts),
        texts={"caption": texts},
        tokenizer=processor.tokenizer,
        num_frames=1,
        max_tokens=MAX_TOKENS,
        batch_size=optim.batch_size,
        seed=settings.seed,
    )
    side = batches[0].video.shape[2]
    if side != shape.image_size:
        raise ValueError(f"captioner.shape.image_size is {shape.image_size}, the frame cache holds {side} px")
    return processor, model, _fit(model.to(run.device), processor, batches, optim, run)


def make_processor(texts: list[str], shape: TinyCaptioner) -> Any:
    """A GitProcessor: CLIP's image processor at the model's size, and a tokenizer learnt from `texts`."""
    from transformers import CLIPImageProcessorPil, GitProcessor

    side = {"height": shape.image_size, "width": shape.image_size}
    images = CLIPImageProcessorPil(size=side, crop_size=side, do_center_crop=False)
    return GitProcessor(images, make_tokenizer(texts, shape.vocab_size))


def make_tokenizer(texts: list[str], vocab_size: int) -> Any:
    """A lower-case BertTokenizer of at most `vocab_size` pieces: single signs, then the most frequent words.

    Words are not learnt by merging pieces, since the trainer of `tokenizers` numbers pieces differently in every run.
    """
    from tokenizers import normalizers, pre_tokenizers
    from transformers import BertTokenizer

    tidy, split = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for text in texts for word, _ in split.pre_tokenize_str(tidy.normalize_str(text)))
    signs = sorted({sign for word in words for sign in word})
    ranked = sorted(words, key=lambda word: (-words[word], word))
    pieces = dict.fromkeys([*SPECIAL, *signs, *(f"##{sign}" for sign in signs), *ranked])
    return BertTokenizer(
        vocab={piece: i for i, piece in enumerate([*pieces][:vocab_size])}, model_max_length=MAX_TOKENS
    )


def make_model(shape: TinyCaptioner, tokenizer: Any) -> Any:
    """A GitForCausalLM of this shape with random weights (from torch's random state)."""
    from transformers import GitConfig, GitForCausalLM

    layers = {
        "hidden_size": shape.width,
        "intermediate_size": 4 * shape.width,
        "num_attention_heads": shape.heads,
        "initializer_range": INIT_STD,
    }
    vision = {"image_size": shape.image_size, "patch_size": shape.patch_size, "num_hidden_layers": shape.vision_layers}
    config = GitConfig(
        vision_config={**layers, **vision},
        **layers,
        num_hidden_layers=shape.text_layers,
        vocab_size=len(tokenizer),
        max_position_embeddings=2 * MAX_TOKENS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return GitForCausalLM(config)


def _fit(
    model: Any, processor: Any, batches: Batches, settings: OptimSettings, run: Run
) -> list[dict[str, int | float]]:
    """AdamW with linear warm-up and cosine to zero; `model` is trained in place, the history comes back."""
    steps = num_steps(settings, len(batches))
    every = max(1, steps // ROWS)
    weights = [p for p in model.parameters() if settings.decay_all or p.ndim > 1]
    others = [p for p in model.parameters() if not settings.decay_all and p.ndim <= 1]  # biases and layer norms
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(
        groups, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay, fused=True
    )
    history: list[dict[str, int | float]] = []
    model.train()
    bar = tqdm(range(1, steps + 1), desc="captioner", unit="step", disable=None)
    for step in bar:
        lr = rate(step - 1, steps, settings)
        for group in optimiser.param_groups:
            group["lr"] = lr
        loss = loss_of(model, processor, batches[step - 1])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.grad_norm or math.inf)
        optimiser.step()
        if step % every == 0 or step == steps:
            figures = {"loss": float(loss.detach()), "lr": lr}
            history.append({"step": step, **figures})
            run.log(step, figures)
            bar.set_postfix(loss=f"{figures['loss']:.3f}")
        if bar.disable and step % max(1, steps // 5) == 0:  # a log file instead of a terminal
            print(f"captioner: {step}/{steps} steps, loss {float(loss.detach()):.3f}", file=sys.stderr, flush=True)
    model.eval()
    return history


def loss_of(model: Any, processor: Any, batch: Batch) -> torch.Tensor:
    """Mean cross entropy of the next word piece, over all pieces but the first of each caption."""
    images = processor.image_processor(list(batch.video[:, 0].numpy()), return_tensors="pt")["pixel_values"]
    ids, mask = batch.input_ids.to(model.device), batch.attention_mask.to(model.device)
    labels = ids.masked_fill(mask == 0, -100)  # padding is not learnt
    found = model(pixel_values=images.to(model.device), input_ids=ids, attention_mask=mask, labels=labels)
    return found.loss  # type: ignore[no-any-return]
