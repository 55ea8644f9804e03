from __future__ import annotations

import csv
import io
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_simulator import traces
from routeproof_simulator.behaviours import latency_from
from routeproof_simulator.traces import Arrival, parse_trace, parse_waits, quantiles, read_trace, read_waits
from routeproof_spec.errors import ConfigError

BURSTGPT = """\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45.5,GPT-4,1087,230,1317,API log
118,ChatGPT,417,0,417,Conversation log
"""
AZURE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:50.0000000,5,7
"""
BURST_HEAD, *BURST_ROWS = BURSTGPT.splitlines()


def test_a_trace_in_the_form_of_burstgpt_is_read() -> None:
    assert parse_trace(BURSTGPT.splitlines(), file="f") == (
        Arrival(at=0.0, prompt_tokens=472, completion_tokens=18, model="ChatGPT"),
        Arrival(at=40.5, prompt_tokens=1087, completion_tokens=230, model="GPT-4"),
        Arrival(at=113.0, prompt_tokens=417, completion_tokens=0, model="ChatGPT"),
    )


def test_a_trace_in_the_form_of_azure_is_read_and_put_in_order() -> None:
    found = parse_trace(AZURE.splitlines(), file="f")
    assert [(each.prompt_tokens, each.completion_tokens, each.model) for each in found] == [
        (374, 44, None),
        (5, 7, None),
        (396, 109, None),
    ]
    assert [each.at for each in found] == pytest.approx([0.0, 3.31941, 4.314579], abs=1e-6)


def test_dates_may_have_a_zone() -> None:
    rows = ["TIMESTAMP,ContextTokens,GeneratedTokens", "2024-05-10 00:00:00+00:00,1,2", "2024-05-10 02:00:01+02:00,3,4"]
    assert [each.at for each in parse_trace(rows, file="f")] == [0.0, 1.0]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=9))
def test_what_is_written_is_read_in_order(rows: list[tuple[int, int, int]]) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["Timestamp", "Model", "Request tokens", "Response tokens"])
    writer.writerows([at, 'a "model", of two', prompt, said] for at, prompt, said in rows)
    found = parse_trace(io.StringIO(file.getvalue()), file="f")
    ordered = sorted(rows, key=lambda row: row[0])
    first = ordered[0][0]
    assert [(each.at, each.prompt_tokens, each.completion_tokens) for each in found] == [
        (at - first, prompt, said) for at, prompt, said in ordered
    ]
    assert {each.model for each in found} == {'a "model", of two'}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "f: line 1: found no header; wanted the columns Timestamp, Model"),
        ("a,b\n1,2", "f: line 1: found the columns a, b; wanted the columns Timestamp, Model"),
        (BURST_HEAD, "f: found no rows; wanted at least one below the header"),
        (f"{BURST_HEAD}\nsoon,m,1,2,3,x", "f: line 2, Timestamp: found 'soon'; wanted a number of at least 0"),
        (f"{BURST_HEAD}\nnan,m,1,2,3,x", "f: line 2, Timestamp: found 'nan'; wanted a number of at least 0"),
        (f"{BURST_HEAD}\n{BURST_ROWS[0]}\n\n1,m,-1,2,3,x", "f: line 4, Request tokens: found '-1'; wanted a whole"),
        (f"{BURST_HEAD}\n1,m,1,2.5,3,x", "f: line 2, Response tokens: found '2.5'; wanted a whole number of tokens"),
        (f"{BURST_HEAD}\n1,m,1", "f: line 2: found 3 cells; wanted 6, as the first line has"),
        (f'{BURST_HEAD}\n1,"m"x,1,2,3,x', "f: line 2: found ',' expected after '\"'; wanted valid CSV (RFC 4180)"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n1,2,3", "f: line 2, TIMESTAMP: found '1'; wanted a date and time"),
    ],
)
def test_a_bad_trace_names_the_place_and_the_mend(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_trace(io.StringIO(text), file="f")
    assert str(caught.value).startswith(sentence)


def test_more_rows_than_a_run_can_ask_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "ROWS_MAX", 2)
    with pytest.raises(ConfigError, match="line 4: found more rows; wanted at most 2 rows: cut the file"):
        parse_trace(BURSTGPT.splitlines(), file="f")


def test_a_file_is_read_with_its_byte_order_mark_and_its_name_is_in_errors(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_bytes(b"\xef\xbb\xbf" + BURSTGPT.replace("\n", "\r\n").encode())
    assert read_trace(file) == parse_trace(BURSTGPT.splitlines(), file="f")
    with pytest.raises(ConfigError, match="found No such file or directory; wanted a readable CSV file"):
        read_trace(tmp_path / "nowhere.csv")
    file.write_bytes(b"Timestamp,\xff")
    with pytest.raises(ConfigError, match="byte 10: found bytes that are not UTF-8; wanted UTF-8"):
        read_trace(file)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(BURSTGPT, encoding="utf-8")
    monkeypatch.setattr(traces, "FILE_BYTES_MAX", 10)
    with pytest.raises(ConfigError, match="wanted at most 10 bytes"):
        read_trace(file)


@pytest.mark.parametrize(
    ("column", "unit"), [("ttft", 1.0), ("TTFT_ms", 0.001), ("Latency", 1.0), ("latency_ms", 0.001)]
)
def test_waits_become_the_quantiles_of_a_behaviour(tmp_path: Path, column: str, unit: float) -> None:
    file = tmp_path / "waits.csv"
    rows = "".join(f"r{each},{each}\n" for each in reversed(range(201)))
    file.write_text(f"id,{column}\n{rows}", encoding="utf-8")
    found = read_waits(file)
    assert found == pytest.approx([2 * each * unit for each in range(101)])
    assert latency_from(found).quantiles == found


def test_waits_without_a_column_say_which_are_known() -> None:
    with pytest.raises(ConfigError, match="one of the columns ttft, latency, ttft_ms, latency_ms"):
        parse_waits(["id,duration", "1,2"], file="f")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.integers(2, 50))
def test_quantiles_are_in_order_between_the_least_and_the_greatest(samples: list[float], count: int) -> None:
    found = quantiles(sorted(samples), count=count)
    assert len(found) == count
    assert (found[0], found[-1]) == (min(samples), max(samples))
    assert all(after - before >= -1e-6 for before, after in pairwise(found))
