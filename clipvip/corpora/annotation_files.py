"""Names of public annotation files that `formats` reads and `synthetic` writes, each spelled here only."""

MSRVTT_DATA = "MSRVTT_data.json"  # videos, their official split, and captions
MSRVTT_FROZEN = "MSR_VTT.json"  # the same captions as Frozen-in-time distributes them
MSRVTT_TEST = "MSRVTT_JSFUSION_test.csv"  # the 1000 queries of the literature

DIDEMO_DATA = "{}_data.json"  # of a split: moments
DIDEMO_LIST = "{}_list.txt"  # of a split: the videos of the retrieval protocol

LSMDC_TRAIN = "LSMDC16_annos_training.csv"
LSMDC_VAL = "LSMDC16_annos_val.csv"
LSMDC_TEST = "LSMDC16_challenge_1000_publictect.csv"  # (sic)

ACTIVITYNET_TRAIN = "train.json"
ACTIVITYNET_TEST = "val_1.json"

HDVILA_SUBTITLES = "subtitles.jsonl"
