"""The base of our commands: what a noun refuses ends the command with the noun's own sentence."""

from abc import abstractmethod
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class RefusingCommand(BaseCommand):
    """A command that tells an error of `refusals` as one sentence, without a traceback."""

    refusals: tuple[type[Exception], ...] = ()

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            self.run(**options)
        except self.refusals as error:
            raise CommandError(str(error)) from error

    @abstractmethod
    def run(self, **options: Any) -> None:
        """Do the command's work."""
