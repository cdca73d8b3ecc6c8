from pathlib import Path

from omniroute_agent.store.locks import FileLock


def test_two_may_share_what_nobody_has_alone(tmp_path: Path) -> None:
    one, two, three = (FileLock(tmp_path / "lock") for _ in range(3))
    assert one.try_shared()
    assert two.try_shared()
    assert not three.try_exclusive()
    one.release()
    two.unlock()
    assert three.try_exclusive()
    assert not two.try_shared()
    three.release()
    two.release()


def test_letting_go_twice_is_letting_go(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    lock.exclusive()
    lock.release()
    lock.release()
    lock.unlock()
    lock.shared()
    other = FileLock(tmp_path / "lock")
    assert other.try_shared()
    other.release()
    lock.release()
