"""What stands in files of jobs: every form, every way to get it wrong, and the names that come of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ideal_async import ImageToVideo, safe_name
from ideal_async.cli._columns import Problem, Row
from ideal_async.cli._job import Job
from ideal_async.cli._patterns import expand_urls
from ideal_async.cli._plan import _Seen, attempt_of, derive_key, plan
from ideal_async.cli._results import Results
from ideal_async.cli._rows import guess, read_rows
from ideal_async.cli._sources import read_sources

ROOM = "https://example.com/room.jpg"
DEFAULTS: dict[str, Any] = {"duration": 5, "resolution": "480p"}


def rows_of(data: str | bytes, form: Any = None) -> list[dict[str, Any]]:
    rows = list(read_rows("jobs", data if isinstance(data, bytes) else data.encode(), form))
    assert all(isinstance(row, Row) for row in rows), rows
    return [dict(row.fields) for row in rows if isinstance(row, Row)]


def problems_of(data: str | bytes, form: Any = None, **defaults: Any) -> list[str]:
    rows = read_rows("jobs", data if isinstance(data, bytes) else data.encode(), form)
    return [str(problem) for problem in plan(rows, {**DEFAULTS, **defaults})[1]]


@pytest.mark.parametrize(
    "text",
    [
        "key,image_url,duration,generate_audio\na,https://x.example/1.jpg,5,yes\n",
        "\ufeffkey,imageUrl,duration,generateAudio\r\na,https://x.example/1.jpg,5,TRUE\r\n",
        'Key;Image URL;Duration;Generate-Audio\n"a";"https://x.example/1.jpg";"5";"1"\n\n;;;\n',
        "key\tImageURL\tduration\tgenerate audio\ra\thttps://x.example/1.jpg\t5\ttrue\r",
        '\ufeff{"key":"a", "imageUrl":"https://x.example/1.jpg", "duration":5, "generateAudio":true, "prompt":null}\n',
    ],
)
def test_every_form_says_the_same(text: str) -> None:
    """Commas, semicolons, tabs, JSON; snake, camel and spaced names; BOM, CRLF and old line ends."""
    assert rows_of(text) == [
        {"key": "a", "image_url": "https://x.example/1.jpg", "duration": 5, "generate_audio": True}
    ]


def test_a_list_of_urls() -> None:
    """One a line; empty lines and comments do not count, but they are counted."""
    rows = list(read_rows("jobs", b"\n# rooms\n  https://x.example/1.jpg \n"))
    assert rows == [Row("jobs", 3, {"image_url": "https://x.example/1.jpg"})]


def test_a_quoted_cell_may_have_lines() -> None:
    """A record begins where it begins: the line of a problem is that of its first line."""
    text = f'image_url,prompt\n{ROOM},"one\ntwo"\nnonsense,x\n'
    assert [row["prompt"] for row in rows_of(text)] == ["one\ntwo", "x"]
    (problem,) = problems_of(text)
    assert problem.startswith("jobs:4: image_url must be an http(s) URL, not 'nonsense'")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image_url,colour\nx,y\n", "jobs:1: unknown column 'colour': there are key, image_url, last_image_url"),
        ("imageurl,resolutoin\nx,y\n", "jobs:1: unknown column 'resolutoin': did you mean resolution?"),
        ("imageUrl,image_url\nx,y\n", "jobs:1: the column image_url is there twice"),
        ("key,prompt\na,b\n", "jobs:1: there is no column image_url"),
        (f"image_url\n{ROOM},5\n", "jobs:2: 2 cells, but the header names 1 column"),
        (f'image_url\n"{ROOM}\n', "jobs:2: this is no CSV (unexpected end of data)"),
        (f'image_url,prompt\n"{ROOM}"x,y\n', "jobs:2: this is no CSV"),
        (f"image_url,prompt\n{ROOM},{'x' * 10_000_000}\n", "jobs:2: this is no CSV (field larger than field limit"),
        (f"image_url,prompt\n{ROOM},{'x' * 110_000}\n", "jobs:2: longer than 100,000 characters"),
        ("", "jobs: there are no jobs in it"),
        ("\ufeff \r\n", "jobs: there are no jobs in it"),
        ("image_url\n", "jobs: there are no jobs in it"),
        ("# nothing yet\n", "jobs: there are no jobs in it"),
        ("# nothing yet\n{}\n", "jobs:2: image_url is missing"),
        (b"image_url\n\nhttps://x.example/\xff.jpg\n", "jobs:3: this is no UTF-8"),
        (b"\xff\xfe\x00\xd8x\x00", "jobs: this is no UTF-8 text"),
        (b"\x89PNG\x00\x00", "jobs:1: this is no UTF-8 text"),
        (f"image_url,duration\n{ROOM},7\n", "jobs:2: duration must be one of 5, 10, not 7"),
        (f"image_url,duration\n{ROOM},5s\n", "jobs:2: duration must be one of 5, 10, not '5s'"),
        (f"image_url,generate_audio\n{ROOM},maybe\n", "jobs:2: generate_audio must be True or False, not 'maybe'"),
        (f"image_url,generate_audio\n{ROOM},yes\n", 'jobs:2: generate_audio needs model_type="Base"'),
        ("image_url\nphotos/a.jpg\n", "jobs:2: image_url must be an http(s) URL, not 'photos/a.jpg': the API fetches"),
        ("key,image_url\na,\n", "jobs:2: image_url is missing: add it"),
        (f"key,image_url\na,{ROOM}\na,{ROOM}\n", "jobs:3: key 'a' is that of jobs:2 already"),
        (f"key,image_url\nroom~2,{ROOM}\n", "jobs:2: key 'room~2' ends like that of a repeated job"),
        (f"key,image_url\n{'k' * 201},{ROOM}\n", "jobs:2: key must be text of 1 to 200 characters"),
        (f"{ROOM}?id=1\n{ROOM}?id=2\n", "jobs:2: only what follows a ? differs from jobs:1"),
        ('[{"imageUrl": "x"}]', "jobs:1: each line is one JSON object"),
        ('{"imageUrl": "x"', "jobs:1: this is no JSON: Expecting ',' delimiter"),
        ('{"imageUrl": "x", "image_url": "y"}', "jobs:1: image_url is there twice"),
        ('{"imageUrl": "x", "imageUrl": "y"}', "jobs:1: image_url is there twice"),
        (f'{{"imageUrl": "{ROOM}", "key": 5}}', "jobs:1: key must be text, not 5"),
        (f'{{"imageUrl": "{ROOM}", "key": "\\ud800"}}', "jobs:1: key must be text of 1 to 200 characters"),
        (f'{{"imageUrl": "{ROOM}", "prompt": "\\ud800"}}', "jobs:1: prompt holds half a character"),
        (f'{{"imageUrl": "{ROOM}", "prompt": {{"a": [1]}}}}', "jobs:1: prompt must be str or None"),
        (f'{{"imageUrl": "{ROOM}", "duration": "5"}}', "jobs:1: duration must be one of 5, 10, not '5'"),
        ('{"a":' * 100_000, "jobs:1: longer than 100,000 characters"),
        ("[" * 90_000, "jobs:1: brackets within brackets, too deep"),
        ("https://x.example/" + "a" * 100_000, "jobs:1: longer than 100,000 characters"),
    ],
)
def test_each_mistake_is_named_with_its_line(text: str | bytes, problem: str) -> None:
    """The line, what is wrong with it, and what would be right."""
    found = problems_of(text)
    assert found
    assert found[0].startswith(problem), found[0]
    assert len(found[0]) < 400


def test_all_mistakes_are_found_at_once() -> None:
    """A good row among bad ones is a job; the bad ones are all told."""
    text = f"key,image_url,duration\na,{ROOM},7\nb,{ROOM},5\nc,c.jpg,5\n"
    jobs, problems = plan(read_rows("jobs", text.encode()), DEFAULTS)
    assert [(job.key, job.line) for job in jobs] == [("b", 3)]
    assert [problem.line for problem in problems] == [2, 4]


def test_what_no_row_names_is_told_once() -> None:
    """With the options that mend it; other mistakes are told beside it, and a row that names it alone tells of all."""
    text = f"key,image_url,duration\na,{ROOM},\nb,{ROOM},\nc,c.jpg,\n"
    jobs, problems = plan(read_rows("jobs", text.encode()), {})
    assert not jobs
    assert [str(problem).partition(", not ")[0] for problem in problems] == [
        "jobs: duration and resolution are missing in all rows: add --duration 5 --resolution 720p",
        "jobs:4: image_url must be an http(s) URL",
    ]
    problems = plan(read_rows("jobs", f"image_url,duration\n{ROOM},\n{ROOM}?2,5\n".encode()), {})[1]
    assert [str(problem) for problem in problems] == [
        "jobs: resolution is missing in all rows: add --resolution 720p",
        "jobs:2: duration is missing: add --duration 5, or name it in the row",
    ]
    assert plan(read_rows("jobs", f"{ROOM}\n{ROOM}2\n".encode()), {"duration": 5, "resolution": "480p"})[1] == []


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("https://x.example/wohn zimmer.jpg", "after 'https://x.example/wohn': write %20 for it"),
        ("https://x.example/wohn\u00a0zimmer.jpg", "write %C2%A0 for it, or remove it"),
        ("https://x.example/wohn\u200bzimmer.jpg", "remove it"),
        ("https://x.example/wohn\\tzimmer.jpg", "remove it"),
        (" https://x.example/a.jpg", "after '': remove it"),
        ("https://x.example/a.jpg ", "/a.jpg': remove it"),
    ],
)
def test_a_blank_in_a_url_is_mended_where_it_belongs_there(url: str, fix: str) -> None:
    """Removing the space in a name would make another name of it."""
    (problem,) = problems_of(f'{{"imageUrl": "{url}"}}')
    assert problem.endswith(fix)


def test_what_a_row_leaves_out_may_be_given_for_all() -> None:
    """Without a default a missing field names its option; with one, the row's own value wins."""
    rows = list(read_rows("jobs", f"image_url,duration\n{ROOM},10\n".encode()))
    assert [str(problem) for problem in plan(rows, {})[1]] == [
        "jobs:2: resolution is missing: add --resolution 720p, or name it in the row"
    ]
    ((job,), _) = plan(rows, DEFAULTS)
    assert (job.request.duration, job.request.resolution) == (10, "480p")


