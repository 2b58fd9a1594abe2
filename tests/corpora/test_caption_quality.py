"""Quality against counts by hand."""

import pandas as pd
from caption_files import state

from clipvip.corpora.captions.quality import by_attribute


def test_quality_by_hand() -> None:
    rows = pd.DataFrame(
        {
            "clip_id": list("abcd"),
            "caption": ["a red ring on grass", "a blue ring", "nothing on grass", "a red circle in dim light"],
        }
    )
    truth = pd.DataFrame(
        {
            "clip_id": list("abcde"),
            "middle": [state(), state(), state(visible=False), state(visible=False), state()],
        }
    )
    found = by_attribute(rows, truth)
    assert found["captions"] == 4
    assert found["attributes"]["colour"] == {"named": 3, "right": 1, "named_share": 0.75, "right_share": 0.3333}
    assert found["attributes"]["shape"]["right"] == 2
    assert found["attributes"]["background"] == {"named": 2, "right": 2, "named_share": 0.5, "right_share": 1.0}
    assert found["attributes"]["light"]["right"] == 1
    assert found["attributes"]["place"] == {"named": 0, "right": 0, "named_share": 0.0, "right_share": 0.0}
    assert found["empty"] == {"clips": 2, "right": 1}
