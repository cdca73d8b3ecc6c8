"""Keys with scopes: made, used, changed and taken back while a server runs."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zlib import crc32

import pytest

from doors.asgi import knock
from doors.keyed import keyed
from omniroute_agent.doors import keybook
from omniroute_agent.kernel.view import View
from omniroute_agent.store.database import Database
from omniroute_agent.store.keys import KeyRows


async def test_a_key_opens_what_its_scopes_allow_and_nothing_more(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        row, key = await door.new_key(["read:health", "write:budget"])
        answer = await door.ask(key)
        assert answer.status == 200
        assert answer.json["result"]["structuredContent"]["caller"] == row.id
        refused = await door.ask(key, "guarded")
        assert (refused.status, refused.json["error"]["data"]["missing"]) == (403, ["write:pricing"])
        assert refused.challenge == {
            "realm": "omniroute-agent",
            "error": "insufficient_scope",
            "scope": "read:health write:budget write:pricing",
        }
        assert refused.json["id"] == 7


async def test_only_the_digest_of_a_key_is_kept(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        _, key = await door.new_key()
        assert (await door.ask(key)).status == 200
    secret = key.split("_", 2)[2][:43].encode()
    assert [path.name for path in files_in(tmp_path) if secret in path.read_bytes()] == []


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_file()]


async def test_a_key_made_by_another_process_is_good_at_once(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        _, first = await door.new_key()
        assert (await door.ask(first)).status == 200
        other = await Database.open(tmp_path)
        try:
            drawn = keybook.draw_key(door.ids, lambda: "x" * 43)
            row, _ = await door.new_key(name="model")
            await KeyRows(other).put(
                lambda rows: type(row)(
                    id=drawn.id,
                    name="b",
                    digest=drawn.digest,
                    scopes=row.scopes,
                    view=row.view,
                    created_at=rows[0].created_at,
                )
            )
        finally:
            await other.close()
        door.clock.advance(keybook.LOOK_SECONDS)
        assert (await door.ask(drawn.key.reveal())).status == 200


async def test_a_revoked_key_is_out_within_half_a_second_and_is_told_so(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        row, key = await door.new_key()
        assert (await door.ask(key)).status == 200
        await door.change(row, revoked_at=door.clock.now().timestamp())
        door.clock.advance(keybook.LOOK_SECONDS)
        answer = await door.ask(key)
        assert (answer.status, answer.challenge["error"]) == (401, "invalid_token")
        assert answer.json["error"]["message"] == "This key was revoked on 2026-11-21."
        assert "keys create" in answer.json["error"]["hint"]


async def test_an_expired_key_is_out_and_is_told_so(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        end = door.clock.now() + timedelta(hours=1)
        _, key = await door.new_key(expires_at=end.timestamp())
        assert (await door.ask(key)).status == 200
        door.clock.advance(3600)
        answer = await door.ask(key)
        assert (answer.status, answer.json["error"]["message"]) == (401, "This key expired on 2026-11-21.")


async def test_more_scopes_are_good_in_the_same_session_without_a_restart(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        row, key = await door.new_key(["read:health"])
        assert (await door.ask(key, "guarded")).status == 403
        await door.change(row, scopes=frozenset(("write:budget", "write:pricing")))
        door.clock.advance(keybook.LOOK_SECONDS)
        assert (await door.ask(key, "guarded")).json["result"]["structuredContent"] == {"done": True}


async def test_a_key_shows_only_the_tools_it_is_for(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        _, key = await door.new_key(view=View(tools=frozenset(("omniroute_ok",))))
        assert (await door.ask(key)).status == 200
        hidden = await door.ask(key, "fail")
        assert (hidden.json["error"]["code"], "switched off" in hidden.json["error"]["message"]) == (-32602, True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key + "0",
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key.replace("ork_", "ORK_"),
        lambda key: key.replace("_", "-", 1),
        lambda key: key[:4],
        lambda key: key[:4] + "x" * 100_000,
        lambda key: key.swapcase(),
        lambda key: key + "\x00",
        lambda key: _resealed(key[:4] + "0000000009" + key[14:-8]),
        lambda key: _resealed(key[:15] + "A" * 43),
        lambda key: _resealed(key[:-9] + ("A" if key[-9] != "A" else "B")),
    ],
)
async def test_what_is_not_the_key_opens_nothing(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    async with keyed(tmp_path) as door:
        _, key = await door.new_key()
        answer = await door.ask(spoil(key))
        assert (answer.status, answer.challenge["error"]) == (401, "invalid_token")
        assert key[15:-8].encode() not in answer.body


def _resealed(text: str) -> str:
    """With a checksum that fits: only the digest can tell."""
    return f"{text}{crc32(text.encode()):08x}"


async def test_a_stranger_never_reaches_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with keyed(tmp_path) as door:
        _, key = await door.new_key()
        assert (await door.ask(_resealed(key[:4] + "0000000009" + key[14:-8]))).status == 401
        reads = 0
        read = Database.read

        async def counted(self: Database, job: "object") -> object:
            nonlocal reads
            reads += 1
            return await read(self, job)  # type: ignore[arg-type]  # as it came

        monkeypatch.setattr(Database, "read", counted)
        for number in range(200):
            assert (await door.ask(_resealed(f"ork_{number:010d}_{'A' * 43}"))).status == 401
        assert reads == 0


async def test_who_asks_while_the_keys_are_read_waits_for_them(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        row, key = await door.new_key()
        await door.ask(key)
        await door.change(row, revoked_at=1.0)
        door.clock.advance(keybook.LOOK_SECONDS)
        answers = await asyncio.gather(*(knock(door.app, headers={"x-api-key": key}) for _ in range(20)))
        assert {answer.status for answer in answers} == {401}


async def test_keys_that_cannot_be_read_open_nothing(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        _, key = await door.new_key()
        await door.ask(key)
        await door.rows.database.close()
        door.clock.advance(keybook.LOOK_SECONDS)
        answer = await door.ask(key)
        assert (answer.status, answer.json["error"]["code"]) == (503, "unavailable")


async def test_uses_are_noted_once_a_minute_and_at_the_end(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        row, key = await door.new_key()
        await door.ask(key)
        count, rows = await door.rows.all()
        assert rows[0].last_used_at is None
        door.clock.advance(keybook.NOTE_SECONDS)
        before = door.clock.now().timestamp()
        await door.ask(key)
        door.clock.advance(5)
        await door.ask(key)
        # Nobody waits for the note, so it may be on its way still.
        noted = None
        for _ in range(1000):
            if noted := (await door.rows.all())[1][0].last_used_at:
                break
            await asyncio.sleep(0.01)
        assert noted == before - keybook.NOTE_SECONDS
    database = await Database.open(tmp_path)
    try:
        after, (kept,) = await KeyRows(database).all()
        assert kept.last_used_at == before + 5
        assert after == count, "a use is no change that servers must look at"
        assert kept.id == row.id
    finally:
        await database.close()


async def test_several_keys_are_several_callers(tmp_path: Path) -> None:
    async with keyed(tmp_path) as door:
        keys = [await door.new_key(name=str(number)) for number in range(5)]
        seen = [(await door.ask(key)).json["result"]["structuredContent"] for _, key in keys]
        assert [each["caller"] for each in seen] == [row.id for row, _ in keys]
        assert len({each["session"] for each in seen}) == 5
        both = {"Authorization": f"Bearer {keys[0][1]}", "x-api-key": keys[1][1]}
        assert (await knock(door.app, headers=both)).status == 401