def test_keys_are_the_same_in_every_run() -> None:
    """Without a key a job is named by what it asks for; a signature that changes does not change it."""
    first, second = (
        plan(read_rows("jobs", f"{ROOM}?signature={day}\n".encode()), DEFAULTS)[0][0].key for day in (1, 2)
    )
    assert first == second == derive_key(ImageToVideo(ROOM, duration=5, resolution="480p"))
    other = ImageToVideo(ROOM, duration=10, resolution="480p")
    assert derive_key(other) != first
    pair = ImageToVideo(ROOM, duration=5, resolution="480p", last_image_url="https://u:p@example.com/night.jpg?s=1")
    assert derive_key(pair) == derive_key(
        ImageToVideo(ROOM, duration=5, resolution="480p", last_image_url="https://example.com/night.jpg")
    )


def test_the_same_request_twice_is_two_jobs() -> None:
    """Their keys are told apart by their order; an explicit key in the way is stepped over."""
    base = derive_key(ImageToVideo(ROOM, duration=5, resolution="480p"))
    text = f"key,image_url\n{base}-2,{ROOM}\n,{ROOM}\n,{ROOM}\n"
    assert [job.key for job in plan(read_rows("jobs", text.encode()), DEFAULTS)[0]] == [f"{base}-2", base, f"{base}-3"]


