"""Code points: how emoji are told apart whatever the repository, and which of them are one concept.

An emoji is a sequence of code points. U+FE0F, which asks for the coloured form, is left out of it: repositories
disagree on where they write it.
"""

import hashlib
import re

Points = tuple[int, ...]

JOINER, COLOURED = 0x200D, 0xFE0F
TONES = range(0x1F3FB, 0x1F400)
PEOPLE = (0x1F468, 0x1F469, 0x1F9D1)  # man, woman, person
LONGEST = 10  # points; a kiss of two people, each with a skin tone, has nine
_LOOKS = (0x2640, 0x2642, 0x27A1)  # female, male, facing right


def read(text: str) -> Points:
    """The code points of hexadecimal numbers parted by spaces, dashes or underscores.

    Raises:
        ValueError: one is no such number, or no code point; or they are more than any emoji has.
    """
    numbers = [int(part, 16) for part in re.split(r"[\s_-]+", text.strip())]
    if not all(0 < number <= 0x10FFFF for number in numbers):
        raise ValueError(text)
    points = tuple(number for number in numbers if number != COLOURED)
    if len(points) > LONGEST:
        raise ValueError(text)
    return points


def found(text: str) -> Points | None:
    """The same; None for what is no emoji's code, such as another file's name."""
    try:
        return read(text)
    except ValueError:
        return None


def written(points: Points, between: str = "-") -> str:
    """Code points as a picture's name has them, "1f468-200d-1f680"."""
    return between.join(f"{point:x}" for point in points)


def toned(points: Points) -> bool:
    """Whether it has a skin tone of its own."""
    return any(point in TONES for point in points)


def concept(points: Points) -> str:
    """What it shows, whoever shows it: without skin tone, gender, direction and the person in front.

    A man astronaut, a woman astronaut and an astronaut are one concept, and so are held out together or not at all. The
    bare signs for female, male and right are one too, the empty one.
    """
    parts: list[list[int]] = [[]]
    for point in points:
        if point == JOINER:
            parts.append([])
        elif point not in TONES:
            parts[-1].append(point)
    kept = [part for part in parts if part and not (len(part) == 1 and part[0] in _LOOKS)]
    if len(kept) > 1 and kept[0][0] in PEOPLE:
        del kept[0]
    return "-".join(written(tuple(part)) for part in kept)


def heldout(points: Points, share: float) -> bool:
    """Whether its concept belongs to this share of them, in thousandths: a function of the concept alone.

    So a concept that is held out at one size, in one style or beside other repositories is held out in all.
    """
    digest = hashlib.sha256(f"emoji128:{concept(points)}".encode()).hexdigest()
    return int(digest, 16) % 1000 < round(share * 1000)
