"""What every H.264 encoder of ours is given, so that the same frames are the same bytes whatever the heap holds."""

import platform

# x264 (core 165, the one in PyAV 18.1) has AVX-512 code for its macroblock tree whose result depends on memory that was
# never written: frames of most widths then come out in several versions. Its older code gives one, in about the same
# time. SSE4.2 and not AVX2, because x264 trusts the word and would crash on a processor without it, and NumPy's own
# packages ask for no more. One thread, because several divide a frame by how many cores there are.
_INTEL = platform.machine().lower() in ("x86_64", "amd64")
REPEATABLE: dict[str, str] = {"threads": "1"} | ({"x264-params": "asm=SSE4.2"} if _INTEL else {})
