"""Each ink can be read on each ground it is set on, in light and in dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest
from django.conf import settings

TOKENS = (Path(settings.BASE_DIR) / "static/css/tokens.css").read_text(encoding="utf-8")
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", TOKENS)
}
GROUNDS = ["bg", "surface", "sunken"]
READ = [
    (ink, ground)
    for ink in ("ink", "ink-2", "ink-3", "accent", "pass", "fail", "warn", "none")
    for ground in GROUNDS
]
READ += [(hue, f"{hue}-soft") for hue in ("accent", "pass", "fail", "warn", "none")]
READ += [
    ("ink", "none-soft"),
    ("ink", "fail-soft"),
    ("ink", "warn-soft"),
    ("ink", "pass-soft"),
    ("on-accent", "accent"),
]
SEEN = [("field-line", ground) for ground in GROUNDS] + [(f"series-{n}", "surface") for n in range(1, 7)]


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, by the formula of WCAG."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), READ)
def test_text_stands_out_from_its_ground(ink, ground, scheme):
    assert contrast(COLOURS[ink][scheme], COLOURS[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SEEN)
def test_shape_stands_out_from_its_ground(shape, ground, scheme):
    assert contrast(COLOURS[shape][scheme], COLOURS[ground][scheme]) >= 3


@pytest.mark.parametrize(
    "path", sorted((Path(settings.BASE_DIR) / "static/css").glob("*.css")), ids=lambda p: p.name
)
def test_colours_come_from_the_tokens_alone(path):
    if path.name != "tokens.css":
        found = re.search(
            r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*;)", re.sub(r"light-dark\([^)]*\)", "", path.read_text())
        )
        assert not found, f"{path.name} has {found[0]}"


@pytest.mark.parametrize(
    "path", sorted((Path(settings.BASE_DIR) / "static/css").glob("*.css")), ids=lambda p: p.name
)
def test_rules_stand_in_a_layer(path):
    rules = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    depth, outside = 0, []
    for part in re.split(r"([{}])", rules):
        if part == "{":
            depth += 1
        elif part == "}":
            depth -= 1
        elif depth == 0 and part.strip():
            outside.append(part.strip())
    assert all(part.split(";")[-1].strip().startswith("@layer") for part in outside)
