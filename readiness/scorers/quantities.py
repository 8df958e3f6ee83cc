"""Numbers in English text, each with its unit; a month is the unit of its days."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LIST_NUMBER = re.compile(r"^[ \t]*(?:[Pp]assage +\d+:|(?:[Ss]tep +|\()?\d{1,3}[.):](?!\d))", re.MULTILINE)
_PASSAGE_NUMBER = re.compile(
    r"(?:[Pp]assage|[Ss]ource|[Dd]ocument|[Ss]tep)s?\s+\d+(?:\s*(?:,|and|&|or)\s*\d+)*|\[\d+\]"
)
# Patterns begin with what they consume, and look behind it afterwards: the engine then skips ahead.
_NUMBER = re.compile(r"\d(?<![A-Za-z\d.].)(?:\d{0,2}(?:,\d{3})+|\d*)(?:[.:]\d+)*(?:/\d+)?|[¼½¾⅓⅔⅛⅜⅝⅞]")
_UNIT_AFTER = re.compile(r"\s?-?(?:(?:degrees?|square|cubic)\s+)?(°\s?[FC]|%|[A-Za-z]+)")
_MONTH_BEFORE = re.compile(r"([A-Za-z]{3,9})\.?\s+$")
_MONTH_REACH = 12

_SMALL_NUMBERS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
NUMBER_WORDS = {word: str(number) for number, word in enumerate(_SMALL_NUMBERS.split(), start=2)} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
}
"""Words to the number they stand for. Neither ``zero`` nor ``one``: the latter is mostly a pronoun."""
_LETTERS = re.compile(r"[A-Za-z]+")


def _spellings(table: str) -> dict[str, str]:
    """Each spelling of a table's rows to the row's last one."""
    return {name: row.split()[-1] for row in table.split("|") for name in row.split()}


_MONTHS = _spellings(
    "jan january | feb february | mar march | apr april | may | jun june | jul july | aug august"
    "| sep sept september | oct october | nov november | dec december"
)
_UNITS = _spellings(
    "sec secs second seconds | min mins minute minutes | hr hrs hour hours | day days | week weeks"
    "| month months | year years | mm millimeter millimeters millimetre millimetres"
    "| cm centimeter centimeters centimetre centimetres | m meter meters metre metres"
    "| km kilometer kilometers kilometre kilometres | inch inches | ft foot feet | yd yard yards | mile miles"
    "| mg milligram milligrams | g gram grams | kg kilogram kilograms | oz ounce ounces | lb lbs pound pounds"
    "| ml milliliter milliliters millilitre millilitres | l liter liters litre litres | cup cups"
    "| tbsp tablespoon tablespoons | tsp teaspoon teaspoons | gallon gallons | quart quarts | pint pints"
    "| °f f fahrenheit | °c celsius | % percent | v volt volts | w watt watts | kw kilowatt kilowatts | kwh"
    "| amp amps ampere amperes | hz hertz | khz | mhz | ghz | kb | mb | gb | tb | mph | kph | psi | bar bars"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text, from character ``start`` up to ``end``, where a unit that follows is included."""

    start: int
    end: int
    value: str
    """The number in one spelling: 1,500.0 is 1500."""
    unit: str | None
    """Its unit in one spelling, None where no known one stands beside it."""

    @property
    def kind(self) -> str:
        """``date`` for a day of a month, else ``number``."""
        return "date" if self.unit in _MONTHS else "number"


class Quantities:
    """The numbers of a source, to look an answer's up in. ``words`` are the source's, in lower case."""

    def __init__(self, text: str, words: Iterable[str]) -> None:
        self._units: dict[str, set[str | None]] = {}
        for quantity in find_quantities(text):
            self._units.setdefault(quantity.value, set()).add(quantity.unit)
        for word in NUMBER_WORDS.keys() & set(words):
            self._units.setdefault(NUMBER_WORDS[word], set()).add(None)

    def support(self, quantity: Quantity) -> bool:
        """Whether the source has the number, and nowhere only with units that contradict the answer's."""
        units = self._units.get(quantity.value)
        if units is None:
            return False
        return quantity.unit is None or None in units or quantity.unit in units


def find_quantities(text: str) -> Iterator[Quantity]:
    """The numbers in digits of a text."""
    for match in _NUMBER.finditer(text):
        value = _value(match.group())
        unit, end = _unit_after(text, match.end())
        if unit is None and len(value) <= 2:
            before = _MONTH_BEFORE.search(text, max(0, match.start() - _MONTH_REACH), match.start())
            unit = _month(before.group(1)) if before else None
        yield Quantity(match.start(), end, value, unit)


def find_worded_quantities(text: str) -> Iterator[Quantity]:
    """The numbers in words before a unit: ``two hours``. The ``two`` of ``two ways`` only counts a list."""
    for match in _LETTERS.finditer(text):
        word = match.group().lower()
        if word in NUMBER_WORDS:
            unit, end = _unit_after(text, match.end())
            if unit is not None:
                yield Quantity(match.start(), end, NUMBER_WORDS[word], unit)


def _unit_after(text: str, position: int) -> tuple[str | None, int]:
    """The unit that stands at the position, and where it ends; None and the position itself without one."""
    match = _UNIT_AFTER.match(text, position)
    if match is None:
        return None, position
    unit = _month(match.group(1)) or _UNITS.get(match.group(1).lower().replace(" ", ""))
    return (unit, match.end()) if unit else (None, position)


def _month(word: str) -> str | None:
    """The month of that name; ``may`` and ``march`` in small letters are none."""
    return _MONTHS.get(word.lower()) if word[0].isupper() else None


def without_list_numbers(text: str) -> str:
    """The text with the numbers that only count its lines blanked out; all positions stay."""
    return _LIST_NUMBER.sub(_blank, text)


def without_references(text: str) -> str:
    """The text with the numbers by which it refers to passages and steps blanked out; all positions stay."""
    return _PASSAGE_NUMBER.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _value(number: str) -> str:
    if len(number) == 1 and not number.isascii():
        numerator, _, denominator = unicodedata.normalize("NFKC", number).partition("⁄")
        return f"{numerator}/{denominator}"
    number = number.replace(",", "").removesuffix(":00")
    if number.count(".") == 1 and "/" not in number and ":" not in number:
        number = number.rstrip("0").rstrip(".")
    return number.lstrip("0") or "0"
