"""`clipvip serve` in this process, as its command starts it."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import clipvip
from clipvip.evaluation.search.index import open_index
from clipvip.results.search import server


@contextlib.contextmanager
def served(model: Path, folder: Path) -> Iterator[int]:
    """The search page of a folder of videos at the port that it gives, while the `with` lasts."""
    encoder = clipvip.load(model)
    own = server.listen(0)
    running = server.server(server.Search(encoder, open_index(encoder, folder)))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [own]})
    thread.start()
    while not running.started:
        time.sleep(0.05)
    yield own.getsockname()[1]
    running.should_exit = True
    thread.join()
