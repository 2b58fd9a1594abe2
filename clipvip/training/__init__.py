"""The training loop and the stages that learn: clip, captioner, pretrain, finetune."""
