"""Profile and quotas as the owner writes them, in the file and in variables."""

from pathlib import Path

import pytest

from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.page import rows
from omniroute_agent.settings.problems import SettingsError
from omniroute_agent.settings.sources import load


def read(directory: Path, text: str, **environment: str) -> Settings:
    path = directory / "config.toml"
    path.write_text(text, "utf-8")
    return load(config=path, data_dir=directory / "data", environment=environment)


def test_the_profile_is_balanced_unless_another_is_named(tmp_path: Path) -> None:
    assert read(tmp_path, "").resilience.profile == "balanced"
    assert read(tmp_path, '[resilience]\nprofile = "aggressive"\n').resilience.profile == "aggressive"
    assert read(tmp_path, "", OMNIROUTE_RESILIENCE_PROFILE="conservative").resilience.profile == "conservative"
    with pytest.raises(SettingsError, match="profile"):
        read(tmp_path, '[resilience]\nprofile = "reckless"\n')


def test_quotas_are_read_by_connection_and_shown_as_they_were_written(tmp_path: Path) -> None:
    file = read(tmp_path, '[quota.limits]\ngroq = ["1000 requests/day", "50 requests/5h"]\n')
    assert [str(limit) for limit in file.quota.limits["groq"]] == ["1000 requests/day", "50 requests/5h"]
    variable = read(tmp_path, "", OMNIROUTE_QUOTA_LIMITS="groq=1000 requests/day,groq=50 requests/5h")
    assert variable.quota.limits == file.quota.limits
    assert {row.key: row.value for row in rows(file)}["quota.limits"] == "groq: 1000 requests/day, 50 requests/5h"


@pytest.mark.parametrize("value", ['["often"]', '"1000 requests/day"', "[1000]", '["0 requests/day"]'])
def test_a_quota_that_cannot_be_read_is_refused_with_an_example(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="requests/day"):
        read(tmp_path, f"[quota.limits]\ngroq = {value}\n")
