"""`bundle`: one file that Claude Desktop installs when it is opened."""

from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from omniroute_agent import __version__
from omniroute_agent.cli.failures import CommandFailed
from omniroute_agent.cli.page import err, out, print_json
from omniroute_agent.clients.bundle import PROGRAM, NotInstalled, contents

_READABLE: Final = 0o644


def make_bundle(output: Path | None, *, as_json: bool) -> int:
    path = (output or Path(f"{PROGRAM}-{__version__}.mcpb")).expanduser().absolute()
    draft = path.with_name(f".{path.name}.part")
    try:
        count = _write(draft)
        draft.replace(path)
    except NotInstalled as error:
        raise CommandFailed(
            f"A bundle can be made by an installed {PROGRAM} only: {error}.", "Install it with pip first."
        ) from None
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)
    size = path.stat().st_size
    if as_json:
        print_json({"file": str(path), "version": __version__, "files": count, "bytes": size})
        return 0
    out().line(str(path))
    err().line(f"{count} files, {size / 1e6:.1f} MB. Open it with Claude Desktop, which asks for the rest.", "dim")
    return 0


def _write(path: Path) -> int:
    """The same program makes the same bundle, byte for byte: every file carries the earliest date a zip can."""
    count = 0
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in contents(__version__):
            info = ZipInfo(name)
            info.external_attr = _READABLE << 16
            info.compress_type = ZIP_DEFLATED
            archive.writestr(info, content)
            count += 1
    return count
