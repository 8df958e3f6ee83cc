import os
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from readiness.lib.env import (
    env_bool,
    env_int,
    env_list,
    env_str,
    env_url,
    env_zone,
    load_dotenv,
    parse_dotenv,
)


@pytest.fixture
def setenv(monkeypatch: pytest.MonkeyPatch):
    def set_to(value: str | None) -> None:
        if value is None:
            monkeypatch.delenv("SAMPLE", raising=False)
        else:
            monkeypatch.setenv("SAMPLE", value)

    return set_to


@pytest.mark.parametrize("value", [None, "", "   "])
def test_env_str_takes_the_default_for_a_variable_that_is_missing_or_empty(setenv, value) -> None:
    setenv(value)
    assert env_str("SAMPLE", "fallback") == "fallback"


@pytest.mark.parametrize("value", [None, "", "   "])
@pytest.mark.parametrize("read", [env_str, env_list, lambda name: env_url(name, schemes={"http"})])
def test_required_variable_names_itself_when_it_is_missing(setenv, read, value) -> None:
    setenv(value)
    with pytest.raises(ImproperlyConfigured, match="SAMPLE is not set"):
        read("SAMPLE")


def test_env_str_drops_surrounding_blanks(setenv) -> None:
    setenv("  text ")
    assert env_str("SAMPLE") == "text"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("TRUE", True), ("yes", True), ("on", True), ("0", False), ("no", False), ("Off", False)],
)
def test_env_bool_reads_words(setenv, value, expected) -> None:
    setenv(value)
    assert env_bool("SAMPLE", not expected) is expected


@pytest.mark.parametrize("default", [True, False])
def test_env_bool_takes_the_default(setenv, default) -> None:
    setenv("")
    assert env_bool("SAMPLE", default) is default


def test_env_int_reads_a_whole_number(setenv) -> None:
    setenv("8000")
    assert env_int("SAMPLE", 1) == 8000


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda: env_bool("SAMPLE", False), "s3cret"),
        (lambda: env_int("SAMPLE", 1), "s3cret"),
        (lambda: env_url("SAMPLE", schemes={"https"}), "s3cret"),
        (lambda: env_url("SAMPLE", schemes={"https"}), "ftp://s3cret"),
        (lambda: env_url("SAMPLE", schemes={"https"}), "https:s3cret"),
        (lambda: env_url("SAMPLE", schemes={"https"}), "https://[s3cret"),
    ],
)
def test_unreadable_value_is_refused_without_being_shown(setenv, read, value) -> None:
    setenv(value)
    with pytest.raises(ImproperlyConfigured, match="SAMPLE must be") as caught:
        read()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", ["0", "65536"])
def test_env_int_refuses_a_number_out_of_range(setenv, value) -> None:
    setenv(value)
    with pytest.raises(ImproperlyConfigured, match="between 1 and 65535"):
        env_int("SAMPLE", 8000, minimum=1, maximum=65535)


def test_env_list_splits_at_commas_and_drops_blanks(setenv) -> None:
    setenv(" a, b ,,c,")
    assert env_list("SAMPLE") == ["a", "b", "c"]


def test_env_list_copies_its_default(setenv) -> None:
    setenv(None)
    default = ["a"]
    assert env_list("SAMPLE", default) == default
    assert env_list("SAMPLE", default) is not default


def test_env_url_accepts_a_listed_scheme(setenv) -> None:
    setenv("rediss://host:6379/0")
    assert env_url("SAMPLE", schemes={"redis", "rediss"}) == "rediss://host:6379/0"


def test_env_url_may_default_to_nothing(setenv) -> None:
    setenv(None)
    assert env_url("SAMPLE", "", schemes={"redis"}) == ""


@pytest.mark.parametrize(("value", "zone"), [(None, "UTC"), ("Europe/Berlin", "Europe/Berlin")])
def test_env_zone_gives_the_name_of_a_zone(setenv, value, zone) -> None:
    setenv(value)
    assert env_zone("SAMPLE", "UTC") == zone


@pytest.mark.parametrize("value", ["Atlantis/Center", "../etc/passwd", "America", "+02:00"])
def test_env_zone_refuses_what_is_no_zone(setenv, value) -> None:
    setenv(value)
    with pytest.raises(ImproperlyConfigured, match="SAMPLE must be a time zone"):
        env_zone("SAMPLE", "UTC")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=plain", "plain"),
        ("export NAME = spaced  ", "spaced"),
        ("NAME=", ""),
        ("NAME= # only a comment", ""),
        ("NAME=a#b # comment", "a#b"),
        ("NAME='a # b'", "a # b"),
        ('NAME="it\'s"  # comment', "it's"),
        ("NAME=$HOME/${x}", "$HOME/${x}"),
        (r'NAME="a\nb"', r"a\nb"),
        ("NAME=k1=,k2=", "k1=,k2="),
    ],
)
def test_parse_dotenv_reads_a_line(line, value) -> None:
    assert parse_dotenv(line) == {"NAME": value}


def test_parse_dotenv_skips_comments_and_blank_lines_and_lets_a_later_line_win() -> None:
    assert parse_dotenv("# a\n\n  # b\nA=1\nB=2\nA=3\n") == {"A": "3", "B": "2"}


@pytest.mark.parametrize("line", ["just words", "1A=x", "A='open s3cret", 'A="x" s3cret', "=x"])
def test_parse_dotenv_refuses_another_form_by_line_number_only(line) -> None:
    with pytest.raises(ImproperlyConfigured, match="Line 2") as caught:
        parse_dotenv(f"OK=1\n{line}\n")
    assert "s3cret" not in str(caught.value)


def test_load_dotenv_lets_the_environment_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_SET", "from shell")
    monkeypatch.delenv("SAMPLE_NEW", raising=False)
    path = tmp_path / ".env"
    path.write_text("SAMPLE_SET=from file\nSAMPLE_NEW=from file\n", encoding="utf-8")
    held = load_dotenv(path)
    assert held == {"SAMPLE_SET": "from file", "SAMPLE_NEW": "from file"}
    assert (os.environ["SAMPLE_SET"], os.environ.pop("SAMPLE_NEW")) == ("from shell", "from file")


def test_load_dotenv_takes_a_missing_file_as_empty(tmp_path: Path) -> None:
    assert load_dotenv(tmp_path / "absent") == {}
