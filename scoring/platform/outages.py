"""A database that cannot be reached: recognised from the failed statement, answered with 503 and Retry-After.

A statement that the database itself gave up (a lock that was waited for too long, a page that takes minutes, a
deadlock) is none: the database is there, waiting may not mend it, and a person must see where it was. It stays a 500,
which the grading page sends again too.
"""

import logging

from django.db import Error, InterfaceError, OperationalError

RETRY_AFTER = 5  # seconds: a PostgreSQL that was killed is back by then, and one that is gone for long is asked seldom
HEADERS = {"Retry-After": str(RETRY_AFTER)}
SENTENCE = "The database can't be reached just now. Send this again in a moment."
# SQLSTATEs: it is being stopped, has crashed, is starting, has no connection left. Without one, nothing answered.
AWAY = {None, "57P01", "57P02", "57P03", "53300"}
LOST_CONNECTIONS = "08"  # the class of errors

logger = logging.getLogger(__name__)


def is_away(error: BaseException | None) -> bool:
    """Whether an error, or its cause, was a database that could not be reached.

    Code that goes on after such an error meets others, of a transaction that is over.
    """
    while isinstance(error, Error):
        if isinstance(error, InterfaceError) or (isinstance(error, OperationalError) and _nobody_there(error)):
            return True
        error = error.__context__
    return False


def note(error: BaseException | None, method: str | None) -> None:
    """Write the one line in the log that an answer leaves, in the place of Django's traceback.

    A warning: errors of the log go to Sentry, and /readyz reports this already.
    """
    logger.warning("The database is away, %s is answered 503: %s", method, str(error).partition("\n")[0])


def _nobody_there(error: OperationalError) -> bool:
    code = getattr(error.__cause__, "pgcode", None)
    return code in AWAY or str(code).startswith(LOST_CONNECTIONS)
