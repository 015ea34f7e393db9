"""Units as words of the text form: ``c32k5s2``, ``dw``, ``gl48:bT``, ``mx1_3_7``, ``se4``."""

from __future__ import annotations

import re

from nas.architecture.units import POST, ArchitectureError, Conv, Excite, Mixed, Part, Unit

LETTERS = r"(?:N|b|b?[BL]|b?[RSGHT]|b?[BL][RSGHT]|b?[RSGHT][BL])"
"""What follows a convolution: an optional bias, a norm and an activation in either order; N is nothing."""

_CONV = re.compile(
    r"(?P<kind>c|pw|dw|gl)(?P<out>\d+)?(?:k(?P<kernel>\d+))?(?:s(?P<stride>\d+))?(?:d(?P<dilation>\d+))?"
    rf"(?:p(?P<padding>\d+))?(?:g(?P<groups>\d+))?(?::(?P<post>{LETTERS}))?"
)
_PART = r"\d+(?:d\d+)?(?:a\d+)?"
_MIXED = re.compile(rf"mx(?P<parts>{_PART}(?:_{_PART})+)(?:s(?P<stride>\d+))?(?::(?P<post>{LETTERS}))?")
_EXCITE = re.compile(r"se(\d+)")
_ONE_PART = re.compile(r"(\d+)(?:d(\d+))?(?:a(\d+))?")


def read(word: str, channels: int, usual: str) -> Unit:
    """The unit of a word that gets ``channels``; ``usual`` is what follows where the word does not say."""
    if match := _EXCITE.fullmatch(word):
        return Excite(reduction=int(match[1]))
    if match := _MIXED.fullmatch(word):
        bias, post = _post(match["post"], usual)
        return Mixed(parts=read_parts(match["parts"]), stride=int(match["stride"] or 1), bias=bias, post=post)
    match = _CONV.fullmatch(word)
    if match is None or not (match["out"] or match["kind"] == "dw") or (match["kernel"] and match["kind"] in "pwgl"):
        raise ArchitectureError(
            f"not a layer: {word!r}: write it like c32, c32k5s2d2, dw, pw64, gl48, mx3_5, se4 or c64g8:RB"
        )
    number = {k: int(v) for k, v in match.groupdict().items() if v is not None and k not in ("kind", "post")}
    if match["kind"] in ("pw", "gl"):
        number["kernel"] = 1
    if match["kind"] == "dw":
        number = {"out": channels, **number, "groups": channels}
    bias, post = _post(match["post"], usual)
    return Conv(**number, bias=bias, gated=match["kind"] == "gl", post=post)


def read_parts(text: str) -> tuple[Part, ...]:
    """The parts of ``1_3_7d3a3``: kernel, d dilation, a size of the average pool before it."""
    matches = [_ONE_PART.fullmatch(part) for part in text.split("_")]
    return tuple(Part(int(m[1]), int(m[2] or 1), int(m[3] or 1)) for m in matches if m is not None)


def write(unit: Unit, channels: int, usual: str) -> str:
    """The canonical word of a unit, which ``read`` reads back."""
    if isinstance(unit, Excite):
        return f"se{unit.reduction}"
    text = _write_mixed(unit) if isinstance(unit, Mixed) else _write_conv(unit, channels)
    own = letters(unit)
    return text if own == usual else f"{text}:{own}"


def letters(unit: Conv | Mixed) -> str:
    """The letters of the bias and of what follows a convolution."""
    letter = {name: letter for letter, name in POST.items()}
    return ("b" if unit.bias else "") + "".join(letter[p] for p in unit.post) or "N"


def _post(own: str | None, usual: str) -> tuple[bool, tuple[str, ...]]:
    text = usual if own is None else own
    return text.startswith("b"), tuple(POST[x] for x in text.lstrip("bN"))


def _write_mixed(unit: Mixed) -> str:
    parts = [
        str(p.kernel) + (f"d{p.dilation}" if p.dilation > 1 else "") + (f"a{p.pool}" if p.pool > 1 else "")
        for p in unit.parts
    ]
    return "mx" + "_".join(parts) + (f"s{unit.stride}" if unit.stride > 1 else "")


def _write_conv(conv: Conv, channels: int) -> str:
    kind = conv.kind(channels)
    if kind == "gated":
        return f"gl{conv.out}"
    if kind == "depthwise":
        text = "dw" + (str(conv.out) if conv.out != channels else "")
    else:
        text = ("pw" if conv.kernel == 1 else "c") + str(conv.out)
    if conv.kernel != (1 if text.startswith("pw") else 3):
        text += f"k{conv.kernel}"
    text += f"s{conv.stride}" if conv.stride > 1 else ""
    text += f"d{conv.dilation}" if conv.dilation > 1 else ""
    text += f"p{conv.pad}" if conv.pad != conv.dilation * (conv.kernel - 1) // 2 else ""
    return text + (f"g{conv.groups}" if kind == "grouped" else "")
