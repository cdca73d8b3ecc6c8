"""One entry goes in and out of texts in three formats; everything else stays as its owner wrote it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.clients.edit import Format, drop, put, read
from omniroute_agent.clients.problems import CannotEdit
from omniroute_agent.clients.values import get, same_but_for_emptiness, with_value, without

ENTRY: dict[str, Any] = {"command": "/opt/o/omniroute-agent", "args": ["--data-dir", "/a b/ü", "mcp"]}
JSON_PATH = ("mcpServers", "omniroute")
TOML_PATH = ("mcp_servers", "omniroute")
YAML_PATH = ("extensions", "omniroute")

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
COMMENTS = st.sampled_from(("", "", "", '/* [x], {} " */', '// "omniroute": {\n', "/**/ // ,\n"))


@st.composite
def json_texts(draw: st.DrawFn, least: dict[str, Any] | None = None) -> str:
    """An object as a person may have written it: any layout, comments anywhere, trailing commas."""
    newline = draw(st.sampled_from(("\n", "\r\n")))
    flags = st.booleans()

    def gap() -> str:
        space = draw(st.sampled_from(("", " ", "\n", "\n  ", "\t", "\n\n    ")))
        return (space + draw(COMMENTS) + draw(st.sampled_from(("", " ", "\n")))).replace("\n", newline)

    def written(value: Any) -> str:
        if isinstance(value, dict):
            items = [f"{gap()}{json.dumps(key)}{gap()}:{gap()}{written(inner)}{gap()}" for key, inner in value.items()]
            return "{" + ",".join(items) + ("," + gap() if bool(items) and draw(flags) else gap()) + "}"
        if isinstance(value, list):
            return "[" + ",".join(f"{gap()}{written(inner)}{gap()}" for inner in value) + "]"
        return json.dumps(value, ensure_ascii=draw(flags))

    data = draw(st.dictionaries(WORDS.filter(lambda word: word != "mcpServers"), VALUES, max_size=3))
    if draw(flags) or least is not None:
        servers = draw(st.dictionaries(WORDS.filter(lambda word: word != "omniroute"), VALUES, max_size=3))
        position = draw(st.integers(0, len(servers)))
        items = list(servers.items())
        items[position:position] = (least or {}).items()
        data["mcpServers"] = dict(items)
    return gap() + written(data) + gap()


def comments(text: str) -> list[str]:
    """Comments of a text in order, strings not mistaken for them."""
    found = re.findall(r'"(?:[^"\\]|\\.)*"|(//[^\r\n]*|/\*.*?\*/)', text, re.DOTALL)
    return [comment for comment in found if comment]


@given(json_texts())
def test_an_entry_is_added_to_any_json_by_insertion_alone(text: str) -> None:
    changed = put(text, "json", JSON_PATH, ENTRY)
    assert read(changed, "json") == with_value(read(text, "json"), JSON_PATH, ENTRY)
    rest = iter(changed)
    assert all(character in rest for character in text)  # the old text is what remains without the inserted pieces
    assert comments(changed) == comments(text)


@given(json_texts({"omniroute": ENTRY}))
def test_an_entry_is_removed_from_any_json_and_all_comments_outside_it_stay(text: str) -> None:
    changed = drop(text, "json", JSON_PATH)
    assert read(changed, "json") == without(read(text, "json"), JSON_PATH)
    rest = iter(text)
    assert all(character in rest for character in changed)  # nothing came in


@given(json_texts())
def test_what_was_added_to_json_can_be_removed_again(text: str) -> None:
    back = drop(put(text, "json", JSON_PATH, ENTRY), "json", JSON_PATH)
    assert same_but_for_emptiness(read(back, "json"), read(text, "json"), JSON_PATH[:1])
    assert comments(back) == comments(text)


@pytest.mark.parametrize(
    "text",
    [
        '{\n  "mcpServers": {\n    "other": {"command": "x"}\n  }\n}\n',
        '{\n\t"mcpServers": {\n\t\t"other": 1 // mine\n\t},\n\t"last": 2,\n}',
        '{"mcpServers": {"other": 1}}',
        '{\r\n    "mcpServers": {\r\n        "other": 1, /* trailing */\r\n    }\r\n}\r\n',
        '{\n  "mcpServers": {\n    "other": 1\n    // "off": 2\n  }\n}\n',
    ],
)
def test_adding_and_removing_leaves_usual_json_byte_for_byte(text: str) -> None:
    changed = put(text, "json", JSON_PATH, ENTRY)
    assert changed != text
    assert drop(changed, "json", JSON_PATH) == text


def test_the_layout_of_a_file_is_taken_up() -> None:
    text = '{\n    // servers\n    "servers": {\n        "a": {}\n    }\n}\n'
    assert put(text, "json", ("servers", "omniroute"), {"command": "/o", "args": ["mcp"]}) == (
        '{\n    // servers\n    "servers": {\n        "a": {},\n        "omniroute": {\n'
        '            "command": "/o",\n            "args": [\n                "mcp"\n            ]\n'
        "        }\n    }\n}\n"
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a": 1', "line 1, column 8"),
        ('{\n  "a": 1\n  "b": 2\n}', "line 3, column 3"),
        ("{'a': 1}", "line 1, column 2"),
        ('{"a": 1} x', "line 1, column 10"),
        ('{"a": "\n"}', "line 1, column 7"),
        ("{ /* no end", "line 1, column 3"),
        ('{"a": NaN}', "line 1, column 7"),
        ("[" * 5_000, "nested too deeply"),
        ('{"a": ' + "9" * 5_000 + "}", "too long"),
        ("#!nonsense", "line 1, column 1"),
    ],
)
def test_broken_json_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(CannotEdit, match=re.escape(where)):
        put(text, "json", JSON_PATH, ENTRY)


@pytest.mark.parametrize("text", ["[]", "3", '"words"', '{"mcpServers": []}', '{"mcpServers": null}'])
def test_json_that_holds_something_else_in_that_place_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit):
        put(text, "json", JSON_PATH, ENTRY)


def test_of_two_members_with_one_name_the_last_counts_as_in_every_client() -> None:
    text = '{"mcpServers": {"a": 1}, "mcpServers": {"b": 2}}'
    changed = put(text, "json", JSON_PATH, ENTRY)
    assert json.loads(changed)["mcpServers"] == {"b": 2, "omniroute": ENTRY}
    twice = '{"mcpServers": {"omniroute": 1, "b": 2, "omniroute": 3}}'
    assert drop(twice, "json", JSON_PATH) == '{"mcpServers": {"b": 2}}'


TOML_TEXTS = (
    "",
    "# mine\n",
    'model = "o4"',
    'a = "b"\n\n[mcp_servers.other]\ncommand = "x"\nargs = [\n  "[a]", # no header\n]\n# about tui\n[tui]\nx = 1\n',
    'a = 1\r\n[mcp_servers]\r\nother = { command = "x" }\r\n\r\n# the end\r\n',
    'text = """\n[mcp_servers.omniroute]\ncommand = "no"\n"""\n[[list]]\nx = 1\n',
)


PIECES = st.sampled_from(
    (
        "# a comment\n",
        "\n",
        '[mcp_servers.other]\ncommand = "x" # y\n',
        "[mcp_servers.other.env]\nA = 1\n",
        '[mcp_servers."omniroute-2"]\nx = [\n  "omniroute", # z\n]\n',
        '[a]\nomniroute = """\n[mcp_servers.omniroute]\n"""\n',
        "[[list]]\nx = { omniroute = 1 }\n",
        "[b.mcp_servers.omniroute]\ny = 2\n",
        "[last]\nz = 3",
    )
)


@given(st.lists(PIECES, unique=True, max_size=8), st.sampled_from(("\n", "\r\n")))
def test_any_toml_gets_the_table_by_insertion_alone_and_is_the_same_after(pieces: list[str], newline: str) -> None:
    text = "".join(piece if piece.endswith("\n") or piece == pieces[-1] else f"{piece}\n" for piece in pieces)
    text = text.replace("\n", newline)
    try:
        before = read(text, "toml")
    except CannotEdit:
        return  # these pieces make no document together
    changed = put(text, "toml", TOML_PATH, ENTRY)
    assert changed.startswith(text)
    assert read(changed, "toml") == with_value(before, TOML_PATH, ENTRY)
    back = drop(changed, "toml", TOML_PATH)
    assert back in {text, text + newline}


@pytest.mark.parametrize("text", TOML_TEXTS)
def test_a_table_comes_at_the_end_of_toml_and_goes_byte_for_byte(text: str) -> None:
    changed = put(text, "toml", TOML_PATH, ENTRY)
    assert changed.startswith(text)
    assert read(changed, "toml") == with_value(read(text, "toml"), TOML_PATH, ENTRY)
    assert ("\r\n" in text) == ("\r\n" in changed)
    back = drop(changed, "toml", TOML_PATH)
    assert back == text or back.rstrip("\n") == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            '[mcp_servers.omniroute]\nargs = [\n "m",\n]\n\n[mcp_servers.omniroute.env]\nA = 1\n# other\n[b]\nc = 1\n',
            "# other\n[b]\nc = 1\n",
        ),
        ('[mcp_servers]\nomniroute = { command = "o" } # gone\nother = { command = "x" }\n', None),
        ('x = 1\n[mcp_servers."omniroute"]\ncommand = """\n[a]\n"""\n[z]\ny = 2\n', "x = 1\n[z]\ny = 2\n"),
        ('mcp_servers.omniroute.command = "o"\nmcp_servers.omniroute.args = ["mcp"]\nz = 1\n', "z = 1\n"),
    ],
)
def test_a_table_is_cut_out_of_toml_however_it_is_written(text: str, left: str | None) -> None:
    expected = '[mcp_servers]\nother = { command = "x" }\n' if left is None else left
    assert drop(text, "toml", TOML_PATH) == expected


def test_toml_that_cannot_be_cut_or_extended_is_left_alone() -> None:
    with pytest.raises(CannotEdit, match="cut out"):
        drop('mcp_servers = { omniroute = { command = "o" }, b = {} }\n', "toml", TOML_PATH)
    with pytest.raises(CannotEdit, match="extended"):
        put("mcp_servers = { b = {} }\n", "toml", TOML_PATH, ENTRY)
    with pytest.raises(CannotEdit, match="not valid TOML"):
        put("a = \n", "toml", TOML_PATH, ENTRY)


def test_one_key_of_a_table_is_changed_and_its_other_keys_and_comments_stay() -> None:
    text = (
        '[mcp_servers.omniroute] # ours\ncommand = "old"\nargs = [ # long\n  "mcp",\n]\ntool_timeout_sec = 5 # mine\n'
    )
    changed = put(put(text, "toml", (*TOML_PATH, "args"), ["a", "mcp"]), "toml", (*TOML_PATH, "cwd"), "/x")
    assert changed == (
        '[mcp_servers.omniroute] # ours\ncwd = "/x"\ncommand = "old"\n'
        'args = ["a", "mcp"]\ntool_timeout_sec = 5 # mine\n'
    )


YAML_TEXTS = (
    "",
    "GOOSE_MODEL: x\n",
    "GOOSE_MODEL: x",
    "# mine\nextensions:\n  # built in\n  developer:\n    enabled: true   # yes\n    args: ['a',  \"b\"]\nlast: 1\n",
    "extensions:\n    developer: {enabled: true}\n\n# the end\n",
    "extensions: {developer: {enabled: true}}\nlast: >\n  folded\n  text\n",
    "extensions:\r\n  developer:\r\n    enabled: true\r\n",
    "---\nextensions:\n  developer:\n    args:\n    - a\n    - b\n",
    "extensions:\nlast: 1\n",
    "extensions: {}\n",
    "a: &anchor {x: 1}\nextensions: # here\n  developer: *anchor\n",
)


@pytest.mark.parametrize("text", YAML_TEXTS)
def test_an_entry_is_added_to_yaml_by_insertion_alone_and_goes_again(text: str) -> None:
    before = read(text, "yaml")
    changed = put(text, "yaml", YAML_PATH, ENTRY)
    assert get(read(changed, "yaml"), YAML_PATH) == ENTRY
    rest = iter(changed)
    assert all(character in rest for character in text)
    assert changed.count("\r\n") == (changed.count("\n") if "\r\n" in text else 0)
    back = drop(changed, "yaml", YAML_PATH)
    assert same_but_for_emptiness(read(back, "yaml"), before, YAML_PATH[:1])
    if get(before, YAML_PATH[:1]):
        assert back == text


@st.composite
def yaml_texts(draw: st.DrawFn) -> str:
    """Extensions between other keys, in blocks and braces, with comments wherever those may stand."""
    indent = " " * draw(st.integers(1, 4))
    notes = st.sampled_from(("", "", "# note: {x}\n", "\n", "  # deep\n"))
    ends = st.sampled_from(("", "", "  # c"))
    values = st.sampled_from(("1", "'a b'", "[x, {y: 2}]", "{enabled: true}", "null", "\n          a: 1", "\n     - x"))
    names = draw(st.lists(st.sampled_from(("developer", "memory", '"quoted"', "last")), unique=True, max_size=3))
    lines = [f"{draw(notes)}{indent}{name}: {draw(values)}{draw(ends)}\n" for name in names]
    long = draw(st.sampled_from(("", f"{indent}long: |\n{indent}  omniroute:\n{indent}    text\n\n")))
    head = draw(st.sampled_from(("extensions:\n", "extensions: # here\n", '"extensions":\n')))
    text = f"{draw(notes)}a: 1\n{head}{''.join(lines)}{long}{draw(notes)}z: 2\n{draw(notes)}"
    return text.replace("\n", draw(st.sampled_from(("\n", "\r\n"))))


@given(yaml_texts())
def test_any_yaml_gets_the_entry_by_insertion_alone_and_is_the_same_after(text: str) -> None:
    before = read(text, "yaml")
    changed = put(text, "yaml", YAML_PATH, ENTRY)
    rest = iter(changed)
    assert all(character in rest for character in text)
    back = drop(changed, "yaml", YAML_PATH)
    assert same_but_for_emptiness(read(back, "yaml"), before, YAML_PATH[:1])
    if get(before, YAML_PATH[:1]):
        assert back == text


@given(yaml_texts(), st.integers(0, 3))
def test_an_entry_among_others_goes_from_any_yaml_with_nothing_else(text: str, index: int) -> None:
    names = list(get(read(text, "yaml"), YAML_PATH[:1]) or {})
    if not names:
        return
    path = (*YAML_PATH[:1], names[index % len(names)])
    try:
        changed = drop(text, "yaml", path)
    except CannotEdit:
        return  # refused is right, too; wrong would be another text
    assert get(read(changed, "yaml"), path) is None
    rest = iter(text)
    assert len(names) == 1 or all(character in rest for character in changed)


@pytest.mark.parametrize(
    "text",
    ["- a\n", "extensions: [a]\n", "extensions: null\n", "a: 1\n...\n", "a: b: c\n", "a: 1\n---\nb: 2\n", "\t- x"],
)
def test_yaml_that_is_broken_or_holds_something_else_there_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit):
        put(text, "yaml", YAML_PATH, ENTRY)


def test_one_value_of_a_yaml_entry_is_changed_in_place() -> None:
    text = "extensions:\n  omniroute:\n    cmd: old # mine\n    args:\n    - mcp\n\n  # next\n  other:\n    x: 1\n"
    changed = put(put(text, "yaml", (*YAML_PATH, "args"), ["a", "mcp"]), "yaml", (*YAML_PATH, "cmd"), "/new")
    assert changed == (
        'extensions:\n  omniroute:\n    cmd: "/new" # mine\n    args: ["a", "mcp"]\n\n  # next\n  other:\n    x: 1\n'
    )


@pytest.mark.parametrize("form", ["json", "toml", "yaml"])
def test_removing_what_is_not_there_changes_nothing(form: Format) -> None:
    text = {"json": '{"a": {}}', "toml": "[a]\n", "yaml": "a: {}\n"}[form]
    assert drop(text, form, ("a", "omniroute")) == text
