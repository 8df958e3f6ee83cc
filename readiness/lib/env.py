"""Typed readers of environment variables, and the ``.env`` file that fills them.

Every reader fails closed: a variable that is missing without a default, or whose value cannot be read,
raises ``ImproperlyConfigured`` with the variable's name, never with its value (it may be a secret). A
variable set to nothing counts as not set, because that is what an empty line of an env file and
``${NAME:-}`` in a compose file mean.
"""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def _raw(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _missing(name: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{name} is not set. Set it in the environment or in .env; docs/configuration.md says what it means."
    )


def env_str(name: str, default: str | None = None) -> str:
    """The variable's text without surrounding blanks. Required when there is no default."""
    value = _raw(name)
    if value is not None:
        return value
    if default is None:
        raise _missing(name)
    return default


def env_bool(name: str, default: bool) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off; any other word is refused."""
    value = _raw(name)
    if value is None:
        return default
    word = value.lower()
    if word not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} must be 1 or 0.")
    return word in _TRUE


def env_int(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    """A whole number within ``minimum`` … ``maximum``, both included."""
    value = _raw(name)
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number.") from None
    if number < minimum or (maximum is not None and number > maximum):
        span = f"at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
        raise ImproperlyConfigured(f"{name} must be {span}.")
    return number


def env_list(name: str, default: Sequence[str] | None = None) -> list[str]:
    """The parts between commas, blanks and empty parts dropped. Required when there is no default."""
    value = _raw(name)
    parts = [part.strip() for part in (value or "").split(",") if part.strip()]
    if parts:
        return parts
    if default is None:
        raise _missing(name)
    return list(default)


def env_url(name: str, default: str | None = None, *, schemes: Collection[str]) -> str:
    """An address that starts with one of ``schemes``. Required when there is no default.

    The default is returned as it is, so that an optional address can default to ``""``.
    """
    value = _raw(name)
    if value is None:
        if default is None:
            raise _missing(name)
        return default
    if "://" not in value or _scheme(value) not in schemes:
        starts = " or ".join(f"{scheme}://" for scheme in sorted(schemes))
        raise ImproperlyConfigured(f"{name} must be an address that starts with {starts}.")
    return value


def _scheme(address: str) -> str:
    try:
        return urlsplit(address).scheme
    except ValueError:  # brackets of an IPv6 host that do not match
        return ""


def env_zone(name: str, default: str) -> str:
    """Name of a time zone that this machine knows, such as ``Europe/Berlin``."""
    zone = env_str(name, default)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones can be an OSError
        raise ImproperlyConfigured(f"{name} must be a time zone, such as Europe/Berlin.") from None
    return zone


def parse_dotenv(text: str) -> dict[str, str]:
    """The variables of an env file, a later line winning over an earlier one.

    One ``NAME=value`` per line, ``export`` in front allowed. ``#`` starts a comment at the start of a line,
    and after a blank behind an unquoted value. A value between a pair of single or double quotes is taken as
    it stands: no escapes, and nothing is substituted for ``$``. A line of any other form raises
    ``ImproperlyConfigured`` with its number.
    """
    values: dict[str, str] = {}
    for number, raw_line in enumerate(text.splitlines(), start=1):
        line = raw_line.strip()
        if not line or line.startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        value = _unquote(match[2]) if match else None
        if match is None or value is None:
            raise ImproperlyConfigured(f"Line {number} of the env file is not of the form NAME=value.")
        values[match[1]] = value
    return values


def _unquote(text: str) -> str | None:
    """The value that a right-hand side stands for; None when a quote is left open."""
    if text[:1] in {"'", '"'}:
        value, closing, rest = text[1:].partition(text[0])
        well_formed = closing and (not rest.strip() or rest.lstrip().startswith("#"))
        return value if well_formed else None
    if text.startswith("#"):
        return ""
    return re.split(r"\s#", text, maxsplit=1)[0].rstrip()


def load_dotenv(path: Path) -> Mapping[str, str]:
    """Fill the process's environment from an env file and return what the file holds.

    A variable that the environment has already wins, even when it is empty there: a shell or a container must
    be able to overrule the file. A file that does not exist is an empty one.
    """
    if not path.exists():
        return {}
    values = parse_dotenv(path.read_text(encoding="utf-8"))
    for name, value in values.items():
        os.environ.setdefault(name, value)
    return values