def test_repetitions_are_counted() -> None:
    """The latest attempt at a job is the one that counts."""
    assert attempt_of("a", {}) == ("a", 1)
    assert attempt_of("a", {"a": 0, "a~2": 0, "a~3": 0, "a~5": 0}) == ("a~3", 3)


@pytest.mark.parametrize(
    ("text", "form"), [('  {"a": 1}', "jsonl"), ("HTTPS://x.example/a", "urls"), ("key,image_url\nhttps://x", "csv")]
)
def test_the_first_line_tells_the_form(text: str, form: str) -> None:
    """An object, a URL, or the names of columns."""
    assert guess(text) == form


@given(st.text())
def test_any_key_makes_a_file_name(key: str) -> None:
    """One part of a path on any system: no separator, no way up, not hidden, no device, short enough."""
    name = safe_name(key)
    assert name
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f]', name)
    assert not name.startswith(".")
    assert not name.endswith((".", " "))
    assert ".." not in name
    assert len(name.encode(errors="surrogatepass")) <= 130


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("..", "job"),
        ("a/../b", "a_b"),
        ("C:\\Windows\\x", "C_Windows_x"),
        ("NUL.txt", "_NUL.txt"),
        ("CON .x", "_CON .x"),
        ("com¹", "_com¹"),
        ("=HYPERLINK(1)", "HYPERLINK_1"),
        ("-rf", "rf"),
        ("Küche\u202e 3", "Küche_ 3"),
        ("ü" * 200, "ü" * 60),
    ],
)
def test_file_names_of_hostile_keys(key: str, name: str) -> None:
    """What somebody may try, and what becomes of it."""
    assert safe_name(key) == name


