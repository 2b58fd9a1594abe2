"""A real film that a package on PyPI carries: a trailer of "Big Buck Bunny" (Blender Foundation, CC BY 3.0)."""

import subprocess
import sys
import tarfile
from pathlib import Path

PACKAGE = "moviepy==2.2.1 --hash=sha256:c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1"
NAME = "trailer_bbb.mp4"
SECONDS = 120  # that pip may take


def fetch(folder: Path) -> Path | None:
    """The film in `folder`, fetched by pip if it is not there; None, and a line that says why, where that fails."""
    film = folder / NAME
    if film.is_file():
        return film
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "requirements.txt"
    wanted.write_text(PACKAGE + "\n")
    words = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
    command = [sys.executable, "-m", "pip", *words, "--dest", str(folder), "--requirement", str(wanted)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"no real film, generated ones are taken: pip did not get {PACKAGE.split()[0]} ({type(error).__name__})")
        return None
    archive = next(folder.glob("moviepy-*.tar.gz"))
    with tarfile.open(archive) as files:
        member = next(each for each in files if each.name.endswith(f"/{NAME}"))
        content = files.extractfile(member)
        assert content is not None
        film.write_bytes(content.read())
    archive.unlink()
    return film
