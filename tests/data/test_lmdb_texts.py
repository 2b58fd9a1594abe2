"""Texts in an LMDB: every cut and flipped file is refused by name, and the process that asked lives on."""

import random
from pathlib import Path

import lmdb
import pytest

from clipvip.data.lmdb_texts import pairs

TEXTS = {f"clip{i:05d}": f"text {i} " + "x" * 40 for i in range(4000)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("lmdb")
    base = lmdb.open(str(folder / "texts"), map_size=1 << 24)
    with base, base.begin(write=True) as transaction:
        for key, text in TEXTS.items():
            transaction.put(key.encode(), text.encode())
    return (folder / "texts" / "data.mdb").read_bytes()


def put(folder: Path, held: bytes) -> Path:
    path = folder / "texts.mdb"
    path.write_bytes(held)
    return path


def test_a_whole_one_gives_all_in_order_and_may_be_left_early(tmp_path: Path, whole: bytes) -> None:
    path = put(tmp_path, whole)
    assert list(pairs(path)) == sorted(TEXTS.items())
    reading = pairs(path)
    assert next(reading) == ("clip00000", TEXTS["clip00000"])
    reading.close()


def read(path: Path) -> Exception | None:
    """What reading raises."""
    try:
        list(pairs(path))
    except ValueError as error:
        return error
    return None


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_cut_one_is_refused_by_name(tmp_path: Path, whole: bytes, share: float) -> None:
    path = put(tmp_path, whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=rf"^{path}: (cut short|no LMDB)"):
        list(pairs(path))


def test_flipped_bits_never_end_this_process(tmp_path: Path, whole: bytes) -> None:
    chance = random.Random(0)
    for _ in range(12):
        held = bytearray(whole)
        for _ in range(40):
            held[chance.randrange(len(held))] ^= 1 << chance.randrange(8)
        path = put(tmp_path, bytes(held))
        assert read(path) is None or str(read(path)).startswith(f"{path}: ")


@pytest.mark.parametrize("held", [b"", b"no database", b"\x00" * 20000])
def test_what_is_no_lmdb_is_refused(tmp_path: Path, held: bytes) -> None:
    path = put(tmp_path, held)
    with pytest.raises(ValueError, match=f"^{path}: "):
        list(pairs(path))
