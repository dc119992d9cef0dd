"""A package's hot modules translated to C: the same modules, used in place of their source as long as that is what they
came from.

mypyc compiles typed Python as it stands; `compilation.py` runs it. What comes out lies in a folder that bears the
digest of the sources, and appears there complete. Everything works without: the figures are in docs/performance.md.
"""

import logging
import os
import sys
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

__all__ = ["CompiledForm"]

OFF = "off"

logger = logging.getLogger(__name__)


class CompiledForm:
    """What of a package is compiled, and where the result is.

    :param package: the folder of its sources
    :param modules: to be translated, as paths within the package without their suffix: `wire/frames`
    :param extensions: modules written in C, built and found with the others
    """

    def __init__(self, package: Path, modules: tuple[str, ...], extensions: tuple[str, ...] = ()) -> None:
        self.package = package
        self.modules = modules
        self.extensions = extensions
        self.folder = package / "_compiled"
        self.shared_library = f"{package.name}__mypyc"
        """The code of all modules; each module's own file only leads to it."""
        self._used: Path | None = None
        self._parts = sorted({"", *(module.rpartition("/")[0] for module in modules)})

    def search_path(self, source_path: Iterable[str], part: str = "") -> list[str]:
        """The `__path__` of the package, or of a subpackage: its compiled modules are found before their source, if
        there are any that came from the sources as they are and can be loaded.

        All of them or none: compiled modules reach into each other without a look-up. ``SKYSAIL_COMPILED=off`` leaves
        them out.

        :param source_path: its own `__path__`
        :param part: the subpackage; the package itself has to ask before
        """
        if not part:
            self._used = self._found()
        return [*([] if self._used is None else [str(self._used / part)]), *source_path]

    def is_in_use(self) -> bool:
        """Whether this process runs the compiled modules."""
        return self.shared_library in sys.modules

    def digest(self) -> str:
        """Of everything that compiled modules follow from: this Python and the sources of the package and of those
        subpackages that have modules to compile, all of them, for the code relies on the types in modules that are not
        compiled too.

        :raises OSError: a source cannot be read
        """
        # Not at the top: it costs milliseconds where nothing is compiled.
        import hashlib

        content = hashlib.sha256(f"{sys.version} {EXTENSION_SUFFIXES[0]}".encode())
        for path in self.sources():
            source = path.read_bytes()
            content.update(f"{path.relative_to(self.package)} {len(source)}\n".encode())
            content.update(source)
        return content.hexdigest()

    def is_complete(self, folder: Path) -> bool:
        """Whether all that a compilation leaves behind is in `folder`."""
        try:
            return all((folder / (name + EXTENSION_SUFFIXES[0])).stat().st_size for name in self.libraries())
        except FileNotFoundError:
            return False

    def libraries(self) -> list[str]:
        """What a compilation leaves behind, as paths within its folder without their suffix."""
        return [self.shared_library, *self.extensions, *self.modules]

    def sources(self) -> list[Path]:
        """What `digest` is of."""
        folders = [self.package / part for part in self._parts]
        return sorted(path for folder in folders for suffix in ("py", "c") for path in folder.glob(f"*.{suffix}"))

    def _found(self) -> Path | None:
        if os.environ.get("SKYSAIL_COMPILED") == OFF or not self.folder.exists():
            return None
        try:
            folder = self.folder / self.digest()
            if not self.is_complete(folder):
                return None
            self._load_shared_library(folder)
        except (ImportError, OSError) as error:
            logger.warning("the compiled modules cannot be used, their source is: %s", error)
            return None
        return folder

    def _load_shared_library(self, folder: Path) -> None:
        """The modules import it by name; it is not on the path. :raises ImportError: it cannot be loaded"""
        name = self.shared_library
        location = str(folder / (name + EXTENSION_SUFFIXES[0]))
        spec = spec_from_file_location(name, location, loader=ExtensionFileLoader(name, location))
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {location}")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
