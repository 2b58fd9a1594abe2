"""The search in a browser, for this machine alone: a page, film strips, and the videos of one folder.

Requests name files by their number in the index, never by a path; a file that is a link out of the folder by now is
not given. Only the names of this machine are answered, so that no other site can ask through the reader's browser.
"""

import socket
import threading
from functools import lru_cache
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from clipvip.corpora.own.look import printable
from clipvip.data.media.file_header import VideoError
from clipvip.evaluation.encoder import Encoder
from clipvip.evaluation.search.index import Hit, Index, of_text
from clipvip.results.search.page import Links, render
from clipvip.results.search.strips import Cell, strip

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
MOST = 100  # hits of a page
LONGEST = 1000  # signs of a text
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
KINDS = {  # all else is given as bytes to save
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


class Search:
    """The answers of the server for one index."""

    def __init__(self, encoder: Encoder, index: Index) -> None:
        self._encoder, self._index = encoder, index
        self._number = {file.path: i for i, file in enumerate(index.contents.files)}
        self._model = threading.Lock()  # one text at a time
        self._strip = lru_cache(maxsize=2000)(self._make_strip)

    def app(self) -> Starlette:
        """The application, names of other hosts refused."""
        routes = [
            Route("/", self.page),
            Route("/like/{file:int}", self.like),
            Route("/strip/{file:int}", self.strip),
            Route("/video/{file:int}", self.video),
        ]
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES), www_redirect=False)
        return Starlette(routes=routes, middleware=[hosts])

    def page(self, request: Request) -> Response:
        """The field, and what was found for `q`."""
        text, top = request.query_params.get("q", "")[:LONGEST], _top(request)
        hits: list[Hit] = []
        if text.strip():
            with self._model:
                query = of_text(self._encoder, text)
            hits = self._index.rank(query, top)
        return self._html(text, hits, text, top)

    def like(self, request: Request) -> Response:
        """Videos like one of the folder."""
        number, top = self._file(request), _top(request)
        path = self._index.contents.files[number].path
        own = self._index.contents.stretches[self._index.contents.owners() == number]
        return self._html(printable(path), self._index.rank(own, top, leave_out=[path]), "", top)

    def strip(self, request: Request) -> Response:
        """Frames of a file at the times `at`, in seconds."""
        number = self._file(request)
        try:
            seconds = tuple(float(word) for word in request.query_params.get("at", "").split(",")[:20])
            return Response(self._strip(number, seconds), media_type="image/jpeg", headers=HEADERS)
        except (ValueError, OverflowError):  # no times, or the file can no longer be read
            raise HTTPException(404) from None

    def video(self, request: Request) -> Response:
        """A file of the folder; browsers ask for parts of it."""
        path = self._place(self._file(request))
        kind = KINDS.get(path.suffix.lower(), "application/octet-stream")
        return FileResponse(path, media_type=kind, headers=HEADERS)

    def _html(self, wanted: str, hits: list[Hit], form: str, top: int) -> Response:
        links = Links(strip=self._strip_link, video=self._video_link, like=self._like_link)
        return HTMLResponse(render(self._index, wanted, hits, links, form=form, top=top), headers=HEADERS)

    def _strip_link(self, hit: Hit, chosen: list[Cell]) -> str:
        return f"/strip/{self._number[hit.path]}?at={','.join(f'{cell.moment.seconds:.3f}' for cell in chosen)}"

    def _video_link(self, hit: Hit) -> str:
        return f"/video/{self._number[hit.path]}#t={hit.moment.seconds:.1f}"

    def _like_link(self, hit: Hit) -> str:
        return f"/like/{self._number[hit.path]}"

    def _make_strip(self, number: int, seconds: tuple[float, ...]) -> bytes:
        path = self._place(number)
        if not all(0 <= each < 1e7 for each in seconds):
            raise VideoError(path, "no such moment")
        return strip(path, seconds)

    def _file(self, request: Request) -> int:
        number = int(request.path_params["file"])
        files = self._index.contents.files
        if not (number < len(files) and files[number].stretches):
            raise HTTPException(404)
        return number

    def _place(self, number: int) -> Path:
        """The file, if it is there and still in the folder."""
        root = self._index.folder.resolve()
        path = (root / self._index.contents.files[number].path).resolve()
        if not (path.is_relative_to(root) and path.is_file()):
            raise HTTPException(404)
        return path


def _top(request: Request) -> int:
    word = request.query_params.get("top", "10")
    return min(MOST, max(1, int(word))) if word.isascii() and word.isdigit() and len(word) < 9 else 10


def listen(port: int) -> socket.socket:
    """A socket of this machine alone; port 0 takes any. ValueError where the port is taken."""
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        own.bind((HOST, port))
    except (OSError, OverflowError) as error:
        own.close()
        raise ValueError(f"--port {port}: {error}; give another one, 0 takes any that is free") from None
    return own


def server(search: Search) -> uvicorn.Server:
    """The server, quiet but for errors."""
    return uvicorn.Server(uvicorn.Config(search.app(), log_level="warning", server_header=False))
