"""`clipvip search` and `clipvip serve` as a user meets them: a list, a page that reads offline, a browser's requests.

File names hold markup, and links lead out of the folder.
"""

import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import pytest
from own_videos import write_videos
from page_parts import Parts
from PIL import Image
from served import served
from video_files import ramp, write_video

import clipvip
from clipvip.__main__ import main
from clipvip.evaluation.search.index import of_text, open_index
from clipvip.results.search import server

MARKUP = '<img src=x onerror=alert(1)>"&amp;.mp4'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("search")
    write_videos(root / "videos", 6)
    shutil.copy(root / "videos/first/00.mp4", root / "videos" / MARKUP)
    (root / "videos/cut <b>.mp4").write_bytes(b"")
    write_video(root / "secret.mp4", ramp(4))
    (root / "videos/out.mp4").symlink_to(root / "secret.mp4")
    return root / "videos"


def test_a_list_and_a_page(
    tiny_clip_folder: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "a red circle <script>alert(1)</script>"
    words = ["search", str(tiny_clip_folder), str(folder), query, "--top", "7", "--html", str(tmp_path / "p.html")]
    assert main(words) == 3  # some files could not be read
    told = capsys.readouterr()
    assert "2 files could not be read and are left out: cut <b>.mp4 (empty file), out.mp4 (a link" in told.err
    encoder = clipvip.load(tiny_clip_folder)
    hits = open_index(encoder, folder).rank(of_text(encoder, query), 7)
    lines = [line.split(maxsplit=3) for line in told.out.splitlines()[1:]]
    assert [(int(place), score, name) for place, score, _, name in lines] == [
        (place, f"{hit.score:.3f}", hit.path) for place, hit in enumerate(hits, start=1)
    ]
    text = (tmp_path / "p.html").read_text()
    found = Parts(text)
    assert {"script", "b"}.isdisjoint(tag for tag, _ in found.elements)
    assert query in found.text
    assert MARKUP in found.text
    assert "2 files could not be read" in found.text
    strips = [str(image["src"]) for image in found.all("img")]
    assert len(strips) == 7
    assert all(each.startswith("data:image/jpeg;base64,") for each in strips)
    links = [unquote(str(link["href"]).split("#")[0]) for link in found.all("a")]
    assert [(tmp_path / link).resolve() for link in links] == [(folder / hit.path).resolve() for hit in hits]
    assert not re.search(r"(src|href|url)\W{1,3}(https?:)?//", text)


def test_videos_like_one(tiny_clip_folder: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = folder / "first/00.mp4"
    assert main(["search", str(tiny_clip_folder), str(folder), "--video", str(own), "--top", "9"]) == 3
    names = [line.split(maxsplit=3)[3] for line in capsys.readouterr().out.splitlines()[1:]]
    assert names[0] == MARKUP  # its copy
    assert "first/00.mp4" not in names
    for words in ([], ["a dog", "--video", str(own)]):
        assert main(["search", str(tiny_clip_folder), str(folder), *words]) == 2
        assert "either a text or --video" in capsys.readouterr().err


@pytest.fixture(scope="module")
def port(tiny_clip_folder: Path, folder: Path) -> Iterator[int]:
    with served(tiny_clip_folder, folder) as own:
        yield own


def ask(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()


def test_a_browser_is_given_the_page_its_strips_and_its_videos(port: int, folder: Path) -> None:
    status, headers, content = ask(port, "/?q=a+red+%3Cb%3E&top=3")
    assert status == 200
    assert "script" not in headers["content-security-policy"]  # default-src 'none'
    assert headers["x-content-type-options"] == "nosniff"
    found = Parts(content.decode())
    assert {"script", "b"}.isdisjoint(tag for tag, _ in found.elements)
    assert "a red <b>" in found.text
    (field,) = [each for each in found.all("input") if each["name"] == "q"]
    assert field["value"] == "a red <b>"
    strips = [str(image["src"]) for image in found.all("img")]
    assert len(strips) == 3
    for each in strips:
        status, headers, picture = ask(port, each)
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(BytesIO(picture)).height == 120
    videos = [str(link["href"]).split("#")[0] for link in found.all("a") if "/video/" in str(link["href"])]
    names = re.findall(r"\d\. (.*)", found.text)
    for link, name in zip(videos, names, strict=True):
        status, headers, video = ask(port, link)
        assert (status, headers["content-type"]) == (200, "video/mp4")
        assert video == (folder / name).read_bytes()
        status, headers, part = ask(port, link, Range="bytes=10-19")
        assert (status, part) == (206, video[10:20])
    (like,) = [str(link["href"]) for link in found.all("a") if "/like/" in str(link["href"])][:1]
    status, _, content = ask(port, like)
    assert status == 200
    assert f"Videos like {names[0]}" in Parts(content.decode()).text
    assert ask(port, "/")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/video/../../etc/passwd",
        "/video/%2e%2e%2f%2e%2e%2fsecret.mp4",
        "/video/first/00.mp4",
        "/video/-1",
        "/video/99",
        "/video/99999999999999999999999999",
        "/../../../etc/passwd",
        "//etc/passwd",
        "/strip/0?at=nan",
        "/strip/0?at=-1",
        "/strip/0?at=1e400",
        "/strip/0",
        "/strip/99?at=0",
        "/like/99",
        "/docs",
    ],
)
def test_nothing_else_is_given(port: int, path: str) -> None:
    assert ask(port, path)[0] == 404


def test_unreadable_and_foreign_files_are_not_given(port: int, folder: Path) -> None:
    """Neither the file that could not be read, nor one that became a link out of the folder since."""
    _, _, content = ask(port, "/?q=a&top=100")
    links = {str(link["href"]).split("#")[0] for link in Parts(content.decode()).all("a")}
    readable = {int(link.removeprefix("/video/")) for link in links if link.startswith("/video/")}
    assert len(readable) == 7
    assert [n for n in range(20) if ask(port, f"/video/{n}")[0] == 200] == sorted(readable)
    moved = folder / "first/05.mp4"
    content = moved.read_bytes()
    moved.unlink()
    moved.symlink_to(folder.parent / "secret.mp4")
    try:
        assert sum(ask(port, f"/video/{n}")[0] == 200 for n in range(20)) == 6
        assert sum(ask(port, f"/strip/{n}?at=0.25")[0] == 200 for n in range(20)) == 6
    finally:
        moved.unlink()
        moved.write_bytes(content)


def test_only_this_machine_is_answered(port: int) -> None:
    for host, status in (
        (f"127.0.0.1:{port}", 200),
        ("localhost", 200),
        ("evil.example", 400),
        (f"127.0.0.1.evil.example:{port}", 400),
        ("", 400),
    ):
        assert ask(port, "/", Host=host)[0] == status, host
    with pytest.raises(ValueError, match=r"--port \d+: .*in use"):
        server.listen(port)
    with pytest.raises(ValueError, match="--port 70000"):
        server.listen(70000)
    own = server.listen(0)
    with own, pytest.raises(OSError, match="refused"):
        socket.create_connection((socket.gethostbyname(socket.gethostname()), own.getsockname()[1]), timeout=2)


@pytest.mark.slow
def test_the_command_serves_and_ends(tiny_clip_folder: Path, folder: Path) -> None:
    """A process of its own, as a user starts and stops it."""
    import signal
    import sys

    words = [sys.executable, "-m", "clipvip", "serve", str(tiny_clip_folder), str(folder), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = [running.stdout.readline(), running.stdout.readline()]
        assert said[0].startswith("7 videos, ")
        match = re.match(r"http://127\.0\.0\.1:(\d+)/", said[1])
        assert match is not None, json.dumps(said)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                assert ask(int(match[1]), "/?q=a")[0] == 200
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    assert "Traceback" not in errors
