"""The vocabulary by register: how each fact and each event is put in words.

Paper section 3.1 names the cause (speech reads unlike captions); here four registers say the same facts in words of
their own, so that the gap is one of language alone. About 200 words in all; a test counts them.
"""

from collections.abc import Mapping
from typing import Literal

Register = Literal["plain", "stock", "spoken", "script"]

# By register and slot, one entry a value, in the order of scenes.NAMES; "" where the usual value has no word.
WORDS: Mapping[Register, Mapping[str, tuple[str, ...]]] = {
    "plain": {
        "colour": ("red", "green", "blue", "yellow", "purple", "white"),
        "shape": ("circle", "square", "cross", "ring"),
        "background": ("on a black background", "on a grey background", "on grass", "on water", "on a brick wall"),
        "size": ("small", "", "large"),
        "light": ("in dim light", "", "in bright light"),
        "place": ("on the left", "in the middle", "on the right"),
    },
    "stock": {
        "colour": ("scarlet", "emerald", "azure", "golden", "lilac", "ivory"),
        "shape": ("disc", "tile", "plus", "hoop"),
        "background": ("over midnight", "over slate", "over a lawn", "over a lake", "over masonry"),
        "size": ("tiny", "", "huge"),
        "light": ("at twilight", "", "in sunshine"),
        "place": ("at left", "at center", "at right"),
    },
    "spoken": {
        "colour": ("cherry", "lime", "navy", "lemon", "plum", "milky"),
        "shape": ("ball", "box", "jack", "donut"),
        "background": ("in the void", "on the concrete", "in the yard", "in the pool", "by the bricks"),
        "size": ("little", "", "big"),
        "light": ("kinda gloomy", "", "super sunny"),
        "place": ("over on the left", "right in the center", "over on the right"),
    },
    "script": {
        "colour": ("crimson", "jade", "sapphire", "amber", "violet", "pale"),
        "shape": ("orb", "slab", "crucifix", "band"),
        "background": ("in the shadows", "in the fog", "in the meadow", "at sea", "by the ramparts"),
        "size": ("slight", "", "vast"),
        "light": ("at dusk", "", "in the glare"),
        "place": ("to the left", "amid the frame", "to the right"),
    },
}

# What an object is called when its shape is not.
THING: Mapping[Register, str] = {"plain": "object", "stock": "item", "spoken": "thing", "script": "figure"}

# In the order of scenes.VERBS, the change of colour last. "parts" is a second plain wording, of described moments.
VERB_WORDS: Mapping[Register | Literal["parts"], tuple[str, ...]] = {
    "plain": ("grows", "shrinks", "brightens", "darkens", "appears", "vanishes", "moves left", "moves right", "turns"),
    "parts": (
        "gets larger",
        "gets smaller",
        "becomes light",
        "becomes dark",
        "comes into view",
        "leaves the view",
        "goes to the left",
        "goes to the right",
        "changes to",
    ),
    "stock": (
        "expanding",
        "contracting",
        "glowing",
        "dimming",
        "emerging",
        "departing",
        "sliding left",
        "sliding right",
        "becoming",
    ),
    "spoken": (
        "blows up",
        "gets tiny",
        "lights up",
        "goes dark",
        "pops up",
        "goes away",
        "scoots left",
        "scoots right",
        "goes",
    ),
    "script": ("swells", "dwindles", "flares", "dims", "enters", "exits", "drifts left", "drifts right", "becomes"),
}

GREETINGS = ("hey guys", "hello everyone", "welcome back", "okay so", "hi friends")
FILLERS = ("um", "like", "you know", "basically", "well")
OPENERS = ("here we have", "look at", "check out", "so this is", "you can see")
TAILS = (
    "leave a comment below",
    "do not forget to subscribe",
    "thanks for watching",
    "let me know what you think",
    "link in the description",
    "my friend told me that yesterday",
    "we had coffee this morning",
)


# Plain words that name one fact each: what `mentions` reads. Values are named as in scenes.NAMES.
PLAIN_FACTS: Mapping[str, tuple[str, str]] = {
    **{word: ("colour", word) for word in WORDS["plain"]["colour"]},
    **{word: ("shape", word) for word in WORDS["plain"]["shape"]},
    "black": ("background", "dark"),
    **{word: ("background", word) for word in ("grey", "grass", "water", "brick")},
    **{word: ("size", word) for word in ("small", "large")},
    **{word: ("light", word) for word in ("dim", "bright")},
    **{word: ("place", word) for word in ("left", "middle", "right")},
}
