"""Files of samples: what is read is what was written, line by line; what cannot be read is named by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson

from clarity.moments import said
from clarity.recordings import Unreadable
from clarity.sample_files import LINE_CHARS_MAX, Assumed, read
from clarity.v1.sample_pb2 import Sample

HEADER = "metric,client_record_id,start,end,value,unit,code,device,app,version"


def file(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def samples(path: Path, assumed: Assumed | None = None) -> list[Sample]:
    return [line.sample for line in read(path, assumed)]


def refusal(path: Path) -> str:
    with pytest.raises(Unreadable) as refused:
        list(read(path))
    return str(refused.value)


def test_every_column_of_a_table_becomes_its_field(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "some.csv",
        HEADER,
        "body_mass,m1,2026-01-23T07:00+01:00,,71.2,kg,,Scale,Withings,3",
        "sleep_stage,n1,2026-01-23T01:00,2026-01-23T01:30,,,deep,Ring,,",
    )
    mass, stage = samples(path)
    assert (mass.metric, mass.client_record_id, mass.client_record_version) == ("body_mass", "m1", 3)
    assert (mass.source.device, mass.source.app) == ("Scale", "Withings")
    assert (mass.quantity.value, mass.quantity.ucum_unit) == (71.2, "kg")
    assert said(mass.start) == "2026-01-23 07:00+01:00"
    assert not mass.HasField("end")
    assert stage.category.code == "deep"
    assert (said(stage.start), said(stage.end)) == ("2026-01-23 01:00", "2026-01-23 01:30")


def test_what_lines_do_not_say_may_be_said_once(tmp_path: Path) -> None:
    path = file(tmp_path, "some.csv", "start,value,unit", "2026-01-23T07:00,71.2,", "2026-01-24T07:00,157,[lb_av]")
    first, second = samples(path, Assumed(metric="body_mass", unit="kg", device="Scale"))
    assert (first.metric, first.source.device, first.quantity.ucum_unit) == ("body_mass", "Scale", "kg")
    assert second.quantity.ucum_unit == "[lb_av]"


def test_a_sample_without_an_id_gets_the_same_one_every_time_whatever_its_value(tmp_path: Path) -> None:
    """So that the same file again is duplicates, and a changed value is a conflict and no second sample."""
    ids = [
        samples(file(tmp_path, "some.csv", "start,value,metric,device", row))[0].client_record_id
        for row in (
            "2026-01-23T07:00,71.2,body_mass,Scale",
            "2026-01-23T07:00,71.3,body_mass,Scale",
            "2026-01-23T07:01,71.2,body_mass,Scale",
            "2026-01-23T07:00,71.2,height,Scale",
            "2026-01-23T07:00,71.2,body_mass,Other",
            "2026-01-23T07:00Z,71.2,body_mass,Scale",
        )
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


def test_a_zero_is_a_value_and_nothing_is_none(tmp_path: Path) -> None:
    zero, none = samples(file(tmp_path, "some.csv", "start,value", "2026-01-23T07:00,0", "2026-01-23T08:00,"))
    assert zero.quantity.HasField("value")
    assert none.WhichOneof("value") is None


def test_lines_of_json_are_the_contracts_samples(tmp_path: Path) -> None:
    (made,) = samples(
        file(tmp_path, "one.csv", HEADER, "body_mass,m1,2026-01-23T07:00+01:00,,71.2,kg,,Scale,Withings,3")
    )
    listed = Sample()
    listed.CopyFrom(made)
    listed.sample_id = "what a server called it"
    path = file(tmp_path, "some.ndjson", MessageToJson(listed, indent=None), "", MessageToJson(made, indent=None))
    assert samples(path) == [made, made]
    assert [line.number for line in read(path)] == [1, 3]


def test_a_line_is_where_the_file_says_it_is(tmp_path: Path) -> None:
    path = file(tmp_path, "some.csv", "start,device", '2026-01-23T07:00,"a\nb"', "2026-01-23T08:00,c")
    assert [line.number for line in read(path)] == [3, 4]


@pytest.mark.parametrize(
    ("name", "lines", "told"),
    [
        ("some.txt", ["start"], "cannot tell the format from the suffix '.txt'"),
        ("some.csv", ["start,valeu"], "line 1: has the columns 'start', 'valeu'. Name each once, `start` among them"),
        ("some.csv", ["metric,value"], "line 1: has the columns"),
        ("some.csv", ["start,start"], "line 1: has the columns"),
        ("some.csv", [""], "line 1: has the columns of nothing"),
        ("some.csv", ["start,value", "2026-01-23T07:00,71,2"], "line 2: has more or fewer fields than the header"),
        ("some.csv", ["start,value", "2026-01-23T07:00"], "line 2: has more or fewer fields than the header"),
        ("some.csv", ["start,value", "2026-01-23T07:00,much"], "line 2: 'much' is no number"),
        ("some.csv", ["start,value", "2026-01-23,71"], "line 2: '2026-01-23' is a date without a time"),
        ("some.csv", ["start,value,code", "2026-01-23T07:00,1,deep"], "line 2: has a value, '1', and a code, 'deep'"),
        ("some.csv", ["start,version", "2026-01-23T07:00,new"], "line 2: 'new' is no whole number"),
        ("some.csv", ["start,version", "2026-01-23T07:00,99999999999999999999"], "line 2: "),
        ("some.csv", ["start,device", '2026-01-23T07:00,"open'], "is no table"),
        ("some.ndjson", ["{}", "{"], "line 2: is no Sample"),
        ("some.ndjson", ['{"metric": "body_mass", "valeu": 1}'], "line 1: is no Sample"),
        ("some.ndjson", [" " * LINE_CHARS_MAX], "line 1: has 65,536 letters or more"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path: Path, name: str, lines: list[str], told: str) -> None:
    assert told in refusal(file(tmp_path, name, *lines))


def test_a_file_of_other_letters_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes("start,device\n2026-01-23T07:00,Körperwaage\n".encode("latin-1"))
    assert "is not UTF-8" in refusal(path)


def test_the_mark_of_a_spreadsheet_is_no_part_of_its_first_column(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("start,value\n2026-01-23T07:00,1\n", encoding="utf-8-sig")
    assert len(samples(path)) == 1