def test_patterns_of_urls() -> None:
    """Ranges keep their zeros, lists their order, and what is no pattern is itself: an IPv6 host has its brackets."""
    assert list(expand_urls("https://x.example/{a,b}-[08-10].jpg")) == [
        f"https://x.example/{letter}-{number}.jpg" for letter in "ab" for number in ("08", "09", "10")
    ]
    for url in ("https://x.example/%5Ba%5D.jpg", "http://[::1]/x.jpg", "HTTP://me@[fe80::1%25eth0]:8000"):
        assert list(expand_urls(url)) == [url]
    assert list(expand_urls("http://[::1]:8000/[1-2].jpg")) == ["http://[::1]:8000/1.jpg", "http://[::1]:8000/2.jpg"]
    rows = read_rows("urls", b"https://x.example/{a,b}.jpg\nhttps://x.example/c\n")
    named = [(row.line, row.fields["image_url"].rpartition("/")[2]) for row in rows if isinstance(row, Row)]
    assert named == [(1, "a.jpg"), (1, "b.jpg"), (2, "c")]


@pytest.mark.parametrize(
    ("rest", "left"),
    [
        ("r-[001-3.jpg", "[001-3.jpg"),
        ("r-{a,b.jpg", "{a,b.jpg"),
        ("r-001-3].jpg", "].jpg"),
        ("r-{a,{b,c}}.jpg", "{a,b,c}.jpg"),
        ("[a-z]{b}.jpg", "[a-z]{b}.jpg"),
        ("[1-9:2].jpg", "[1-9:2].jpg"),
        ("{a[1,b}-[1-2].jpg", "[1,b-.jpg"),
        ("[::1]/x.jpg", "[::1]/x.jpg"),
        ("a.jpg?w[0]=1", "[0]=1"),
    ],
)
def test_a_slip_in_a_pattern_is_no_url(rest: str, left: str) -> None:
    """It would be one job that fails, and it may have been meant to be four hundred: as an argument, and in a list."""
    words = re.escape(f"the {left[0]} in {left!r} neither counts nor lists: write [001-400] or {{day,night}}, or %")
    with pytest.raises(ValueError, match=f"^{words}{ord(left[0]):02X} for a real bracket$"):
        expand_urls(f"https://x.example/{rest}")
    (problem,) = read_rows("urls", f"https://x.example/{rest}".encode())
    assert str(problem).startswith(f"urls:1: the {left[0]} in ")


@pytest.mark.parametrize("pattern", ["x[5-1]", "x[1-99999999]", "x[1-200000]", "x[1-1000][1-1000]"])
def test_patterns_that_mean_too_much(pattern: str) -> None:
    """A slip of the keyboard does not make a million jobs."""
    with pytest.raises(ValueError, match=r"count up|stands for"):
        list(expand_urls(pattern))


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files by suffix or by look, patterns of files, URLs and their patterns."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text(json.dumps({"imageUrl": ROOM}))
    Path("b.jsonl").write_text(json.dumps({"imageUrl": f"{ROOM}b"}))
    Path("list.txt").write_text(f"{ROOM}c\n")
    rows = read_sources(["*.jsonl", "list.txt", "https://x.example/[1-2].jpg"])
    assert [(row.source, row.line, row.fields["image_url"]) for row in rows if isinstance(row, Row)] == [
        ("a.jsonl", 1, ROOM),
        ("b.jsonl", 1, f"{ROOM}b"),
        ("list.txt", 1, f"{ROOM}c"),
        ("argument", 3, "https://x.example/1.jpg"),
        ("argument", 3, "https://x.example/2.jpg"),
    ]


def test_jobs_from_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads it."""

    class Stdin:
        class buffer:  # noqa: N801 - as the real one is called
            @staticmethod
            def read() -> bytes:
                return ROOM.encode()

    monkeypatch.setattr("sys.stdin", Stdin)
    assert list(read_sources(["-"])) == [Row("stdin", 1, {"image_url": ROOM})]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("photo.JPG", "photo.JPG: this is a picture on this computer, and the API takes URLs only"),
        (".", ".: this is a folder, not a file of jobs. As for its pictures: the API takes URLs only"),
        ("none.csv", "none.csv: cannot be read: No such file or directory"),
        ("*.csv", "*.csv: no file matches this pattern"),
        ("https://x.example/[2-1]", "argument:1: [2-1] does not count up, or too far"),
    ],
)
def test_what_is_no_source_of_jobs(source: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs and folders are refused with the reason; so is what is not there."""
    monkeypatch.chdir(tmp_path)
    Path("photo.JPG").write_bytes(b"\xff\xd8")
    (found,) = read_sources([source])
    assert isinstance(found, Problem)
    assert str(found).startswith(problem)


