"""Records: what was written comes back; whatever else the file holds is told in words, never by a traceback of the parser."""

import errno
import json

import pytest

from wmlib.experiment import records
from wmlib.experiment.atomic import file_sha256
from wmlib.experiment.records import RecordError

RECORD = {"seed": 5, "name": "cœur", "of": [1, 2.5, None], "more": {"x": True}}
check = records.checker(records.form({"seed": {"type": "integer"}, "name": {}, "of": {}}, {"more": {}}))


@pytest.fixture
def path(tmp_path):
    records.write(tmp_path / "new/r.json", RECORD)
    return tmp_path / "new/r.json"


def test_what_was_written_comes_back(path):
    assert records.read(path, check) == RECORD
    assert json.loads(path.read_text(encoding="utf-8"))["sha256"] == records.sign(RECORD)["sha256"]
    assert records.sign(records.sign(RECORD)) == records.sign(RECORD)
    assert [p.name for p in path.parent.iterdir()] == ["r.json"]


def test_no_bit_that_matters_changes_unnoticed(path):
    whole = path.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            assert records.read(path, check) == RECORD  # a space, or the same letter written otherwise
        except RecordError as error:
            assert str(error).startswith("r.json ")


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", "cannot be read .it holds nothing in place of a JSON object"),
        ("   \n", "cannot be read .it holds nothing"),
        ("null", "cannot be read .it holds a NoneType"),
        ("[1]", "cannot be read .it holds a list"),
        ('{"seed": NaN}', "cannot be read .it holds NaN"),
        ('{"seed": 5', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("{}", "cannot be read .data must contain"),
        ('{"seed": "five", "name": 1, "of": 2}', "cannot be read .data.seed must be integer"),
        ('{"seed": 5, "name": 1, "of": 2, "else": 3}', "cannot be read .data must not contain"),
        ('{"seed": 5, "name": 1, "of": 2}', "has changed .its checksum is missing"),
        ('{"seed": 5, "name": 1, "of": 2, "sha256": 7}', "has changed .its checksum does not match"),
    ],
)
def test_what_is_wrong_is_named(path, text, fault):
    path.write_text(text)
    with pytest.raises(RecordError, match=f"^r.json {fault}"):
        records.read(path, check)


def test_a_record_need_not_be_signed_but_not_wrongly(path):
    path.write_text('{"seed": 5, "name": 1, "of": 2}')
    assert records.read(path, check, signed=False)["seed"] == 5
    path.write_text('{"seed": 5, "name": 1, "of": 2, "sha256": "0"}')
    with pytest.raises(RecordError, match="does not match"):
        records.read(path, check, signed=False)


def test_a_place_that_is_no_file(path, tmp_path):
    with pytest.raises(FileNotFoundError):
        records.read(tmp_path / "none.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(RecordError, match=r"^folder.json cannot be read \(Is a directory"):
        records.read(tmp_path / "folder.json")
    records.write(tmp_path / "folder.json", RECORD)  # it is empty
    assert records.read(tmp_path / "folder.json") == RECORD
    with pytest.raises(FileExistsError, match="new is a folder that holds something, where a file belongs: move it away"):
        records.write(tmp_path / "new", RECORD)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), 1j, b"x"])
def test_what_is_no_json_is_refused_and_the_old_record_stays(path, value):
    with pytest.raises(ValueError, match="record: must be JSON values"):
        records.write(path, {"seed": value})
    assert records.read(path, check) == RECORD


def test_a_file_is_the_one_that_was_written(tmp_path, monkeypatch):
    path = tmp_path / "x.bin"
    path.write_bytes(b"whole")
    sha256 = file_sha256(path)
    records.check_file(path, sha256, 5)
    records.check_file(path, None, 5)
    for wrong, fault in (((sha256, 6), "has 5 bytes instead of 6"), (("0", 5), "has changed"), (("0", None), "has changed")):
        with pytest.raises(RecordError, match=f"^x.bin {fault}"):
            records.check_file(path, *wrong)
    with pytest.raises(RecordError, match=r"^y.bin is missing"):
        records.check_file(tmp_path / "y.bin", sha256)

    def read(path):
        raise OSError(errno.EIO, "Input/output error")  # of reading: it names no file

    monkeypatch.setattr(records, "file_sha256", read)
    with pytest.raises(RecordError, match=r"^x.bin cannot be read \(Input/output error\)"):
        records.check_file(path, sha256)
