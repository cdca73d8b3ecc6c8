"""Which key seals and which one opens, also while a rotation is under way."""

from collections.abc import Iterable

from omniroute_agent.kernel.sealed import CannotUnseal, Keys, Place
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.sealing import MasterKey, MissingKey, WrongKey, key_id_of


class Sealer:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[bytes, MasterKey] = {}

    def unseal(self, sealed: bytes, place: Place) -> Secret:
        """
        Raises:
            CannotUnseal: it does not open; the subclass says why.
        """
        wanted = key_id_of(sealed)
        if wanted in self._known:
            return self._known[wanted].unseal(sealed, place)
        current = self._present()
        upcoming = self._keys.upcoming()
        if upcoming is not None and self._master(upcoming).id == wanted:
            # A rotation sealed with it and has not put it in its place yet.
            return self._master(upcoming).unseal(sealed, place)
        return current.unseal(sealed, place)

    def key_beside(self, sealed: Iterable[bytes]) -> MasterKey:
        """The key for a new value: the one that those already here were sealed with. It is made when there are none.

        Raises:
            CannotUnseal: the one that was found is another, so that the new value would be lost to the others.
        """
        wanted = {key_id_of(blob) for blob in sealed}
        if not wanted:
            key = self._keys.current()
            return self._master(self._keys.create() if key is None else key)
        current = self._present()
        upcoming = self._keys.upcoming()
        if current.id not in wanted and upcoming is not None and self._master(upcoming).id in wanted:
            self._keys.promote()
            return self._master(upcoming)
        if current.id not in wanted:
            raise WrongKey(
                f"the master key that was found ({current.id.hex()}, {self._keys.where()}) is not the one that sealed "
                "what is stored here; put the right one back, or remove those connections"
            )
        return current

    def new_key(self, sealed: Iterable[bytes]) -> MasterKey:
        """A key to seal all of these anew with, kept beside the present one.

        Raises:
            CannotUnseal: none can be had, or it is the same.
        """
        # An earlier rotation that ended too soon is finished first: its key must not be overwritten by the next one.
        self.key_beside(sealed)
        old = self._present()
        new = self._master(self._keys.draw_next())
        if new.id == old.id:
            raise CannotUnseal("the new master key is the present one")
        return new

    def promote(self, key: MasterKey) -> None:
        """Put a new key in its place, unless another rotation has drawn one since."""
        upcoming = self._keys.upcoming()
        if upcoming is not None and self._master(upcoming).id == key.id:
            self._keys.promote()

    def _present(self) -> MasterKey:
        key = self._keys.current()
        if key is None:
            raise MissingKey(
                "the master key that sealed it is gone; put it back where it was (the environment, the system's "
                "keyring or the file master.key), or remove the connection and add it again"
            )
        return self._master(key)

    def _master(self, key: Secret) -> MasterKey:
        master = MasterKey(key)
        return self._known.setdefault(master.id, master)
