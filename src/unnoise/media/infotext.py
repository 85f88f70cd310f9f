"""AUTOMATIC1111's text about a picture, which most programs of the field read and show.

    the prompt, on any number of lines
    Negative prompt: likewise
    Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x768, ...

A value that holds a comma, a colon or a line's end stands as a JSON string. The format cannot tell a prompt's own line
"Negative prompt: ..." from the real one; `Record.json` can.
"""

import json
from collections.abc import Iterator
from pathlib import PurePath

from unnoise.media.record import Record

NEGATIVE = "Negative prompt:"

_SAMPLERS = {
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "dpm2": "DPM2",
    "dpm2_ancestral": "DPM2 a",
    "dpm_adaptive": "DPM adaptive",
    "dpm_fast": "DPM fast",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_sde": "DPM++ SDE",
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "lcm": "LCM",
    "lms": "LMS",
    "plms": "PLMS",
    "restart": "Restart",
    "unipc": "UniPC",
}
_SPACINGS = {
    "align_your_steps": "Align Your Steps",
    "beta": "Beta",
    "exponential": "Exponential",
    "karras": "Karras",
    "kl_optimal": "KL Optimal",
    "polyexponential": "Polyexponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "uniform": "Uniform",
}
"""Where AUTOMATIC1111 has the same thing without options, its name; anything else keeps our spec."""


def plain(text: str) -> str:
    """The text without what files and other programs choke on: NUL goes, half a surrogate pair becomes U+FFFD."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parameters(record: Record) -> str:
    """The text for a picture's `parameters`."""
    request = record.request
    prompt, negative = (plain(str(request.get(key) or "")) for key in ("prompt", "negative"))
    strength = request.get("strength")
    pairs = {
        "Steps": request.get("steps") or max(len(record.levels) - 1, 0),
        "Sampler": _SAMPLERS.get(record.sampler, record.sampler),
        "Schedule type": _SPACINGS.get(record.spacing, record.spacing),
        "CFG scale": _scale(record.guidance),
        "Seed": record.seed,
        "Size": f"{record.width}x{record.height}",
        "Model hash": _checkpoint(record)[:10],
        "Model": record.model,
        "Denoising strength": strength if isinstance(strength, int | float) else "",
        "Version": f"unnoise {record.versions.get('unnoise', '')}".strip(),
    }
    last = ", ".join(f"{key}: {_quote(plain(str(value)))}" for key, value in pairs.items() if value != "")
    return "\n".join([prompt, *([f"{NEGATIVE} {negative}"] if negative else []), last])


def parse_parameters(text: str) -> dict[str, str]:
    """What such a text says: "Prompt", "Negative prompt", then each key and value as they stand.

    Any text will do, in time linear in its length. Without a last line of three pairs or more it is all prompt.
    """
    lines = text.strip().split("\n")
    found = list(_pairs(lines[-1]))
    if len(found) < 3:
        found = []
    else:
        lines.pop()
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in (line.strip() for line in lines):
        if line.startswith(NEGATIVE):
            part = negative
            line = line[len(NEGATIVE) :].strip()
        part.append(line)
    words = {"Prompt": "\n".join(prompt).lstrip("\n"), "Negative prompt": "\n".join(negative).lstrip("\n")}
    return {**words, **{key: _unquote(value) for key, value in found if key not in words}}


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Each "key: value" of a line, as written.

    A key starts with a letter, digit or underscore and goes on with these, spaces, "-" and "/": two or more.
    A value is a quoted string with a comma or the end behind it, or else all up to the next comma. Every character is
    looked at a bounded number of times: a regular expression for this is quadratic on long lines without a colon.
    """
    start = 0
    while (colon := line.find(":", start)) >= 0:
        first = colon
        while first > start and _in_key(line[first - 1]):
            first -= 1
        while first < colon and not _is_word(line[first]):
            first += 1
        key, start = line[first:colon], colon + 1
        if len(key) < 2:
            continue
        while start < len(line) and line[start].isspace():
            start += 1
        end = _quoted(line, start)
        if end is None:
            end = line.find(",", start)
            end = len(line) if end < 0 else end
        yield key, line[start:end]
        start = end + 1


def _quoted(line: str, start: int) -> int | None:
    """Where the quoted string at `start` ends, if one is there with a comma or the line's end behind it."""
    if not line.startswith('"', start):
        return None
    end = start + 1
    while end < len(line) and line[end] != '"':
        end += 2 if line[end] == "\\" else 1
    if end >= len(line) or end == start + 1:
        return None
    return end + 1 if end + 1 == len(line) or line[end + 1] == "," else None


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _in_key(character: str) -> bool:
    return _is_word(character) or character in " -/"


def _quote(value: str) -> str:
    """The value as it may stand in the last line; quoted also where a reader would take blanks or quotes off."""
    bare = not any(c in value for c in ",:\n") and value == value.strip() and not value.startswith('"')
    return value if bare else json.dumps(value, ensure_ascii=False)


def _unquote(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _scale(guidance: str) -> str:
    """The scale in a guidance's spec, "7.5" or "interval:scale=7.5"; empty where it names none."""
    number = guidance
    for option in guidance.partition(":")[2].split(","):
        key, _, value = option.partition("=")
        number = value if key.strip() == "scale" else number
    try:
        return f"{float(number):.10g}"
    except ValueError:
        return ""


def _checkpoint(record: Record) -> str:
    """The sha256 of the model's own file: the one of its name, or the only one."""
    for name, digest in record.files.items():
        if record.model in (name, PurePath(name).stem):
            return digest
    return next(iter(record.files.values())) if len(record.files) == 1 else ""
