from omniroute_agent.settings.toml_lines import line_of, lines

TEXT = '''\
# a comment
[server]
port = 1

[[connections]]
id = "a"
[[connections]]
"id" = "b"
note = """
[server]
port = 2
"""
headers.x = "y"
[prices."openai/gpt.4"]
input = 1
'''


def test_tables_keys_and_rows_are_found_on_their_lines() -> None:
    found = lines(TEXT)
    assert found["server", "port"] == 3
    assert found["connections", 1] == 7
    assert found["connections", 1, "id"] == 8
    assert found["connections", 1, "headers", "x"] == 13
    assert found["prices", "openai/gpt.4", "input"] == 15
    assert len(found) == 10


def test_what_has_no_line_of_its_own_gets_that_of_what_is_around_it() -> None:
    found = lines(TEXT)
    assert line_of(("connections", 0, "provider"), found) == 5
    assert line_of(("combos", 0), found) is None
