"""Settings come from the environment; a misspelt or forgotten one stops the start instead of being a default."""

import math
from dataclasses import fields

import pytest

from clarity_server.config import Config, ConfigError, described, load

STORES = {
    "CLARITY_LISTEN": "0.0.0.0:443",
    "CLARITY_RECORDS": "sqlite:/data/clarity.db",
    "CLARITY_BLOBS": "file:/data/blobs",
    "CLARITY_KEYS": "file:/keys",
    "CLARITY_MODELS": "file:/models",
    "CLARITY_IDENTITY": "local:",
    "CLARITY_OUTBOX": "smtp://mail:587",
}


def test_no_settings_at_all_mean_all_local() -> None:
    assert load({}) == Config()


def test_a_setting_replaces_its_default_in_its_type() -> None:
    found = load(
        {
            "CLARITY_LISTEN": "[::1]:0",
            "CLARITY_STREAMS_MAX": "7",
            "CLARITY_DRAIN_S": "0.5",
            "CLARITY_FLAG_SIGN_UP": "off",
        }
    )
    assert (found.listen, found.streams_max, found.drain_s, found.flag_sign_up) == ("[::1]:0", 7, 0.5, False)


def test_what_is_not_ours_is_left_alone() -> None:
    assert load({"PATH": "/bin", "CLARITYX": "1", "MY_CLARITY_KEYS": "x"}) == Config()


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("CLARITY_RECORD", "CLARITY_RECORDS"),
        ("CLARITY_KEY", "CLARITY_KEYS"),
        ("CLARITY_STREAM_MAX", "CLARITY_STREAMS_MAX"),
    ],
)
def test_an_unknown_name_stops_the_start_and_the_nearest_is_suggested(misspelt: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"{misspelt} is not a setting: did you mean {meant}\?"):
        load({misspelt: "x"})


def test_a_name_like_no_other_points_to_the_list() -> None:
    with pytest.raises(ConfigError, match="`clarity serve --help` lists the settings"):
        load({"CLARITY_QQQQQQQQQQQQQQ": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLARITY_STREAMS_MAX", "many"),
        ("CLARITY_STREAMS_MAX", "1.5"),
        ("CLARITY_STREAMS_MAX", ""),
        ("CLARITY_STREAMS_MAX", "-1"),
        ("CLARITY_DRAIN_S", "soon"),
        ("CLARITY_DRAIN_S", "nan"),
        ("CLARITY_DRAIN_S", "inf"),
        ("CLARITY_DRAIN_S", "-1"),
        ("CLARITY_FLAG_SIGN_UP", "perhaps"),
        ("CLARITY_FLAG_SIGN_UP", ""),
    ],
)
def test_a_value_that_cannot_be_used_stops_the_start_and_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load({name: value})


@pytest.mark.parametrize(
    ("value", "meaning"), [("true", True), ("TRUE", True), ("1", True), ("on", True), ("0", False)]
)
def test_a_flag_is_said_in_several_ways(value: str, meaning: bool) -> None:
    assert load({"CLARITY_FLAG_SIGN_UP": value}).flag_sign_up is meaning


def test_without_defaults_every_store_must_be_named() -> None:
    assert load(STORES, no_defaults=True).records == "sqlite:/data/clarity.db"
    for name in STORES:
        rest = {other: value for other, value in STORES.items() if other != name}
        with pytest.raises(ConfigError, match=f"--no-defaults: set {name}$"):
            load(rest, no_defaults=True)


def test_without_defaults_all_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, no_defaults=True)
    assert all(name in str(caught.value) for name in STORES)


def test_every_setting_has_a_line_of_help_with_its_default() -> None:
    lines = described()
    assert len(lines) == len(fields(Config))
    assert all(line.startswith("CLARITY_") and line.partition("  # ")[2] for line in lines)


def test_defaults_are_values_a_setting_could_have() -> None:
    for setting in fields(Config):
        default = setting.default
        assert isinstance(default, str) or (isinstance(default, float | int) and 0 <= default < math.inf)
