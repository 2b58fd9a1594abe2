"""Which files of a folder are taken for videos."""

from pathlib import Path

import pytest
from video_files import ramp, write_video

from clipvip.data.video_folder import files_of


def test_videos_by_ending_or_header_and_no_link_out(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    write_video(folder / "b" / "x.mp4", ramp(4))
    write_video(folder / "no ending", ramp(4), form="mp4")
    (folder / "cut.MKV").write_bytes(b"not a video")  # its ending says it should be one
    (folder / "Guide.txt").write_text("G is how transport streams begin too")
    (folder / "table.csv").write_text("path,text\n")
    (folder / "plain").write_text("words")
    (folder / ".hidden.mp4").write_bytes(b"")
    write_video(tmp_path / "elsewhere.mp4", ramp(4))
    (folder / "out.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    (folder / "in.mp4").symlink_to(folder / "b" / "x.mp4")
    (folder / "above").symlink_to(tmp_path)  # a folder: not followed
    found = files_of(folder)
    assert found.media == ("b/x.mp4", "cut.MKV", "in.mp4", "no ending")
    assert found.outside == ("out.mp4",)
    assert found.others == 3


def test_no_folder_and_no_video(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        files_of(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(ValueError, match="holds no videos"):
        files_of(tmp_path)