# what spreadsheets and people make of tables


ONE = [{"key": "a", "image_url": ROOM, "duration": 5, "resolution": "480p"}]


@pytest.mark.parametrize(
    "text",
    [
        f"key,image_url,duration,resolution,,\na,{ROOM},5,480p,,\n,,,,,\n",
        f"key,image_url,duration,resolution\na,{ROOM},5,480p,,,\n",
        f"sep=;\r\nkey;image_url;duration;resolution\r\na;{ROOM};5;480p\r\n",
        f'"sep=,"\nkey,image_url,duration,resolution\na,{ROOM},5,480p\n',
        f'\n# rooms, "all" of them\nkey,image_url,duration,resolution\n# day,"\na,{ROOM},5,480p\n#b\n',
        f"key,image_url,duration,resolution\ra,{ROOM},5,480P\r",
        f'{{"key": "a", "imageUrl": "{ROOM}", "duration": 5, "resolution": "480p"}}\r\r',
        f'# one\n{{"key": "a", "imageUrl": "{ROOM}", "duration": 5, "resolution": "480p"}}\n',
        f"key\timage_url\tduration\tresolution\r\na\t{ROOM}\t5\t480p\r\n".encode("utf-16"),
        f"\ufeffkey\timage_url\tduration\tresolution\na\t{ROOM}\t5\t480p\n".encode("utf-16-be"),
    ],
)
def test_spreadsheets_are_read_as_they_write(text: str | bytes) -> None:
    """Surplus columns that are empty, Excel's `sep=`, its "Unicode Text", old line ends, comments, capital letters."""
    assert rows_of(text) == ONE


def test_urls_with_old_line_ends() -> None:
    """A list as an old editor leaves it."""
    assert rows_of("https://x.example/1\r# two\rhttps://x.example/2\r") == [
        {"image_url": "https://x.example/1"},
        {"image_url": "https://x.example/2"},
    ]


def test_model_types_as_people_type_them() -> None:
    """The API's spelling is made of them; what it does not know stays for the request to refuse."""
    text = f"image_url,model_type,resolution\n{ROOM},flash,720P\n{ROOM},BASE,4k\n"
    assert [(row["model_type"], row["resolution"]) for row in rows_of(text)] == [("Flash", "720p"), ("Base", "4k")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"image_url,,prompt\n{ROOM},oops,x\n", "jobs:2: 3 cells, but the header names 2 columns"),
        (
            "image_url\nhttps://x.example/a b.jpg\n",
            "jobs:2: image_url holds a space (U+0020) after 'https://x.example/a'",
        ),
        (f"image_url\n{ROOM}\u200b\n", "jobs:2: image_url holds a zero width space (U+200B) after"),
        (f"image_url\n{ROOM[:8]}\ufeff{ROOM[8:]}\n", "jobs:2: image_url holds a zero width no-break space (U+FEFF)"),
        ('{"imageUrl": "https://x.example/a\\u0007"}', "jobs:1: image_url holds a control character 7 (U+0007)"),
        (f"key,image_url\n#12,{ROOM}\n", "jobs:2: is this a comment, or a job with the key #12? Delete the line, or"),
        (
            f'key,prompt,image_url\n#12,"slow, then fast",{ROOM}\n',
            "jobs:2: is this a comment, or a job with the key #12",
        ),
        (f'key;prompt;image_url\n#12;"a "";"" b;c";"{ROOM}"\n', "jobs:2: is this a comment, or a job with the key #12"),
        (f"key,image_url\n#12,{ROOM},{'x' * 200_000}\n", "jobs:2: is this a comment, or a job with the key #12"),
        (f"image_url,colour\n{ROOM},red\n", "jobs:1: unknown column 'colour': there are key"),
    ],
)
def test_what_nobody_sees_is_named(text: str, problem: str) -> None:
    """A blank or a zero-width character in a URL, a comment that may be a job, a cell without a column."""
    assert problems_of(text)[0].startswith(problem), problems_of(text)


def test_a_quoted_hash_is_a_key() -> None:
    """No comment begins with a quote; without a column of keys in front, a # is always one."""
    assert rows_of(f'key,image_url\n"#12",{ROOM}\n') == [{"key": "#12", "image_url": ROOM}]
    assert rows_of(f"image_url,key\n{ROOM},1\n#{ROOM},2\n") == [{"image_url": ROOM, "key": "1"}]
    assert rows_of(f"key,image_url\n# see {ROOM}\n1,{ROOM}\n#\n") == [{"key": "1", "image_url": ROOM}]


def test_columns_may_be_left_out_by_name() -> None:
    """Only those that were named, however they are spelled; a field is never left out."""
    text = f"Image URL,My Note,colour\n{ROOM},x,red\n".encode()
    rows = [
        row.fields for row in read_rows("jobs", text, ignore=["my-note", "COLOUR", "image_url"]) if isinstance(row, Row)
    ]
    assert rows == [{"image_url": ROOM}]
    (problem,) = read_rows("jobs", text, ignore=["colour"])
    assert "unknown column 'My Note'" in str(problem)
    assert str(problem).endswith("(or leave it out: --ignore-columns 'My Note')")
    line = f'{{"imageUrl": "{ROOM}", "colour": 5}}'.encode()
    assert [row.fields for row in read_rows("jobs", line, ignore=["colour"]) if isinstance(row, Row)] == [
        {"image_url": ROOM}
    ]


BLANK = " \t\r\n\x1c\x85\xa0\u2028\u3000"
HOSTILE = [
    *("=1+1", "'=1", "'", "''", "-5 degrees", "@x", "+", "plain", 'a "quote", a comma', "two\nlines", "é客", ""),
    *(f"{blank}x" for blank in BLANK),
    *(f"x{blank}" for blank in BLANK),
    *BLANK,
]
TEXTS = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1, unique_by=lambda pair: pair[0]))
@example([(text, text) for text in HOSTILE])
def test_results_are_jobs_again(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str | None]]) -> None:
    """Whatever the keys and prompts are: both files give the same keys and requests back."""
    jobs = [
        Job(
            i, key if key.strip() else f"{key}/{i}{key}", ImageToVideo(ROOM, duration=5, resolution="480p", prompt=text)
        )
        for i, (key, text) in enumerate(pairs)
        if not re.search(r"~\d+$", key, re.ASCII)
    ]
    if not jobs:
        return
    for one in jobs:
        one.task_id, one.state = 10**18 + one.index, "failed"
    results = Results(tmp_path_factory.mktemp("results"))
    results.write_lines(jobs)
    results.write_table(jobs)
    for path in (results.lines, results.table):
        again, problems = plan(read_sources([str(path)]), {})
        assert problems == []
        assert [(job.key, job.request) for job in again] == [(job.key, job.request) for job in jobs]
        assert [job.earlier for job in again] == [f"task {job.task_id}" for job in jobs]


def test_results_that_lost_a_signature_are_no_jobs(tmp_path: Path) -> None:
    """A URL is kept without what follows its ?; made again from that, the picture could not be fetched."""
    results = Results(tmp_path)
    job = Job(0, "a", ImageToVideo(f"{ROOM}?signature=1", duration=5, resolution="480p"))
    results.write_lines([job])
    results.write_table([job])
    for path in (results.lines, results.table):
        (problem,) = plan(read_sources([str(path)]), {})[1]
        assert "results hold this job's URL without what follows its ?" in str(problem)


def test_long_numbers_are_text_in_a_table(tmp_path: Path) -> None:
    """A spreadsheet would round the 19 digits of an id; smaller numbers stay numbers."""
    results = Results(tmp_path)
    job = Job(0, "a", ImageToVideo(ROOM, duration=5, resolution="480p"), task_id=1234567890123456789, width=854)
    results.write_table([job])
    text = results.table.read_text("utf-8")
    assert ",'1234567890123456789," in text
    assert ",854," in text


def test_many_equal_rows_are_named_quickly() -> None:
    """Sixteen thousand of them: each is looked at a few times, not each against all before it."""
    request = ImageToVideo(ROOM, duration=5, resolution="480p")

    class Counting(dict[str, Row]):
        asked = 0

        def __contains__(self, key: object) -> bool:
            Counting.asked += 1
            return super().__contains__(key)

    seen = _Seen()
    seen.keys = Counting()
    keys = {seen.name(Row("jobs", line, {}), request) for line in range(16_000)}
    assert len(keys) == 16_000
    assert Counting.asked <= 2 * 16_000
